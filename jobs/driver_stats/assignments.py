"""Who drove, on keyed state: log-ins and minutes of which no message named the driver, keyed by vehicle.

Input: UNNAMED_ROW records of a vehicle's minutes, and messages assignment/1, both keyed by ``unknown:<vehicle_id>``.
Output: rows ``(driver, (driver, record))`` for the drivers' windows and hours: each minute at once, given to whoever is
logged in as far as is known; and what a later log-in moves from one driver to another. So with events (EVENT_ROW),
which come out as row frames, and with trips (TRIP_ROW), which are divided where the driver changes.

A vehicle's minutes and log-ins are kept until messages about them would be refused as too late.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext, TimerService
from pyflink.datastream.state import MapStateDescriptor

from conf.attribution import AttributionRules
from conf.local_time import LocalTime
from connectors.rows import FrameEncoder, Value
from jobs.driver_stats import attribution, unnamed, unnamed_events, unnamed_trips
from jobs.driver_stats.attribution import (
    Login,
    Logins,
    Minute,
    affected,
    driver_of,
    forget,
    moves,
    with_login,
)
from jobs.driver_stats.fleet_time import FleetTime
from jobs.driver_stats.layout import NONE
from jobs.driver_stats.unnamed import PREFIX, LoginMessage, RefusedLogin, top
from jobs.driver_stats.unnamed_events import UnnamedEvents
from jobs.driver_stats.unnamed_trips import TripRules, UnnamedTrips
from jobs.driver_stats.windows import HOUR_MS
from jobs.log_lines import REJECT_BODY_BYTES
from schemas.tables import table

JOB = "driver_stats"
OWN = ""
RECORDS = Types.ROW([Types.STRING(), Types.TUPLE([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])])
REJECTS = OutputTag("assignment-rejects", Types.PRIMITIVE_ARRAY(Types.BYTE()))
EVENTS = OutputTag("unnamed-events", Types.PRIMITIVE_ARRAY(Types.BYTE()))

Bucket: TypeAlias = dict[tuple[int, str, int], tuple[tuple[int, ...], float, int, float, float]]
"""An hour's minutes (UTC) by start, fleet and trip that began in it: sums, maximum speed, rule set, place."""


