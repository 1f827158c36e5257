"""Messages and rows of the peers, as msgspec structs.

Structs have the attribute access of ``__slots__`` and are decoded, encoded and stored faster than plain classes are by
pickle: what a careful author of a bytewax or PyFlink job would take.
"""

from __future__ import annotations

from msgspec import Struct

STARTED = ".started"
"""Made in its folder by an engine that takes all of its input before it computes, when it begins."""

# ---------------------------------------------------------------- messages


class Samples(Struct, gc=False):
    """Arrays of one message."""

    t: list[int]
    speed: list[float | None] | None = None
    accel_x: list[float | None] | None = None
    accel_y: list[float | None] | None = None
    lat: list[float | None] | None = None
    lon: list[float | None] | None = None
    heading: list[float | None] | None = None
    ignition: list[bool | None] | None = None
    odometer: list[float | None] | None = None
    yaw_rate: list[float | None] | None = None
    speed_limit: list[float | None] | None = None


class Telemetry(Struct, gc=False):
    """One message; fields that no statistic needs are skipped by the decoder."""

    vehicle_id: str
    samples: Samples
    driver_id: str | None = None
    fleet_id: str | None = None
    vehicle_class: str | None = None


class VehicleOf(Struct, gc=False):
    """The key of a message alone."""

    vehicle_id: str


# ---------------------------------------------------------------- rows


class Metrics(Struct, gc=False):
    """The columns that most tables share; plain_state.metrics gives their values in this order."""

    distance_km: float
    drive_s: float
    idle_s: float
    stopped_s: float
    max_speed_kmh: float | None
    mean_speed_kmh: float | None
    harsh_accel: int
    harsh_brake: int
    harsh_corner: int
    speeding_minor_s: float
    speeding_major_s: float
    speeding_severe_s: float
    speed_limit_unknown_s: float
    speeding_minor_km: float
    speeding_major_km: float
    speeding_severe_km: float
    speed_limit_unknown_km: float
    n_samples: int


class Scored(Metrics, gc=False):
    """The same with a score; plain_score.Scorer gives its columns in this order."""

    score: float | None
    score_unclamped: float | None
    score_band: str | None
    score_state: str
    penalty_events: float | None
    penalty_speeding: float | None
    penalty_idle: float | None
    formula: str
    params_hash: str


class VehicleMinute(Metrics, tag="vehicle_minute", tag_field="table", gc=False):
    vehicle_id: str
    minute_start: int
    driver_id: str
    fleet_id: str
    lat: float | None
    lon: float | None


class Trip(Scored, tag="trip", tag_field="table", gc=False):
    driver_id: str
    start_time: int
    vehicle_id: str
    end_time: int
    fleet_id: str
    vehicle_class: str
    start_lat: float | None
    start_lon: float | None
    end_lat: float | None
    end_lon: float | None


class DriverEvent(Struct, tag="driver_event", tag_field="table", gc=False):
    driver_id: str
    event_time: int
    type: str
    vehicle_id: str
    fleet_id: str
    end_time: int
    duration_s: float
    peak: float
    unit: str
    severity: str | None
    lat: float | None
    lon: float | None
    speed_kmh: float | None
    limit_kmh: float | None
    derived: bool
    rule: str
    n_samples: int


class VehicleLive(Struct, tag="vehicle_live", tag_field="table", gc=False):
    fleet_id: str
    vehicle_id: str
    event_time: int
    driver_id: str
    state: str
    trip_start: int | None
    lat: float | None
    lon: float | None
    heading: float | None
    speed_kmh: float | None


class DriverHour(Scored, tag="driver_hour", tag_field="table", gc=False):
    driver_id: str
    hour_start: int


class DriverDay(Scored, tag="driver_day", tag_field="table", gc=False):
    driver_id: str
    day: int


class FleetDay(Scored, tag="fleet_day", tag_field="table", gc=False):
    fleet_id: str
    day: int
    driver_id: str


class DriverWeek(Scored, tag="driver_week", tag_field="table", gc=False):
    driver_id: str
    week: int


class DriverRolling(Scored, tag="driver_rolling", tag_field="table", gc=False):
    driver_id: str
    day: int
    days: int
