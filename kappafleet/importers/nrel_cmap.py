"""nrel-cmap: second-by-second speeds of private vehicles around Chicago, 2007, published by NREL.

Layout: one folder per vehicle, `<sampno>_<vehno>`, with one `<date>.csv[.gz]` per local day and
`trips.csv[.gz]`, NREL's own statistics per trip.

* `timestamp` is wall time of Chicago, without a zone: it becomes UTC by the zone's rules.
* `speed_mph` is what it says.
* `accel_meters_ps` is mislabelled at the origin: it holds miles per hour *per second* (the difference of
  speeds over `timestep`), hence the factor 0.44704 to m/s². There is no lateral acceleration and no position.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kappafleet.errors import UserError
from kappafleet.importers.recording import Recording
from kappafleet.importers.table import MILE_TO_M, MPH_S_TO_MS2, MPH_TO_KMH, number, rows, scaled

NAME = "nrel-cmap"
TITLE = "NREL / CMAP instrumented vehicles, Chicago 2007: folders <sampno>_<vehno> with one CSV per day"
FLEET = "nrel-cmap"
ZONE = "America/Chicago"

_VEHICLE = re.compile(r"(\d+)_(\d+)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.csv(\.gz)?")
_TRIPS = re.compile(r"trips\.csv(\.gz)?")


def files(path: Path) -> list[Path]:
    """The day files of `path`, by vehicle and date: one file, a vehicle's folder, or the folder of all.

    Raises:
        UserError: `path` does not exist, holds no day file, or a file lies outside a vehicle's folder.
    """
    if path.is_file():
        if _TRIPS.fullmatch(path.name):
            raise UserError(
                f"{path} holds trip statistics, not samples; pass a day file or the vehicle's folder"
            )
        found = [path]
    else:
        found = sorted(
            (file for file in path.glob("**/*.csv*") if _DAY.fullmatch(file.name)),
            key=lambda file: (file.parent, file.name),
        )
        days = [(file.parent, file.name[:10]) for file in found]
        for (folder, day), following in pairwise(days):
            if (folder, day) == following:
                raise UserError(f"{folder} holds {day} twice, plain and .gz; remove one")
    if not found:
        raise UserError(
            f"{path} is no {NAME} data: no <date>.csv or <date>.csv.gz below it; pass the folder that holds "
            "the vehicles' folders (<sampno>_<vehno>)"
        )
    for file in found:
        _vehicle(file)
    return found


def recordings(file: Path) -> Iterator[Recording]:
    """The samples of one day file, as one recording.

    Raises:
        UserError: not a day file, a cell that is no number or no time, or times that do not ascend.
    """
    sampno, vehno = _vehicle(file)
    zone = _zone()
    times: list[int] = []
    speed: list[float | None] = []
    accel: list[float | None] = []
    columns = ("timestamp", "speed_mph", "accel_meters_ps")
    for line, (timestamp, mph, mph_s) in rows(file, columns, f"a day file of {NAME}"):
        after = times[-1] if times else -(2**63)
        times.append(_epoch_ms(timestamp, after, zone, f"{file} line {line}"))
        speed.append(scaled(number(mph, file, line, "speed_mph"), MPH_TO_KMH))
        accel.append(scaled(number(mph_s, file, line, "accel_meters_ps"), MPH_S_TO_MS2))
    yield Recording(
        vehicle_id=f"cmap-{sampno}-{vehno}",
        # A household (sampno) may own several vehicles that drive at the same time: one driver for each.
        driver_id=f"cmap-driver-{sampno}-{vehno}",
        fleet_id=FLEET,
        vehicle_class="van_light",
        t=times,
        samples={"speed": speed, "accel_x": accel},
    )


@dataclass(frozen=True, slots=True)
class PublishedTrip:
    """NREL's own statistics of one trip, in our units.

    `zero_s` counts the samples at a speed of exactly 0, the first one included, `driving_s` those above;
    `distance_m` joins speeds by straight lines, across gaps too.
    """

    vehicle_id: str
    trip_id: str
    start_ms: int
    end_ms: int
    distance_m: float
    max_speed_kmh: float
    zero_s: float
    driving_s: float


def published_trips(path: Path) -> list[PublishedTrip]:
    """The trips that NREL published for the vehicles of `path`, by vehicle and start.

    `path` is one `trips.csv`, a vehicle's folder, or the folder of all. `trip_id` repeats within a vehicle:
    the start identifies a trip.

    Raises:
        UserError: there is no such file below `path`, or one can't be read.
    """
    found = [path] if path.is_file() else [f for f in path.glob("**/trips.csv*") if _TRIPS.fullmatch(f.name)]
    if not found:
        raise UserError(f"no trips.csv or trips.csv.gz below {path}")
    zone = _zone()
    columns = (
        "sampno",
        "vehno",
        "trip_id",
        "start_ts",
        "end_ts",
        "distance_total",
        "max_speed",
        "zero_seconds",
    )
    trips = []
    for file in found:
        for line, cells in rows(file, (*columns, "driving_time_seconds"), "NREL's trip statistics"):
            where = f"{file} line {line}"
            numbers = [float(cell) for cell in cells[5:]]
            start_ms = _epoch_ms(cells[3], -(2**63), zone, where)
            trips.append(
                PublishedTrip(
                    vehicle_id=f"cmap-{cells[0]}-{cells[1]}",
                    trip_id=cells[2],
                    start_ms=start_ms,
                    end_ms=_epoch_ms(cells[4], start_ms - 1, zone, where),
                    distance_m=numbers[0] * MILE_TO_M,
                    max_speed_kmh=numbers[1] * MPH_TO_KMH,
                    zero_s=numbers[2],
                    driving_s=numbers[3],
                )
            )
    return sorted(trips, key=lambda trip: (trip.vehicle_id, trip.start_ms))


def _vehicle(file: Path) -> tuple[str, str]:
    match = _VEHICLE.fullmatch(file.absolute().parent.name)
    if match is None:
        raise UserError(
            f"{file} must lie in its vehicle's folder, named <sampno>_<vehno> (such as 4107032_1): "
            "the vehicle is known by the folder's name only"
        )
    return match[1], match[2]


def _zone() -> ZoneInfo:
    try:
        return ZoneInfo(ZONE)
    except ZoneInfoNotFoundError as error:
        raise UserError(
            f"time zone {ZONE} is unknown here; install the system's or Python's tzdata package"
        ) from error


def _epoch_ms(timestamp: str, after: int, zone: ZoneInfo, where: str) -> int:
    """Wall time to epoch ms; in the hour that autumn repeats, the first reading that comes after `after`."""
    try:
        local = datetime.strptime(timestamp, "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        raise UserError(f"{where}: {timestamp!r} is not a time of the form 2007-05-21 06:35:46") from error
    for fold in (0, 1):
        epoch_ms = round(local.replace(tzinfo=zone, fold=fold).timestamp()) * 1000
        if epoch_ms > after:
            return epoch_ms
    raise UserError(f"{where}: {timestamp} does not come after the row before")
