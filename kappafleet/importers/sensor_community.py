"""sensor-community: low-cost air quality, temperature and humidity sensors of sensor.community (luftdaten.info).

Two kinds of files:

* The archive's CSV files, cells apart by semicolons, one or several sensors in a file: `sensor_id;sensor_type;
  location;lat;lon;timestamp;...` and then what that type measures. Times are UTC. `P1` is PM10 and `P2` PM2.5 in µg/m³,
  `temperature` °C, `humidity` %, `pressure` Pa (ours: hPa). Further columns are ignored.
* The 6-minute series that the mirror abdn_air_quality made of them, `location_*.json`: the last value in [t, t + 360 s)
  of all sensors of a location. Of these only the sensors of temperature and humidity are imported, whose raw readings
  the mirror does not have; their time is the beginning of the 6 minutes.

Sensor `sc-<sensor_id>`, station `sc-location-<location>`, model the sensor_type. Readings are brought in the order of
their times; of equal times of a sensor the first counts.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kappafleet.errors import UserError
from kappafleet.importers.recording import Observations
from kappafleet.importers.table import MISSING, header, number, rows, scaled

NAME = "sensor-community"
TITLE = "sensor.community (luftdaten.info): its archive's CSV files, and a mirror's 6-minute series (location_*.json)"

SERIES_MS = 360_000
"""Length of the mirror's intervals."""

_WHAT = f"a file of {NAME}"
_HEAD = ("sensor_id", "sensor_type", "location", "lat", "lon", "timestamp")
_QUANTITIES = {
    "P2": ("pm2_5", 1.0),
    "P1": ("pm10", 1.0),
    "temperature": ("temperature", 1.0),
    "humidity": ("humidity", 1.0),
    "pressure": ("pressure", 0.01),
}
_NOT_THERE = frozenset({*MISSING, "unavailable", "unknown", "None"})


@dataclass(slots=True)
class _Sensor:
    model: str
    location: str
    lat: float | None
    lon: float | None
    readings: dict[int, list[float | None]] = field(default_factory=dict)


def files(path: Path) -> list[Path]:
    """The data files of `path`: one file, or all in a folder and its folders, in the order of their names.

    The archive's names begin with the day.

    Raises:
        UserError: there is none.
    """
    if path.is_file():
        return [path]
    patterns = ("*.csv", "*.csv.gz", "location_*.json", "location_*.json.gz")
    found = sorted(
        (file for each in patterns for file in path.rglob(each)), key=lambda file: (file.name, file)
    )
    if not found:
        raise UserError(f"{path} holds no {NAME} data: no .csv, .csv.gz or location_*.json in it")
    return found


def recordings(file: Path) -> Iterator[Observations]:
    """One recording for each sensor of a file and each place that it was at, in the order of first appearance.

    Raises:
        UserError: not such a file, or a cell that is no number or no time.
    """
    if ".json" in file.suffixes:
        yield from _of_location(file)
        return
    names = header(file, _WHAT, ";")
    quantities = [name for name in _QUANTITIES if name in names]
    sensors: dict[tuple[str, ...], _Sensor] = {}
    for line, cells in rows(file, (*_HEAD, *quantities), _WHAT, ";"):
        sensor_id, model, location, lat, lon, time = cells[: len(_HEAD)]
        sensor = sensors.get((sensor_id, location, lat, lon))
        if sensor is None:
            place = [_number(cell, file, line, name) for cell, name in ((lat, "lat"), (lon, "lon"))]
            sensor = sensors[sensor_id, location, lat, lon] = _Sensor(model, location, place[0], place[1])
        t = _epoch_ms(time, f"{file} line {line}")
        values = [
            scaled(_number(cell, file, line, name), _QUANTITIES[name][1])
            for cell, name in zip(cells[len(_HEAD) :], quantities, strict=True)
        ]
        sensor.readings.setdefault(t, values)
    ours = [_QUANTITIES[name][0] for name in quantities]
    for (sensor_id, *_), sensor in sensors.items():
        yield _observations(sensor_id, sensor, ours)


def series(file: Path) -> dict[int, dict[str, float]]:
    """The mirror's series of one location: by the beginning of the interval in epoch ms, by quantity.

    Raises:
        UserError: not such a file.
    """
    ((_, location),) = _json(file).items()
    return {
        int(start) * 1000: {_QUANTITIES[name][0]: float(value) for name, value in values.items()}
        for start, values in location["readings"].items()
    }


def _of_location(file: Path) -> Iterator[Observations]:
    content = _json(file)
    for name, location in content.items():
        info, readings = location["info"], location["readings"]
        sensors: dict[tuple[str, str], list[str]] = {}
        for quantity in ("temperature", "humidity", "pressure"):
            for model, sensor_id in info.get(quantity, {}).items():
                sensors.setdefault((sensor_id, model), []).append(quantity)
        for (sensor_id, model), quantities in sensors.items():
            sensor = _Sensor(model, name, float(info["latitude"]), float(info["longitude"]))
            for start, values in readings.items():
                if any(quantity in values for quantity in quantities):
                    sensor.readings[int(start) * 1000] = [
                        scaled(values.get(quantity), _QUANTITIES[quantity][1]) for quantity in quantities
                    ]
            yield _observations(sensor_id, sensor, quantities)


def _json(file: Path) -> dict[str, Any]:
    try:
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as text:
            content = json.load(text)
        if isinstance(content, dict) and all({"info", "readings"} <= set(each) for each in content.values()):
            return content
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise UserError(f"{file} can't be read as {_WHAT}: {error}") from error
    raise UserError(f"{file} is not {_WHAT}: its locations lack info or readings")


def _observations(sensor_id: str, sensor: _Sensor, quantities: list[str]) -> Observations:
    t = sorted(sensor.readings)
    columns = zip(*(sensor.readings[each] for each in t), strict=True)
    return Observations(
        sensor_id=f"sc-{sensor_id}",
        station_id=f"sc-location-{sensor.location}",
        sensor_model=sensor.model,
        lat=sensor.lat,
        lon=sensor.lon,
        t=t,
        samples=dict(zip(quantities, map(list, columns), strict=True)) if quantities else {},
    )


def _number(cell: str, file: Path, line: int, name: str) -> float | None:
    return None if cell in _NOT_THERE else number(cell, file, line, name)


def _epoch_ms(time: str, where: str) -> int:
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as error:
        raise UserError(f"{where}: timestamp is {time!r}, not such as 2019-04-01T00:00:10") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
