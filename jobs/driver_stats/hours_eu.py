"""Regulation (EC) 561/2006 as a state machine over a driver's activities.

Source: domain.md 6.1 (the regulation as amended by (EU) 2020/1054, from summaries: check the article text on EUR-Lex).
Only driving counts; all other time is rest or break, as far as telemetry can tell. Not judged: a crew of two (set
``daily_rest.within_s``), two reduced weekly rests in a row abroad (2020/1054), ferries and trains, exceptional
circumstances (article 12), and how severe an infringement is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from conf.hours import EuRules
from jobs.driver_stats.hours import BREACH, DRIVING, POSSIBLE, WARNING, Activity, Alert, Left, counter
from jobs.driver_stats.layout import NONE

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
_THURSDAY_TO_MONDAY = 3 * DAY_MS  # the epoch was a Thursday


@dataclass(slots=True)
class EuState:
    """What the rules have to remember of a driver; times are epoch ms, NONE where there is none.

    Attributes:
        last_end: end of the last driving.
        continuous_ms: driving since the last break.
        first_part: a break's first part of 15 minutes was taken.
        day_start: end of the last daily rest.
        day_ms: driving since then.
        extended: the day went beyond 9 h as one of the week's two.
        split_rest: the 3 h of a split daily rest were taken in this day.
        rest_warned: the warning to begin the daily rest was given.
        rest_told: its breach was.
        week: start of the week of the last driving.
        week_ms: driving in it.
        week_before_ms: driving in the week before it.
        extensions: extended days in it.
        weekly_rest_end: end of the last weekly rest, or start of the first driving.
        weekly_reduced: that rest was a reduced one.
        reduced_rests: reduced daily rests since then.
        owed: what reduced weekly rests lack: (ms, due).
    """

    last_end: int = NONE
    continuous_ms: int = 0
    first_part: bool = False
    day_start: int = NONE
    day_ms: int = 0
    extended: bool = False
    split_rest: bool = False
    rest_warned: bool = False
    rest_told: bool = False
    week: int = NONE
    week_ms: int = 0
    week_before_ms: int = 0
    extensions: int = 0
    weekly_rest_end: int = NONE
    weekly_reduced: bool = False
    reduced_rests: int = 0
    owed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class EuHours:
    """The rules of Regulation (EC) 561/2006."""

    rules: EuRules

    def start(self) -> EuState:
        """A driver of whom nothing is known."""
        return EuState()

    def step(self, state: EuState, activity: Activity) -> tuple[EuState, list[Alert]]:
        """See hours.Machine."""
        if activity.kind != DRIVING or activity.end_ms <= activity.start_ms:
            return state, []
        if activity.start_ms < state.last_end:
            raise ValueError(
                f"driving from {activity.start_ms} begins before {state.last_end}, where the last one ended"
            )
        s = replace(state)
        alerts: list[Alert] = []
        for start, end in _by_week(activity.start_ms, activity.end_ms):
            self._rest(s, start, alerts)
            _enter_week(s, start)
            self._drive(s, start, end, alerts)
        return s, sorted(alerts, key=lambda alert: alert.at_ms)

    def left(self, state: EuState, now_ms: int) -> Left:
        """See hours.Machine; a break or rest that has become long enough by now counts."""
        rules, s = self.rules, replace(state)
        self._rest(s, max(now_ms, s.last_end), [])
        _enter_week(s, max(now_ms, s.last_end))
        beyond = s.day_ms > _ms(rules.daily.limit_s)
        may_extend = s.extended if beyond else s.extensions < rules.daily.extensions_a_week
        day = rules.daily.extended_s if may_extend else rules.daily.limit_s
        return Left.of(
            {
                "continuous_driving": _ms(rules.continuous.limit_s) - s.continuous_ms,
                "daily_driving": _ms(day) - s.day_ms,
                "weekly_driving": _ms(rules.weekly.limit_s) - s.week_ms,
                "fortnightly_driving": _ms(rules.weekly.two_weeks_s) - s.week_before_ms - s.week_ms,
                "daily_rest": self._rest_deadline(s) - now_ms,
                "weekly_rest": s.weekly_rest_end + _ms(rules.weekly_rest.after_s) - now_ms,
            }
        )

    def _rest(self, s: EuState, start: int, alerts: list[Alert]) -> None:
        """What the time from the last driving to ``start`` was good for."""
        if s.last_end == NONE:
            s.day_start = s.weekly_rest_end = start
            return
        length = start - s.last_end
        daily, weekly = self.rules.daily_rest, self.rules.weekly_rest
        if length >= _ms(weekly.reduced_s):
            self._weekly_rest(s, start, length, alerts)
        elif length >= _ms(daily.reduced_s):
            if length >= _ms(daily.regular_s) or s.split_rest:
                _possible(alerts, s, start, "daily_rest", "8(2)", daily.regular_s)
                _pay(s, length - _ms(daily.regular_s))
            else:
                s.reduced_rests += 1
                _possible(alerts, s, start, "daily_rest_reduced", "8(2)", daily.reduced_s)
                if s.reduced_rests > daily.reduced_between_weekly:
                    alerts.append(
                        Alert(
                            BREACH, "reduced_daily_rests", "8(4)", start, start, length, _ms(daily.regular_s)
                        )
                    )
            _new_day(s, start)
        else:
            self._break(s, start, length, alerts)

    def _break(self, s: EuState, start: int, length: int, alerts: list[Alert]) -> None:
        rules = self.rules.continuous
        if length >= _ms(self.rules.daily_rest.split_first_s):
            s.split_rest = True
        needed = rules.second_part_s if s.first_part else rules.break_s
        if length >= _ms(needed):
            s.continuous_ms, s.first_part = 0, False
            _possible(alerts, s, start, "break", "7", needed)
        elif length >= _ms(rules.first_part_s) and not s.first_part:
            s.first_part = True
            _possible(alerts, s, start, "break_first_part", "7", rules.first_part_s)

    def _weekly_rest(self, s: EuState, start: int, length: int, alerts: list[Alert]) -> None:
        rules = self.rules.weekly_rest
        regular = length >= _ms(rules.regular_s)
        if regular:
            _possible(alerts, s, start, "weekly_rest", "8(6)", rules.regular_s)
            _pay(s, length - _ms(rules.regular_s))
        else:
            _possible(alerts, s, start, "weekly_rest_reduced", "8(6)", rules.reduced_s)
            if s.weekly_reduced:
                alerts.append(
                    Alert(BREACH, "reduced_weekly_rests", "8(6)", start, start, length, _ms(rules.regular_s))
                )
            due = week_start(s.last_end) + (1 + rules.compensation_weeks) * WEEK_MS
            s.owed = (*s.owed, (_ms(rules.regular_s) - length, due))
        s.weekly_reduced = not regular
        s.weekly_rest_end = start
        s.reduced_rests = 0
        _new_day(s, start)

    def _rest_deadline(self, s: EuState) -> int:
        """When the daily rest has to begin at the latest so that it ends inside its period."""
        rules = self.rules.daily_rest
        short = s.split_rest or s.reduced_rests < rules.reduced_between_weekly
        return s.day_start + _ms(rules.within_s) - _ms(rules.reduced_s if short else rules.regular_s)

    def _drive(self, s: EuState, start: int, end: int, alerts: list[Alert]) -> None:
        rules, length = self.rules, end - start
        warn = _ms(rules.continuous.warn_before_s)
        limit = _ms(rules.continuous.limit_s)
        counter(
            alerts, "continuous_driving", "7", start, s.continuous_ms, s.continuous_ms + length, limit, warn
        )
        self._day(s, start, length, alerts)

        warn = _ms(rules.weekly.warn_before_s)
        limit = _ms(rules.weekly.limit_s)
        counter(alerts, "weekly_driving", "6(2)", start, s.week_ms, s.week_ms + length, limit, warn)
        two, limit = s.week_before_ms + s.week_ms, _ms(rules.weekly.two_weeks_s)
        if s.week_ms == 0 and two > limit:  # the week before was too long for both already
            alerts.append(Alert(BREACH, "fortnightly_driving", "6(3)", start, start, two, limit))
        counter(alerts, "fortnightly_driving", "6(3)", start, two, two + length, limit, warn)
        self._deadlines(s, start, end, alerts)

        s.continuous_ms += length
        s.day_ms += length
        s.week_ms += length
        s.last_end = end

    def _day(self, s: EuState, start: int, length: int, alerts: list[Alert]) -> None:
        rules = self.rules.daily
        limit, extended, warn = _ms(rules.limit_s), _ms(rules.extended_s), _ms(rules.warn_before_s)
        before, after = s.day_ms, s.day_ms + length
        if before < limit - warn <= after:
            at = start + limit - warn - before
            alerts.append(Alert(WARNING, "daily_driving", "6(1)", at, at, limit - warn, limit))
        if before <= limit < after:
            at = start + limit - before
            if s.extensions < rules.extensions_a_week:
                s.extensions += 1
                s.extended = True
                alerts.append(Alert(WARNING, "daily_driving_extended", "6(1)", at, at, limit, extended))
            else:
                alerts.append(Alert(BREACH, "daily_driving_extensions", "6(1)", at, at, limit, limit))
        counter(alerts, "daily_driving", "6(1)", start, before, after, extended, warn if s.extended else None)

    def _deadlines(self, s: EuState, start: int, end: int, alerts: list[Alert]) -> None:
        """Rests that had to begin: driving on is what breaks the rule."""
        rest, warn = self._rest_deadline(s), _ms(self.rules.daily_rest.warn_before_s)
        if end >= rest - warn and not s.rest_warned:
            s.rest_warned = True
            alerts.append(_late(WARNING, "daily_rest", "8(2)", max(start, rest - warn), s.day_start, rest))
        if end > rest and not s.rest_told:
            s.rest_told = True
            alerts.append(_late(BREACH, "daily_rest", "8(2)", max(start, rest), s.day_start, rest))
        since = s.weekly_rest_end
        rest, warn = since + _ms(self.rules.weekly_rest.after_s), _ms(self.rules.weekly_rest.warn_before_s)
        before = max(s.last_end, since - 1)  # what was driven before that rest is no matter
        if before < rest - warn <= end:
            alerts.append(_late(WARNING, "weekly_rest", "8(6)", max(start, rest - warn), since, rest))
        if before <= rest < end:
            alerts.append(_late(BREACH, "weekly_rest", "8(6)", max(start, rest), since, rest))
        for owed, due in s.owed:
            if due < end:
                at = max(start, due)
                alerts.append(Alert(BREACH, "weekly_rest_compensation", "8(6)", at, at, 0, owed))
        s.owed = tuple(each for each in s.owed if each[1] >= end)


def week_start(ms: int) -> int:
    """Monday 00:00 UTC, by which tachographs record. Source: article 4(i) (domain.md 6.1)."""
    return ms - (ms + _THURSDAY_TO_MONDAY) % WEEK_MS


def _ms(seconds: int) -> int:
    return seconds * 1000


def _by_week(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        until = min(end, week_start(start) + WEEK_MS)
        yield start, until
        start = until


def _enter_week(s: EuState, at: int) -> None:
    week = week_start(at)
    if week == s.week:
        return
    s.week_before_ms = s.week_ms if week == s.week + WEEK_MS else 0
    s.week, s.week_ms, s.extensions = week, 0, 0


def _new_day(s: EuState, start: int) -> None:
    s.day_start, s.day_ms, s.continuous_ms = start, 0, 0
    s.first_part = s.split_rest = s.extended = s.rest_warned = s.rest_told = False


def _pay(s: EuState, spare: int) -> None:
    """Takes what is owed from a rest that is longer than it has to be, each debt en bloc, the oldest first."""
    kept = []
    for owed, due in s.owed:
        if owed <= spare:
            spare -= owed
        else:
            kept.append((owed, due))
    s.owed = tuple(kept)


def _possible(alerts: list[Alert], s: EuState, start: int, rule: str, article: str, needed_s: int) -> None:
    alerts.append(Alert(POSSIBLE, rule, article, s.last_end, start, start - s.last_end, _ms(needed_s)))


def _late(kind: str, rule: str, article: str, at: int, since: int, deadline: int) -> Alert:
    return Alert(kind, rule, article, at, at, at - since, deadline - since)
