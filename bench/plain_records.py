"""Messages, rows and states of the peers, as msgspec structs.

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


class Part(Struct, array_like=True, gc=False):
    """A driver's share of a vehicle's minute, for the driver's hours and days."""

    driver_id: str
    fleet_id: str
    minute_start: int
    n: int
    drive_ms: int
    idle_ms: int
    stopped_ms: int
    distance_um: int
    accel: int
    brake: int
    corner: int
    max_kmh: float | None


class Metrics(Struct, gc=False, kw_only=True):
    """The columns that most tables share."""

    distance_km: float
    drive_s: float
    idle_s: float
    stopped_s: float
    max_speed_kmh: float | None
    mean_speed_kmh: float | None
    harsh_accel: int
    harsh_brake: int
    harsh_corner: int
    n_samples: int


class VehicleMinute(Metrics, tag="vehicle_minute", tag_field="table", gc=False):
    vehicle_id: str
    minute_start: int
    driver_id: str
    fleet_id: str
    lat: float | None
    lon: float | None


class Trip(Metrics, tag="trip", tag_field="table", gc=False):
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
    severity: str
    lat: float | None
    lon: float | None
    speed_kmh: float | None
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


class DriverHour(Metrics, tag="driver_hour", tag_field="table", gc=False):
    driver_id: str
    hour_start: int


class DriverDay(Metrics, tag="driver_day", tag_field="table", gc=False):
    driver_id: str
    day: int


class FleetDay(Metrics, tag="fleet_day", tag_field="table", gc=False):
    fleet_id: str
    day: int
    driver_id: str


# ---------------------------------------------------------------- states


class OpenEvent(Struct, array_like=True):
    """A harsh event that has not ended."""

    start: int
    end: int
    n: int
    rearm: float
    threshold: float
    peak: float
    lat: float | None
    lon: float | None
    speed: float | None


class Vehicle(Struct, array_like=True):
    """What is kept of a vehicle; prefix p: the driver's share of the open minute, m: shares before, q: trip's tail."""

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
    minute_start: int | None = None
    minute_dirty: bool = False
    minute_driver: str = ""
    minute_fleet: str = ""
    minute_lat: float | None = None
    minute_lon: float | None = None
    p_covered: bool = False
    p_n: int = 0
    p_drive: int = 0
    p_idle: int = 0
    p_stopped: int = 0
    p_um: int = 0
    p_accel: int = 0
    p_brake: int = 0
    p_corner: int = 0
    p_max: float = -1.0
    m_n: int = 0
    m_drive: int = 0
    m_idle: int = 0
    m_stopped: int = 0
    m_um: int = 0
    m_accel: int = 0
    m_brake: int = 0
    m_corner: int = 0
    m_max: float = -1.0
    trip_start: int | None = None
    trip_end: int = 0
    trip_start_lat: float | None = None
    trip_start_lon: float | None = None
    trip_end_lat: float | None = None
    trip_end_lon: float | None = None
    trip_n: int = 0
    trip_drive: int = 0
    trip_idle: int = 0
    trip_stopped: int = 0
    trip_um: int = 0
    trip_accel: int = 0
    trip_brake: int = 0
    trip_corner: int = 0
    trip_max: float = -1.0
    q_n: int = 0
    q_idle: int = 0
    q_stopped: int = 0
    q_um: int = 0
    q_accel: int = 0
    q_brake: int = 0
    q_corner: int = 0
    q_end: int = 0
    q_lat: float | None = None
    q_lon: float | None = None
    open_events: int = 0
    accel_event: OpenEvent | None = None
    brake_event: OpenEvent | None = None
    corner_event: OpenEvent | None = None


class Sums(Struct, array_like=True):
    """What is kept of a window."""

    n: int = 0
    drive_ms: int = 0
    idle_ms: int = 0
    stopped_ms: int = 0
    distance_um: int = 0
    accel: int = 0
    brake: int = 0
    corner: int = 0
    max_kmh: float | None = None


class Windows(Struct, array_like=True):
    """What is kept of a driver: hours by start, days by fleet and start."""

    hours: dict[int, Sums]
    days: dict[str, dict[int, Sums]]
