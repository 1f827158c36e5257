"""Drivers' hours, days and weeks in plain Python: what the peers compute of the parts that vehicles give."""

from __future__ import annotations

from typing import Any

from bench.plain_records import DriverDay, DriverHour, DriverRolling, DriverWeek, FleetDay
from bench.plain_score import Scorer
from bench.plain_state import Part, Sums, Windows, add, metrics
from jobs.driver_stats.settings import Settings

DAY_MS = 24 * 3_600_000
THURSDAY = 3  # days since Monday; the epoch's first day


class DriverStatistics:
    """Folds parts into a driver's windows."""

    def __init__(self, settings: Settings) -> None:
        self._score = Scorer(settings).score
        self._rolling_days = settings.local_time.rolling_days

    def add(self, windows: Windows, part: Part) -> None:
        """Adds a part to its driver's hour and day."""
        hour = part.hour
        sums = windows.hours.get(hour)
        if sums is None:
            sums = windows.hours[hour] = Sums()
        add(sums, part.sums)
        day = hour - hour % DAY_MS
        days = windows.days.setdefault(part.fleet_id, {})
        sums = days.get(day)
        if sums is None:
            sums = days[day] = Sums()
        add(sums, part.sums)

    def finish(self, windows: Windows, driver_id: str, out: list[Any]) -> None:
        """The end of input: all windows of a driver are complete."""
        for hour, sums in windows.hours.items():
            out.append(DriverHour(*self._row(sums, driver_id, hour)))
        totals: dict[int, Sums] = {}
        for fleet_id, days in windows.days.items():
            for day, sums in days.items():
                out.append(FleetDay(*self._row(sums, fleet_id, day, driver_id)))
                add(totals.setdefault(day, Sums()), sums)
        weeks: dict[int, Sums] = {}
        length = self._rolling_days * DAY_MS
        for day, sums in totals.items():
            out.append(DriverDay(*self._row(sums, driver_id, day)))
            add(weeks.setdefault(day - (day // DAY_MS + THURSDAY) % 7 * DAY_MS, Sums()), sums)
            rolling = Sums()
            for other, more in totals.items():
                if day - length < other <= day:
                    add(rolling, more)
            out.append(DriverRolling(*self._row(rolling, driver_id, day, self._rolling_days)))
        for week, sums in weeks.items():
            out.append(DriverWeek(*self._row(sums, driver_id, week)))

    def _row(self, sums: Sums, *own: str | int) -> tuple[Any, ...]:
        return (*metrics(sums), *self._score(sums), *own)
