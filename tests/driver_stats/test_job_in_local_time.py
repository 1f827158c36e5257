"""The whole job from files with fleets in several time zones, against zoneinfo; weeks and rolling days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs.driver_stats.oracle import oracle_tables
from tests.driver_stats.harness import cut_into, epoch_ms
from tests.driver_stats.jobs import (
    FileJob,
    Rows,
    comparable,
    out_of_order,
    read_tables,
    run_jobs,
    write_lines,
)

ZONES = {
    "common": "Europe/Berlin",
    "kathmandu": "Asia/Kathmandu",
    "st_johns": "America/St_Johns",
    "utc": "UTC",
}
OVERRIDES = [
    "local_time.zone=Europe/Berlin",
    "local_time.rolling_days=5",
    *(f"local_time.fleets.{fleet}={zone}" for fleet, zone in ZONES.items() if fleet != "common"),
]
BEGIN = epoch_ms("2026-03-26T20:07:00Z")  # three days before Berlin's clocks change, on a Thursday
DAYS = 9

Tables = dict[str, Rows]
Totals = Counter[tuple[str, ...]]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tables]:
    """Drivers of one fleet each, and one who drives for all of them; a minute's drive every 21 minutes."""
    messages: list[dict[str, Any]] = []
    for index, fleet in enumerate(ZONES):
        for vehicle, driver in ((f"{fleet}-a", f"driver-{fleet}"), (f"{fleet}-b", "everywhere")):
            starts = range(BEGIN + index * 60_000, BEGIN + DAYS * 86_400_000, 1_260_000)
            samples = [
                {"t": start + second * 1000, "speed": 30.0 + index + second / 10}
                for start in starts
                for second in range(0, 70, 10)
            ]
            messages += cut_into(samples, 300, vehicle_id=vehicle, driver_id=driver, fleet_id=fleet)
    folder = tmp_path_factory.mktemp("local-time")
    whole = write_lines(folder / "whole.jsonl", messages)
    late = write_lines(folder / "late.jsonl", out_of_order(messages))
    jobs = {
        "whole": FileJob(whole, folder / "by-whole", OVERRIDES),
        "late": FileJob(late, folder / "by-late", [*OVERRIDES, "batch.max_messages=3"], parallelism=2),
    }
    run_jobs(jobs.values())
    found = {name: read_tables(job.folder) for name, job in jobs.items()}
    return found | {"oracle": oracle_tables(whole, OVERRIDES)}


@pytest.mark.parametrize("name", ["late", "oracle"])
def test_the_tables_do_not_depend_on_the_order_and_are_the_oracles(
    tables: dict[str, Tables], name: str
) -> None:
    assert comparable(tables[name]) == comparable(tables["whole"])


def from_minutes(found: Tables, window: Callable[[dict[str, Any], datetime], tuple[str, ...]]) -> Totals:
    """Samples by window, which is told by each minute's local time."""
    totals: Totals = Counter()
    for row in found["vehicle_minute"].values():
        zone = ZoneInfo(ZONES[row["fleet_id"]])
        totals[window(row, datetime.fromisoformat(row["minute_start"]).astimezone(zone))] += row["n_samples"]
    return totals


def of_table(found: Tables, name: str, *columns: str) -> Totals:
    return Counter({tuple(row[each] for each in columns): row["n_samples"] for row in found[name].values()})


def test_hours_are_those_of_the_fleets_clock(tables: dict[str, Tables]) -> None:
    def hour(row: dict[str, Any], local: datetime) -> tuple[str, ...]:
        start = datetime.fromisoformat(row["minute_start"]) - timedelta(minutes=local.minute)
        return row["driver_id"], str(local.date()), f"{start:%Y-%m-%dT%H:%M}:00.000Z"

    found = of_table(tables["whole"], "driver_hour", "driver_id", "day", "hour_start")
    assert found == from_minutes(tables["whole"], hour)
    assert {hour_start[14:16] for _, _, hour_start in found} == {"00", "15", "30"}


def test_days_are_those_of_the_fleets_calendar(tables: dict[str, Tables]) -> None:
    found = tables["whole"]
    of_driver = from_minutes(found, lambda row, local: (row["driver_id"], str(local.date())))
    assert of_table(found, "driver_day", "driver_id", "day") == of_driver
    of_fleet = from_minutes(found, lambda row, local: (row["fleet_id"], str(local.date()), row["driver_id"]))
    assert of_table(found, "fleet_day", "fleet_id", "day", "driver_id") == of_fleet
    hours = Counter(day for driver, day, _ in found["driver_hour"] if driver == "driver-common")
    assert (hours["2026-03-28"], hours["2026-03-29"]) == (24, 23)


def test_weeks_and_rolling_days_add_up_the_days(tables: dict[str, Tables]) -> None:
    found = tables["whole"]
    days = of_table(found, "driver_day", "driver_id", "day")
    weeks: Totals = Counter()
    rolling: Totals = Counter()
    for (driver, day), samples in days.items():
        of = date.fromisoformat(day)
        weeks[driver, str(of - timedelta(days=of.weekday()))] += samples
        for after in range(5):
            if (driver, str(of + timedelta(days=after))) in days:
                rolling[driver, str(of + timedelta(days=after))] += samples
    assert of_table(found, "driver_week", "driver_id", "week") == weeks
    assert of_table(found, "driver_rolling", "driver_id", "day") == rolling
    assert {row["days"] for row in found["driver_rolling"].values()} == {5}


def test_every_window_from_files_is_final_in_its_first_revision(tables: dict[str, Tables]) -> None:
    for name in ("driver_hour", "driver_day", "fleet_day", "driver_week", "driver_rolling"):
        rows = tables["whole"][name].values()
        assert {(row["final"], row["revision"]) for row in rows} == {(True, 0)}, name
