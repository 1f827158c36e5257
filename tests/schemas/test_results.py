"""Every table that can be published says where its rows go."""

from __future__ import annotations

import json

import pytest

from conf.parameters import load
from jobs.driver_stats.settings import Settings
from jobs.metrics.settings import Parameters
from kappafleet.launch import JOBS
from schemas.results import Route, route, to_json
from schemas.tables import parse, table, tables


@pytest.mark.parametrize(
    ("job", "name", "group", "of"),
    [
        ("driver_stats", "vehicle_live", "fleet_id", "vehicle_id"),
        ("driver_stats", "vehicle_minute", "fleet_id", "vehicle_id"),
        ("driver_stats", "driver_event", "fleet_id", "driver_id"),
        ("driver_stats", "trip", "fleet_id", "driver_id"),
        ("driver_stats", "fleet_day", "fleet_id", "driver_id"),
        ("driver_stats", "driver_day", "", "driver_id"),
        ("driver_stats", "reject", "", "source"),
        ("metrics", "metric_window", "metric", "id"),
    ],
)
def test_rows_are_addressed_by_fleet_and_by_whom_they_are_about(job, name, group, of):
    assert route(table(job, name)) == Route(name, group, of)


def test_every_table_of_every_job_has_a_route():
    assert all(route(each).id for job in JOBS for each in tables(job))


def test_a_table_that_is_about_nobody_has_none():
    (strange,) = parse("CREATE TABLE IF NOT EXISTS strange (\n day text,\n PRIMARY KEY ((day))\n);")
    with pytest.raises(ValueError, match="strange's primary key"):
        route(strange)


def test_routes_are_handed_on_as_json():
    assert json.loads(to_json([Route("trip", "fleet_id", "driver_id")])) == [
        {"table": "trip", "group": "fleet_id", "id": "driver_id"}
    ]


def test_results_are_off_until_somebody_wants_them():
    chosen = Settings.load().results
    assert not chosen.enabled
    assert set(chosen.tables) <= {each.name for each in tables("driver_stats")}
    assert set(load("metrics", Parameters).results.tables) <= {each.name for each in tables("metrics")}
    wanted = Settings.load(["results.enabled=true", "results.tables=[trip]"]).results
    assert wanted.enabled
    assert wanted.tables == ("trip",)
