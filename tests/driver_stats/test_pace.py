"""When drivers' open windows are written."""

from __future__ import annotations

from collections import Counter

from jobs.driver_stats.pace import TURN_MS, Pace

NOW = 1_780_000_000_250


def test_few_drivers_are_written_at_the_next_tick() -> None:
    pace = Pace(1000, 300_000)
    assert {pace.next_tick(f"driver-{n}", NOW) for n in range(50)} == {NOW + 750}


def test_many_drivers_take_their_turns() -> None:
    pace = Pace(1000, 300_000)
    ticks = Counter(pace.next_tick(f"driver-{n}", NOW) for n in range(10_000))
    assert None not in ticks
    assert max(ticks.values()) == 1000 // TURN_MS
    assert max(tick for tick in ticks if tick is not None) <= NOW + 1000 + 10_000 * TURN_MS


def test_any_number_of_drivers_takes_turns() -> None:
    pace = Pace(1000, 300_000)
    ticks = Counter(pace.next_tick(f"driver-{n}", NOW) for n in range(200_000))
    assert max(ticks.values()) == 1000 // TURN_MS


def test_a_driver_waits_once_until_it_had_its_turn() -> None:
    pace = Pace(1000, 300_000)
    assert pace.next_tick("a", NOW) == NOW + 750
    assert pace.next_tick("a", NOW + 1) is None
    pace.had_its_turn("a")
    assert pace.next_tick("a", NOW + 800) == NOW + 1750


def test_after_a_crowd_nobody_waits_longer_than_the_crowd_did() -> None:
    pace = Pace(1000, 300_000)
    for n in range(10_000):
        pace.next_tick(f"driver-{n}", NOW)
    later = NOW + 10_000 * TURN_MS + 1000
    assert pace.next_tick("late", later) == later - later % 1000 + 1000


def test_a_clock_that_was_set_back_keeps_nobody_waiting() -> None:
    pace = Pace(1000, 300_000)
    pace.next_tick("a", NOW + 3_600_000)
    assert pace.next_tick("b", NOW) == NOW + 750


def test_drivers_have_their_slow_ticks_at_different_moments() -> None:
    pace = Pace(1000, 300_000)
    ticks = {pace.next_long_tick(f"driver-{n}", NOW) for n in range(1000)}
    assert len(ticks) > 900
    assert all(NOW < tick <= NOW + 300_000 for tick in ticks)
    tick = pace.next_long_tick("a", NOW)
    assert pace.is_long_tick("a", tick)
    assert not pace.is_long_tick("a", tick + 1)
    assert pace.next_long_tick("a", tick) == tick + 300_000
