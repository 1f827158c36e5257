"""driveplotr-nds: naturalistic driving with a black box, US Midwest 2019, from the R package DrivePlotR.

One CSV for all drives, 1 Hz. At the origin a drive is the time between starting the car and turning it off;
the columns that named subject and device were removed there, so which drives share a vehicle or a driver is
unknown. Hence one vehicle id and one driver id per drive: times then ascend for each vehicle, and a drive
stays a trip even where the next one starts within `trip.gap_s`.

Signs, found by correlation in the data (drives above two minutes) and in the origin's own code:

* `accel_x` is positive forward: it correlates positively with the change of speed. Kept.
* `accel_y` is positive to the *right*: it correlates negatively with speed times leftward turn rate. Negated,
  as ISO 8855 counts left as positive.
* `gyro_z` is positive to the left (the origin subtracts its sum from a clockwise heading). Kept as yaw rate.
* `gps_heading` was unwrapped by the origin (it runs below 0 and above 360): brought back to [0, 360).

The accelerometer's own offset (0.2 to 0.7 m/s²) is kept: the origin's event labels are made of the same raw
values. `cumulative_drive_dist_mi` counts from the start of the drive, which is the whole life of a vehicle
id: an odometer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from kappafleet.errors import UserError
from kappafleet.importers.recording import Recording
from kappafleet.importers.table import G_TO_MS2, MILE_TO_M, MISSING, MPH_TO_KMH, number, rows, scaled

NAME = "driveplotr-nds"
TITLE = "DrivePlotR naturalistic driving, US Midwest 2019: one CSV of drives with positions and accelerations"
FLEET = "driveplotr-nds"

FIX_2D = 2.0
"""GPS fix below which latitude and longitude mean nothing (0: none, 1: time only)."""

_COLUMNS = (
    "drive", "time_utc", "speed_mph", "accel_x", "accel_y", "gps_lat", "gps_long", "gps_fix", "gps_heading",
    "gyro_z", "cumulative_drive_dist_mi",
)  # fmt: skip
_SAMPLES = ("speed", "accel_x", "accel_y", "lat", "lon", "heading", "yaw_rate", "odometer")


@dataclass(slots=True)
class _Drive:
    t: list[int] = field(default_factory=list)
    samples: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in _SAMPLES})


def files(path: Path) -> list[Path]:
    """The data files of `path`: one file, or the CSV files of a folder.

    Raises:
        UserError: `path` does not exist or holds no CSV file.
    """
    found = [path] if path.is_file() else sorted([*path.glob("*.csv"), *path.glob("*.csv.gz")])
    if not found:
        raise UserError(
            f"{path} is no {NAME} data: no .csv or .csv.gz in it; pass the file nds_*.csv.gz or its folder"
        )
    return found


def recordings(file: Path) -> Iterator[Recording]:
    """One recording per drive of `file`, in the order in which the drives first appear.

    Raises:
        UserError: not such a file, a cell that is no number or no time, or times of a drive that do not
        ascend.
    """
    drives: dict[str, _Drive] = {}
    for line, cells in rows(file, _COLUMNS, f"a table of {NAME}"):
        drive = drives.setdefault(cells[0], _Drive())
        epoch_ms = _epoch_ms(cells[1], f"{file} line {line}")
        if drive.t and epoch_ms <= drive.t[-1]:
            raise UserError(
                f"{file} line {line}: {cells[1]} does not come after the row before of drive {cells[0]}"
            )
        values = [number(cell, file, line, name) for cell, name in zip(cells[2:], _COLUMNS[2:], strict=True)]
        drive.t.append(epoch_ms)
        for name, value in _in_our_units(values).items():
            drive.samples[name].append(value)
    for name, drive in drives.items():
        yield Recording(
            vehicle_id=f"nds-drive-{name}",
            driver_id=f"nds-driver-{name}",
            fleet_id=FLEET,
            vehicle_class="van_light",
            t=drive.t,
            samples=dict(drive.samples),
        )


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """Consecutive rows that the origin labelled: |accel_x| or |accel_y| above 0.35 g in each of them."""

    vehicle_id: str
    start_ms: int
    end_ms: int
    categories: tuple[str, ...]
    """One per row: `low` (0.35-0.44 g), `med` (0.45-0.59 g), `high` (0.60 g and more)."""


def published_events(path: Path) -> list[PublishedEvent]:
    """The runs of labelled rows in the files of `path`, in the order of time.

    Raises:
        UserError: as `files` and `recordings`.
    """
    events: list[PublishedEvent] = []
    for file in files(path):
        runs: dict[str, list[tuple[int, str]]] = {}
        for line, (drive, time, category) in rows(
            file, ("drive", "time_utc", "accel_event_cat"), f"a table of {NAME}"
        ):
            run = runs.setdefault(drive, [])
            if category not in MISSING:
                run.append((_epoch_ms(time, f"{file} line {line}"), category))
            elif run:
                events.append(_event(drive, run))
                run.clear()
        events += [_event(drive, run) for drive, run in runs.items() if run]
    return sorted(events, key=lambda event: (event.start_ms, event.vehicle_id))


def _event(drive: str, run: list[tuple[int, str]]) -> PublishedEvent:
    return PublishedEvent(f"nds-drive-{drive}", run[0][0], run[-1][0], tuple(category for _, category in run))


def _in_our_units(values: list[float | None]) -> dict[str, float | None]:
    mph, forward_g, right_g, lat, lon, fix, heading, yaw_rate, miles = values
    placed = fix is None or fix >= FIX_2D
    return {
        "speed": scaled(mph, MPH_TO_KMH),
        "accel_x": scaled(forward_g, G_TO_MS2),
        "accel_y": scaled(right_g, -G_TO_MS2),
        "lat": lat if placed else None,
        "lon": lon if placed else None,
        # Rounding comes before the modulo, or 359.9999999 would become 360.
        "heading": None if heading is None else round(round(heading, 6) % 360.0, 6) % 360.0,
        "yaw_rate": yaw_rate,
        "odometer": scaled(miles, MILE_TO_M),
    }


def _epoch_ms(text: str, where: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{where}: {text!r} is not a time of the form 2019-05-23T20:54:11Z") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)  # the column's name says UTC
    return round(moment.timestamp() * 1000)
