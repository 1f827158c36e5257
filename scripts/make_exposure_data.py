"""Makes data/exposure again from data/demo and data/sensors: real drives, and real readings that never met them.

    python scripts/make_exposure_data.py

The bundled drives are of Nebraska in May 2019, the stations of Aberdeen in April. So that something can be joined, the
stations' readings are moved in place and time: 32 days later, and to where the drives were. The values are as measured.
The same originals give the same bytes.
"""

import gzip
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "data"

DRIVES = ("nds-drive-6", "nds-drive-9", "nds-drive-10")
"""They are of one day, 2019-05-26."""

LATER_MS = 32 * 86_400_000
PLACES = {
    "sc-location-11392": (41.2485, -96.0299),  # where drive 6 begins
    "sc-location-11441": (41.2520, -96.0340),
    "sc-location-11476": (41.2852, -96.0240),  # where drive 10 begins
}


def main(folder: Path) -> None:
    """Writes the file into a folder."""
    folder.mkdir(exist_ok=True)
    drives = [each for each in _lines(DATA / "demo/driveplotr-nds.jsonl.gz") if each["vehicle_id"] in DRIVES]
    readings = [_moved(each) for each in _lines(DATA / "sensors/sensor-community.jsonl.gz")]
    day = {time // 86_400_000 for each in drives for time in each["samples"]["t"]}
    readings = [each for each in readings if each["samples"]["t"][0] // 86_400_000 in day]
    lines = [json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in drives + readings]
    (folder / "drives-and-sensors.jsonl.gz").write_bytes(gzip.compress(b"".join(lines), 9, mtime=0))
    print(f"{len(drives)} messages of drives, {len(readings)} readings")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def _moved(message: dict[str, Any]) -> dict[str, Any]:
    lat, lon = PLACES[message["station_id"]]
    samples = {**message["samples"], "t": [time + LATER_MS for time in message["samples"]["t"]]}
    return {**message, "lat": lat, "lon": lon, "samples": samples}


if __name__ == "__main__":
    main(DATA / "exposure")
