"""The statistics of driver_stats in plain Python: what the peers compute.

The same rules as ``jobs/driver_stats/kernel.py``, one sample after the other, written the way one would by hand for
an engine that calls Python for each message: parameters and the last sample in locals, the usual case first, nothing
computed that no table holds. It also is a second, independent implementation to compare the kernel with.
"""

from __future__ import annotations

from itertools import repeat
from math import asin, cos, nan, radians, sin, sqrt
from typing import Any

from bench.plain_records import (
    DriverEvent,
    OpenEvent,
    Part,
    Telemetry,
    Trip,
    Vehicle,
    VehicleLive,
    VehicleMinute,
)
from jobs.driver_stats.settings import Settings

MINUTE_MS = 60_000
UM_PER_KMH_MS = 1e9 / 3.6e6
EARTH_RADIUS_M = 6_371_008.8
AXIS_NAMES = ("harsh_accel", "harsh_brake", "harsh_corner")
SEVERITIES = ("low", "medium", "high")
DRIVE, IDLE, STOPPED = 0, 1, 2
STATE_NAMES = ("driving", "idle", "stopped")


class VehicleStatistics:
    """Folds messages into vehicles; what is complete is appended to ``out``."""

    def __init__(self, settings: Settings) -> None:
        def ms(seconds: float) -> int:
            return round(seconds * 1000)

        harsh = settings.harsh
        self._max_gap = ms(settings.sample.max_gap_s)
        self._idle_gap = ms(settings.idle.max_gap_s)
        self._trip_gap = ms(settings.trip.gap_s)
        self._trip_stop = ms(settings.trip.stop_s)
        self._standing = settings.standing.speed_kmh
        self._plausible = settings.gps.max_speed_kmh
        self._rearm = harsh.rearm_ratio
        self._event_gap = ms(harsh.max_gap_s)
        self._min_speed = harsh.min_speed_kmh
        self._corner_min_speed = harsh.corner_min_speed_kmh
        self._thresholds = {
            name: (
                harsh.accel_ms2 or each.accel_ms2,
                harsh.brake_ms2 or each.brake_ms2,
                harsh.corner_ms2 or each.corner_ms2,
            )
            for name, each in harsh.classes.items()
        }
        self._default_class = harsh.default_class

    def fold(self, s: Vehicle, message: Telemetry, out: list[Any]) -> None:
        """Folds one message in."""
        c = message.samples
        vehicle_id = message.vehicle_id
        first = s.last_t is None
        vehicle_class = message.vehicle_class
        if vehicle_class not in self._thresholds:
            vehicle_class = self._default_class
        accel_threshold, brake_threshold, corner_threshold = self._thresholds[vehicle_class]
        last_t, last_standing = s.last_t, s.last_standing
        max_gap, trip_gap, trip_stop, standing_kmh = (
            self._max_gap,
            self._trip_gap,
            self._trip_stop,
            self._standing,
        )
        none = repeat(None)
        told_who = False

        for t, speed, ax, ay, lat, lon, heading, ignition, odometer in zip(
            c.t,
            c.speed or none,
            c.accel_x or none,
            c.accel_y or none,
            c.lat or none,
            c.lon or none,
            c.heading or none,
            c.ignition or none,
            c.odometer or none,
            strict=False,
        ):
            if last_t is None:
                gap = 0
            elif t <= last_t:
                continue
            else:
                gap = t - last_t
            others = False
            if not told_who:
                told_who = True
                others = self._who(s, message, vehicle_class, first, out)
            has_place = lat is not None and lon is not None
            if speed is not None:
                um = int(speed * gap * UM_PER_KMH_MS + 0.5)
                standing = speed < standing_kmh
            else:
                um = self._distance_without_speed(s, gap, odometer, lat, lon)
                standing = um >= 0 and gap > 0 and um < standing_kmh * gap * UM_PER_KMH_MS
            covers = last_t is not None and (
                gap <= max_gap or (standing and last_standing and gap <= self._idle_gap)
            )

            # trip
            in_trip = s.trip_start is not None
            if in_trip and (gap >= trip_gap or ignition is False):
                self._close_trip(s, vehicle_id, True, out)
                in_trip = False
            if not in_trip and ignition is not False and (trip_stop == 0 or not standing):
                covers = False
                in_trip = True
                self._open_trip(s, t, lat, lon)

            # minute
            kind = DRIVE if not standing else (STOPPED if ignition is False else IDLE)
            minute = t - t % MINUTE_MS
            if covers:
                span = gap
                if um < 0:
                    um = 0
                if s.minute_start == minute and t - gap >= minute:
                    s.p_um += um
                    if kind == DRIVE:
                        s.p_drive += span
                    elif kind == IDLE:
                        s.p_idle += span
                    else:
                        s.p_stopped += span
                    s.p_covered = True
                else:
                    self._cover(s, vehicle_id, t - gap, t, kind, um, out)
            else:
                span = um = 0
            if s.minute_start != minute:
                self._open_minute(s, vehicle_id, minute, out)
            if others:  # a minute goes by the driver of its last sample
                s.minute_driver = s.driver
                s.minute_fleet = s.fleet

            # harsh events
            accel = brake = corner = 0
            x = nan if ax is None else ax
            y = nan if ay is None else abs(ay)
            if s.open_events or x >= accel_threshold or -x >= brake_threshold or y >= corner_threshold:
                v = nan if speed is None else speed
                fast = self._min_speed == 0 or v >= self._min_speed
                place = (t, gap, lat, lon, speed, vehicle_id, out)
                s.accel_event, accel = self._event(s, s.accel_event, 0, x, accel_threshold, fast, place)
                s.brake_event, brake = self._event(s, s.brake_event, 1, -x, brake_threshold, fast, place)
                fast = self._corner_min_speed == 0 or v >= self._corner_min_speed
                s.corner_event, corner = self._event(s, s.corner_event, 2, y, corner_threshold, fast, place)
                s.p_accel += accel
                s.p_brake += brake
                s.p_corner += corner

            s.p_n += 1
            s.minute_dirty = True
            if speed is not None and speed > s.p_max:
                s.p_max = speed
            if has_place:
                s.minute_lat = lat
                s.minute_lon = lon

            if in_trip:
                if trip_stop > 0 and standing:
                    s.q_n += 1
                    if kind == IDLE:
                        s.q_idle += span
                    else:
                        s.q_stopped += span
                    s.q_um += um
                    s.q_accel += accel
                    s.q_brake += brake
                    s.q_corner += corner
                    s.q_end = t
                    if has_place:
                        s.q_lat = lat
                        s.q_lon = lon
                    if speed is not None and speed > s.trip_max:
                        s.trip_max = speed
                    if t - s.trip_end >= trip_stop:
                        self._close_trip(s, vehicle_id, False, out)
                else:
                    if s.q_n:
                        self._keep_tail(s)
                    s.trip_n += 1
                    if kind == DRIVE:
                        s.trip_drive += span
                    elif kind == IDLE:
                        s.trip_idle += span
                    else:
                        s.trip_stopped += span
                    s.trip_um += um
                    s.trip_accel += accel
                    s.trip_brake += brake
                    s.trip_corner += corner
                    s.trip_end = t
                    if has_place:
                        s.trip_end_lat = lat
                        s.trip_end_lon = lon
                    if speed is not None and speed > s.trip_max:
                        s.trip_max = speed

            last_t = t
            last_standing = standing
            s.last_lat = lat
            s.last_lon = lon
            s.last_odometer = odometer
            s.last_speed = speed
            s.last_heading = heading
            s.last_ignition = ignition
        s.last_t = last_t
        s.last_standing = last_standing

    def finish(self, s: Vehicle, vehicle_id: str, out: list[Any]) -> None:
        """The end of input: everything that is open is complete."""
        if s.last_t is None:
            return
        if s.minute_dirty:
            self._emit_minute(s, vehicle_id, out)
        for axis, event in enumerate((s.accel_event, s.brake_event, s.corner_event)):
            if event is not None:
                self._emit_event(s, event, axis, vehicle_id, out)
        trip_start = s.trip_start
        if trip_start is not None:
            self._close_trip(s, vehicle_id, True, out)
        state = DRIVE if not s.last_standing else (STOPPED if s.last_ignition is False else IDLE)
        out.append(
            VehicleLive(
                s.fleet,
                vehicle_id,
                s.last_t,
                s.driver,
                STATE_NAMES[state],
                trip_start,
                s.last_lat,
                s.last_lon,
                s.last_heading,
                s.last_speed,
            )
        )

    def _who(self, s: Vehicle, message: Telemetry, vehicle_class: str, first: bool, out: list[Any]) -> bool:
        driver = message.driver_id or f"unknown:{message.vehicle_id}"
        fleet = message.fleet_id or "default"
        others = s.driver != driver or s.fleet != fleet
        if others and not first:
            self._emit_part(s, out)
            if s.driver != driver:
                for axis, event in enumerate((s.accel_event, s.brake_event, s.corner_event)):
                    if event is not None:
                        self._emit_event(s, event, axis, message.vehicle_id, out)
                s.open_events = 0
                s.accel_event = s.brake_event = s.corner_event = None
                if s.trip_start is not None:
                    self._close_trip(s, message.vehicle_id, True, out)
        s.driver = driver
        s.fleet = fleet
        s.vehicle_class = vehicle_class
        return others

    def _distance_without_speed(
        self, s: Vehicle, gap: int, odometer: float | None, lat: float | None, lon: float | None
    ) -> int:
        plausible = int(self._plausible * gap * UM_PER_KMH_MS)
        if odometer is not None and s.last_odometer is not None:
            driven = odometer - s.last_odometer
            if driven >= 0 and driven * 1e6 <= plausible:
                return int(driven * 1e6 + 0.5)
        if lat is not None and lon is not None and s.last_lat is not None and s.last_lon is not None:
            moved = haversine_m(s.last_lat, s.last_lon, lat, lon) * 1e6
            if moved <= plausible:
                return int(moved + 0.5)
        return -1

    def _cover(
        self, s: Vehicle, vehicle_id: str, begin: int, end: int, kind: int, um: int, out: list[Any]
    ) -> None:
        span = end - begin
        told = 0
        at = begin
        while at < end:
            minute = at - at % MINUTE_MS
            if s.minute_start != minute:
                self._open_minute(s, vehicle_id, minute, out)
            until = min(minute + MINUTE_MS, end)
            upto = um if until == end else um * (until - begin) // span
            if kind == DRIVE:
                s.p_drive += until - at
            elif kind == IDLE:
                s.p_idle += until - at
            else:
                s.p_stopped += until - at
            s.p_um += upto - told
            s.p_covered = True
            s.minute_dirty = True
            told = upto
            at = until

    def _open_minute(self, s: Vehicle, vehicle_id: str, start: int, out: list[Any]) -> None:
        if s.minute_dirty:
            self._emit_minute(s, vehicle_id, out)
        s.minute_start = start
        s.minute_driver = s.driver
        s.minute_fleet = s.fleet
        s.minute_lat = s.minute_lon = None
        s.m_n = s.m_drive = s.m_idle = s.m_stopped = s.m_um = s.m_accel = s.m_brake = s.m_corner = 0
        s.m_max = -1.0

    def _emit_part(self, s: Vehicle, out: list[Any]) -> None:
        if s.p_n == 0 and not s.p_covered:
            return
        out.append(
            Part(
                s.driver,
                s.fleet,
                s.minute_start or 0,
                s.p_n,
                s.p_drive,
                s.p_idle,
                s.p_stopped,
                s.p_um,
                s.p_accel,
                s.p_brake,
                s.p_corner,
                s.p_max if s.p_max >= 0 else None,
            )
        )
        s.m_n += s.p_n
        s.m_drive += s.p_drive
        s.m_idle += s.p_idle
        s.m_stopped += s.p_stopped
        s.m_um += s.p_um
        s.m_accel += s.p_accel
        s.m_brake += s.p_brake
        s.m_corner += s.p_corner
        if s.p_max > s.m_max:
            s.m_max = s.p_max
        s.p_n = s.p_drive = s.p_idle = s.p_stopped = s.p_um = s.p_accel = s.p_brake = s.p_corner = 0
        s.p_max = -1.0
        s.p_covered = False

    def _emit_minute(self, s: Vehicle, vehicle_id: str, out: list[Any]) -> None:
        self._emit_part(s, out)
        km = s.m_um / 1e9
        out.append(
            VehicleMinute(
                vehicle_id,
                s.minute_start or 0,
                s.minute_driver,
                s.minute_fleet,
                s.minute_lat,
                s.minute_lon,
                distance_km=km,
                drive_s=s.m_drive / 1e3,
                idle_s=s.m_idle / 1e3,
                stopped_s=s.m_stopped / 1e3,
                max_speed_kmh=s.m_max if s.m_max >= 0 else None,
                mean_speed_kmh=km / (s.m_drive / 3.6e6) if s.m_drive > 0 else None,
                harsh_accel=s.m_accel,
                harsh_brake=s.m_brake,
                harsh_corner=s.m_corner,
                n_samples=s.m_n,
            )
        )
        s.minute_dirty = False

    def _open_trip(self, s: Vehicle, t: int, lat: float | None, lon: float | None) -> None:
        s.trip_start = s.trip_end = t
        s.trip_start_lat = s.trip_end_lat = lat
        s.trip_start_lon = s.trip_end_lon = lon
        s.trip_n = s.trip_drive = s.trip_idle = s.trip_stopped = s.trip_um = 0
        s.trip_accel = s.trip_brake = s.trip_corner = 0
        s.trip_max = -1.0
        self._no_tail(s)

    def _no_tail(self, s: Vehicle) -> None:
        s.q_n = s.q_idle = s.q_stopped = s.q_um = s.q_accel = s.q_brake = s.q_corner = 0
        s.q_lat = s.q_lon = None

    def _keep_tail(self, s: Vehicle) -> None:
        s.trip_n += s.q_n
        s.trip_idle += s.q_idle
        s.trip_stopped += s.q_stopped
        s.trip_um += s.q_um
        s.trip_accel += s.q_accel
        s.trip_brake += s.q_brake
        s.trip_corner += s.q_corner
        s.trip_end = s.q_end
        if s.q_lat is not None:
            s.trip_end_lat = s.q_lat
            s.trip_end_lon = s.q_lon
        self._no_tail(s)

    def _close_trip(self, s: Vehicle, vehicle_id: str, with_tail: bool, out: list[Any]) -> None:
        if with_tail and s.q_n:
            self._keep_tail(s)
        km = s.trip_um / 1e9
        out.append(
            Trip(
                s.driver,
                s.trip_start or 0,
                vehicle_id,
                s.trip_end,
                s.fleet,
                s.vehicle_class,
                s.trip_start_lat,
                s.trip_start_lon,
                s.trip_end_lat,
                s.trip_end_lon,
                distance_km=km,
                drive_s=s.trip_drive / 1e3,
                idle_s=s.trip_idle / 1e3,
                stopped_s=s.trip_stopped / 1e3,
                max_speed_kmh=s.trip_max if s.trip_max >= 0 else None,
                mean_speed_kmh=km / (s.trip_drive / 3.6e6) if s.trip_drive > 0 else None,
                harsh_accel=s.trip_accel,
                harsh_brake=s.trip_brake,
                harsh_corner=s.trip_corner,
                n_samples=s.trip_n,
            )
        )
        s.trip_start = None
        self._no_tail(s)

    def _event(
        self,
        s: Vehicle,
        event: OpenEvent | None,
        axis: int,
        value: float,
        threshold: float,
        fast: bool,
        place: tuple[Any, ...],
    ) -> tuple[OpenEvent | None, int]:
        """One axis at one sample: the event that is open after it, and whether one started."""
        t, gap, lat, lon, speed, vehicle_id, out = place
        if event is not None:
            if gap <= self._event_gap and value >= event.rearm:
                event.end = t
                event.n += 1
                if value > event.peak:
                    event.peak, event.lat, event.lon, event.speed = value, lat, lon, speed
                return event, 0
            self._emit_event(s, event, axis, vehicle_id, out)
            s.open_events -= 1
        if value >= threshold and fast:
            s.open_events += 1
            return OpenEvent(t, t, 1, self._rearm * threshold, threshold, value, lat, lon, speed), 1
        return None, 0

    def _emit_event(self, s: Vehicle, event: OpenEvent, axis: int, vehicle_id: str, out: list[Any]) -> None:
        ratio = event.peak / event.threshold
        out.append(
            DriverEvent(
                s.driver,
                event.start,
                AXIS_NAMES[axis],
                vehicle_id,
                s.fleet,
                event.end,
                (event.end - event.start) / 1e3,
                event.peak,
                SEVERITIES[2 if ratio >= 1.5 else (1 if ratio >= 1.25 else 0)],
                event.lat,
                event.lon,
                event.speed,
                event.n,
            )
        )


def haversine_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance in metres."""
    phi1, phi2 = radians(lat1), radians(lat2)
    a = sin((phi2 - phi1) / 2) ** 2 + cos(phi1) * cos(phi2) * sin(radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(a)))
