"""Changes of rules through the whole job from files: lines among the telemetry, wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest

from conf.score import additive
from jobs.driver_stats.oracle import oracle_tables
from tests.driver_stats.jobs import FileJob, Rows, comparable, read_tables, run_jobs, write_lines
from tests.driver_stats.rule_changes import HOUR_MS, MINUTE_MS, T0, drive, rules, weights

OVERRIDES = [
    "rule_changes.enabled=true",
    "assignments.enabled=true",
    "local_time.fleets.north=America/New_York",
]
Tables = dict[str, Rows]
DAY_MS = 24 * HOUR_MS
HALF_PAST = T0 + 30 * MINUTE_MS
NEXT_DAY = T0 + 20 * HOUR_MS
"""Midnight, UTC."""
KNOWN = [
    rules("van", HALF_PAST, brake_ms2=2.5),
    weights(HALF_PAST, harsh_brake=2),
    weights(NEXT_DAY, harsh_brake=4),
    weights(T0 - DAY_MS, harsh_brake=1, version=3),
]
LOGIN = {"schema": "assignment/1", "vehicle_id": "v-2", "driver_id": "carl", "t": T0 + DAY_MS - HOUR_MS}
"""Of the second day; on the first one nobody knows who drove."""
BAD = [rules("van", T0, brake_ms2="hard"), rules("van", T0, brake_ms2=0), rules("van", T0, "speed")]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tables]:
    folder = tmp_path_factory.mktemp("rules")
    messages = [
        each
        for vehicle, driver in (("v-1", ""), ("v-2", None))
        for day in (0, 1)
        for each in drive(vehicle, T0 + day * DAY_MS, 90, driver=driver)
    ]
    messages += [{**each, "fleet_id": "north"} for each in drive("v-3", T0 + DAY_MS, 20)]
    first = write_lines(folder / "first.jsonl", [*KNOWN, *BAD, LOGIN, *messages])
    parts = folder / "last"
    parts.mkdir()
    write_lines(parts / "a.jsonl.gz", [*messages, LOGIN])
    write_lines(parts / "b.jsonl.gz", [*reversed(KNOWN), *KNOWN])
    jobs = {
        "first": FileJob(first, folder / "by-first", OVERRIDES),
        "last": FileJob(parts, folder / "by-last", [*OVERRIDES, "batch.max_messages=3"], parallelism=2),
        "without": FileJob(first, folder / "by-without", OVERRIDES[1:]),
    }
    run_jobs(jobs.values())
    found = {name: read_tables(job.folder) for name, job in jobs.items()}
    return found | {"oracle": oracle_tables(first, OVERRIDES)}


@pytest.mark.parametrize("name", ["last", "oracle"])
def test_where_the_rules_stand_does_not_matter(tables: dict[str, Tables], name: str) -> None:
    found, expected = comparable(tables[name]), comparable(tables["first"])
    if name != "oracle":
        del found["reject"], expected["reject"]
    assert found == expected


def test_brakings_are_harsh_from_then_on(tables: dict[str, Tables]) -> None:
    events = tables["first"]["driver_event"].values()
    assert {row["type"] for row in events} == {"harsh_brake"}
    of_first = sorted(row["event_time"] for row in events if row["vehicle_id"] == "v-1")
    assert of_first[0] == "2026-03-02T04:30:30.000Z"
    assert len(of_first) == 60 + 90
    assert tables["without"]["driver_event"] == {}


def rows_of(of: Rows, driver: str, **columns: Any) -> dict[str, Any]:
    (row,) = (
        row
        for row in of.values()
        if row["driver_id"] == driver and all(row[name] == value for name, value in columns.items())
    )
    return row


@pytest.mark.parametrize(("driver", "then"), [("driver of v-1", "driver of v-1"), ("unknown:v-2", "carl")])
def test_a_window_has_the_weights_at_its_start(tables: dict[str, Tables], driver: str, then: str) -> None:
    first = tables["first"]
    hashes = {
        weight: additive(overrides=(f"event_weights.harsh_brake={weight}",)).params_hash
        for weight in (1, 2, 4)
    }

    def weight(table: str, **columns: Any) -> int:
        of = then if any("03-03" in value for value in columns.values()) else driver
        found = rows_of(first[table], of, **columns)["params_hash"]
        return next(weight for weight, each in hashes.items() if each == found)

    assert weight("driver_hour", hour_start="2026-03-02T04:00:00.000Z") == 1
    assert weight("driver_hour", hour_start="2026-03-02T05:00:00.000Z") == 2
    assert weight("driver_hour", hour_start="2026-03-03T04:00:00.000Z") == 4
    assert weight("driver_day", day="2026-03-02") == weight("fleet_day", day="2026-03-02") == 1
    assert weight("driver_day", day="2026-03-03") == weight("fleet_day", day="2026-03-03") == 4
    assert weight("driver_week", week="2026-03-02") == 1
    assert weight("driver_rolling", day="2026-03-02") == 1
    assert weight("driver_rolling", day="2026-03-03") == 4
    assert weight("trip", start_time="2026-03-02T04:00:00.000Z") == 1
    assert weight("trip", start_time="2026-03-03T04:00:00.000Z") == 4
    hour = rows_of(first["driver_hour"], driver, hour_start="2026-03-02T05:00:00.000Z")
    lost = 2 * hour["harsh_brake"] / hour["distance_km"] * 1609.34
    assert hour["penalty_events"] == pytest.approx(lost)


def test_a_fleets_day_begins_in_its_own_zone(tables: dict[str, Tables]) -> None:
    """04:00 UTC is 23:00 in New York, of the day before: its weights are those of 05:00 UTC on the 2nd."""
    row = rows_of(tables["first"]["fleet_day"], "driver of v-3")
    assert row["day"] == "2026-03-02"
    assert row["params_hash"] == additive(overrides=("event_weights.harsh_brake=2",)).params_hash


def test_a_wrong_row_is_one_reject(tables: dict[str, Tables]) -> None:
    reasons = {row["offset"]: row["reason"].partition(":")[0] for row in tables["first"]["reject"].values()}
    place = len(KNOWN)
    assert reasons == {place + 1: "not_a_number", place + 2: "out_of_range", place + 3: "out_of_range"}
