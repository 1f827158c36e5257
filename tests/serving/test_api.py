"""The API over a real Cassandra: what is asked is answered, page by page, in each form, from the active version."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from cassandra.cluster import Session

from serving.questions import questions
from serving.store import VERSION_KEPT_S, keyspace_of
from tests.serving.conftest import Client
from tests.serving.tables import FIRST, HOSTILE, HOURS_OF_ANNA, JOB, NOW, SECOND, activate

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def rows(client: Client, address: str, **options: Any) -> list[dict[str, Any]]:
    answer = await client(**options).get(address)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


async def test_a_drivers_hours_of_today_are_newest_first(client: Client) -> None:
    found = await rows(client, "/v1/drivers/anna/hours")
    assert [row["hour_start"] for row in found] == [
        f"2026-11-21T{hour:02d}:00:00.000Z" for hour in range(12, -1, -1)
    ]
    assert found[0]["distance_km"] == 0.5


async def test_a_month_of_hours_comes_in_pages_that_join_without_gap_or_copy(client: Client) -> None:
    asking = client()
    for size in (1000, 97, 31, 24):
        address: str | None = f"/v1/drivers/anna/hours?from=2026-10-20&to=2026-11-20&limit={size}"
        found, pages = [], 0
        while address:
            answer = await asking.get(address)
            document = answer.json()
            assert len(document["rows"]) <= size
            assert (document["next"] is not None) == ("next" in answer.links)
            found += [row["hour_start"] for row in document["rows"]]
            address, pages = document["next"], pages + 1
        assert found == sorted(set(found), reverse=True)
        assert len(found) == 32 * 24
        assert pages >= len(found) / size


async def test_a_range_of_times_takes_its_start_and_not_its_end(client: Client) -> None:
    found = await rows(
        client, "/v1/drivers/anna/hours?from=2026-11-20T22:00:00Z&to=2026-11-21T02:00:00%2B01:00"
    )
    assert [row["hour_start"][:13] for row in found] == [
        "2026-11-21T00",
        "2026-11-20T23",
        "2026-11-20T22",
    ]


async def test_a_range_of_dates_of_days_takes_both_ends(client: Client) -> None:
    found = await rows(client, "/v1/drivers/anna/days?from=2026-10-30&to=2026-11-02")
    assert [row["day"] for row in found] == ["2026-11-02", "2026-11-01", "2026-10-31", "2026-10-30"]


async def test_rows_that_were_made_void_are_left_out_unless_asked_for(client: Client) -> None:
    assert len(await rows(client, "/v1/drivers/anna/events?day=2026-11-21")) == 2
    assert len(await rows(client, "/v1/drivers/anna/events?day=2026-11-21&superseded=true")) == 3


async def test_pages_with_rows_left_out_are_filled_up(client: Client) -> None:
    answer = (await client().get("/v1/drivers/anna/events?day=2026-11-21&limit=2")).json()
    assert [row["event_time"][14:16] for row in answer["rows"]] == ["30", "28"]


async def test_csv_and_arrow_have_the_rows_of_json(client: Client) -> None:
    asking = client()
    address = "/v1/drivers/anna/days?month=2026-11"
    expected = (await asking.get(address)).json()["rows"]
    text = (await asking.get(f"{address}&format=csv")).text
    assert [row["day"] for row in csv.DictReader(io.StringIO(text))] == [row["day"] for row in expected]
    answer = await asking.get(address, headers={"Accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column("distance_km").to_pylist() == [row["distance_km"] for row in expected]
    assert table.schema.field("updated_at").type == pa.timestamp("ms", tz="UTC")


async def test_an_answer_that_is_known_already_is_not_sent_again(client: Client) -> None:
    asking = client()
    first = await asking.get("/v1/drivers/anna/days")
    again = await asking.get("/v1/drivers/anna/days", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await asking.get(
        "/v1/drivers/anna/days?format=csv", headers={"If-None-Match": first.headers["etag"]}
    )
    assert other.status_code == 200


async def test_long_answers_are_compressed_for_those_who_take_it(client: Client) -> None:
    answer = await client().get("/v1/drivers/anna/days", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    plain = await client().get("/v1/drivers/anna/days", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert answer.json() == plain.json()


async def test_a_blob_is_base64_and_an_id_with_anything_in_it_finds_its_row(client: Client) -> None:
    (reject,) = await rows(client, "/v1/rejects/driver_stats/telemetry-0")
    assert (reject["body"], reject["offset"]) == ("AP8=", 7)
    found = await rows(client, "/v1/fleets/north/drivers")
    assert {row["driver_id"] for row in found} == {"anna", HOSTILE}


async def test_fleets_areas_and_sources_are_listed(client: Client) -> None:
    asking = client()
    assert (await asking.get("/v1/fleets")).json() == {"fleets": ["north", "south"]}
    assert (await asking.get("/v1/rejects/driver_stats")).json() == {
        "sources": [{"day": "2026-11-21", "source": "telemetry-0"}]
    }
    assert (await asking.get("/health")).json() == {"status": "ok"}
    assert (await asking.get("/v1/me")).json()["role"] == "admin"


async def test_readers_follow_the_active_version_within_a_second(client: Client, filled: Session) -> None:
    import anyio

    asking = client()
    address = "/v1/drivers/anna/days?month=2026-11&limit=1"
    before = (await asking.get(address)).json()
    assert (before["version"], before["rows"][0]["distance_km"]) == (FIRST, 100.0)
    activate(filled, SECOND)
    try:
        with anyio.fail_after(VERSION_KEPT_S * 5):
            while (after := (await asking.get(address)).json())["version"] == FIRST:
                await anyio.sleep(0.05)
        assert (after["version"], after["rows"][0]["distance_km"]) == (SECOND, 7.0)
        # A cursor goes on in the version that it began in.
        rest = (await asking.get(before["next"])).json()
        assert (rest["version"], rest["rows"][0]["distance_km"]) == (FIRST, 101.0)
    finally:
        activate(filled, FIRST)


async def test_a_job_without_tables_is_said_so(client: Client) -> None:
    answer = await client().get("/v1/metrics/heart_rate/anna/windows")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:kappafleet:problem:no-tables"
    assert "kappafleet submit metrics" in answer.json()["detail"]


async def test_a_table_of_an_older_version_is_read_without_the_columns_it_lacks(
    client: Client, filled: Session
) -> None:
    filled.execute(f"ALTER TABLE {keyspace_of(JOB, SECOND)}.driver_day DROP penalty_idle")
    activate(filled, SECOND)
    try:
        (row,) = await rows(client, "/v1/drivers/anna/days?month=2026-11")
        assert row["distance_km"] == 7.0
        assert "penalty_idle" not in row
    finally:
        activate(filled, FIRST)
        filled.execute(f"ALTER TABLE {keyspace_of(JOB, SECOND)}.driver_day ADD penalty_idle double")


async def test_every_question_has_its_route_and_its_description(client: Client) -> None:
    document = (await client().get("/openapi.json")).json()
    for question in questions():
        operation = document["paths"][question.path]["get"]
        assert operation["operationId"] == question.name
        example = operation["responses"]["200"]["content"]["application/json"]["example"]["rows"][0]
        assert list(example) == [column.name for column in question.table.columns]
        assert {each["name"] for each in operation["parameters"]} >= {"limit", "cursor", *question.ids}


async def test_each_question_is_answered_from_its_own_table(client: Client) -> None:
    asking = client(now=NOW + timedelta(hours=1))
    for question in questions():
        if question.job == "driver_stats":
            path = question.path
            for name in question.ids:
                path = path.replace(f"{{{name}}}", "nobody")
            answer = await asking.get(path)
            assert answer.status_code == 200, answer.text
            assert answer.json()["table"] == question.table.name


async def test_a_year_of_hours_is_more_than_one_request_may_ask(client: Client) -> None:
    answer = await client().get("/v1/drivers/anna/hours?from=2025-01-01&to=2026-11-21")
    assert answer.json()["type"] == "urn:kappafleet:problem:range-too-long"
    answer = await client().get("/v1/drivers/anna/hours?from=2025-11-21&to=2026-11-21&limit=5000")
    assert len(answer.json()["rows"]) == HOURS_OF_ANNA
