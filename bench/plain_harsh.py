"""Harsh events and possible crashes in plain Python, of measured or derived accelerations; and jumps of the GPS."""

from __future__ import annotations

from math import asin, cos, nan, radians, sin, sqrt
from typing import Any

from bench.plain_records import DriverEvent
from bench.plain_state import NEVER, Fix, OpenEvent, Sums, Vehicle
from jobs.driver_stats.settings import Settings

MINUTE_MS = 60_000
EARTH_RADIUS_M = 6_371_008.8
M_PER_DEGREE = radians(EARTH_RADIUS_M)
TYPES = ("harsh_accel", "harsh_brake", "harsh_corner", "possible_crash")
ACCEL, BRAKE, CORNER, CRASH = range(4)

Thresholds = tuple[float, float, float, float]
Started = tuple[int, int]
"""A counted axis whose event starts, and 1 if it counts in the score."""


class Harsh:
    """Events of a vehicle; those that are over are appended to ``out``."""

    def __init__(self, settings: Settings) -> None:
        harsh, rules = settings.harsh, settings.harsh_rules
        crash = rules.crash.vector_ms2
        self.default_class = harsh.default_class
        self.thresholds: dict[str, Thresholds] = {
            name: (
                harsh.accel_ms2 or each.accel_ms2,
                harsh.brake_ms2 or each.brake_ms2,
                harsh.corner_ms2 or each.corner_ms2,
                crash,
            )
            for name, each in harsh.classes.items()
        }
        # A vector so long has one axis at least that reaches this level: no need to look at the vector itself.
        level = crash / 1.4143
        self.levels = {
            name: (min(accel, level), min(brake, level), min(corner, level))
            for name, (accel, brake, corner, _) in self.thresholds.items()
        }
        self._slack_kmh = rules.jump.slack_kmh
        self._rise_kmh_ms = rules.derived.max_accel_ms2 * 3.6e-3
        self._slack_m, self._distance_ratio = rules.jump.slack_m, rules.jump.distance_ratio
        self._min_fix_gap = round(rules.derived.min_gap_s * 1000)
        self._max_fix_gap = round(rules.derived.max_gap_s * 1000)
        self._max_accel = rules.derived.max_accel_ms2
        self._max_brake = rules.derived.max_brake_ms2
        self._max_corner = rules.derived.max_corner_ms2
        self._rearm = harsh.rearm_ratio
        self._event_gap = round(harsh.max_gap_s * 1000)
        self._min_speeds = (harsh.min_speed_kmh, harsh.min_speed_kmh, harsh.corner_min_speed_kmh, 0.0)
        self._deduplicate = round(settings.score.deduplicate_s * 1000)
        self._rule = rules.id

    def is_jump(
        self,
        gap: int,
        speed: float,
        lat: float | None,
        lon: float | None,
        before: tuple[float, float | None, float | None],
    ) -> bool:
        """Whether a speed that rose by more than ``slack_kmh`` since a credible one is what a GPS made of a jump."""
        kmh, last_lat, last_lon = before
        return (
            gap <= self._max_fix_gap
            and speed - kmh > self._slack_kmh + self._rise_kmh_ms * gap
            and self._too_far(last_lat, last_lon, lat, lon, gap, kmh)
        )

    def derived(
        self,
        s: Vehicle,
        t: int,
        speed: float | None,
        heading: float | None,
        yaw_rate: float | None,
        lat: float | None,
        lon: float | None,
    ) -> tuple[float, float]:
        """Accelerations forward and to the side since the fix before, the latter without its sign."""
        fix = s.fix
        if fix is None:
            s.fix = Fix(t, speed, heading, lat, lon, nan, nan)
            return nan, nan
        gap = t - fix.t
        x = y = nan
        if gap < self._min_fix_gap:
            if t // MINUTE_MS == fix.t // MINUTE_MS:
                return fix.x, fix.y
            x, y = fix.x, fix.y
        elif gap <= self._max_fix_gap and speed is not None and (kmh := fix.kmh) is not None:
            x = (speed - kmh) / 3.6e-3 / gap
            if not -self._max_brake <= x <= self._max_accel or self._too_far(
                fix.lat, fix.lon, lat, lon, gap, max(speed, kmh)
            ):
                x = nan
            else:
                turn = yaw_rate
                if turn is None and heading is not None and fix.heading is not None:
                    turn = ((heading - fix.heading + 180.0) % 360.0 - 180.0) * 1e3 / gap
                if turn is not None:
                    y = abs(speed / 3.6 * radians(turn))
                    if y > self._max_corner:
                        y = nan
        fix.t = t
        fix.kmh = speed
        fix.heading = heading
        fix.lat = lat
        fix.lon = lon
        fix.x = x
        fix.y = y
        return x, y

    def _too_far(
        self,
        lat1: float | None,
        lon1: float | None,
        lat2: float | None,
        lon2: float | None,
        gap: int,
        kmh: float,
    ) -> bool:
        if lat1 is None or lon1 is None or lat2 is None or lon2 is None:
            return False
        allowed = self._slack_m + self._distance_ratio * kmh / 3.6e3 * gap
        north, east = (lat2 - lat1) * M_PER_DEGREE, (lon2 - lon1) * M_PER_DEGREE
        return (
            north * north + east * east > allowed * allowed and haversine_m(lat1, lon1, lat2, lon2) > allowed
        )

    def events(
        self,
        s: Vehicle,
        vehicle_id: str,
        sample: tuple[int, int, float | None, float | None, float | None],
        measured: tuple[float | None, float | None],
        used: tuple[float, float],
        thresholds: Thresholds,
        out: list[Any],
    ) -> list[Started]:
        """All axes at one sample (time, gap, speed, place): which events start."""
        t, gap, speed, lat, lon = sample
        ax, ay = measured
        x, y = used
        if ax is None or ay is None:
            crash = nan if ax is ay else abs(ay if ax is None else ax)  # type: ignore[arg-type]
        else:
            crash = sqrt(ax * ax + ay * ay)
        values = (x, -x, y, crash)
        derived = (ax is None, ax is None, ay is None, False)
        if s.events:
            still = []
            for event in s.events:
                value = values[event.axis]
                if gap <= self._event_gap and value >= event.rearm:
                    event.end = t
                    event.n += 1
                    if value > event.peak:
                        event.peak, event.lat, event.lon, event.speed = value, lat, lon, speed
                        event.derived = derived[event.axis]
                    still.append(event)
                else:
                    self.emit(s, event, vehicle_id, out)
            s.events = still
        started = []
        for axis, value in enumerate(values):
            threshold = thresholds[axis]
            if not value >= threshold or any(event.axis == axis for event in s.events):
                continue
            least = self._min_speeds[axis]
            if least == 0 or (speed is not None and speed >= least):
                s.events.append(
                    OpenEvent(
                        axis,
                        t,
                        t,
                        1,
                        self._rearm * threshold,
                        threshold,
                        value,
                        lat,
                        lon,
                        speed,
                        derived[axis],
                    )
                )
                if axis != CRASH:
                    counts = t - s.counted[axis] >= self._deduplicate
                    if counts:
                        s.counted[axis] = t
                    started.append((axis, int(counts)))
        return started

    def emit(self, s: Vehicle, event: OpenEvent, vehicle_id: str, out: list[Any]) -> None:
        """Writes an event that is over."""
        ratio = event.peak / event.threshold
        out.append(
            DriverEvent(
                s.driver,
                event.start,
                TYPES[event.axis],
                vehicle_id,
                s.fleet,
                event.end,
                (event.end - event.start) / 1e3,
                event.peak,
                "m/s2",
                "high" if ratio >= 1.5 else ("medium" if ratio >= 1.25 else "low"),
                event.lat,
                event.lon,
                event.speed,
                None,
                event.derived,
                self._rule,
                event.n,
            )
        )

    def close(self, s: Vehicle, vehicle_id: str, out: list[Any]) -> None:
        """All open events are over, for another driver or for good."""
        for event in s.events:
            self.emit(s, event, vehicle_id, out)
        s.events = []
        s.counted = [NEVER, NEVER, NEVER]


def count(sums: Sums, started: list[Started]) -> None:
    """Adds events that start."""
    for axis, scored in started:
        if axis == ACCEL:
            sums.accel += 1
            sums.scored_accel += scored
        elif axis == BRAKE:
            sums.brake += 1
            sums.scored_brake += scored
        else:
            sums.corner += 1
            sums.scored_corner += scored


def haversine_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance in metres."""
    phi1, phi2 = radians(lat1), radians(lat2)
    a = sin((phi2 - phi1) / 2) ** 2 + cos(phi1) * cos(phi2) * sin(radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(a)))
