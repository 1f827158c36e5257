"""A driver's minutes and what the rules of drivers' hours make of them, late minutes included.

Law: the alerts that stand, and the state, depend on the minutes alone, not on the order in which they came. A late
minute (a backlog, a late log-in) has its day and those after it judged again from the state before it; what that
changes comes out as alerts to withdraw and alerts to add.

Everything is by UTC day, so that a keyed state can hold one record a day and read only those that it needs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from conf.hours import EuRules, FmcsaRules
from jobs.driver_stats.day_record import DAY_MS, DayRecord, read_state, state_text
from jobs.driver_stats.hours import MINUTE_MS, Alert, Left, Machine, activities, replay
from jobs.driver_stats.hours_eu import EuHours
from jobs.driver_stats.hours_fmcsa import FmcsaHours
from jobs.driver_stats.layout import NONE


def machine(rules: EuRules | FmcsaRules) -> EuHours | FmcsaHours:
    """The state machine of a rule set."""
    return EuHours(rules) if isinstance(rules, EuRules) else FmcsaHours(rules)


class Changes(NamedTuple):
    """What judging has changed: alerts that hold no longer, and new ones, in the order of time."""

    withdrawn: list[Alert]
    added: list[Alert]


@dataclass(slots=True)
class DriverHours:
    """The hours of one driver.

    Attributes:
        machine: the rules.
        days: records by start of their UTC day; a dict, or a view of keyed state.
        base: the state before the first record; None: nothing is known of the driver.
        judged_to: minutes before it were judged.
        dirty: the earliest minute that has changed since; NONE: none has.
    """

    machine: Machine
    days: MutableMapping[int, DayRecord] = field(default_factory=dict)
    base: Any = None
    judged_to: int = NONE
    dirty: int = NONE

    def head_to_bytes(self) -> bytes:
        """All but the days, in the form that is kept in Flink's state."""
        return _json([state_text(self.base), self.judged_to, self.dirty])

    @classmethod
    def from_bytes(cls, machine: Machine, head: bytes, days: MutableMapping[int, DayRecord]) -> DriverHours:
        """Reads ``head_to_bytes``; the days come from where they are kept."""
        base, judged_to, dirty = json.loads(head)
        return cls(machine, days, read_state(base), judged_to, dirty)

    def add(self, minute: int, drive_ms: int, idle_ms: int) -> None:
        """Adds to a minute what a vehicle's part of it says; what is taken out again is negative.

        Args:
            minute: start of the minute.
            drive_ms: driving.
            idle_ms: standing with the ignition not off.
        """
        day = minute - minute % DAY_MS
        record = self.days.get(day) or DayRecord()
        had = record.minutes.get(minute, (0, 0))
        sums = (had[0] + drive_ms, had[1] + idle_ms)
        if any(sums):
            record.minutes[minute] = sums
        else:
            record.minutes.pop(minute, None)
        self.days[day] = record
        # The minute before it may be driving because of this one (hours.activities).
        if self.judged_to != NONE and minute - MINUTE_MS < self.judged_to:
            self.dirty = minute - MINUTE_MS if self.dirty == NONE else min(self.dirty, minute - MINUTE_MS)

    def judge(self, closed_ms: int) -> Changes:
        """Judges all minutes of which the next one is closed too, that is, ends at ``closed_ms`` or before."""
        upto = closed_ms - closed_ms % MINUTE_MS - MINUTE_MS
        begin = self.judged_to
        if self.dirty != NONE:
            begin = self.dirty - self.dirty % DAY_MS
        elif begin != NONE and begin >= upto:
            return Changes([], [])
        upto = max(upto, self.judged_to)
        state = self._before(begin) if begin != NONE else self.base
        gone: list[Alert] = []
        came: list[Alert] = []
        for day in sorted(self.days):
            if (begin != NONE and day + DAY_MS <= begin) or day >= upto:
                continue
            record = self.days[day]
            start = max(day, begin)
            anew = start == day
            end = min(day + DAY_MS, upto)
            state, alerts = replay(self.machine, activities(self._around(start, end), start, end), state)
            if anew:
                gone += record.alerts
                record.alerts = alerts
            else:
                record.alerts = [*record.alerts, *alerts]
            came += alerts
            record.after = state
            self.days[day] = record
        self.judged_to, self.dirty = upto, NONE
        both = Counter(gone) & Counter(came)
        return Changes(_in_order(Counter(gone) - both), _in_order(Counter(came) - both))

    def left(self, now_ms: int) -> Left:
        """How long the driver may still drive, from what was judged."""
        return self.machine.left(self._before(NONE) or self.machine.start(), now_ms)

    def left_at(self, closed_ms: int) -> Left:
        """How long the driver could have driven on a minute before ``closed_ms``, up to which ``judge`` has come.

        That is the last time that only minutes before ``closed_ms`` tell of, so it stays when further ones come.
        """
        upto = closed_ms - closed_ms % MINUTE_MS - MINUTE_MS
        if upto == self.judged_to:
            return self.left(upto)
        day = upto - upto % DAY_MS
        state = self._before(day)
        if day in self.days:
            state, _ = replay(self.machine, activities(self._around(day, upto), day, upto), state)
        return self.machine.left(state or self.machine.start(), upto)

    def standing(self, kind: str, at_ms: int) -> list[Alert]:
        """The alerts of a kind and time that hold."""
        found = (each for day in sorted(self.days) for each in self.days[day].alerts)
        return sorted(each for each in found if (each.kind, each.at_ms) == (kind, at_ms))

    def forget(self, before_ms: int) -> None:
        """Drops the days that end at ``before_ms`` or before; no minute of them may come any more."""
        for day in sorted(self.days):
            if self.dirty == NONE and day + DAY_MS <= min(before_ms, self.judged_to):
                self.base = self.days.pop(day).after

    def _before(self, ms: int) -> Any:
        """The state to judge ``ms`` from: after the day before it, or as far as its own was judged; NONE: the last."""
        at_day = ms == NONE or ms % DAY_MS != 0
        for day in sorted(self.days, reverse=True):  # reads as few records as it can
            if ms == NONE or day < ms - ms % DAY_MS or (at_day and day <= ms):
                after = self.days[day].after
                if after is not None:
                    return after
        return self.base

    def _around(self, begin: int, end: int) -> dict[int, tuple[int, int]]:
        """A day's minutes in [begin, end), the one before them and the one after them."""
        record = self.days.get(begin - begin % DAY_MS)
        around = {} if record is None else record.minutes.between(begin - MINUTE_MS, end + MINUTE_MS)
        for minute in (begin - MINUTE_MS, end):
            if minute // DAY_MS != begin // DAY_MS:
                other = self.days.get(minute - minute % DAY_MS)
                if other is not None and minute in other.minutes:
                    around[minute] = other.minutes[minute]
        return around


def _json(values: list[Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode()


def _in_order(alerts: Counter[Alert]) -> list[Alert]:
    return sorted(alerts.elements(), key=lambda alert: (alert.at_ms, alert))
