"""What the drivers' windows must be: plain sums of all parts, each window written once, as final."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conf.score import AdditiveRules, PercentRules
from connectors.rows_in_memory import Row, timestamp
from jobs.driver_stats import drive_minutes, fleet_time, unnamed, windows
from jobs.driver_stats.attribution import Logins, driver_of
from jobs.driver_stats.drive_minutes import DRIVE_ROW
from jobs.driver_stats.driver_hours import DriverHours, machine
from jobs.driver_stats.fleet_time import DAY_MS, FleetTime
from jobs.driver_stats.hours import MINUTE_MS, Alert
from jobs.driver_stats.rule_changes import Scores
from jobs.driver_stats.score import score
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.windows import HOUR_MS, Part, WindowSums
from schemas.tables import Table

END_MS = 4_200_000_000_000
"""After all times that a message may have."""


class DriverWindows:
    """Hours, days, weeks and rolling days of all drivers."""

    def __init__(self, settings: Settings, scores: Scores) -> None:
        """Takes the zones of the fleets, the rules of log-ins and hours, and those of scores by time."""
        self._time = FleetTime(settings.local_time)
        self._hours: defaultdict[tuple[str, int], WindowSums] = defaultdict(WindowSums)
        self._days: defaultdict[tuple[str, int], defaultdict[str, WindowSums]] = defaultdict(
            lambda: defaultdict(WindowSums)
        )
        self._rules = settings.attribution
        self._scores = scores
        self._machines = [machine(rules) for rules in settings.hours_rules.values()]
        self._driving: defaultdict[str, dict[int, DriverHours]] = defaultdict(dict)

    def add(self, driver_id: str, data: bytes) -> None:
        """Folds one part in, or one record of driving."""
        if len(data) == DRIVE_ROW.itemsize:
            drive = drive_minutes.read(data)
            hours = self._driving[driver_id].setdefault(drive.rule, DriverHours(self._machines[drive.rule]))
            for minute, drive_ms, idle_ms in drive.minutes():
                hours.add(minute, drive_ms, idle_ms)
            return
        self.add_part(driver_id, windows.read_part(data))

    def add_unnamed(self, vehicle_id: str, data: bytes, logins: Logins) -> None:
        """Folds in a minute's share of which no message names the driver."""
        minute, rule = unnamed.read(data)
        driver_id = driver_of(self._rules, logins, vehicle_id, minute.start_ms)
        self.add_part(driver_id, Part(minute.fleet_id, minute.start_ms, minute.sums, minute.max_kmh))
        driven = unnamed.drive(vehicle_id, minute, rule)
        if driven is not None:
            self.add(driver_id, driven)

    def add_part(self, driver_id: str, part: Part) -> None:
        """Folds one part in."""
        place = self._time.place(part.minute_start, part.fleet_id)
        self._hours[driver_id, place.hour].add(part.sums, part.max_kmh)
        self._days[driver_id, place.date][part.fleet_id].add(part.sums, part.max_kmh)

    def rows(self, tables: Mapping[str, Table]) -> Iterator[tuple[str, int, Row]]:
        """Table, write time and row of each window, and of each event of drivers' hours."""
        for driver_id, by_rule in self._driving.items():
            for hours in by_rule.values():
                yield from _alerts(tables["driver_event"], driver_id, hours.judge(END_MS).added)
        for (driver_id, hour), sums in self._hours.items():
            start, day = fleet_time.hour_start(hour), windows.day_text(fleet_time.hour_date(hour))
            key = {"driver_id": driver_id, "day": day, "hour_start": timestamp(start)}
            yield _window(tables["driver_hour"], key, sums, start + HOUR_MS, self._scores.at(start))
        days: defaultdict[str, dict[int, WindowSums]] = defaultdict(dict)
        for (driver_id, date), fleets in self._days.items():
            day = windows.day_text(date)
            starts = {fleet_id: self._time.day_end(date - DAY_MS, fleet_id) for fleet_id in fleets}
            for fleet_id, sums in fleets.items():
                rules = self._scores.at(starts[fleet_id])
                key = {"fleet_id": fleet_id, "day": day, "driver_id": driver_id}
                yield _window(tables["fleet_day"], key, sums, date + DAY_MS, rules)
            total = days[driver_id][date] = _added(fleets.values())
            of_day: dict[str, Any] = {"driver_id": driver_id, "month": day[:7], "day": day}
            end_ms = max(self._time.day_end(date, fleet_id) for fleet_id in fleets)
            lefts = [hours.left_at(end_ms) for hours in self._driving[driver_id].values()]
            if lefts:
                least = min(lefts, key=lambda left: (left.least_ms, left.rule))
                of_day |= {"drive_left_min": least.minutes, "drive_left_rule": least.rule}
            rules = self._scores.at(min(starts.values()))
            yield _window(tables["driver_day"], of_day, total, date + DAY_MS, rules)
        for driver_id, of_driver in days.items():
            for monday in {fleet_time.monday(date) for date in of_driver}:
                week = windows.day_text(monday)
                sums = _added(of for date, of in of_driver.items() if fleet_time.monday(date) == monday)
                key = {"driver_id": driver_id, "year": week[:4], "week": week}
                yield _window(tables["driver_week"], key, sums, monday + 7 * DAY_MS, self._rules_of(monday))
            length = self._time.rolling_days
            for last in of_driver:
                day = windows.day_text(last)
                sums = _added(of for date, of in of_driver.items() if last - length * DAY_MS < date <= last)
                rolling: dict[str, Any] = {
                    "driver_id": driver_id,
                    "month": day[:7],
                    "day": day,
                    "days": length,
                }
                yield _window(tables["driver_rolling"], rolling, sums, last + DAY_MS, self._rules_of(last))

    def _rules_of(self, date: int) -> AdditiveRules | PercentRules:
        """Those at the start of a date where a fleet has no zone of its own."""
        return self._scores.at(self._time.day_end(date - DAY_MS, ""))


