"""Parts that are held back: few come, none is lost, and each hour has all of its own when it closes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jobs.driver_stats.layout import DRIVE_MS, FOLDS, PART_ROW, STATE, N
from jobs.driver_stats.parts import hold_back, release_all
from jobs.driver_stats.windows import HOUR_MS
from tests.driver_stats.conftest import Clock
from tests.driver_stats.harness import VehicleHarness, cut_into

T0 = Clock.START_MS
MINUTE_MS = 60_000


def minutes(first: int, last: int, driver: str = "anna") -> list[dict[str, Any]]:
    """Samples every 10 s from one minute to another."""
    samples = [{"t": t, "speed": 36.0} for t in range(T0 + first * MINUTE_MS, T0 + last * MINUTE_MS, 10_000)]
    return list(cut_into(samples, 7, driver_id=driver, fleet_id="f"))


def parts(harness: VehicleHarness) -> list[tuple[str, int, int]]:
    """Driver, minute and samples of each."""
    return [
        (part["driver"], (part["minute_start"] - T0) // MINUTE_MS, part["sums"][N])
        for part in harness.rows["part"]
    ]


def test_from_a_file_an_hour_comes_in_one_part() -> None:
    harness = VehicleHarness()
    harness.feed(minutes(0, 90))
    assert parts(harness) == [("anna", 59, 360)]
    harness.advance()
    assert parts(harness) == [("anna", 59, 360), ("anna", 89, 180)]


def test_another_driver_gets_a_part_of_his_own() -> None:
    harness = VehicleHarness()
    harness.feed([*minutes(0, 20), *minutes(20, 40, "ben")])
    harness.advance()
    assert parts(harness) == [("anna", 19, 120), ("ben", 39, 120)]
    assert sum(part["sums"][DRIVE_MS] for part in harness.rows["part"]) == 40 * MINUTE_MS - 20_000


def test_at_the_pace_of_the_clock_each_minute_comes_at_once(clock: Clock) -> None:
    harness = VehicleHarness(live=True)
    for minute in range(5):
        clock.ms = T0 + (minute + 1) * MINUTE_MS
        harness.feed(minutes(minute, minute + 1))
    assert [minute for _, minute, _ in parts(harness)] == [0, 1, 2, 3]


@pytest.mark.usefixtures("crowd")
def test_faster_than_the_clock_one_part_a_while_comes(clock: Clock) -> None:
    harness = VehicleHarness(["live.backlog_s=1"], live=True)
    clock.ms += 24 * HOUR_MS
    for minute in range(30):
        clock.ms += 100  # ten minutes a second
        harness.feed(minutes(minute, minute + 1))
    assert [minute for _, minute, _ in parts(harness)] == [0, 10, 20]
    harness.advance()
    assert sum(samples for *_, samples in parts(harness)) == 180


@pytest.mark.usefixtures("crowd")
def test_a_vehicle_that_has_caught_up_with_the_clock_shows_all_it_has(clock: Clock) -> None:
    """All of it comes within a second, and nothing after it."""
    harness = VehicleHarness(live=True)
    clock.ms = T0 + 40 * MINUTE_MS
    harness.feed(minutes(0, 40))
    assert sum(samples for *_, samples in parts(harness)) == 39 * 6
    assert len(parts(harness)) <= 4


def test_an_hour_is_complete_before_the_watermark_that_closes_it() -> None:
    """Its vehicle is in the next hour, and nothing else asks for its parts."""
    harness = VehicleHarness()
    harness.feed(minutes(0, 62))
    assert parts(harness) == [("anna", 59, 360)]
    harness = VehicleHarness()
    harness.feed(minutes(50, 61)[:9])  # the hour's last minute is open
    assert parts(harness) == []
    harness.advance(T0 + HOUR_MS - 2)
    told = sum(samples for *_, samples in parts(harness))
    harness.advance(T0 + HOUR_MS - 1)
    assert sum(samples for *_, samples in parts(harness)) == 60 > told


def test_a_zone_with_quarter_hours_cuts_parts_there_and_has_them_when_its_hours_close() -> None:
    harness = VehicleHarness(["local_time.fleets.f=Asia/Kathmandu"])
    harness.feed(minutes(0, 90))
    assert [minute for _, minute, _ in parts(harness)] == [14, 29, 44, 59, 74]
    harness = VehicleHarness(["local_time.fleets.f=Asia/Kathmandu"])
    harness.feed(minutes(5, 16)[:9])
    assert parts(harness) == []
    harness.advance(T0 + 15 * MINUTE_MS - 1)
    assert sum(samples for *_, samples in parts(harness)) == 60


def test_what_is_taken_back_comes_at_once_behind_what_was_held() -> None:
    """A window that holds less than nothing would be seen."""
    states = np.zeros(2, STATE)
    made = np.zeros(4, PART_ROW)
    made["key"] = [0, 1, 0, 0]
    made["minute_start"] = T0
    made["sums"][:, N] = [3, 5, -2, 1]
    made["sums"][:, FOLDS] = 1
    sent = np.zeros(8, PART_ROW)
    count = hold_back(states, made, len(made), sent, T0, 1000, T0 + HOUR_MS)
    assert sent["sums"][:count, N].tolist() == [3, 5, -2, 1], (
        "neither vehicle has sent anything within a second"
    )
    states["held"]["sent_ms"] = T0
    count = hold_back(states, made, len(made), sent, T0 + 10, 1000, T0 + HOUR_MS)
    assert sent["sums"][:count, N].tolist() == [3, -2, 1], "what is put in its place comes with it"
    assert release_all(states, sent, 0) == 1
    assert (sent["key"][0], sent["sums"][0, N]) == (1, 5)
