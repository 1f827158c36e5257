"""Live rows at the clock's pace: few in a backlog, each in the present, and the last one in any case."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.driver_stats import present
from tests.driver_stats.conftest import Clock
from tests.driver_stats.harness import VehicleHarness, cut_into

T0 = Clock.START_MS
HOUR_MS = 3_600_000


def seconds(first: int, last: int) -> list[dict[str, Any]]:
    """One message a second."""
    samples = [{"t": T0 + second * 1000, "speed": 36.0} for second in range(first, last)]
    return list(cut_into(samples, 1, fleet_id="f"))


def live(harness: VehicleHarness) -> list[int]:
    """The second of each live row."""
    return [(row["event_ms"] - T0) // 1000 for row in harness.rows["vehicle_live"]]


def test_in_the_present_each_second_has_its_row(clock: Clock) -> None:
    harness = VehicleHarness(live=True)
    clock.ms = T0 + 10_000
    harness.feed(seconds(0, 10))
    assert live(harness) == list(range(10))


@pytest.mark.usefixtures("crowd")
def test_in_a_backlog_a_vehicle_is_shown_once_a_while_of_the_clock(clock: Clock) -> None:
    harness = VehicleHarness(["live.backlog_s=1"], live=True)
    clock.ms = T0 + 24 * HOUR_MS
    for batch in range(40):
        harness.feed(seconds(100 * batch, 100 * (batch + 1)), watermark=T0 + 100_000 * batch)
        harness.advance(T0 + 100_000 * batch)
        clock.ms += 100
    assert live(harness) == [0, 99, 1099, 2099, 3099], (
        "the first at once, then the newest of every tenth batch"
    )


@pytest.mark.usefixtures("crowd")
def test_one_that_has_caught_up_is_shown_at_once(clock: Clock) -> None:
    harness = VehicleHarness(live=True)
    clock.ms = T0 + 1_000_000
    harness.feed(seconds(0, 10))
    clock.ms += 10
    harness.feed(seconds(10, 1000))
    assert live(harness)[-1] == 999
    assert len(live(harness)) < 200, "the last three minutes only"


@pytest.mark.usefixtures("crowd")
def test_the_last_sample_of_a_backlog_is_shown_when_the_watermark_passes_its_minute(clock: Clock) -> None:
    """And its row is the one that a file's end gives."""
    harness, file = VehicleHarness(live=True), VehicleHarness()
    clock.ms = T0 + 24 * HOUR_MS
    for messages in (seconds(0, 10), seconds(10, 20)):
        harness.feed(messages)
        file.feed(messages)
    assert live(harness) == [0, 9]
    harness.advance(T0 + 59_998)
    assert live(harness) == [0, 9]
    harness.advance(T0 + 59_999)
    assert live(harness) == [0, 9, 19]
    harness.advance()
    file.advance()
    assert harness.tables()["vehicle_live"] == file.tables()["vehicle_live"]


def test_where_few_messages_come_the_oldest_are_shown_at_once(clock: Clock) -> None:
    """Rare messages of the past are no backlog: a batch to show them in might never be theirs."""
    harness = VehicleHarness(live=True)
    clock.ms = T0 + 24 * HOUR_MS
    harness.feed(seconds(0, present.CROWD_MESSAGES - 1))
    assert live(harness) == list(range(present.CROWD_MESSAGES - 1))


def test_a_small_batch_in_the_midst_of_large_ones_is_of_the_backlog(clock: Clock) -> None:
    harness = VehicleHarness(live=True)
    clock.ms = T0 + 24 * HOUR_MS
    harness.feed(seconds(0, 600))
    clock.ms += present.CROWD_MS - 1
    harness.feed(seconds(600, 610))
    assert live(harness) == [0, 599]
    clock.ms += 1
    harness.feed(seconds(610, 612))
    assert live(harness) == [0, 599, 610, 611]