class Attribution(KeyedProcessFunction):  # type: ignore[misc]
    """Gives a vehicle's minutes to its drivers."""

    def __init__(
        self,
        rules: AttributionRules,
        local_time: LocalTime,
        keep_ms: int | None,
        lateness_ms: int,
        max_ahead_ms: int,
        event_rules: Sequence[str],
        trip_rules: TripRules,
    ) -> None:
        """Sets how log-ins are read.

        Args:
            rules: for how long a log-in holds.
            local_time: of the fleets; a driver's maximum is by their hours and days.
            keep_ms: minutes and log-ins are kept until the watermark is so far beyond them; None: for ever.
            lateness_ms: a log-in older than this at its arrival is a reject; 0: none is.
            max_ahead_ms: one further in the future at its arrival is a reject.
            event_rules: the rule set of each type of event.
            trip_rules: what trips are scored by.
        """
        self._rules = rules
        self._local_time = local_time
        self._keep_ms = keep_ms
        self._lateness_ms = lateness_ms
        self._max_ahead_ms = max_ahead_ms
        self._event_rules = event_rules
        self._trip_rules = trip_rules

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state: minutes by the hour, and log-ins."""
        self._time = FleetTime(self._local_time)
        self._hours = runtime_context.get_map_state(
            MapStateDescriptor("minutes", Types.LONG(), Types.PICKLED_BYTE_ARRAY())
        )
        self._logins = runtime_context.get_map_state(
            MapStateDescriptor("logins", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )
        events = MapStateDescriptor("events", Types.LONG(), Types.PICKLED_BYTE_ARRAY())
        self._events = UnnamedEvents(runtime_context.get_map_state(events), self._event_rules)
        trips = MapStateDescriptor("trips", Types.LONG(), Types.PICKLED_BYTE_ARRAY())
        spans = MapStateDescriptor("trip_spans", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._trips = UnnamedTrips(
            runtime_context.get_map_state(trips), runtime_context.get_map_state(spans), self._trip_rules
        )
        self._reject = FrameEncoder(table(JOB, "reject"))

    def process_element(
        self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context
    ) -> Iterator[Row | tuple[OutputTag, bytes]]:
        """Gives a minute to its driver, or takes a log-in."""
        key, record = value
        vehicle_id = key.removeprefix(PREFIX)
        timers = ctx.timer_service()
        if unnamed_events.is_event(record):
            self._expire(unnamed_events.hour_of(record), timers)
            for frame in self._events.add(record, vehicle_id, self._driver_at(self._known(), vehicle_id)):
                yield EVENTS, frame
            return
        if unnamed_trips.is_trip(record):
            due = self._trips.add(record)
            if due is not None:
                timers.register_event_time_timer(max(due, timers.current_watermark()))
            return
        if not unnamed.is_message(record):
            yield from self._minute(vehicle_id, *unnamed.read(record), timers)
            return
        sent = unnamed.message(record)
        try:
            found = self._accepted(sent, vehicle_id)
        except RefusedLogin as refused:
            yield REJECTS, self._refused(sent, str(refused))
            return
        yield from self._login(vehicle_id, found, timers)

    def on_timer(
        self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext
    ) -> Iterator[tuple[OutputTag, bytes]]:
        """Writes the trips that are due; forgets the hour that no message may concern any more, and log-ins before."""
        vehicle_id = ctx.get_current_key().removeprefix(PREFIX)
        logins = self._known()
        for frame in self._trips.due(
            max(timestamp, ctx.timer_service().current_watermark()),
            vehicle_id,
            lambda start, end: attribution.stretches(self._rules, logins, vehicle_id, start, end),
            self._minutes,
        ):
            yield EVENTS, frame
        if self._keep_ms is not None:
            end = timestamp + 1 - self._keep_ms
            if end % HOUR_MS == 0:
                self._hours.remove(end - HOUR_MS)
                self._events.forget(end - HOUR_MS)
                self._trips.forget(end - HOUR_MS)
            kept = forget(logins, end)
            if kept != logins:
                self._logins.put(OWN, pickle.dumps(kept))

    def _minute(self, vehicle_id: str, minute: Minute, rule: int, timers: TimerService) -> Iterator[Row]:
        hour = minute.start_ms - minute.start_ms % HOUR_MS
        stored = self._hours.get(hour)
        bucket: Bucket = {} if stored is None else _bucket(stored)
        if stored is None:
            self._expire(hour, timers)
        place = (minute.start_ms, minute.fleet_id, minute.trip_ms)
        nan = float("nan")
        sums, max_kmh, _, lat, lon = bucket.get(place, ((0,) * len(minute.sums), nan, rule, nan, nan))
        added = tuple(mine + other for mine, other in zip(sums, minute.sums, strict=True))
        if minute.lat == minute.lat:
            lat, lon = minute.lat, minute.lon
        bucket[place] = (added, top(max_kmh, minute.max_kmh), rule, lat, lon)
        self._hours.put(hour, pickle.dumps(bucket))
        driver = driver_of(self._rules, self._known(), vehicle_id, minute.start_ms)
        yield from _records(driver, vehicle_id, minute, rule, False, minute.max_kmh, minute.max_kmh)

    def _driver_at(self, logins: Logins, vehicle_id: str) -> Callable[[int], str]:
        return lambda ms: driver_of(self._rules, logins, vehicle_id, ms)

    def _login(
        self, vehicle_id: str, login: Login, timers: TimerService
    ) -> Iterator[Row | tuple[OutputTag, bytes]]:
        before = self._known()
        after = with_login(before, login)
        if after == before:
            return
        self._logins.put(OWN, pickle.dumps(after))
        self._expire(login.at_ms - login.at_ms % HOUR_MS, timers)
        start, end = affected(after, login)
        was, now = (self._driver_at(logins, vehicle_id) for logins in (before, after))
        for frame in self._events.move(start, end, vehicle_id, was, now):
            yield EVENTS, frame
        for due in self._trips.log_in(start, end):
            timers.register_event_time_timer(max(due, timers.current_watermark()))
        buckets = self._buckets(start, end)
        minutes = [
            minute
            for minute in _minutes(buckets)
            if start <= minute.start_ms and (end is None or minute.start_ms < end)
        ]
        known: dict[tuple[str, str, int, int], tuple[float, float]] = {}
        for move in moves(self._rules, vehicle_id, before, after, minutes):
            minute = move.minute
            bucket = buckets[minute.start_ms - minute.start_ms % HOUR_MS]
            rule = bucket[minute.start_ms, minute.fleet_id, minute.trip_ms][2]
            for driver, part in move.parts():
                share = Minute(minute.start_ms, minute.fleet_id, part.sums, part.max_kmh)
                place = self._time.place(minute.start_ms, minute.fleet_id)
                window = (driver, minute.fleet_id, place.hour, place.date)
                tops = known.get(window) or self._tops(driver, vehicle_id, minute, after)
                known[window] = tops
                yield from _records(driver, vehicle_id, share, rule, True, *tops)

    def _tops(self, driver: str, vehicle_id: str, of: Minute, logins: Logins) -> tuple[float, float]:
        """A driver's top speeds with this vehicle in the hour and day of a minute, from what is kept of it."""
        place = self._time.place(of.start_ms, of.fleet_id)
        hour_kmh = day_kmh = float("nan")
        for bucket in self._buckets(place.day_end - 26 * HOUR_MS, place.day_end).values():
            for (at, fleet, _), (_, max_kmh, *_) in bucket.items():
                other = self._time.place(at, fleet)
                if fleet == of.fleet_id and other.date == place.date and max_kmh == max_kmh:
                    if driver_of(self._rules, logins, vehicle_id, at) != driver:
                        continue
                    day_kmh = top(day_kmh, max_kmh)
                    if other.hour == place.hour:
                        hour_kmh = top(hour_kmh, max_kmh)
        return hour_kmh, day_kmh

    def _buckets(self, start: int, end: int | None) -> dict[int, Bucket]:
        """The hours that hold something from ``start`` to ``end``, oldest first."""
        if end is None:
            keys = sorted(hour for hour in list(self._hours.keys()) if hour + HOUR_MS > start)
        else:
            keys = list(range(start - start % HOUR_MS, end, HOUR_MS))
        found = ((hour, self._hours.get(hour)) for hour in keys)
        return {hour: _bucket(stored) for hour, stored in found if stored is not None}

    def _minutes(self, start: int, end: int) -> Iterator[Minute]:
        """What is kept of the minutes that begin in [start, end)."""
        return (minute for minute in _minutes(self._buckets(start, end)) if start <= minute.start_ms < end)

    def _known(self) -> Logins:
        stored = self._logins.get(OWN)
        found: Logins = () if stored is None else pickle.loads(stored)
        return found

    def _expire(self, hour: int, timers: TimerService) -> None:
        if self._keep_ms is not None:
            timers.register_event_time_timer(hour + HOUR_MS + self._keep_ms - 1)

    def _accepted(self, sent: LoginMessage, vehicle_id: str) -> Login:
        found = unnamed.login(sent, vehicle_id)
        if sent.arrival_ms > 0:
            if found.at_ms > sent.arrival_ms + self._max_ahead_ms:
                raise RefusedLogin("time_ahead: t is further ahead of the arrival than clock.max_ahead_s")
            if self._lateness_ms and found.at_ms < sent.arrival_ms - self._lateness_ms:
                raise RefusedLogin("too_late: t is further behind the arrival than window.allowed_lateness_s")
        return found

    def _refused(self, sent: LoginMessage, reason: str) -> bytes:
        values: dict[str, Value] = {
            "day": datetime.fromtimestamp(sent.arrival_ms / 1000, UTC).strftime("%Y-%m-%d"),
            "source": sent.source,
            "received_at": sent.arrival_ms,
            "offset": sent.offset,
            "reason": reason,
            "body": sent.body[:REJECT_BODY_BYTES],
            "length": len(sent.body),
            "sha256": hashlib.sha256(sent.body).hexdigest(),
        }
        columns = table(JOB, "reject").columns
        return self._reject.encode(
            max(1, sent.arrival_ms * 1000), [values[column.name] for column in columns]
        )


def _bucket(stored: bytes) -> Bucket:
    """An hour as it is kept; before trips were divided, minutes had neither trips nor places."""
    nan = float("nan")
    return {
        key if len(key) == 3 else (*key, NONE): value if len(value) == 5 else (*value, nan, nan)
        for key, value in pickle.loads(stored).items()
    }


def _minutes(buckets: Mapping[int, Bucket]) -> Iterator[Minute]:
    for bucket in buckets.values():
        for (at, fleet, trip_ms), (sums, max_kmh, _, lat, lon) in sorted(bucket.items()):
            yield Minute(at, fleet, sums, max_kmh, trip_ms, lat, lon)


def _records(
    driver: str, vehicle_id: str, minute: Minute, rule: int, anew: bool, hour_kmh: float, day_kmh: float
) -> Iterator[Row]:
    """What the drivers' stage gets of a minute."""
    record = unnamed.attributed(vehicle_id, minute, anew=anew, hour_kmh=hour_kmh, day_kmh=day_kmh)
    yield Row(driver, (driver, record))
    driven = unnamed.drive(vehicle_id, minute, rule)
    if driven is not None:
        yield Row(driver, (driver, driven))
