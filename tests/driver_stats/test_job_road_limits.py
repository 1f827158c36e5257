"""Limits of roads through the whole job from files: lines among the telemetry, wherever they stand."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest

from jobs.driver_stats.oracle import oracle_tables
from tests.driver_stats.harness import cut_into, epoch_ms
from tests.driver_stats.jobs import FileJob, Rows, comparable, read_tables, run_jobs, write_lines
from tests.driver_stats.roads import geohash, limit_at, road_limit

OVERRIDES = ["road_limits.enabled=true"]
T0 = epoch_ms("2026-03-02T04:00:00Z")
MINUTE_MS = 60_000
Tables = dict[str, Rows]
Message = dict[str, Any]

LAT, LON = 52.5170, 13.3888
COARSE, FINE = geohash(LAT, LON, 5), geohash(LAT, LON, 7)
ROADS = [
    road_limit(COARSE, 100, T0 - 1),
    road_limit(FINE, 50, T0 - 1, version=1),
    road_limit(FINE, 30, T0 + 20 * MINUTE_MS, valid_to=T0 + 40 * MINUTE_MS),
    road_limit(FINE, 70, T0 + 50 * MINUTE_MS, heading_from=315, heading_to=45),
    road_limit(FINE, 120, T0 - 1, version=0),
]
BAD = [
    {**road_limit(FINE, 50, T0), "cell": "Berlin"},
    {**road_limit(FINE, 50, T0), "limit_kmh": "fast"},
    road_limit(FINE, 50, T0, valid_to=T0),
    {"schema": "road_limit/1", "cell": FINE, "limit_kmh": 50},
]


def telemetry() -> list[Message]:
    """An hour in one cell, with heading north and south in turn, and where the device knows a limit."""
    rng = random.Random(3)
    found = []
    for vehicle, known in (("v-road", None), ("v-device", 80)):
        samples = [
            {
                "t": T0 + second * 1000,
                "speed": rng.choice([45.0, 65.0, 90.0]),
                "lat": LAT + second * 1e-8,
                "lon": LON,
                "heading": None if second % 1200 < 200 else 0.0 if second // 300 % 2 else 180.0,
                "speed_limit": known,
            }
            for second in range(0, 3600, 5)
        ]
        found += list(cut_into(samples, 30, vehicle_id=vehicle, driver_id="anna"))
    return found


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return telemetry()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, messages: list[Message]) -> dict[str, Tables]:
    folder = tmp_path_factory.mktemp("roads")
    first = write_lines(folder / "first.jsonl", [*ROADS, *BAD, *messages])
    parts = folder / "last"
    parts.mkdir()
    write_lines(parts / "a.jsonl.gz", messages)
    write_lines(parts / "b.jsonl.gz", [*ROADS[:2], *reversed(ROADS), *ROADS])
    jobs = {
        "first": FileJob(first, folder / "by-first", OVERRIDES),
        "last": FileJob(parts, folder / "by-last", [*OVERRIDES, "batch.max_messages=3"], parallelism=2),
        "fixed": FileJob(first, folder / "by-fixed", [*OVERRIDES, "speeding.limit_kmh=60"]),
        "without": FileJob(first, folder / "by-without"),
    }
    run_jobs(jobs.values())
    found = {name: read_tables(job.folder) for name, job in jobs.items()}
    return found | {"oracle": oracle_tables(first, OVERRIDES)}


@pytest.mark.parametrize("name", ["last", "oracle"])
def test_where_the_limits_stand_does_not_matter(tables: dict[str, Tables], name: str) -> None:
    found, expected = comparable(tables[name]), comparable(tables["first"])
    if name != "oracle":
        del found["reject"], expected["reject"]
    assert found == expected


def band(speed: float, limit: float | None) -> str:
    """Both conditions of conf/speeding_two_conditions_1.yaml."""
    if limit is None:
        return "unknown"
    over = (("severe", 30.6, 1.4), ("major", 16.1, 1.25), ("minor", 6.4, 1.12))
    return next((name for name, kmh, factor in over if speed > limit + kmh and speed > limit * factor), "ok")


@pytest.mark.parametrize(("name", "fixed"), [("first", None), ("fixed", 60.0)])
def test_the_limit_is_the_samples_else_the_parameters_else_the_roads(
    tables: dict[str, Tables], messages: list[Message], name: str, fixed: float | None
) -> None:
    expected: dict[str, float] = defaultdict(float)
    limits = set()
    for each in messages:
        s = each["samples"]
        for i, t in enumerate(s["t"]):
            if t > T0:  # the first sample covers nothing
                road = limit_at(ROADS, t, s["lat"][i], s["lon"][i], s["heading"][i])
                limit = s["speed_limit"][i] or fixed or road
                limits.add(limit)
                expected[band(s["speed"][i], limit)] += 5
    assert limits == ({80, 60} if fixed else {80, 50, 30, 70})
    (day,) = tables[name]["driver_day"].values()
    found = {each: day[f"speeding_{each}_s"] for each in ("minor", "major", "severe")}
    assert found == {each: expected[each] for each in found}
    assert day["speed_limit_unknown_s"] == expected["unknown"] == 0


def test_a_wrong_limit_is_one_reject(tables: dict[str, Tables]) -> None:
    reasons = {row["offset"]: row["reason"].partition(":")[0] for row in tables["first"]["reject"].values()}
    place = len(ROADS)
    assert reasons == {
        place + 1: "out_of_range",
        place + 2: "not_a_number",
        place + 3: "out_of_range",
        place + 4: "time_out_of_range",
    }


def test_limits_are_no_telemetry_where_they_are_not_read(tables: dict[str, Tables]) -> None:
    rejects = tables["without"]["reject"].values()
    assert [row["reason"].partition(":")[0] for row in rejects] == ["wrong_schema"] * len([*ROADS, *BAD])
    (day,) = tables["without"]["driver_day"].values()
    assert day["speed_limit_unknown_s"] == 3595
