"""Minutes left at the vehicle: of its newest driver, only where something changed, the same for any cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobs.driver_stats.drive_minutes import DRIVE_ROW
from jobs.driver_stats.windows import HOUR_MS
from tests.driver_stats.test_driver_windows import Job
from tests.driver_stats.test_driving_hours import MINUTE_MS, MONDAY, RULES
from tests.driver_stats.test_driving_hours import job as hours_job

COLUMNS = ("fleet_id", "vehicle_id", "drive_left_min", "drive_left_rule", "drive_left_driver")


def job(**given: Any) -> Job:
    return hours_job(None, **{"at_wheel": True} | given)


def words(text: str) -> NDArray[np.int64]:
    return np.frombuffer(text.encode().ljust(64, b"\0"), np.int64)


def drive(to: Job, minutes: list[int], vehicle: str = "truck", ms: int = MINUTE_MS) -> None:
    """One record of minutes of one hour, counted from Monday."""
    row = np.zeros(1, DRIVE_ROW)
    first = MONDAY + minutes[0] * MINUTE_MS
    row["hour_start"] = hour = first - first % HOUR_MS
    row["folds"], row["vehicle"][0], row["fleet"][0] = len(minutes), words(vehicle), words("north")
    for minute in minutes:
        row["drive_ms"][0, (MONDAY + minute * MINUTE_MS - hour) // MINUTE_MS] = ms
    to.take(row.tobytes())


def shown(of: Job) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in COLUMNS) for row in of.rows("vehicle_live")]


def pass_by(of: Job, minute: int) -> None:
    of.advance(MONDAY + minute * MINUTE_MS - 1)
    of.clock()


def test_a_vehicle_shows_for_how_long_its_driver_may_drive_on() -> None:
    of = job()
    drive(of, list(range(40)))
    pass_by(of, 42)
    assert shown(of)[-1] == ("north", "truck", 230, "continuous_driving", "driver")
    (row,) = of.rows("vehicle_live")[-1:]
    assert row["drive_left_at"] * 1000 == row["write_us"]
    assert "driver_id" not in row, "what the vehicles' stage writes is left alone"


def test_what_has_not_changed_is_not_written_again() -> None:
    of = job()
    drive(of, [0, 1, 2])
    pass_by(of, 3)
    before = len(shown(of))
    of.part(MONDAY)
    of.clock()
    of.clock()
    assert before == len(shown(of)) == len(set(shown(of)))


def test_a_driver_is_shown_at_the_vehicle_of_his_newest_minute() -> None:
    of = job()
    drive(of, [0, 1])
    pass_by(of, 2)
    drive(of, [5], vehicle="van")
    pass_by(of, 6)
    drive(of, [3])  # late, of the first vehicle
    pass_by(of, 7)
    assert shown(of)[0][1] == "truck"
    assert shown(of)[-1][1] == "van"


def test_a_vehicle_that_was_anothers_after_all_is_left_to_him() -> None:
    of = job()
    drive(of, [0, 1])
    pass_by(of, 2)
    before = shown(of)
    drive(of, [0, 1], ms=-MINUTE_MS)
    pass_by(of, 3)
    assert shown(of) == before


def test_it_is_known_after_a_restart() -> None:
    first = job()
    drive(first, list(range(10)))
    pass_by(first, 10)
    second = hours_job(first, at_wheel=True)
    drive(second, [10])
    pass_by(second, 11)
    assert shown(second)[-1][1:3] == ("truck", shown(first)[-1][2] - 1)


@pytest.mark.parametrize("given", [{"at_wheel": False}, {"emit_every_ms": None}, {"hours_rules": {}}])
def test_nothing_is_shown_where_nobody_asks_for_it(given: dict[str, Any]) -> None:
    of = job(**given)
    if RULES and given.get("hours_rules") != {}:
        drive(of, [0, 1])
    of.part(MONDAY)
    pass_by(of, 2)
    assert shown(of) == []


@settings(deadline=None)  # a shared machine stalls
@given(st.lists(st.integers(1, 59), unique=True, max_size=6), st.randoms())
def test_the_newest_row_does_not_depend_on_the_cut_or_the_order(edges: list[int], rng: Any) -> None:
    whole, cut = job(), job()
    drive(whole, list(range(60)))
    bounds = [0, *sorted(edges), 60]
    records = [list(range(a, b)) for a, b in pairwise(bounds)]
    rng.shuffle(records)
    for each in records:
        drive(cut, each)
        if rng.random() < 0.3:
            cut.clock()
    for of in (whole, cut):
        pass_by(of, 62)
    assert shown(whole)[-1] == shown(cut)[-1]
