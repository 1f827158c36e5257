"""49 CFR 395.3 (property-carrying vehicles) as a state machine over a driver's activities.

Source: domain.md 6.2; the paragraphs' numbers are general knowledge, check them on ecfr.gov. On duty is driving and
standing with the ignition not off: at the least, because loading with the engine off is not seen. Not judged, because
telemetry doesn't see it: the sleeper berth (7 + 2), adverse conditions (+2 h), short haul.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from conf.hours import FmcsaRules
from jobs.driver_stats.hours import BREACH, DRIVING, POSSIBLE, WARNING, Activity, Alert, Left, counter
from jobs.driver_stats.layout import NONE
from jobs.driver_stats.local_time import day_of


@dataclass(slots=True)
class FmcsaState:
    """What the rules have to remember of a driver; times are epoch ms, NONE where there is none.

    Attributes:
        last_end: end of the last activity.
        drive_end: end of the last driving.
        window_start: when the driver came on duty after 10 h off.
        driving_ms: driving since then.
        unbroken_ms: driving since the last 30 minutes without.
        window_warned: the warning of the 14 h was given.
        window_told: their breach was.
        cycle_warned: the warning of the 60 or 70 h was given.
        cycle_told: their breach was.
        days: on duty by home day, since the last restart: (ordinal of the date, ms).
    """

    last_end: int = NONE
    drive_end: int = NONE
    window_start: int = NONE
    driving_ms: int = 0
    unbroken_ms: int = 0
    window_warned: bool = False
    window_told: bool = False
    cycle_warned: bool = False
    cycle_told: bool = False
    days: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FmcsaHours:
    """The rules of 49 CFR 395.3."""

    rules: FmcsaRules

    def start(self) -> FmcsaState:
        """A driver of whom nothing is known."""
        return FmcsaState()

    def step(self, state: FmcsaState, activity: Activity) -> tuple[FmcsaState, list[Alert]]:
        """See hours.Machine."""
        if activity.end_ms <= activity.start_ms:
            return state, []
        if activity.start_ms < state.last_end:
            raise ValueError(
                f"{activity.kind} from {activity.start_ms} begins before {state.last_end}, where the last one ended"
            )
        s = replace(state)
        alerts: list[Alert] = []
        for ordinal, start, end in self._by_day(activity.start_ms, activity.end_ms):
            self._off_duty(s, start, alerts)
            self._enter_day(s, ordinal)
            if activity.kind == DRIVING:
                self._drive(s, start, end, alerts)
            self._on_duty(s, ordinal, start, end, activity.kind == DRIVING, alerts)
        return s, sorted(alerts, key=lambda alert: alert.at_ms)

    def left(self, state: FmcsaState, now_ms: int) -> Left:
        """See hours.Machine; time off duty up to now counts."""
        rules, s = self.rules, replace(state)
        now = max(now_ms, s.last_end)
        self._off_duty(s, now, [])
        self._enter_day(s, day_of(now, rules.zone).date.toordinal())
        if _breaks(s, now, _ms(rules.break_s)):
            s.unbroken_ms = 0
        return Left.of(
            {
                "driving": _ms(rules.driving_s) - s.driving_ms,
                "window": s.window_start + _ms(rules.window_s) - now,
                "unbroken_driving": _ms(rules.before_break_s) - s.unbroken_ms,
                "cycle": _ms(rules.cycle_s) - _total(s),
            }
        )

    def _by_day(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        while start < end:
            day = day_of(start, self.rules.zone)
            until = min(end, day.end_ms)
            yield day.date.toordinal(), start, until
            start = until

    def _off_duty(self, s: FmcsaState, start: int, alerts: list[Alert]) -> None:
        """What the time from the last activity to ``start`` was good for."""
        rules = self.rules
        off = start - s.last_end if s.last_end != NONE else _ms(rules.restart_s)
        if off < _ms(rules.off_duty_s):
            return
        if s.last_end != NONE:
            alerts.append(
                Alert(POSSIBLE, "off_duty", "395.3(a)(1)", s.last_end, start, off, _ms(rules.off_duty_s))
            )
        s.window_start, s.driving_ms, s.unbroken_ms = start, 0, 0
        s.window_warned = s.window_told = False
        if off >= _ms(rules.restart_s):
            if s.last_end != NONE:
                alerts.append(
                    Alert(POSSIBLE, "restart", "395.3(c)", s.last_end, start, off, _ms(rules.restart_s))
                )
            s.days = ()
            s.cycle_warned = s.cycle_told = False

    def _enter_day(self, s: FmcsaState, ordinal: int) -> None:
        s.days = tuple(day for day in s.days if day[0] > ordinal - self.rules.cycle_days)
        total, limit = _total(s), _ms(self.rules.cycle_s)
        s.cycle_told = s.cycle_told and total > limit
        s.cycle_warned = s.cycle_warned and total >= limit - _ms(self.rules.warn_before_s)

    def _drive(self, s: FmcsaState, start: int, end: int, alerts: list[Alert]) -> None:
        rules, length, warn = self.rules, end - start, _ms(self.rules.warn_before_s)
        if _breaks(s, start, _ms(rules.break_s)):
            if s.drive_end >= s.window_start:
                found = Alert(
                    POSSIBLE,
                    "break",
                    "395.3(a)(3)(ii)",
                    s.drive_end,
                    start,
                    start - s.drive_end,
                    _ms(rules.break_s),
                )
                alerts.append(found)
            s.unbroken_ms = 0
        total = s.driving_ms
        counter(alerts, "driving", "395.3(a)(3)(i)", start, total, total + length, _ms(rules.driving_s), warn)
        total = s.unbroken_ms
        article = "395.3(a)(3)(ii)"
        counter(
            alerts, "unbroken_driving", article, start, total, total + length, _ms(rules.before_break_s), warn
        )
        deadline = s.window_start + _ms(rules.window_s)
        for kind, at, told in (
            (WARNING, deadline - warn, s.window_warned),
            (BREACH, deadline, s.window_told),
        ):
            if not told and (end > at or (kind == WARNING and end == at)):
                when = max(start, at)
                value = when - s.window_start
                alerts.append(Alert(kind, "window", "395.3(a)(2)", when, when, value, _ms(rules.window_s)))
        s.window_warned = s.window_warned or end >= deadline - warn
        s.window_told = s.window_told or end > deadline
        s.driving_ms += length
        s.unbroken_ms += length
        s.drive_end = end

    def _on_duty(
        self, s: FmcsaState, ordinal: int, start: int, end: int, driving: bool, alerts: list[Alert]
    ) -> None:
        """Adds to the cycle; only driving beyond its hours is a breach, work is not."""
        limit, warn = _ms(self.rules.cycle_s), _ms(self.rules.warn_before_s)
        before = _total(s)
        after = before + end - start
        if after >= limit - warn and not s.cycle_warned:
            s.cycle_warned = True
            at = start + max(0, limit - warn - before)
            alerts.append(Alert(WARNING, "cycle", "395.3(b)", at, at, before + at - start, limit))
        if driving and after > limit and not s.cycle_told:
            s.cycle_told = True
            at = start + max(0, limit - before)
            alerts.append(Alert(BREACH, "cycle", "395.3(b)", at, at, before + at - start, limit))
        if s.days and s.days[-1][0] == ordinal:
            s.days = (*s.days[:-1], (ordinal, s.days[-1][1] + end - start))
        else:
            s.days = (*s.days, (ordinal, end - start))
        s.last_end = end


def _ms(seconds: int) -> int:
    return seconds * 1000


def _breaks(s: FmcsaState, start: int, needed: int) -> bool:
    """Whether the vehicle was not driven for long enough, on duty or off."""
    return s.drive_end != NONE and start - s.drive_end >= needed


def _total(s: FmcsaState) -> int:
    return sum(ms for _, ms in s.days)
