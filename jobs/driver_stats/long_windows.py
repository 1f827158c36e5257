"""A driver's weeks and rolling days, made of the sums of the driver's days: pure, no state of its own.

A week has the seven local dates from a Monday on; the rolling window of a date has the ``rolling_days`` that end with
it, and there is one for every date of which there is something. Both are sums of counts, metres and seconds, so a
score made of them is no mean of scores. A late part changes its day, that day's week, and the rolling windows of its
date and of those after it: what was final comes out as the next revision.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from jobs.driver_stats.fleet_time import DAY_MS, last_end, monday
from jobs.driver_stats.layout import FOLDS
from jobs.driver_stats.windows import WindowSums

WEEK, ROLLING = "week", "rolling"
_VERSION = 1


class Written(NamedTuple):
    """A window to write: WEEK with its Monday or ROLLING with its last date, and what it holds.

    ``end_ms`` is for the write time: it does not depend on zones.
    """

    kind: str
    date: int
    end_ms: int
    sums: WindowSums
    final: bool


@dataclass(slots=True)
class LongWindows:
    """The days of one driver that are still needed.

    Attributes:
        days: sums by date.
        dates: by date, how often its rolling window was written as final.
        weeks: by Monday, how often the week was written as final, whether it was the last time, and when it ends in the
            last of the zones.
    """

    days: dict[int, bytes] = field(default_factory=dict)
    dates: dict[int, int] = field(default_factory=dict)
    weeks: dict[int, tuple[int, bool, int]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The form that is kept in Flink's state."""
        return pickle.dumps((_VERSION, self.days, self.dates, self.weeks))

    @classmethod
    def from_bytes(cls, data: bytes | None) -> LongWindows:
        """Reads ``to_bytes``; None is a driver of whom nothing is known.

        Raises:
            ValueError: it is of another version.
        """
        if data is None:
            return cls()
        version, *values = pickle.loads(data)
        if version != _VERSION:
            raise ValueError(f"weeks of version {version}, this job reads {_VERSION}: replay")
        return cls(*values)

    def put(self, date: int, sums: WindowSums, week_end_ms: int) -> None:
        """Takes over a day as it is now, and when its week ends."""
        self.days[date] = sums.to_bytes()
        self.dates.setdefault(date, 0)
        finals, was_final, end_ms = self.weeks.get(monday(date), (0, False, 0))
        self.weeks[monday(date)] = (finals, was_final, max(end_ms, week_end_ms))

    def changed(
        self, date: int, *, final: bool, closed_ms: int, rolling_days: int, live: bool
    ) -> Iterator[Written]:
        """What to write because of a day: its week and the rolling windows that it is in.

        Args:
            date: the day.
            final: whether the day is closed.
            closed_ms: time up to which all is closed.
            rolling_days: how many days roll.
            live: whether what is open is written, too.
        """
        yield from self._week(monday(date), closed_ms, live=live)
        for last in sorted(each for each in self.dates if date <= each < date + rolling_days * DAY_MS):
            closed = final if last == date else self.dates[last] > 0
            if closed or live:
                yield self._rolling(last, closed, rolling_days)

    def closed_week(self, start: int, closed_ms: int) -> Iterator[Written]:
        """A week that was not written as final yet, if it is closed now."""
        _, was_final, end_ms = self.weeks.get(start, (0, True, 0))
        if not was_final and end_ms <= closed_ms:
            yield from self._week(start, closed_ms, live=False)

    def forget(self, before_ms: int, rolling_days: int) -> None:
        """Drops the days that no window needs which ends after ``before_ms``."""
        for date in [each for each in self.days if last_end(each) + rolling_days * DAY_MS <= before_ms]:
            del self.days[date]
        for date in [each for each in self.dates if last_end(each) <= before_ms]:
            del self.dates[date]
        for start in [each for each, week in self.weeks.items() if week[-1] <= before_ms]:
            del self.weeks[start]

    def _week(self, start: int, closed_ms: int, *, live: bool) -> Iterator[Written]:
        finals, _, end_ms = self.weeks[start]
        final = end_ms <= closed_ms
        if final or live:
            sums = self._sum(start, 7)
            sums.finals = finals
            self.weeks[start] = (finals + final, final, end_ms)
            yield Written(WEEK, start, start + 7 * DAY_MS, sums, final)

    def _rolling(self, last: int, final: bool, rolling_days: int) -> Written:
        sums = self._sum(last - (rolling_days - 1) * DAY_MS, rolling_days)
        sums.finals = self.dates[last]
        if WindowSums.from_bytes(self.days[last]).is_void:
            # There is no such day any more: neither is there a window that ends with it.
            sums.sums = [value if index == FOLDS else 0 for index, value in enumerate(sums.sums)]
        self.dates[last] += final
        return Written(ROLLING, last, last + DAY_MS, sums, final)

    def _sum(self, first: int, days: int) -> WindowSums:
        total = WindowSums()
        for date in range(first, first + days * DAY_MS, DAY_MS):
            data = self.days.get(date)
            if data is not None:
                day = WindowSums.from_bytes(data)
                total.add(day.sums, day.max_kmh)
                total.corrected = total.corrected or day.corrected
        return total
