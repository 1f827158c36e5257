"""The questions to sensors, cells, stations and exposures over a real Cassandra, each from its own table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cassandra.cluster import Session

from schemas.tables import tables
from serving import keys
from serving.questions import questions
from tests.serving.conftest import Client
from tests.serving.other_tables import (
    AREA,
    CELL,
    DAY,
    EXPOSURE,
    KEY,
    METRIC,
    METRICS,
    SENSOR,
    SENSORS,
    STATION,
    other_tables,
)

pytestmark = pytest.mark.anyio

FOUND = {
    f"/v1/sensors/{SENSOR}/5min?day={DAY}": ("sensor_5min", "mean", [8.25]),
    f"/v1/sensors/{SENSOR}/hours?month=2026-11": ("sensor_hour", "mean", [8.25]),
    f"/v1/sensors/{SENSOR}/days?year=2026": ("sensor_day", "mean", [8.25]),
    f"/v1/sensors/{SENSOR}/air-quality?from={DAY}T11:00:00Z": ("air_quality", "index_value", [46]),
    f"/v1/sensors/{SENSOR}/flags?day={DAY}": ("sensor_flag", "qc_flag", [4]),
    f"/v1/areas/{AREA}/sensors": ("sensor_live", "pm2_5", [8.0]),
    f"/v1/cells/{CELL}/hours?day={DAY}": ("cell_hour", "sensor_id", [SENSOR, "sc-3660"]),
    f"/v1/stations/{STATION}/context?month=2026-11": ("context_hour", "term", ["term 1"]),
    f"/v1/stations/{STATION}/context?month=2026-11&superseded=true": ("context_hour", "rank", [1, 2]),
    f"/v1/drivers/anna/exposure?day={DAY}": ("driver_exposure", "pm2_5_mean", [25.8]),
    f"/v1/drivers/anna/event-weather?from={DAY}&to={DAY}": ("event_weather", "temperature", [9.4]),
    f"/v1/metrics/{METRIC}/{KEY}/windows?day={DAY}": ("metric_window", "mean", [121.0, 120.0]),
    f"/v1/metrics/{METRIC}/{KEY}/events?day={DAY}": ("metric_event", "value", [122.0]),
    f"/v1/rejects/metrics/heart_rate-0?day={DAY}": ("reject", "body", ["eA=="]),
    f"/v1/rejects/driver_exposure/observations-0?day={DAY}": ("reject", "body", ["eA=="]),
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def others(session: Session) -> Iterator[Session]:
    with other_tables(session) as found:
        yield found


@pytest.mark.parametrize("address", FOUND)
async def test_each_question_finds_the_rows_of_its_table(
    client: Client, others: Session, address: str
) -> None:
    name, column, values = FOUND[address]
    answer = await client().get(address)
    assert answer.status_code == 200, answer.text
    assert answer.json()["table"] == name
    assert [row[column] for row in answer.json()["rows"]] == values


def test_every_table_of_these_jobs_has_a_question_that_is_tested() -> None:
    asked = {table for table, _, _ in FOUND.values()}
    assert {each.table.name for each in questions() if each.job in (SENSORS, EXPOSURE, METRICS)} == asked


@pytest.mark.parametrize("job", ["driver_stats", "sensor_windows", "driver_exposure", "metrics"])
def test_every_table_of_a_job_has_its_question(job: str) -> None:
    asked = {each.table.name for each in questions() if each.job == job}
    assert asked == {each.name for each in tables(job)}


async def test_a_fleets_key_may_ask_none_of_them(client: Client, others: Session, tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    asking = client(keys=file, token=keys.add(file, "north", "reader", ["north"]))
    for address in FOUND:
        answer = await asking.get(re.sub(r"\?.*", "", address))
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:kappafleet:problem:not-allowed"), (
            address
        )


async def test_what_was_refused_is_listed(client: Client, others: Session) -> None:
    answer = await client().get("/v1/rejects/driver_exposure")
    assert answer.json() == {"sources": [{"day": DAY, "source": "observations-0"}]}


async def test_hours_come_under_sensorthings_names_too(client: Client, others: Session) -> None:
    asking, path = client(), f"/v1/sensors/{SENSOR}/Datastreams"
    streams = (await asking.get(f"{path}?month=2026-11")).json()["value"]
    assert [each["@iot.id"] for each in streams] == [f"{SENSOR}/pm2_5"]
    (found,) = (await asking.get(f"{path}/pm2_5/Observations?month=2026-11")).json()["value"]
    assert (found["result"], found["resultQuality"]["meaning"]) == (8.25, "good")
    answer = await asking.get(f"{path}/pm10/Observations?month=2026-11")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:kappafleet:problem:not-found")
