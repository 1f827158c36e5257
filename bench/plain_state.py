"""What the peers keep of vehicles and drivers, as msgspec structs: sums, what is open, windows."""

from __future__ import annotations

from math import inf
from typing import Any

from msgspec import Struct, field

NEVER = -(2**62)
"""Before all times."""


class Sums(Struct, array_like=True, gc=False):
    """What is added up in a minute, a trip, an hour or a day; integers, so that order does not matter."""

    n: int = 0
    drive_ms: int = 0
    idle_ms: int = 0
    stopped_ms: int = 0
    um: int = 0
    accel: int = 0
    brake: int = 0
    corner: int = 0
    # of these, what counts in the score
    scored_accel: int = 0
    scored_brake: int = 0
    scored_corner: int = 0
    # driving by speeding band; what is within the limit is the rest
    unknown_ms: int = 0
    unknown_um: int = 0
    minor_ms: int = 0
    minor_um: int = 0
    major_ms: int = 0
    major_um: int = 0
    severe_ms: int = 0
    severe_um: int = 0
    max_kmh: float = -1.0


def add(sums: Sums, more: Sums) -> None:
    """Adds others."""
    sums.n += more.n
    sums.drive_ms += more.drive_ms
    sums.idle_ms += more.idle_ms
    sums.stopped_ms += more.stopped_ms
    sums.um += more.um
    sums.accel += more.accel
    sums.brake += more.brake
    sums.corner += more.corner
    sums.scored_accel += more.scored_accel
    sums.scored_brake += more.scored_brake
    sums.scored_corner += more.scored_corner
    sums.unknown_ms += more.unknown_ms
    sums.unknown_um += more.unknown_um
    sums.minor_ms += more.minor_ms
    sums.minor_um += more.minor_um
    sums.major_ms += more.major_ms
    sums.major_um += more.major_um
    sums.severe_ms += more.severe_ms
    sums.severe_um += more.severe_um
    if more.max_kmh > sums.max_kmh:
        sums.max_kmh = more.max_kmh


def metrics(sums: Sums) -> tuple[Any, ...]:
    """The columns of plain_records.Metrics."""
    km = sums.um / 1e9
    drive_ms = sums.drive_ms
    return (
        km,
        drive_ms / 1e3,
        sums.idle_ms / 1e3,
        sums.stopped_ms / 1e3,
        sums.max_kmh if sums.max_kmh >= 0 else None,
        km / (drive_ms / 3.6e6) if drive_ms > 0 else None,
        sums.accel,
        sums.brake,
        sums.corner,
        sums.minor_ms / 1e3,
        sums.major_ms / 1e3,
        sums.severe_ms / 1e3,
        sums.unknown_ms / 1e3,
        sums.minor_um / 1e9,
        sums.major_um / 1e9,
        sums.severe_um / 1e9,
        sums.unknown_um / 1e9,
        sums.n,
    )


class Part(Struct, array_like=True):
    """A driver's share of a vehicle's minutes in one hour, for the driver's hours and days."""

    driver_id: str
    fleet_id: str
    hour: int
    sums: Sums


class OpenEvent(Struct, array_like=True, gc=False):
    """A harsh event or possible crash that has not ended; ``axis`` is its index in plain_harsh.TYPES."""

    axis: int
    start: int
    end: int
    n: int
    rearm: float
    threshold: float
    peak: float
    lat: float | None
    lon: float | None
    speed: float | None
    derived: bool


class Episode(Struct, array_like=True, gc=False):
    """An open episode of speeding: time in or above the two upper bands, and where it was furthest above the limit."""

    start: int
    end: int
    n: int = 0
    major_ms: int = 0
    severe_ms: int = 0
    over: float = -1.0
    limit: float = 0.0
    speed: float = 0.0
    lat: float | None = None
    lon: float | None = None


class Idling(Struct, array_like=True, gc=False):
    """An open episode of idling, and where it began."""

    start: int
    n: int = 0
    lat: float | None = None
    lon: float | None = None


class Fix(Struct, array_like=True, gc=False):
    """The fix that the next one is compared with, and what was derived at it; NaN where there is nothing."""

    t: int
    kmh: float | None
    heading: float | None
    lat: float | None
    lon: float | None
    x: float
    y: float


class Vehicle(Struct, array_like=True):
    """What is kept of a vehicle.

    ``part`` is the driver's share of the open minute, ``minute`` what other drivers had of it before, ``held`` what the
    driver's windows have not been told of yet, ``tail`` the standing at a trip's end.
    """

    driver: str = ""
    fleet: str = ""
    vehicle_class: str = ""
    last_t: int | None = None
    last_lat: float | None = None
    last_lon: float | None = None
    last_odometer: float | None = None
    last_heading: float | None = None
    last_speed: float | None = None
    last_standing: bool = False
    last_ignition: bool | None = None
    credible_t: int = 0
    credible_kmh: float = inf
    credible_lat: float | None = None
    credible_lon: float | None = None
    minute_start: int | None = None
    minute_dirty: bool = False
    minute_driver: str = ""
    minute_fleet: str = ""
    minute_lat: float | None = None
    minute_lon: float | None = None
    part: Sums = field(default_factory=Sums)
    minute: Sums | None = None
    held: Part | None = None
    trip: Sums | None = None
    trip_start: int = 0
    trip_end: int = 0
    trip_start_lat: float | None = None
    trip_start_lon: float | None = None
    trip_end_lat: float | None = None
    trip_end_lon: float | None = None
    tail: Sums | None = None
    tail_end: int = 0
    tail_lat: float | None = None
    tail_lon: float | None = None
    events: list[OpenEvent] = field(default_factory=list)
    counted: list[int] = field(default_factory=lambda: [NEVER, NEVER, NEVER])
    fix: Fix | None = None
    speeding: Episode | None = None
    idling: Idling | None = None


class Windows(Struct, array_like=True):
    """What is kept of a driver: hours by start, days by fleet and start."""

    hours: dict[int, Sums]
    days: dict[str, dict[int, Sums]]
