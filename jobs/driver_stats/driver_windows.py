"""Hours and days of each driver as a keyed PyFlink function.

Input: parts of minutes, keyed by driver. Output: row frames of driver_hour, driver_day and fleet_day, and, made of the
days, driver_week and driver_rolling; and events of driver_event about the driver's hours.
A window is written when the watermark closes it (``final``), and again, as the next revision, when a late part comes;
while it is open it is written at most once a second by the clock, where the job runs live.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterable, Iterator, Mapping

from pyflink.common import TypeInformation, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, TimerService
from pyflink.datastream.state import MapState, MapStateDescriptor

from conf.hours import EuRules, FmcsaRules
from conf.local_time import LocalTime
from conf.score import AdditiveRules, PercentRules
from connectors.rows import FrameEncoder, Value
from jobs.driver_stats import drive_minutes, fleet_time, unnamed, windows
from jobs.driver_stats.at_wheel import AtWheel
from jobs.driver_stats.drive_minutes import DRIVE_ROW
from jobs.driver_stats.driving_hours import DriveLeft, DrivingHours, OfDriver
from jobs.driver_stats.fleet_time import FleetTime
from jobs.driver_stats.hours import MINUTE_MS
from jobs.driver_stats.long_windows import ROLLING, WEEK, LongWindows, Written
from jobs.driver_stats.maxima import Maxima
from jobs.driver_stats.pace import Pace
from jobs.driver_stats.rule_changes import is_step
from jobs.driver_stats.told_rules import ToldRules
from jobs.driver_stats.window_rows import WindowRows, fleets_of
from jobs.driver_stats.windows import DAY_MS, HOUR_MS, WindowSums
from schemas.tables import table

JOB = "driver_stats"
FOR_EVER_MS = 2**61
HOUR, DAY = "hour", "day"
TABLES = ("driver_hour", "driver_day", "fleet_day", "driver_week", "driver_rolling")
NO_FLEET = ""
"""Its days are those of the zone that holds where a fleet has none of its own."""
OWN = "\0"
"""Beside a day's fleets: how often the driver's own row was final, if the fleets' days do not end together."""


