"""Drivers' hours through the whole job from files: the law's alerts, minutes left, and the same in any order."""

from __future__ import annotations

import random
from typing import Any

import pytest

from conf.hours import hours
from jobs.driver_stats.driver_hours import machine
from jobs.driver_stats.hours import Activity, replay
from jobs.driver_stats.oracle import oracle_tables
from tests.driver_stats.harness import cut_into
from tests.driver_stats.jobs import (
    FileJob,
    Rows,
    comparable,
    out_of_order,
    read_tables,
    run_jobs,
    write_lines,
)
from tests.driver_stats.test_driver_hours import LONG_HAUL_S, T0

OVERRIDES = ["hours.classes.van=us_fmcsa_property_1", "local_time.fleets.far=Asia/Kathmandu"]
DAYS = 4
Tables = dict[str, Rows]


def drives(stretches: list[tuple[int, int]], step_s: int, **fields: Any) -> list[dict[str, Any]]:
    """Messages of a vehicle that drives in the stretches, given in seconds, and stands before and after them."""
    samples = [
        {"t": T0 + second * 1000, "speed": 0.0 if second in (start, end) else 80.0, "ignition": second < end}
        for start, end in stretches
        for second in (*range(start, end, step_s), end)
    ]
    return list(cut_into(samples, 200, **fields))


def weeks_at_random(seed: int, days: int) -> list[tuple[int, int]]:
    """Days of long driving with breaks of any length, too many of them."""
    rng, found = random.Random(seed), []
    for day in range(days):
        second = day * 86_400 + rng.randrange(4 * 3600, 8 * 3600)
        while second < day * 86_400 + rng.randrange(15 * 3600, 20 * 3600):
            length = rng.randrange(600, 5 * 3600)
            found.append((second, second + length))
            second += length + rng.choice((60, 900, 1900, 2800, 3600))
    return found


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tables]:
    long_haul = drives(LONG_HAUL_S, 1, vehicle_id="haul", driver_id="hauler", vehicle_class="truck")
    others: list[dict[str, Any]] = []
    for seed, (vehicle, driver, kind, fleet) in enumerate(
        [
            ("truck-1", "eu", "truck", "near"),
            ("truck-2", "both", "truck", "far"),
            ("van-1", "both", "van", "far"),
            ("van-2", None, "van", "near"),
            ("light", "nobody watches", "van_light", "near"),
        ]
    ):
        stretches = weeks_at_random(seed, DAYS)
        others += drives(
            stretches, 30, vehicle_id=vehicle, driver_id=driver, vehicle_class=kind, fleet_id=fleet
        )
    folder = tmp_path_factory.mktemp("hours")
    whole = write_lines(folder / "whole.jsonl", [*long_haul, *others])
    late = write_lines(folder / "late.jsonl", [*long_haul, *out_of_order(others)])
    jobs = {
        "whole": FileJob(whole, folder / "by-whole", OVERRIDES),
        "late": FileJob(late, folder / "by-late", [*OVERRIDES, "batch.max_messages=3"], parallelism=2),
    }
    run_jobs(jobs.values())
    found = {name: read_tables(job.folder) for name, job in jobs.items()}
    return found | {"oracle": oracle_tables(whole, OVERRIDES)}


def alerts(found: Tables, driver: str) -> list[dict[str, Any]]:
    rows = (row for row in found["driver_event"].values() if row["driver_id"] == driver and row["rule"])
    return sorted(rows, key=lambda row: (row["event_time"], row["type"]))


@pytest.mark.parametrize("name", ["late", "oracle"])
def test_the_tables_do_not_depend_on_the_order_and_are_the_oracles(
    tables: dict[str, Tables], name: str
) -> None:
    assert comparable(tables[name]) == comparable(tables["whole"])


def test_the_long_haul_cycle_has_one_breach_of_article_7(tables: dict[str, Tables]) -> None:
    rows = [row for row in alerts(tables["whole"], "hauler") if row["type"] == "hours_breach"]
    (breach,) = (row for row in rows if row["article"] == "7")
    assert (breach["rule"], breach["peak"], breach["threshold"]) == ("continuous_driving", 270.0, 270.0)
    assert (breach["unit"], breach["vehicle_id"], breach["day"]) == ("min", "", breach["event_time"][:10])


def test_the_alerts_are_those_of_the_law_for_what_was_driven(tables: dict[str, Tables]) -> None:
    """Seconds, not minutes, are judged here; a minute at either end of a stretch may be the other kind."""
    rules = machine(hours("eu_561_2006_1"))
    driven = [Activity(T0 + start * 1000, T0 + end * 1000) for start, end in weeks_at_random(0, DAYS)]
    told = {(each.kind, each.article) for each in replay(rules, driven)[1] if each.kind == "hours_breach"}
    found = alerts(tables["whole"], "eu")
    mine = {
        (row["type"], article)
        for row in found
        if row["type"] == "hours_breach"
        for article in row["article"].split(", ")
    }
    assert mine == told
    assert len(mine) >= 2


def test_minutes_left_are_in_the_drivers_day(tables: dict[str, Tables]) -> None:
    days = tables["whole"]["driver_day"].values()
    watched = {row["driver_id"] for row in days if row["drive_left_min"] is not None}
    assert watched == {"hauler", "eu", "both", "unknown:van-2"}
    rules = {row["drive_left_rule"] for row in days if row["driver_id"] == "eu"}
    assert len(rules) >= 2
    assert all(0 <= row["drive_left_min"] <= 600 for row in days if row["driver_id"] == "eu")


def test_nothing_is_void_that_came_in_order(tables: dict[str, Tables]) -> None:
    assert not [row for row in tables["whole"]["driver_event"].values() if row["superseded_by"]]
    assert {row["revision"] for row in tables["whole"]["driver_day"].values()} == {0}
