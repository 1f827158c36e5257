"""Thresholds and score weights that change with event time: the kernel, the score, what drivers are told."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from conf.score import additive, weighted
from connectors.reference import Place, ReferenceTable
from jobs.driver_stats.layout import PART_ROW
from jobs.driver_stats.rule_changes import (
    RULES,
    STEP_OUTPUT,
    Changes,
    Scores,
    Told,
    read_step,
    scores_of,
)
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.vehicle_operator import kernel_parameters
from tests.driver_stats.harness import VehicleHarness, comparable
from tests.driver_stats.rule_changes import BRAKE_MS2, HOUR_MS, MINUTE_MS, T0, Message, drive, rules, weights

ENABLED = ["rule_changes.enabled=true"]
SOFT = BRAKE_MS2 - 0.5


def put(table: ReferenceTable, *rows: Message, first: int = 0) -> None:
    for offset, row in enumerate(rows, first):
        table.put(json.dumps(row).encode(), Place(0, "rules-0", offset))


def judged(messages: list[Message], *known: Message, overrides: list[str] | None = None) -> VehicleHarness:
    harness = VehicleHarness([*ENABLED, *(overrides or [])])
    put(harness.operator.references["rules"], *known)
    for each in messages:
        harness.feed([each])
    harness.advance()
    return harness


def brakings(harness: VehicleHarness) -> list[int]:
    return sorted(key[1] for key in harness.tables()["driver_event"] if key[2] == "harsh_brake")


ALL = [T0 + minute * MINUTE_MS + 30_000 for minute in range(6)]


def test_samples_from_then_on_are_judged_by_it_and_those_before_are_not() -> None:
    messages = drive("v", T0, 6)
    assert brakings(judged(messages)) == []
    from_third = rules("van", ALL[2], brake_ms2=SOFT)
    assert brakings(judged(messages, from_third)) == ALL[2:]
    assert brakings(judged(messages, rules("van", ALL[2] + 1, brake_ms2=SOFT))) == ALL[3:]
    back = rules("van", ALL[4], brake_ms2=9)
    assert brakings(judged(messages, from_third, back)) == ALL[2:4]
    ends = {**from_third, "valid_to": ALL[3]}
    assert brakings(judged(messages, ends)) == ALL[2:3]
    assert (
        brakings(judged(messages, {**from_third, "version": 1}, from_third, rules("van", ALL[2]))) == ALL[2:]
    )


def test_a_class_has_its_own_and_what_a_row_does_not_say_stays() -> None:
    messages = drive("v", T0, 2, of="truck")
    assert brakings(judged(messages, rules("van", T0, brake_ms2=SOFT))) == []
    assert brakings(judged(messages, rules("truck", T0, brake_ms2=SOFT))) == ALL[:2]
    assert brakings(judged(messages, rules("truck", T0, accel_ms2=SOFT))) == []
    assert brakings(judged(messages, rules("tank", T0, brake_ms2=SOFT))) == []
    assert brakings(judged(drive("v", T0, 2, of="tank"), rules("van_light", T0, brake_ms2=SOFT))) == ALL[:2]


def test_an_override_by_set_still_holds_for_all() -> None:
    messages = drive("v", T0, 2)
    assert brakings(judged(messages, rules("van", T0, brake_ms2=SOFT), overrides=["harsh.brake_ms2=5"])) == []


def test_an_open_event_keeps_the_threshold_that_it_started_by() -> None:
    times = [T0 + second * 1000 for second in range(10)]
    samples = {"t": times, "speed": [90.0] * 10, "accel_x": [0.0, *[-BRAKE_MS2] * 8, 0.0]}
    message = {"vehicle_id": "v", "driver_id": "a", "vehicle_class": "van", "samples": samples}
    found = judged([message], rules("van", T0, brake_ms2=SOFT), rules("van", times[4], brake_ms2=9))
    (event,) = found.tables()["driver_event"].values()
    assert (event["start_ms"], event["end_ms"], event["severity"]) == (times[1], times[8], "low")


@pytest.mark.parametrize("seed", range(3))
def test_neither_the_cut_nor_the_order_of_rows_nor_a_late_backlog_matters(seed: int) -> None:
    rng = random.Random(seed)
    messages = [each for vehicle in ("v-1", "v-2") for each in drive(vehicle, T0, 8)]
    known = [
        rules("van", ALL[1], brake_ms2=SOFT),
        rules("van", ALL[3] - 10_000, brake_ms2=4, corner_ms2=1),
        rules("van", ALL[5], brake_ms2=SOFT - 1),
    ]
    expected = judged(messages, *known)
    assert brakings(expected)[::2] == [*ALL[1:3], ALL[5], *(T0 + m * MINUTE_MS + 30_000 for m in (6, 7))]
    rng.shuffle(known)
    harness = VehicleHarness(ENABLED)
    put(harness.operator.references["rules"], *known, *known)
    first, second = messages[: len(messages) // 2], messages[len(messages) // 2 :]
    late = [
        *first[: len(first) // 3],
        *first[2 * len(first) // 3 :],
        *first[len(first) // 3 : 2 * len(first) // 3],
    ]
    at = 0
    both = [*late, *second]
    while at < len(both):
        size = rng.randint(1, 5)
        harness.feed(both[at : at + size])
        at += size
    harness.advance()
    assert comparable(harness.tables()) == comparable(expected.tables())


def test_a_row_that_comes_while_the_job_runs_counts_for_later_samples_and_a_new_start_knows_it_all() -> None:
    messages = drive("v", T0, 6)
    harness = VehicleHarness(ENABLED)
    for each in messages[:3]:
        harness.feed([each])
    put(harness.operator.references["rules"], rules("van", ALL[4], brake_ms2=SOFT))
    for each in messages[3:]:
        harness.feed([each])
    harness.advance()
    assert brakings(harness) == brakings(judged(messages, rules("van", ALL[4], brake_ms2=SOFT))) == ALL[4:]


def test_trips_are_scored_by_the_weights_at_their_start() -> None:
    """Two trips, each with eight harsh brakings over 12 km; the weights change between their starts, and in one."""
    messages = [*drive("v", T0, 8), *drive("v", T0 + HOUR_MS, 8)]
    known = [
        rules("van", T0, brake_ms2=SOFT),
        weights(T0 + MINUTE_MS, harsh_brake=2),
        weights(T0 + HOUR_MS + MINUTE_MS, harsh_brake=3),
    ]
    harness = judged(messages, *known)
    trips = sorted(harness.tables()["trip"].values(), key=lambda row: row["start_ms"])
    first, second = trips
    assert second["penalty_events"] == pytest.approx(2 * first["penalty_events"])
    by_start = {
        int(row["start_ms"]): bytes(row["params_hash"]).decode() for _, row in harness.keys.rows["trip"]
    }
    heavy = additive(overrides=("event_weights.harsh_brake=2",)).params_hash
    assert by_start == {T0: additive().params_hash, T0 + HOUR_MS: heavy}


def test_weights_that_are_none_together_change_nothing() -> None:
    table = ReferenceTable(RULES)
    put(table, rules("weighted_percent", T0, "score", harsh_brake=50))
    assert scores_of(weighted(), table).at(T0) == weighted()
    put(table, rules("weighted_percent", T0 + 1, "score", harsh_brake=15, harsh_corner=5))
    assert scores_of(weighted(), table).at(T0 + 1).params_hash != weighted().params_hash


def parts(*of: tuple[int, bytes, int]) -> np.ndarray:
    """Parts given as key, driver and minute."""
    found = np.zeros(len(of), PART_ROW)
    found["key"] = [key for key, _, _ in of]
    found["driver"] = np.array([driver for _, driver, _ in of], "S64").view("<i8").reshape(-1, 8)
    found["minute_start"] = [minute for _, _, minute in of]
    return found


def changes(*known: Message) -> tuple[Changes, ReferenceTable, Any]:
    settings = Settings.load(ENABLED)
    table = ReferenceTable(RULES)
    put(table, *known)
    parameters = kernel_parameters(settings, live=False)
    of = Changes(settings, parameters, table)
    of.taken(parameters)
    return of, table, parameters


def told(of: Changes, *which: tuple[int, bytes, int]) -> list[tuple[bytes, int]]:
    found = of.steps_for(parts(*which)).view(STEP_OUTPUT)
    return [(row["driver"], int(row["from_ms"])) for row in found]


def test_a_driver_is_told_once_and_again_when_something_changed() -> None:
    of, table, parameters = changes(weights(T0, harsh_brake=2), weights(T0 + HOUR_MS, harsh_brake=3))
    both = [(b"anna", T0), (b"anna", T0 + HOUR_MS)]
    assert told(of, (0, b"anna", T0), (1, b"anna", T0)) == both
    assert told(of, (0, b"anna", T0), (0, b"ben", T0)) == [(b"ben", T0), (b"ben", T0 + HOUR_MS)]
    assert told(of, (0, b"", T0)) == told(of, (0, b"", T0)) == [(b"", T0), (b"", T0 + HOUR_MS)]
    put(table, rules("van", T0, brake_ms2=2), weights(T0 + 2 * HOUR_MS), first=2)
    of.taken(parameters)
    assert told(of, (0, b"anna", T0)) == both


def test_of_what_ended_long_before_a_driver_is_told_the_last_alone() -> None:
    day = 24 * HOUR_MS
    of, _, _ = changes(*(weights(T0 + step * day, harsh_brake=step + 1) for step in range(100)))
    found = told(of, (0, b"anna", T0 + 99 * day))
    assert [ms for _, ms in found] == [T0 + step * day for step in range(59, 100)]
    assert len(told(of, (0, b"anna", T0 + 98 * day))) == 42
    assert told(of, (0, b"anna", T0 + 99 * day)) == []


def test_a_driver_keeps_the_steps_of_the_furthest_reading() -> None:
    of, table, parameters = changes(weights(T0, harsh_brake=2))
    step = read_step(of.steps_for(parts((0, b"anna", T0))).view(STEP_OUTPUT)[0].tobytes())
    scores = Told(additive()).scores({step.from_ms: step.weights}, step.newest)
    assert scores.at(T0 - 1) == additive()
    assert scores.at(T0) == additive(overrides=("event_weights.harsh_brake=2",))
    put(table, {**weights(T0), "version": 1}, first=7)  # withdrawn
    of.taken(parameters)
    (gone,) = of.steps_for(parts((0, b"anna", T0))).view(STEP_OUTPUT)
    assert read_step(gone.tobytes()).newest > step.newest
    assert Told(additive()).scores({0: read_step(gone.tobytes()).weights}, 8).at(T0) == additive()


def test_without_any_change_nothing_is_told_and_nothing_is_looked_up() -> None:
    of, _, parameters = changes()
    assert told(of, (0, b"anna", T0)) == []
    assert of.taken(parameters) is parameters
    assert Scores(additive()).at(T0) == additive()
