"""Drivers' hours on keyed state: alerts in time, taken back where late minutes say so, the same after a restart."""

from __future__ import annotations

from typing import Any

import numpy as np

from conf.hours import hours
from jobs.driver_stats.drive_minutes import DRIVE_ROW
from jobs.driver_stats.windows import DAY_MS, HOUR_MS
from tests.driver_stats.test_driver_windows import Job

MINUTE_MS = 60_000
MONDAY = 1_700_438_400_000
RULES = {name: hours(name) for name in ("eu_561_2006_1", "us_fmcsa_property_1")}


def job(before: Job | None = None, **given: Any) -> Job:
    return Job(before, **{"hours_rules": RULES, "keep_ms": 7 * DAY_MS} | given)


def drive(to: Job, start_ms: int, minutes: int, rule: int = 0, ms: int = MINUTE_MS) -> None:
    """Minutes of driving, and the parts that come with them; a negative ``ms`` takes them back."""
    by_hour: dict[int, Any] = {}
    for minute in range(start_ms, start_ms + minutes * MINUTE_MS, MINUTE_MS):
        hour = minute - minute % HOUR_MS
        row = by_hour.setdefault(hour, np.zeros(1, DRIVE_ROW))
        row["rule"], row["hour_start"] = rule, hour
        row["folds"] += 1
        row["drive_ms"][0, (minute - hour) // MINUTE_MS] = ms
    for hour, row in by_hour.items():
        to.take(row.tobytes())
        to.part(hour)


def alerts(of: Job) -> list[tuple[str, str, float, bool]]:
    """Kind, articles, minutes since Monday, and whether it is void; as a reader of the table sees them."""
    newest: dict[tuple[str, int], dict[str, Any]] = {}
    for row in of.rows("driver_event"):
        key = (row["type"], row["event_time"])
        if key not in newest or newest[key]["write_us"] < row["write_us"]:
            newest[key] = row
    return sorted(
        (kind, row["article"], (at - MONDAY) / MINUTE_MS, row.get("superseded_by") is not None)
        for (kind, at), row in newest.items()
    )


WARNING = ("hours_warning", "7", 255.0, False)
BREACH = ("hours_breach", "7", 270.0, False)


def test_a_breach_is_told_as_soon_as_the_watermark_has_it() -> None:
    of = job()
    drive(of, MONDAY, 240)
    for minute in range(240, 275):
        drive(of, MONDAY + minute * MINUTE_MS, 1)
    of.advance(MONDAY + 260 * MINUTE_MS)
    assert alerts(of) == [WARNING]
    of.advance(MONDAY + 273 * MINUTE_MS - 1)
    assert alerts(of) == [BREACH, WARNING]


def test_late_minutes_bring_a_breach() -> None:
    of = job()
    drive(of, MONDAY, 200)
    drive(of, MONDAY + 246 * MINUTE_MS, 80)
    of.advance(MONDAY + 400 * MINUTE_MS)
    assert [each for each in alerts(of) if each[0] == "hours_breach"] == []
    drive(of, MONDAY + 200 * MINUTE_MS, 46)
    of.clock()
    found = alerts(of)
    assert BREACH in found
    assert ("break_possible", "7", 200.0, True) in found, "there was no break after all"


def test_what_is_taken_back_makes_its_alert_void_and_comes_again_with_it() -> None:
    of = job()
    drive(of, MONDAY, 275)
    of.advance(MONDAY + 300 * MINUTE_MS)
    drive(of, MONDAY, 100, ms=-MINUTE_MS)
    of.clock()
    assert ("hours_breach", "7", 270.0, True) in alerts(of)
    drive(of, MONDAY, 100)
    of.clock()
    assert BREACH in alerts(of)


def test_a_restart_changes_nothing() -> None:
    whole = job()
    drive(whole, MONDAY, 275)
    whole.advance(MONDAY + DAY_MS)
    first = job()
    drive(first, MONDAY, 150)
    first.advance(MONDAY + 140 * MINUTE_MS)
    second = job(first)
    drive(second, MONDAY + 150 * MINUTE_MS, 125)
    second.advance(MONDAY + DAY_MS)
    assert alerts(second) == alerts(whole) == [BREACH, WARNING]
    assert _left(second) == _left(whole)


def test_the_rule_set_that_leaves_least_counts() -> None:
    of = job(emit_every_ms=None)
    drive(of, MONDAY + 20 * HOUR_MS, 120, rule=1)
    drive(of, MONDAY + 22 * HOUR_MS, 119)
    of.advance(MONDAY + 3 * DAY_MS)
    assert _left(of) == [(151, "continuous_driving")]


def test_a_late_minute_corrects_the_days_after_its_own() -> None:
    """Under a law of 10 hours a week, Monday's driving counts in what is left on Tuesday."""
    rules = {"strict": hours("eu_561_2006_1", ("weekly.limit_s=36000",))}
    late, in_order = (job(emit_every_ms=None, hours_rules=rules) for _ in range(2))
    drive(late, MONDAY + 40 * HOUR_MS, 240)
    late.advance(MONDAY + 2 * DAY_MS + 10 * MINUTE_MS)
    assert _newest_left(late)["2023-11-21"] == (270, "continuous_driving")
    drive(late, MONDAY + 10 * HOUR_MS, 255)
    drive(in_order, MONDAY + 10 * HOUR_MS, 255)
    drive(in_order, MONDAY + 40 * HOUR_MS, 240)
    for each in (late, in_order):
        each.advance(MONDAY + 9 * DAY_MS)
    assert _newest_left(late) == _newest_left(in_order)
    assert _newest_left(late)["2023-11-21"] == (105, "weekly_driving")
    assert [each for each in alerts(late) if not each[-1]] == alerts(in_order)


def test_a_day_that_closed_before_the_first_driving_was_known_is_told_what_was_left() -> None:
    late, in_order = (job() for _ in range(2))
    late.part(MONDAY)
    late.advance(MONDAY + DAY_MS + HOUR_MS)
    assert not any("drive_left_min" in row for row in late.rows("driver_day"))
    row = np.zeros(1, DRIVE_ROW)
    row["hour_start"], row["folds"] = MONDAY + 10 * HOUR_MS, 1
    row["drive_ms"][0, :] = MINUTE_MS
    in_order.part(MONDAY)
    for each in (late, in_order):
        each.take(row.tobytes())
        each.advance(MONDAY + DAY_MS + HOUR_MS)
        each.clock()
    assert _newest_left(late) == _newest_left(in_order) == {"2023-11-20": (270, "continuous_driving")}


def test_nothing_is_kept_of_a_driver_who_was_not_seen_for_long() -> None:
    of = job()
    drive(of, MONDAY + 20 * HOUR_MS, 300)
    of.clock()
    of.advance(MONDAY + 3 * DAY_MS)
    assert any(of.states.values())
    for days in (20, 40, 60):
        of.advance(MONDAY + days * DAY_MS)
    assert not any(of.states.values())
    assert not of.event_timers


def _left(of: Job) -> list[tuple[int, str]]:
    return [(row["drive_left_min"], row["drive_left_rule"]) for row in of.rows("driver_day") if row["final"]]


def _newest_left(of: Job) -> dict[str, tuple[int | None, str | None]]:
    rows = sorted(of.rows("driver_day"), key=lambda row: row["write_us"])
    return {row["day"]: (row.get("drive_left_min"), row.get("drive_left_rule")) for row in rows}
