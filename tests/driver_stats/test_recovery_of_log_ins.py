"""Who drove after a kill: log-ins and telemetry are read in another order, and the tables are the oracle's still."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.driver_stats.attempts import Attempt, Cassandra, Found, Log
from tests.driver_stats.harness import cut_into, epoch_ms

T0 = epoch_ms("2026-03-01T22:50:00Z")
"""Before the end of an hour, a day and a week."""

MINUTE_MS = 60_000
Message = dict[str, Any]


def login(vehicle: str, minutes: float, driver: str | None) -> Message:
    at = T0 + round(minutes * MINUTE_MS)
    return {"schema": "assignment/1", "vehicle_id": vehicle, "driver_id": driver, "t": at}


def drive(rng: random.Random, vehicle: str, minutes: int, **fields: Any) -> list[Message]:
    """Drives with harsh brakes, stands and gaps, in messages of a few samples every 5 s."""
    samples: list[Message] = []
    at, end = T0, T0 + minutes * MINUTE_MS
    while at < end:
        kind = rng.choice(("drive", "drive", "drive", "stand", "gap"))
        for _ in range(rng.randint(10, 60)):
            kmh = 0.0 if kind == "stand" else rng.choice((30.0, 60.0, 61.5, 97.0))
            if kind != "gap":
                brakes = kind == "drive" and rng.random() < 0.1
                samples.append({"t": at, "speed": kmh, "accel_x": -5.0 if brakes else 0.0})
            at += 5000
    return list(cut_into(samples, rng.randint(3, 12), vehicle_id=vehicle, **fields))


def by_time(*drives: list[Message]) -> list[Message]:
    return sorted((each for of in drives for each in of), key=lambda each: each["samples"]["t"][-1])


def differences(found: dict[str, Found], expected: dict[str, Found]) -> list[str]:
    """Rows that are surplus, missing or different, by table and key."""
    return [
        f"{name} {key}: {of.get(key)} instead of {rows.get(key)}"
        for name, rows in expected.items()
        for of in (found[name],)
        for key in sorted(of.keys() | rows.keys())
        if of.get(key) != rows.get(key)
    ]


@pytest.fixture(scope="module")
def log() -> Log:
    """Two trips of a truck, whose driver's hours count, that names nobody, and a log-in from its first minute on."""
    telemetry = drive(random.Random(3), "truck", 90, vehicle_class="truck")
    trips = [each for each in telemetry if not 30 < (each["samples"]["t"][0] - T0) / MINUTE_MS < 40]
    return Log(trips, [login("truck", 0, "anna")])


def killed_before_the_log_in(log: Log, *, holds: bool) -> list[str]:
    """All of the telemetry is read and its rows are written; after the kill, the log-in comes first."""
    tables = Cassandra()
    first = Attempt(log, tables, holds=holds)
    while first.telemetry < len(log.telemetry):
        first.drive()
    first.advance(T0 + 80 * MINUTE_MS)
    first.clock()
    second = Attempt(log, tables, first, holds=holds)
    second.login()
    return differences(second.finish(), log.expected())


def test_a_row_for_the_driver_before_is_not_written_before_it_is_certain(log: Log) -> None:
    assert killed_before_the_log_in(log, holds=True) == []


def test_if_nothing_waited_for_its_checkpoint_the_wrong_drivers_rows_would_stay(log: Log) -> None:
    """What the test above could not find, were it blind: each table had rows of nobody's."""
    wrong = killed_before_the_log_in(log, holds=False)
    tables = {each.partition(" ")[0] for each in wrong if "unknown:truck" in each}
    assert tables == {
        "driver_hour", "driver_day", "fleet_day", "driver_week", "driver_rolling", "driver_event", "trip",
    }  # fmt: skip


def test_what_a_checkpoint_holds_is_moved_by_a_log_in_after_the_kill(log: Log) -> None:
    """The rows are written by the first attempt, or of its checkpoint by the second one; both are made void."""
    tables = Cassandra()
    first = Attempt(log, tables)
    while first.telemetry < len(log.telemetry) // 2:
        first.drive()
    first.checkpoint()
    first.clock()
    assert any("unknown:truck" in key for key in tables.tables()["driver_hour"])
    while first.telemetry < len(log.telemetry):
        first.drive()
    first.clock()
    second = Attempt(log, tables, first)
    second.login()
    assert differences(second.finish(), log.expected()) == []


def test_early_rows_come_with_the_next_checkpoint(log: Log) -> None:
    tables = Cassandra()
    job = Attempt(log, tables)
    job.login()
    for _ in range(40):
        job.drive()
    job.clock()
    assert not tables.tables()["driver_hour"]
    job.checkpoint()
    job.clock()
    assert {key[0] for key in tables.tables()["driver_hour"]} == {"anna"}


@pytest.mark.parametrize("seed", range(12))
def test_whenever_it_is_killed_and_however_the_streams_interleave_the_tables_are_the_oracles(
    seed: int,
) -> None:
    rng = random.Random(seed)
    telemetry = by_time(
        drive(rng, "truck", 70, vehicle_class="truck", fleet_id="north"),
        drive(rng, "van", 70, fleet_id="south"),
        drive(rng, "named", 20, driver_id="anna", vehicle_class="truck"),
    )
    logins = [
        login(rng.choice(("truck", "van")), rng.randint(-5, 65), rng.choice(("anna", "ben", None)))
        for _ in range(rng.randint(1, 8))
    ]
    log, tables = Log(telemetry, logins), Cassandra()
    job = Attempt(log, tables)
    for _ in range(rng.randint(1, 5)):
        # Until it is killed; one stream may be far ahead of the other.
        fast = rng.random()
        for _ in range(rng.randint(10, len(telemetry))):
            choice = rng.random()
            if choice < 0.02 * fast and job.logins < len(logins):
                job.login()
            elif choice < 0.95 and job.telemetry < len(telemetry):
                job.drive()
            elif choice < 0.97:
                job.checkpoint(complete=rng.random() < 0.8)
            elif choice < 0.985:
                job.clock()
            elif job.telemetry:
                job.advance(telemetry[job.telemetry - 1]["samples"]["t"][0] - 30_000)
        job = Attempt(log, tables, job)
    assert differences(job.finish(), log.expected()) == []
