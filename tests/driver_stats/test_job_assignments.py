"""Who drove, through the whole job from files: log-ins among the telemetry, whenever they come."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict
from typing import Any

import pytest

from jobs.driver_stats.oracle import oracle_tables
from tests.driver_stats.harness import cut_into, epoch_ms
from tests.driver_stats.jobs import FileJob, Rows, comparable, read_tables, run_jobs, write_lines

OVERRIDES = ["assignments.enabled=true", "local_time.fleets.far=Asia/Kathmandu"]
T0 = epoch_ms("2026-03-02T04:00:00Z")
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
Tables = dict[str, Rows]
Message = dict[str, Any]


def login(vehicle: str, minutes: float, driver: str | None) -> Message:
    return {
        "schema": "assignment/1",
        "vehicle_id": vehicle,
        "driver_id": driver,
        "t": T0 + round(minutes * MINUTE_MS),
    }


LOGINS = [
    login("truck", 0, "anna"),
    login("truck", 200.5, "ben"),
    login("truck", 330, None),
    login("truck", 360, "anna"),
    login("van", 20, "ben"),
    login("van", 21, "cleo"),
    login("van", 700, "anna"),
]
BAD = [
    {**login("van", 1, "x"), "t": "now"},
    {**login("van", 1, "x"), "driver_id": 7},
    {**login("van", 1, "x"), "t": 5},
]


def telemetry(rng: random.Random) -> list[Message]:
    """Two vehicles that name no driver and one that does, for 14 hours with breaks."""
    found = []
    for vehicle, fields in (
        ("truck", {"vehicle_class": "truck", "fleet_id": "near"}),
        ("van", {"fleet_id": "far"}),
        ("named", {"fleet_id": "near", "driver_id": "anna"}),
    ):
        samples = [
            {
                "t": T0 + second * 1000,
                "speed": round(rng.uniform(20, 120), 1),
                "accel_x": -5.0 if rng.random() < 0.05 else 0.0,
            }
            for second in range(0, 14 * 3600, 20)
            if second % 7200 < 6000
        ]
        found += list(cut_into(samples, 45, vehicle_id=vehicle, **fields))
    return found


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tables]:
    rng = random.Random(1)
    messages = telemetry(rng)
    folder = tmp_path_factory.mktemp("assignments")
    first = write_lines(folder / "first.jsonl", [*LOGINS, *BAD, *messages])
    last = write_lines(folder / "last.jsonl", [*messages, *reversed(LOGINS), *LOGINS])
    mixed = [*messages]
    for each in rng.sample(LOGINS, len(LOGINS)):
        mixed.insert(rng.randrange(len(mixed)), each)
    among = write_lines(folder / "among.jsonl", mixed)
    jobs = {
        "first": FileJob(first, folder / "by-first", OVERRIDES),
        "last": FileJob(last, folder / "by-last", [*OVERRIDES, "batch.max_messages=3"]),
        "among": FileJob(among, folder / "by-among", OVERRIDES, parallelism=2),
        "without": FileJob(first, folder / "by-without", OVERRIDES[1:]),
    }
    run_jobs(jobs.values())
    found = {name: read_tables(job.folder) for name, job in jobs.items()}
    return found | {"oracle": oracle_tables(first, OVERRIDES)}


@pytest.mark.parametrize("name", ["last", "among", "oracle"])
def test_when_a_log_in_comes_does_not_matter(tables: dict[str, Tables], name: str) -> None:
    found, expected = comparable(tables[name]), comparable(tables["first"])
    if name != "oracle":
        del found["reject"], expected["reject"]
    assert found == expected


def driver_at(vehicle: str, minute: int) -> str:
    """Whoever is logged in at the minute's last millisecond."""
    logins = sorted((each["t"], each["driver_id"]) for each in LOGINS if each["vehicle_id"] == vehicle)
    at = bisect_right(logins, (minute + MINUTE_MS - 1, "~"), key=lambda each: (each[0], each[1] or ""))
    return (logins[at - 1][1] if at else None) or f"unknown:{vehicle}"


def test_each_minute_counts_for_who_was_logged_in(tables: dict[str, Tables]) -> None:
    expected: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for row in tables["last"]["vehicle_minute"].values():
        minute = epoch_ms(row["minute_start"])
        driver = "anna" if row["vehicle_id"] == "named" else driver_at(row["vehicle_id"], minute)
        shift = 45 * MINUTE_MS if row["fleet_id"] == "far" else 0
        hour = (minute + shift) // HOUR_MS * HOUR_MS - shift
        total = expected[driver, str(hour)]
        total[0] += row["n_samples"]
        total[1] = max(total[1], row["max_speed_kmh"])
    found = {
        (row["driver_id"], str(epoch_ms(row["hour_start"]))): [row["n_samples"], row["max_speed_kmh"]]
        for row in tables["last"]["driver_hour"].values()
        if not row["superseded_by"]
    }
    assert found == expected
    assert {driver for driver, _ in found} == {"anna", "ben", "cleo", "unknown:truck", "unknown:van"}


def test_events_go_to_who_was_logged_in_at_their_start(tables: dict[str, Tables]) -> None:
    events = [
        row
        for row in tables["last"]["driver_event"].values()
        if row["type"].startswith("harsh") and not row["superseded_by"] and row["vehicle_id"] != "named"
    ]
    for row in events:
        start = epoch_ms(row["start_time"])
        assert row["driver_id"] == driver_at(row["vehicle_id"], start - start % MINUTE_MS)
    assert {row["driver_id"] for row in events} == {"anna", "ben", "cleo", "unknown:van"}


def test_trips_go_to_who_was_logged_in_and_end_where_that_changes(tables: dict[str, Tables]) -> None:
    trips = [row for row in tables["last"]["trip"].values() if row["vehicle_id"] != "named"]
    for row in trips:
        start, end = epoch_ms(row["start_time"]), epoch_ms(row["end_time"])
        drivers = {
            driver_at(row["vehicle_id"], minute)
            for minute in range(start - start % MINUTE_MS, end, MINUTE_MS)
        }
        assert drivers == {row["driver_id"]}
    minutes = tables["last"]["vehicle_minute"].values()
    for name in ("n_samples", "harsh_brake", "drive_s"):
        found = sum(row[name] for row in trips)
        assert found == sum(row[name] for row in minutes if row["vehicle_id"] != "named"), name
    assert {row["driver_id"] for row in trips} == {"anna", "ben", "cleo", "unknown:truck", "unknown:van"}


def test_hours_of_driving_go_to_who_was_logged_in(tables: dict[str, Tables]) -> None:
    watched = {
        row["driver_id"]
        for row in tables["last"]["driver_day"].values()
        if row["drive_left_min"] is not None and not row["superseded_by"]
    }
    assert watched == {"anna", "ben", "unknown:truck"}


def test_a_wrong_log_in_is_a_reject(tables: dict[str, Tables]) -> None:
    reasons = {row["offset"]: row["reason"].partition(":")[0] for row in tables["first"]["reject"].values()}
    place = len(LOGINS)
    assert reasons == {
        place + 1: "time_out_of_range",
        place + 2: "missing_id",
        place + 3: "time_out_of_range",
    }


def test_log_ins_are_no_telemetry_where_they_are_not_read(tables: dict[str, Tables]) -> None:
    rejects = tables["without"]["reject"].values()
    assert {row["reason"].partition(":")[0] for row in rejects} == {"wrong_schema"}
    assert {row["driver_id"] for row in tables["without"]["driver_day"].values()} == {
        "anna",
        "unknown:truck",
        "unknown:van",
    }