class DriverWindows(KeyedProcessFunction):  # type: ignore[misc]
    """Adds up a driver's parts to hours and days."""

    def __init__(
        self,
        emit_every_ms: int | None,
        keep_ms: int | None,
        rules: AdditiveRules | PercentRules,
        local_time: LocalTime = fleet_time.IN_UTC,
        hours_rules: Mapping[str, EuRules | FmcsaRules] | None = None,
        attributes: bool = False,
        at_wheel: bool = False,
        emit_long_every_ms: int | None = None,
        rules_change: bool = False,
    ) -> None:
        """Sets when windows are written and forgotten, and how they are scored.

        Args:
            emit_every_ms: open windows that changed are written so often; None: only when they close (files).
            keep_ms: a closed window is kept for late parts until the watermark is so far beyond it; None: for ever.
            rules: of the score.
            local_time: in which zone each fleet's hours and days are.
            hours_rules: rule sets of drivers' hours, in the order in which records of driving name them.
            attributes: whether parts may come whose drivers log-ins tell.
            at_wheel: whether vehicle_live says how long the driver may still drive; for live jobs.
            emit_long_every_ms: the same as emit_every_ms for open weeks and rolling days; None: like hours and days.
            rules_change: whether the weights of the score may change, of which the driver is told then.
        """
        self._rules = rules
        self._emit_every_ms = emit_every_ms
        self._emit_long_every_ms = emit_long_every_ms or emit_every_ms
        self._keep_ms = FOR_EVER_MS if keep_ms is None else keep_ms
        self._local_time = local_time
        self._hours_rules = hours_rules or {}
        self._attributes = attributes
        self._rules_change = rules_change
        self._shows_left = at_wheel and emit_every_ms is not None and bool(hours_rules)

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state: sums by window, and which open windows have changed since they were written."""

        def state(name: str, keys: TypeInformation, values: TypeInformation) -> MapState:
            return runtime_context.get_map_state(MapStateDescriptor(name, keys, values))

        self._time = FleetTime(self._local_time)
        self._pace = Pace(self._emit_every_ms or 1, self._emit_long_every_ms or 1)
        self._hours = state("hours", Types.LONG(), Types.PICKLED_BYTE_ARRAY())
        self._days = state("days", Types.LONG(), Types.PICKLED_BYTE_ARRAY())
        self._long = state("long", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._changed = state("changed", Types.STRING(), Types.LONG())
        self._changed_long = state("changed_long", Types.LONG(), Types.LONG())
        self._maxima = Maxima(state("maxima", Types.STRING(), Types.PICKLED_BYTE_ARRAY()), self._attributes)
        self._left = state("drive_left", Types.LONG(), Types.STRING())
        told = (
            state("score_rules", Types.STRING(), Types.PICKLED_BYTE_ARRAY()) if self._rules_change else None
        )
        self._told = ToldRules(self._rules, told)
        self._driving = DrivingHours(self._hours_rules, runtime_context)
        # As it was judged in this call; read anew in the next one.
        self._hours_of: OfDriver | None = None
        self._wheel = AtWheel(runtime_context) if self._shows_left else None
        self._events = FrameEncoder(table(JOB, "driver_event"))
        self._encoders = {name: WindowRows(name) for name in TABLES}
        self._too_old = runtime_context.get_metrics_group().counter("parts_too_old")

    def process_element(self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context) -> Iterable[bytes]:
        """Folds one part in. Each call into the state or the timers is one into Java: there are as few as can be."""
        driver_id, row = value
        self._hours_of = None
        if len(row) == DRIVE_ROW.itemsize:
            return self._drove(row, ctx.timer_service(), driver_id)
        if self._rules_change and is_step(row):
            return self._scored_anew(row, ctx.timer_service(), driver_id)
        given = unnamed.read_attributed(row) if unnamed.is_attributed(row) else None
        part = windows.read_part(row if given is None else given.part)
        timers = ctx.timer_service()
        watermark = timers.current_watermark()
        place = self._time.place(part.minute_start, part.fleet_id)
        if place.day_end + self._keep_ms <= watermark:
            # Its windows were forgotten: a row made of this part alone would be wrong.
            self._too_old.inc()
            return ()
        changed = []
        if place.hour_end + self._keep_ms > watermark:
            stored = self._hours.get(place.hour)
            self._hours.put(place.hour, windows.folded(stored, part.sums, part.max_kmh))
            changed.append((HOUR, place.hour, place.hour_end, stored is None))
            if given is not None:
                self._maxima.put(f"{HOUR}:{place.hour}", part.fleet_id, given, given.hour_kmh)
        fleets = fleets_of(self._days.get(place.date))
        before = fleets.get(part.fleet_id)
        fleets[part.fleet_id] = windows.folded(before, part.sums, part.max_kmh)
        self._days.put(place.date, pickle.dumps(fleets))
        changed.append((DAY, place.date, place.day_end, before is None))
        if given is not None:
            self._maxima.put(f"{DAY}:{place.date}", part.fleet_id, given, given.day_kmh)
        return self._note(timers, changed, watermark, driver_id)

    def _scored_anew(self, row: bytes, timers: TimerService, driver_id: str) -> Iterable[bytes]:
        """Takes other weights of the score; live, what is kept is written again: who judges it knows them now."""
        if self._told.take(row) and self._emit_every_ms is not None:
            for kind, kept in ((HOUR, self._hours), (DAY, self._days)):
                for key in list(kept.keys()):
                    self._changed.put(f"{kind}:{key}", key)
            self._register_clock(timers, driver_id)
        return ()

    def _drove(self, row: bytes, timers: TimerService, driver_id: str) -> Iterable[bytes]:
        """Takes a record of driving to the driver's hours; they are judged at the next timer, or now if it is late."""
        watermark = timers.current_watermark()
        self._driving.add(row, watermark - self._keep_ms)
        if self._wheel is not None:
            self._wheel.note(drive_minutes.read(row))
        known_ms = drive_minutes.last_minute(row) + 2 * MINUTE_MS  # what comes after a minute matters for it
        if self._emit_every_ms is not None:
            timers.register_event_time_timer(known_ms - 1)
            self._register_clock(timers, driver_id)
        elif known_ms - 1 <= watermark:
            return list(self._judge(driver_id, timers))
        return ()

    def _judge(self, driver_id: str, timers: TimerService) -> Iterator[bytes]:
        """Events of the driver's hours, and the days that closed with another time left than is right now."""
        closed_ms = timers.current_watermark() + 1
        if not self._hours_rules or closed_ms <= 0:
            return
        hours = self._hours_of = self._driving.of_driver()
        if not hours:
            return
        changes_closed = hours.changes_what_is_closed()
        yield from hours.judge(closed_ms, driver_id, self._events)
        hours.save()
        if self._wheel is not None:
            shown = self._wheel.row(driver_id, hours.left_at(closed_ms), closed_ms)
            if shown is not None:
                yield shown
        if changes_closed:
            for date, told in sorted(self._left.items()):
                left = hours.left_at(max(self._ends(DAY, date)))
                if left is not None and told != left.text():
                    yield from self._rows(DAY, date, driver_id, closed_ms, timers)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[bytes]:
        """Writes what the clock or the watermark asks for, and forgets what is too old."""
        driver_id = ctx.get_current_key()
        self._hours_of = None
        timers = ctx.timer_service()
        watermark = timers.current_watermark()
        yield from self._judge(driver_id, timers)
        if ctx.time_domain().name == "PROCESSING_TIME":
            if self._pace.is_long_tick(driver_id, timestamp):
                yield from self._open_long(driver_id, watermark + 1)
            self._pace.had_its_turn(driver_id)
            for name, key in list(self._changed.items()):
                kind = name.partition(":")[0]
                for end in self._ends(kind, key):
                    if end > watermark + 1:
                        # A restored job's watermark begins anew, so a window's timer may have fired already.
                        timers.register_event_time_timer(end - 1)
                yield from self._rows(kind, key, driver_id, watermark + 1, timers)
            self._changed.clear()
            return
        end = timestamp + 1
        for kind, state, ending in self._closing(end):
            for key in ending:
                if not state.contains(key):
                    continue
                yield from self._rows(kind, key, driver_id, end, timers, ended=end)
                if end == max(self._ends(kind, key)):
                    self._changed.remove(f"{kind}:{key}")
                if self._keep_ms == FOR_EVER_MS:
                    continue  # at the end of input, too, the watermark of which is further than that
                if end + self._keep_ms > watermark:
                    timers.register_event_time_timer(end + self._keep_ms)
                elif end == max(self._ends(kind, key)):
                    self._forget(kind, key, timers, timestamp)
        yield from self._close_week(end, driver_id)
        if self._keep_ms < FOR_EVER_MS:
            yield from self._forget_all(timestamp, driver_id, timers)

    def _forget_all(self, timestamp: int, driver_id: str, timers: TimerService) -> Iterator[bytes]:
        """Drops the windows of which this is the last timer; what has changed in them is written before."""
        forgotten = timestamp - self._keep_ms
        for kind, state, ending in self._closing(forgotten):
            for key in ending:
                if state.contains(key) and forgotten == max(self._ends(kind, key)):
                    if self._changed.contains(f"{kind}:{key}"):
                        yield from self._rows(kind, key, driver_id, timestamp + 1, timers)
                        self._changed.remove(f"{kind}:{key}")
                    self._forget(kind, key, timers, timestamp)
        if (timestamp - self._fade_ms()) % DAY_MS == 0:
            self._fade(timestamp)

    def _closing(self, end: int) -> Iterator[tuple[str, MapState, Iterator[int]]]:
        """The windows that end at a time, hours first."""
        yield HOUR, self._hours, self._time.hours_ending(end)
        yield DAY, self._days, self._time.days_ending(end)

    def _ends(self, kind: str, key: int) -> list[int]:
        """When a window ends, in the zone of each fleet that is in it."""
        if kind == HOUR:
            return [self._time.hour_end(key)]
        fleets = fleets_of(self._days.get(key))
        return [self._time.day_end(key, fleet_id) for fleet_id in fleets if fleet_id != OWN]

    def _forget(self, kind: str, key: int, timers: TimerService, now_ms: int) -> None:
        """Drops a window for which no part may come any more; its day is needed longer, for weeks and rolling days."""
        (self._hours if kind == HOUR else self._days).remove(key)
        self._maxima.remove(f"{kind}:{key}")
        if kind == DAY:
            if self._hours_rules:
                self._left.remove(key)
                self._forget_driving(now_ms)
            timers.register_event_time_timer(key + self._fade_ms())

    def _forget_driving(self, now_ms: int) -> None:
        """Drops minutes of driving; days that close now may still need those that the watermark has left behind."""
        self._hours_of = None
        hours = self._driving.of_driver()
        hours.forget(now_ms - self._keep_ms)
        hours.save()

    def _fade_ms(self) -> int:
        """How long after its date's midnight, UTC, a day is in no window any more that a late part may change."""
        return fleet_time.last_end(0) + self._time.rolling_days * DAY_MS + self._keep_ms

    def _fade(self, now_ms: int) -> None:
        data = self._long.get(OWN)
        if data is None:
            return
        if self._hours_rules:
            self._forget_driving(now_ms)
        long = LongWindows.from_bytes(data)
        long.forget(now_ms - self._keep_ms, self._time.rolling_days)
        if long.days:
            self._long.put(OWN, long.to_bytes())
        else:
            self._long.remove(OWN)
            self._driving.forget_driver()
            self._told.forget()
            if self._wheel is not None:
                self._wheel.forget()

    def _note(
        self, timers: TimerService, changed: list[tuple[str, int, int, bool]], watermark: int, driver_id: str
    ) -> Iterable[bytes]:
        """Sees to it that changed windows are written: by their own timers, by the clock, or now if they are late.

        Args:
            timers: of the driver.
            changed: kind, key, end, and whether it is new.
            watermark: event time in ms.
            driver_id: the driver.
        """
        late: list[bytes] = []
        for kind, key, end, is_new in changed:
            if is_new:
                if end - 1 > watermark:
                    timers.register_event_time_timer(end - 1)
                elif self._keep_ms < FOR_EVER_MS:
                    timers.register_event_time_timer(end + self._keep_ms)
            if self._emit_every_ms is not None:
                self._changed.put(f"{kind}:{key}", key)
            elif end - 1 <= watermark:
                late += self._judge(driver_id, timers)
                late += self._rows(kind, key, driver_id, watermark + 1, timers)
        self._register_clock(timers, driver_id)
        return late

    def _register_clock(self, timers: TimerService, driver_id: str) -> None:
        if self._emit_every_ms is not None:
            tick_ms = self._pace.next_tick(driver_id, time.time_ns() // 1_000_000)
            if tick_ms is not None:
                timers.register_processing_time_timer(tick_ms)

    def _rows(
        self,
        kind: str,
        key: int,
        driver_id: str,
        closed_ms: int,
        timers: TimerService,
        ended: int | None = None,
    ) -> Iterator[bytes]:
        """The rows of one window as it stands; a final one counts as the next revision from then on.

        Args:
            kind: HOUR or DAY.
            key: of the window.
            driver_id: the driver.
            closed_ms: windows that end then or before are final.
            timers: of the driver.
            ended: only for fleets whose day ends then; None: for all.
        """
        now_ms = time.time_ns() // 1_000_000
        if kind == DAY:
            yield from self._day_rows(key, driver_id, closed_ms, timers, ended, now_ms)
            return
        start = fleet_time.hour_start(key)
        sums = WindowSums.from_bytes(self._hours.get(key))
        final = self._time.hour_end(key) <= closed_ms
        own_kmh, sums.max_kmh = sums.max_kmh, self._maxima.of(f"{kind}:{key}").over(sums.max_kmh)
        yield self._encoders["driver_hour"].row(
            {
                "driver_id": driver_id,
                "day": windows.day_text(fleet_time.hour_date(key)),
                "hour_start": start,
            },
            sums, start, start + HOUR_MS, final, now_ms, self._told.scores(), start,
        )  # fmt: skip
        if final:
            sums.finals += 1
            sums.max_kmh = own_kmh
            self._hours.put(key, sums.to_bytes())

    def _day_rows(
        self, date: int, driver_id: str, closed_ms: int, timers: TimerService, ended: int | None, now_ms: int
    ) -> Iterator[bytes]:
        stored = self._days.get(date)
        fleets = fleets_of(stored)
        own = fleets.pop(OWN, None)
        day = windows.day_text(date)
        ends = {fleet_id: self._time.day_end(date, fleet_id) for fleet_id in fleets}
        starts = {fleet_id: self._time.day_end(date - DAY_MS, fleet_id) for fleet_id in fleets}
        scores = self._told.scores()
        total, maxima = WindowSums(), self._maxima.of(f"{DAY}:{date}")
        for fleet_id, data in fleets.items():
            fleet = WindowSums.from_bytes(data)
            own_kmh, fleet.max_kmh = fleet.max_kmh, maxima.over(fleet.max_kmh, fleet_id)
            total.add(fleet.sums, fleet.max_kmh)
            total.finals = max(total.finals, fleet.finals)
            total.corrected = total.corrected or fleet.corrected
            if ended is not None and ends[fleet_id] != ended:
                continue
            final = ends[fleet_id] <= closed_ms
            yield self._encoders["fleet_day"].row(
                {"fleet_id": fleet_id, "day": day, "driver_id": driver_id},
                fleet, date, date + DAY_MS, final, now_ms, scores, starts[fleet_id],
            )  # fmt: skip
            fleet.finals += int(final)
            fleet.max_kmh = own_kmh
            fleets[fleet_id] = fleet.to_bytes()
        final = max(ends.values()) <= closed_ms
        if len(set(ends.values())) > 1:
            # The fleets' days end one after the other, so how often each was final says nothing of the driver's.
            total.finals = int(own or b"0")
            fleets[OWN] = str(total.finals + final).encode()
        elif own is not None:
            fleets[OWN] = own
        if final or ended is None:
            key: dict[str, Value] = {"driver_id": driver_id, "month": day[:7], "day": day}
            left = self._drive_left(date, closed_ms, max(ends.values()))
            if left is not None:
                key |= {"drive_left_min": left.minutes, "drive_left_rule": left.rule}
            yield self._encoders["driver_day"].row(
                key, total, date, date + DAY_MS, final, now_ms, scores, min(starts.values()),
                newer=0 if left is None else left.folds,
            )  # fmt: skip
        after = pickle.dumps(fleets)
        if after != stored:
            self._days.put(date, after)
        if final or ended is None:
            yield from self._long_rows(date, total, final, driver_id, closed_ms, timers, ends)

    def _drive_left(self, date: int, closed_ms: int, end_ms: int) -> DriveLeft | None:
        """How long the driver may still drive, at the day's end or as far as it is closed."""
        if not self._hours_rules or closed_ms <= 0:
            return None
        hours = self._hours_of or self._driving.of_driver()
        left = hours.left_at(min(closed_ms, end_ms))
        if end_ms <= closed_ms:
            # Of a driver of whom no driving is known yet, too: it may come late.
            self._left.put(date, "" if left is None else left.text())
        return left

    def _long_rows(
        self,
        date: int,
        total: WindowSums,
        final: bool,
        driver_id: str,
        closed_ms: int,
        timers: TimerService,
        fleets: Iterable[str],
    ) -> Iterator[bytes]:
        """The week and the rolling windows that a day is in."""
        data = self._long.get(OWN)
        long = LongWindows.from_bytes(data)
        if data is None:
            self._days_before(long, date)
        is_known = date in long.dates
        before = {start: week[-1] for start, week in long.weeks.items()} if data is not None else {}
        long.put(date, total, self._week_end(date, fleets))
        for start, (_, was_final, end_ms) in long.weeks.items():
            # A restored job's watermark begins anew, so the timer of a week that was final has fired already.
            if end_ms > closed_ms and (was_final or before.get(start) != end_ms):
                timers.register_event_time_timer(end_ms - 1)
        written: list[Written] = []
        if self._emit_every_ms is not None and is_known and not final:
            self._changed_long.put(date, date)
            now_ms = time.time_ns() // 1_000_000
            timers.register_processing_time_timer(self._pace.next_long_tick(driver_id, now_ms))
        else:
            written += self._changed_by(long, date, final, closed_ms)
        self._long.put(OWN, long.to_bytes())
        yield from self._written(written, driver_id)

    def _changed_by(self, long: LongWindows, date: int, final: bool, closed_ms: int) -> Iterator[Written]:
        live = self._emit_every_ms is not None
        yield from long.changed(
            date, final=final, closed_ms=closed_ms, rolling_days=self._time.rolling_days, live=live
        )
        if live:
            self._changed_long.remove(date)

    def _open_long(self, driver_id: str, closed_ms: int) -> Iterator[bytes]:
        """The weeks and rolling days that wait for their tick: what has closed meanwhile does not."""
        data = self._long.get(OWN)
        if data is None:
            return
        long = LongWindows.from_bytes(data)
        dates = sorted(self._changed_long.keys())
        written = [each for date in dates for each in self._changed_by(long, date, False, closed_ms)]
        if written:
            self._long.put(OWN, long.to_bytes())
            yield from self._written(written, driver_id)

    def _days_before(self, long: LongWindows, date: int) -> None:
        """Takes over the days of a savepoint from before there were weeks, as far as they are kept."""
        for other, stored in self._days.items():
            if other != date:
                fleets = fleets_of(stored)
                fleets.pop(OWN, None)
                sums = [WindowSums.from_bytes(data) for data in fleets.values()]
                total = WindowSums()
                for each in sums:
                    total.add(each.sums, each.max_kmh)
                    total.corrected = total.corrected or each.corrected
                long.put(other, total, self._week_end(other, fleets))
                long.dates[other] = max(each.finals for each in sums)

    def _week_end(self, date: int, fleets: Iterable[str]) -> int:
        """When a day's week ends, in the last of the zones of its fleets."""
        return max(self._time.week_end(fleet_time.monday(date), fleet_id) for fleet_id in fleets)

    def _close_week(self, end: int, driver_id: str) -> Iterator[bytes]:
        """The week that ends at a time, if there is one."""
        mondays = [date - 6 * DAY_MS for date in self._time.days_ending(end)]
        mondays = [start for start in mondays if fleet_time.monday(start) == start]
        data = self._long.get(OWN) if mondays else None
        if data is None:
            return
        long = LongWindows.from_bytes(data)
        written = [each for start in mondays for each in long.closed_week(start, end)]
        if written:
            self._long.put(OWN, long.to_bytes())
            yield from self._written(written, driver_id)

    def _written(self, written: Iterable[Written], driver_id: str) -> Iterator[bytes]:
        now_ms = time.time_ns() // 1_000_000
        scores = self._told.scores()
        for each in written:
            starts_ms = self._time.day_end(each.date - DAY_MS, NO_FLEET)
            day = windows.day_text(each.date)
            key: dict[str, Value] = {"driver_id": driver_id, "year": day[:4], "week": day}
            if each.kind == ROLLING:
                key = {
                    "driver_id": driver_id,
                    "month": day[:7],
                    "day": day,
                    "days": self._time.rolling_days,
                }
            name = "driver_week" if each.kind == WEEK else "driver_rolling"
            yield self._encoders[name].row(
                key, each.sums, each.date, each.end_ms, each.final, now_ms, scores, starts_ms
            )
