"""The statistics of driver_stats in plain Python: what the peers compute.

The same rules as ``jobs/driver_stats/kernel.py``, one sample after the other, written the way one would by hand for
an engine that calls Python for each message: parameters and the last sample in locals, the usual case first, nothing
computed that no table holds. It also is a second, independent implementation to compare the kernel with.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any

from bench.plain_episodes import OK, UNKNOWN, Episodes, add_band
from bench.plain_harsh import Harsh, count, haversine_m
from bench.plain_records import Telemetry, Trip, VehicleLive, VehicleMinute
from bench.plain_score import Scorer
from bench.plain_state import Part, Sums, Vehicle, add, metrics
from jobs.driver_stats.settings import Settings

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
UM_PER_KMH_MS = 1e9 / 3.6e6
DRIVE, IDLE, STOPPED = 0, 1, 2
STATE_NAMES = ("driving", "idle", "stopped")


class VehicleStatistics:
    """Folds messages into vehicles; what is complete is appended to ``out``."""

    def __init__(self, settings: Settings) -> None:
        def ms(seconds: float) -> int:
            return round(seconds * 1000)

        self._idle_gap = ms(settings.idle.max_gap_s)
        self._plausible = settings.gps.max_speed_kmh
        self._harsh = Harsh(settings)
        self._episodes = Episodes(settings)
        self._score = Scorer(settings).score
        self._parameters = (  # of every sample: unpacked at once
            ms(settings.sample.max_gap_s),
            ms(settings.trip.gap_s),
            ms(settings.trip.stop_s),
            settings.standing.speed_kmh,
            settings.harsh_rules.jump.max_kmh,
            settings.harsh_rules.jump.slack_kmh,
            settings.speeding.limit_kmh,
            settings.speeding.bands.minor.over_kmh,
        )

    def fold(self, s: Vehicle, message: Telemetry, out: list[Any]) -> None:
        """Folds one message in."""
        c = message.samples
        vehicle_id = message.vehicle_id
        harsh, episodes = self._harsh, self._episodes
        vehicle_class = message.vehicle_class
        if vehicle_class not in harsh.thresholds:
            vehicle_class = harsh.default_class
        accel_level, brake_level, corner_level = harsh.levels[vehicle_class]
        max_gap, trip_gap, trip_stop, standing_kmh, max_kmh, slack_kmh, fixed_kmh, over_kmh = self._parameters
        last_t, last_standing = s.last_t, s.last_standing
        credible_t, credible_kmh = s.credible_t, s.credible_kmh
        credible_lat, credible_lon = s.credible_lat, s.credible_lon
        last_lat, last_lon, last_odometer = s.last_lat, s.last_lon, s.last_odometer
        last_speed, last_heading, last_ignition = s.last_speed, s.last_heading, s.last_ignition
        none = repeat(None)
        told_who = False

        for t, speed, ax, ay, lat, lon, heading, ignition, odometer, yaw_rate, limit in zip(
            c.t,
            c.speed or none,
            c.accel_x or none,
            c.accel_y or none,
            c.lat or none,
            c.lon or none,
            c.heading or none,
            c.ignition or none,
            c.odometer or none,
            c.yaw_rate or none,
            c.speed_limit or none,
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
                others = self._who(s, message, vehicle_class, out)

            # speed, distance, standing
            top = speed
            if speed is not None:
                if speed > max_kmh:
                    top = speed = None
                elif speed - credible_kmh > slack_kmh and harsh.is_jump(
                    t - credible_t, speed, lat, lon, (credible_kmh, credible_lat, credible_lon)
                ):
                    speed = None
                else:
                    credible_t, credible_kmh, credible_lat, credible_lon = t, speed, lat, lon
            if speed is not None:
                um = int(speed * gap * UM_PER_KMH_MS + 0.5)
                standing = speed < standing_kmh
            else:
                um = self._distance_without_speed(
                    gap, (last_odometer, last_lat, last_lon), odometer, lat, lon
                )
                standing = um >= 0 and gap > 0 and um < standing_kmh * gap * UM_PER_KMH_MS
            covers = last_t is not None and (
                gap <= max_gap or (standing and last_standing and gap <= self._idle_gap)
            )

            # trip
            trip = s.trip
            if trip is not None and (gap >= trip_gap or ignition is False):
                self._close_trip(s, vehicle_id, True, out)
                trip = None
            if trip is None and ignition is not False and (trip_stop == 0 or not standing):
                covers = False
                trip = self._open_trip(s, t, lat, lon)
            if covers:
                span = gap
                if um < 0:
                    um = 0
            else:
                span = um = 0

            # speeding, idling
            band = OK
            if standing:
                kind = STOPPED if ignition is False else IDLE
                if s.speeding is not None:
                    episodes.end_speeding(s, vehicle_id, out)
                if span and kind == IDLE:
                    episodes.idling(s, t, span, lat, lon)
                elif s.idling is not None:
                    episodes.end_idling(s, vehicle_id, last_t or 0, out)
            else:
                kind = DRIVE
                if limit is None or limit <= 0:
                    limit = fixed_kmh
                if limit is None or speed is None:
                    band = UNKNOWN
                elif speed > limit + over_kmh:
                    band = episodes.band(speed, limit)
                    if band and span:
                        episodes.speeding(s, t, span, band, speed, limit, lat, lon)
                if s.speeding is not None and (not span or band in (OK, UNKNOWN)):
                    episodes.end_speeding(s, vehicle_id, out)
                if s.idling is not None:
                    episodes.end_idling(s, vehicle_id, last_t or 0, out)

            # minute
            minute = t - t % MINUTE_MS
            part = s.part
            if s.minute_start == minute and t - gap >= minute:
                if span:
                    part.um += um
                    if kind == DRIVE:
                        part.drive_ms += span
                        if band:
                            add_band(part, band, span, um)
                    elif kind == IDLE:
                        part.idle_ms += span
                    else:
                        part.stopped_ms += span
            else:
                if span:
                    self._cover(s, vehicle_id, t - gap, t, kind, um, band, out)
                if s.minute_start != minute:
                    self._open_minute(s, vehicle_id, minute, out)
                part = s.part
            if others:  # a minute goes by the driver of its last sample
                s.minute_driver = s.driver
                s.minute_fleet = s.fleet

            # harsh events
            started = None
            if ax is None or ay is None:
                x, y = harsh.derived(s, t, speed, heading, yaw_rate, lat, lon)
                if ax is not None:
                    x = ax
                if ay is not None:
                    y = abs(ay)
            else:
                x, y = ax, abs(ay)
            if x >= accel_level or -x >= brake_level or y >= corner_level or s.events:
                started = harsh.events(
                    s,
                    vehicle_id,
                    (t, gap, speed, lat, lon),
                    (ax, ay),
                    (x, y),
                    harsh.thresholds[vehicle_class],
                    out,
                )
                if started:
                    count(part, started)

            part.n += 1
            s.minute_dirty = True
            if top is not None and top > part.max_kmh:
                part.max_kmh = top
            if lat is not None and lon is not None:
                s.minute_lat = lat
                s.minute_lon = lon

            if trip is not None:
                if top is not None and top > trip.max_kmh:
                    trip.max_kmh = top
                if standing and trip_stop > 0:
                    sums = s.tail
                    if sums is None:
                        sums = s.tail = Sums()
                    s.tail_end = t
                    if lat is not None and lon is not None:
                        s.tail_lat = lat
                        s.tail_lon = lon
                else:
                    if s.tail is not None:
                        self._keep_tail(s, trip, s.tail)
                    sums = trip
                    s.trip_end = t
                    if lat is not None and lon is not None:
                        s.trip_end_lat = lat
                        s.trip_end_lon = lon
                sums.n += 1
                if span:
                    sums.um += um
                    if kind == DRIVE:
                        sums.drive_ms += span
                        if band:
                            add_band(sums, band, span, um)
                    elif kind == IDLE:
                        sums.idle_ms += span
                    else:
                        sums.stopped_ms += span
                if started:
                    count(sums, started)
                if standing and 0 < trip_stop <= t - s.trip_end:
                    self._close_trip(s, vehicle_id, False, out)

            last_t = t
            last_standing = standing
            last_lat = lat
            last_lon = lon
            last_odometer = odometer
            last_speed = speed
            last_heading = heading
            last_ignition = ignition
        s.last_t = last_t
        s.last_standing = last_standing
        s.last_lat = last_lat
        s.last_lon = last_lon
        s.last_odometer = last_odometer
        s.last_speed = last_speed
        s.last_heading = last_heading
        s.last_ignition = last_ignition
        s.credible_t = credible_t
        s.credible_kmh = credible_kmh
        s.credible_lat = credible_lat
        s.credible_lon = credible_lon

    def finish(self, s: Vehicle, vehicle_id: str, out: list[Any]) -> None:
        """The end of input: everything that is open is complete."""
        if s.last_t is None:
            return
        if s.minute_dirty:
            self._emit_minute(s, vehicle_id, out)
        if s.held is not None:
            out.append(s.held)
            s.held = None
        self._harsh.close(s, vehicle_id, out)
        self._episodes.end_idling(s, vehicle_id, s.last_t, out)
        self._episodes.end_speeding(s, vehicle_id, out)
        trip_start = None
        if s.trip is not None:
            trip_start = s.trip_start
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

    def _who(self, s: Vehicle, message: Telemetry, vehicle_class: str, out: list[Any]) -> bool:
        """Takes over driver, fleet and class; tells whether driver or fleet are others than before."""
        vehicle_id = message.vehicle_id
        driver = message.driver_id or f"unknown:{vehicle_id}"
        fleet = message.fleet_id or "default"
        others = driver != s.driver or fleet != s.fleet
        if others and s.last_t is not None:
            self._emit_part(s, True, out)
            if s.held is not None:
                out.append(s.held)
                s.held = None
            if driver != s.driver:
                self._harsh.close(s, vehicle_id, out)
                self._episodes.end_speeding(s, vehicle_id, out)
                self._episodes.end_idling(s, vehicle_id, s.last_t, out)
                if s.trip is not None:
                    self._close_trip(s, vehicle_id, True, out)
        s.driver = driver
        s.fleet = fleet
        s.vehicle_class = vehicle_class
        return others

    def _distance_without_speed(
        self,
        gap: int,
        before: tuple[float | None, float | None, float | None],
        odometer: float | None,
        lat: float | None,
        lon: float | None,
    ) -> int:
        """By the odometer, else by the places, of this sample and the one before; -1 where it is unknown."""
        last_odometer, last_lat, last_lon = before
        plausible = int(self._plausible * gap * UM_PER_KMH_MS)
        if odometer is not None and last_odometer is not None:
            driven = odometer - last_odometer
            if driven >= 0 and driven * 1e6 <= plausible:
                return int(driven * 1e6 + 0.5)
        if lat is not None and lon is not None and last_lat is not None and last_lon is not None:
            moved = haversine_m(last_lat, last_lon, lat, lon) * 1e6
            if moved <= plausible:
                return int(moved + 0.5)
        return -1

    def _cover(
        self,
        s: Vehicle,
        vehicle_id: str,
        begin: int,
        end: int,
        kind: int,
        um: int,
        band: int,
        out: list[Any],
    ) -> None:
        """Adds (begin, end] to the minutes it lies in, split at their edges."""
        span = end - begin
        told = 0
        at = begin
        while at < end:
            minute = at - at % MINUTE_MS
            if s.minute_start != minute:
                self._open_minute(s, vehicle_id, minute, out)
            until = min(minute + MINUTE_MS, end)
            upto = um if until == end else um * (until - begin) // span
            part = s.part
            part.um += upto - told
            if kind == DRIVE:
                part.drive_ms += until - at
                if band:
                    add_band(part, band, until - at, upto - told)
            elif kind == IDLE:
                part.idle_ms += until - at
            else:
                part.stopped_ms += until - at
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

    def _emit_part(self, s: Vehicle, share: bool, out: list[Any]) -> None:
        """Takes the driver's part of the open minute to his hour; as one share of several it is added to the minute."""
        part = s.part
        if not (part.n or part.drive_ms or part.idle_ms or part.stopped_ms):
            return
        if share:
            if s.minute is None:
                s.minute = Sums()
            add(s.minute, part)
        s.part = Sums()
        start = s.minute_start or 0
        hour = start - start % HOUR_MS
        held = s.held
        if held is not None:
            if held.hour == hour:
                add(held.sums, part)
                return
            out.append(held)
        s.held = Part(s.driver, s.fleet, hour, part)

    def _emit_minute(self, s: Vehicle, vehicle_id: str, out: list[Any]) -> None:
        total = s.minute
        if total is None:
            total = s.part
        else:
            add(total, s.part)
            s.minute = None
        start, driver, fleet = s.minute_start or 0, s.minute_driver, s.minute_fleet
        row = (*metrics(total), vehicle_id, start, driver, fleet, s.minute_lat, s.minute_lon)
        out.append(VehicleMinute(*row))
        s.minute_dirty = False
        self._emit_part(s, False, out)

    def _open_trip(self, s: Vehicle, t: int, lat: float | None, lon: float | None) -> Sums:
        s.trip_start = s.trip_end = t
        s.trip_start_lat = s.trip_end_lat = lat
        s.trip_start_lon = s.trip_end_lon = lon
        s.trip = Sums()
        return s.trip

    def _keep_tail(self, s: Vehicle, trip: Sums, tail: Sums) -> None:
        add(trip, tail)
        s.trip_end = s.tail_end
        if s.tail_lat is not None:
            s.trip_end_lat = s.tail_lat
            s.trip_end_lon = s.tail_lon
        self._no_tail(s)

    def _no_tail(self, s: Vehicle) -> None:
        s.tail = s.tail_lat = s.tail_lon = None

    def _close_trip(self, s: Vehicle, vehicle_id: str, with_tail: bool, out: list[Any]) -> None:
        trip = s.trip
        if trip is None:
            return
        self._episodes.end_speeding(s, vehicle_id, out)
        if s.tail is not None:
            if with_tail:
                self._keep_tail(s, trip, s.tail)
            else:
                self._no_tail(s)
        row = (
            *metrics(trip),
            *self._score(trip),
            s.driver,
            s.trip_start,
            vehicle_id,
            s.trip_end,
            s.fleet,
            s.vehicle_class,
            s.trip_start_lat,
            s.trip_start_lon,
            s.trip_end_lat,
            s.trip_end_lon,
        )
        out.append(Trip(*row))
        s.trip = None
