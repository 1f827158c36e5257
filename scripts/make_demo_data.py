"""Makes data/demo, data/sensors, data/samples and data/published again from the original data sets.

    python scripts/make_demo_data.py [FOLDER]

FOLDER (default ../shared/data) holds `nrel-cmap-drives`, `driveplotr-nds`, `drive-cycles` and `sensor-community`, as
their SOURCE.md describe.
The same originals give the same bytes. Licences of what is bundled: NOTICE.
"""

import csv
import gzip
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from kappafleet.importers import Recorded, Recording, driveplotr_nds, nrel_cmap, sensor_community
from kappafleet.importers.recording import message_lines

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"

# Vehicles taken whole, so that the published statistics of their trips apply: short and long days, trips with
# and without gaps, the hardest braking of the set (4113492_1), five days of one vehicle (4111928_1).
VEHICLES = (
    "4033363_1",
    "4105836_2",
    "4111928_1",
    "4113492_1",
    "4114555_1",
    "4116361_1",
    "4116728_1",
    "4116813_1",
)
# Drives with most labelled events; 6 has the only one called high, 15 the longest gap.
DRIVES = ("1", "6", "9", "10", "15")

# A truck drives the long-haul cycle until it stands for good, and reports every five seconds.
LONG_HAUL_START = datetime(2019, 6, 3, 5, tzinfo=UTC)
LONG_HAUL_STEP_S = 5

SAMPLE_VEHICLES = ("4033363_1", "4113492_1")
SAMPLE_DRIVES = ("3", "12")

# Sensors by location, and two days with more dust than others; the first of both is also the sample.
SENSORS = {"11392": "22449", "11441": "22549", "11476": "22618"}
DAYS = ("2019-04-24", "2019-04-25")
DAY_S = 86_400
FIRST_DAY_S = 1_556_064_000


def main(originals: Path) -> None:
    """Writes everything, from the folder of the original data sets."""
    nrel, nds = originals / "nrel-cmap-drives", originals / "driveplotr-nds"
    nds_file = driveplotr_nds.files(nds)[0]
    days = [day for vehicle in VEHICLES for day in nrel_cmap.files(nrel / vehicle)]
    _write_messages("nrel-cmap", (recording for day in days for recording in nrel_cmap.recordings(day)))
    wanted = {f"nds-drive-{drive}" for drive in DRIVES}
    drives = driveplotr_nds.recordings(nds_file)
    _write_messages("driveplotr-nds", (recording for recording in drives if recording.vehicle_id in wanted))

    _write_messages("long-haul", [_long_haul(originals / "drive-cycles")], "hours")

    trips = [trip for vehicle in VEHICLES for trip in nrel_cmap.published_trips(nrel / vehicle)]
    _write_table(
        "nrel-cmap-trips",
        ("vehicle_id", "start_ms", "end_ms", "distance_m", "max_speed_kmh", "zero_s", "driving_s"),
        (
            (t.vehicle_id, t.start_ms, t.end_ms, t.distance_m, t.max_speed_kmh, t.zero_s, t.driving_s)
            for t in sorted(trips, key=lambda t: (t.vehicle_id, t.start_ms))
        ),
    )
    events = [event for event in driveplotr_nds.published_events(nds) if event.vehicle_id in wanted]
    _write_table(
        "driveplotr-nds-events",
        ("vehicle_id", "start_ms", "end_ms", "categories"),
        ((e.vehicle_id, e.start_ms, e.end_ms, " ".join(e.categories)) for e in events),
    )
    _copy_samples(nrel, nds_file)
    _cut_sensors(originals / "sensor-community")


def _long_haul(cycles: Path) -> Recording:
    with gzip.open(cycles / "longHaulDriveCycle.csv.gz", "rt", encoding="utf-8-sig") as text:
        speeds = [float(row["cycMps"]) * 3.6 for row in csv.DictReader(text)]
    end = max(second for second, speed in enumerate(speeds) if speed) + LONG_HAUL_STEP_S
    seconds = range(0, end + 1, LONG_HAUL_STEP_S)
    start_ms = round(LONG_HAUL_START.timestamp()) * 1000
    return Recording(
        vehicle_id="long-haul-truck",
        driver_id="long-haul-driver",
        fleet_id="long-haul",
        vehicle_class="truck",
        t=[start_ms + second * 1000 for second in seconds],
        samples={"speed": [round(speeds[second], 2) for second in seconds]},
    )


def _write_messages(name: str, recordings: Iterable[Recorded], folder: str = "demo") -> None:
    text = "".join(line + "\n" for line, _ in message_lines(recordings))
    _write_gzip(DATA / folder / f"{name}.jsonl.gz", text)


def _write_table(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    target = DATA / "published" / f"{name}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _copy_samples(nrel: Path, nds_file: Path) -> None:
    for vehicle in SAMPLE_VEHICLES:
        target = DATA / "samples" / "nrel-cmap-drives" / vehicle
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted((nrel / vehicle).iterdir()):
            shutil.copyfile(file, target / file.name)
    with gzip.open(nds_file, "rt", newline="") as text:
        header, *lines = text
    kept = [line for line in lines if line.split(",", 1)[0] in SAMPLE_DRIVES]
    _write_gzip(DATA / "samples" / "driveplotr-nds" / "nds_sample.csv.gz", header + "".join(kept))


def _cut_sensors(originals: Path) -> None:
    """The days of the raw readings and of the 6-minute series, as original files; then the messages made of them."""
    folder = DATA / "samples" / "sensor-community"
    with tempfile.TemporaryDirectory() as scratch:
        for place, (location, sensor) in enumerate(SENSORS.items()):
            (raw,) = originals.glob(f"raw_sds011_{sensor}_*.csv.gz")
            series = originals / f"location_{location}_6min_last.json.gz"
            for target, days in ((Path(scratch), DAYS), (folder, DAYS[:1])):
                if target == folder and place:
                    continue
                _write_gzip(target / f"{days[0]}_sds011_sensor_{sensor}.csv.gz", _raw_of(raw, days))
                _write_gzip(target / f"location_{location}_6min_last.json.gz", _series_of(series, len(days)))
        found = sensor_community.files(Path(scratch))
        recordings = [recording for file in found for recording in sensor_community.recordings(file)]
        _write_messages("sensor-community", recordings, "sensors")


def _raw_of(file: Path, days: Sequence[str]) -> str:
    with gzip.open(file, "rt", newline="") as text:
        header, *lines = text
    return header + "".join(line for line in lines if line.split(";")[5][:10] in days)


def _series_of(file: Path, days: int) -> str:
    content = json.loads(gzip.decompress(file.read_bytes()))
    for location in content.values():
        location["readings"] = {
            start: values
            for start, values in location["readings"].items()
            if 0 <= int(start) - FIRST_DAY_S < days * DAY_S
        }
    return json.dumps(content, indent=1)


def _write_gzip(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data")