def _added(windows_of: Iterable[WindowSums]) -> WindowSums:
    total = WindowSums()
    for each in windows_of:
        total.add(each.sums, each.max_kmh)
    return total


def _alerts(table: Table, driver_id: str, alerts: Iterable[Alert]) -> Iterator[tuple[str, int, Row]]:
    """One row for those of one kind and time."""
    by_key: defaultdict[tuple[str, int], list[Alert]] = defaultdict(list)
    for alert in sorted(alerts):
        by_key[alert.kind, alert.at_ms].append(alert)
    for (kind, at_ms), found in by_key.items():
        values: dict[str, Any] = {
            "driver_id": driver_id,
            "day": windows.day_text(at_ms),
            "event_time": timestamp(at_ms),
            "type": kind,
            "vehicle_id": "",
            "start_time": timestamp(at_ms),
            "end_time": timestamp(found[0].end_ms),
            "duration_s": (found[0].end_ms - at_ms) / 1e3,
            "peak": found[0].value_ms / MINUTE_MS,
            "unit": "min",
            "rule": ", ".join(dict.fromkeys(each.rule for each in found)),
            "article": ", ".join(dict.fromkeys(each.article for each in found)),
            "threshold": found[0].limit_ms / MINUTE_MS,
        }
        yield table.name, at_ms * 1000, {column.name: values.get(column.name) for column in table.columns}


def _window(
    table: Table, key: Mapping[str, Any], sums: WindowSums, end_ms: int, rules: AdditiveRules | PercentRules
) -> tuple[str, int, Row]:
    scored = score(rules, sums.tally()).columns()
    values: dict[str, Any] = {**key, **sums.metrics(), **scored, "final": True, "revision": 0}
    return (
        table.name,
        sums.write_us(end_ms, True),
        {column.name: values.get(column.name) for column in table.columns},
    )
