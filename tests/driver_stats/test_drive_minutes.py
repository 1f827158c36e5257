"""Minutes of driving, for vehicles whose drivers' hours somebody watches: exact, few, and the same in any cut."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from jobs.driver_stats import drive_minutes
from jobs.driver_stats.layout import DRIVE_MS, IDLE_MS
from jobs.driver_stats.windows import HOUR_MS
from tests.driver_stats.drives import drive, with_backlog
from tests.driver_stats.harness import VehicleHarness, cut_into

MINUTE_MS = 60_000
T0 = 1_700_002_800_000 - 1_700_002_800_000 % HOUR_MS
WATCH_VANS = ["hours.classes.van=us_fmcsa_property_1"]


def messages(minutes: int, **fields: Any) -> list[dict[str, Any]]:
    samples = [{"t": T0 + t, "speed": 36.0} for t in range(0, minutes * MINUTE_MS, 10_000)]
    return list(cut_into(samples, 6, driver_id="anna", **fields))


def records(harness: VehicleHarness) -> list[tuple[str, str, drive_minutes.Drive]]:
    """Vehicle, driver and what a record says."""
    return [
        (vehicle, row["driver"].decode(), drive_minutes.read(row.tobytes()))
        for vehicle, row in harness.keys.rows["drive"]
    ]


def by_minute(harness: VehicleHarness) -> Counter[tuple[str, str, int, str]]:
    totals: Counter[tuple[str, str, int, str]] = Counter()
    for vehicle, driver, record in records(harness):
        for index, (drive_ms, idle_ms) in enumerate(zip(record.drive_ms, record.idle_ms, strict=True)):
            minute = record.hour_start + index * MINUTE_MS
            totals[vehicle, driver, minute, "drive"] += drive_ms
            totals[vehicle, driver, minute, "idle"] += idle_ms
    return Counter({key: value for key, value in totals.items() if value})


def test_nobody_watches_vans() -> None:
    harness = VehicleHarness()
    harness.feed(messages(5, vehicle_class="van"))
    harness.advance()
    assert not harness.keys.rows.get("drive")


def test_what_a_mini_batch_has_of_an_hour_comes_in_one_record() -> None:
    harness = VehicleHarness()
    harness.feed(messages(130, vehicle_class="truck"))
    assert [record.hour_start - T0 for *_, record in records(harness)] == [0, HOUR_MS, 2 * HOUR_MS]
    harness.advance()
    assert len(records(harness)) == 4  # the open minute
    full = [
        value for (*_, minute, _), value in by_minute(harness).items() if T0 < minute < T0 + 129 * MINUTE_MS
    ]
    assert full == [MINUTE_MS] * 128


def test_each_class_has_its_rules() -> None:
    harness = VehicleHarness(WATCH_VANS)
    harness.feed(messages(3, vehicle_class="truck", vehicle_id="t"))
    harness.feed(messages(3, vehicle_class="van", vehicle_id="v"))
    harness.feed(messages(3, vehicle_class="scooter", vehicle_id="s"))
    assert {(vehicle, record.rule) for vehicle, _, record in records(harness)} == {("t", 0), ("v", 1)}


@pytest.mark.parametrize("seed", range(1, 9))  # none of them has samples that cannot be placed
def test_they_are_the_parts_minutes_in_any_cut_and_with_a_backlog(seed: int) -> None:
    rng = random.Random(seed)
    whole = [{**message, "vehicle_class": "truck"} for message in drive(rng)]
    late = with_backlog(rng, whole)
    runs = []
    for sent, cuts in ((whole, 1), (whole, len(whole)), (late, 3)):
        harness = VehicleHarness()
        for start in range(0, len(sent), -(-len(sent) // cuts)):
            harness.feed(sent[start : start + -(-len(sent) // cuts)])
        harness.advance()
        runs.append(harness)
    assert by_minute(runs[0]) == by_minute(runs[1]) == by_minute(runs[2])
    of_parts: Counter[tuple[str, str]] = Counter()
    for part in runs[0].rows["part"]:
        of_parts[part["driver"], "drive"] += part["sums"][DRIVE_MS]
        of_parts[part["driver"], "idle"] += part["sums"][IDLE_MS]
    told: Counter[tuple[str, str]] = Counter()
    for (_, driver, _, kind), value in by_minute(runs[0]).items():
        told[driver, kind] += value
    assert told == +of_parts
