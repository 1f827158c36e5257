"""Who may ask what, how often, and what a hostile request gets: an answer that says no, and never a row."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kappafleet.errors import UserError
from serving import keys, limits, parameters, problems
from serving.cursor import Cursors, Position
from serving.periods import Span, span
from serving.questions import question, questions
from tests.serving.conftest import Client
from tests.serving.tables import HOSTILE, NOW

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


async def kind(client: Client, path: str, status: int, **options: object) -> str:
    answer = await client(**options).get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    document = answer.json()
    assert document["status"] == status
    assert document["instance"] == unquote(path.partition("?")[0])
    assert document["title"]
    return str(document["type"]).removeprefix("urn:kappafleet:problem:")


@pytest.mark.parametrize(
    "query",
    [
        "day=2026-13-01",
        "day=2026-11-21'%20OR%201=1",
        "day=",
        "day=٢٠٢٦-11-21",
        "day=2026-11-21&day=2026-11-20",
        "day=2026-11-21&from=2026-11-20",
        "month=2026-11",
        "from=yesterday",
        "from=2026-11-21&to=2026-11-20",
        "from=0001-01-01T00:00:00%2B14:00",
        "from=9999-12-31&to=9999-12-31",
        "to=2026-11-21",
        "limit=0",
        "limit=-1",
        "limit=5001",
        "limit=1e3",
        "limit=" + "9" * 5000,
        "format=xml",
        "superseded=maybe",
        "cursor=",
        "cursor=AAAA",
        "cursor=" + "A" * 5000,
        "cursor=%00%ff",
        "limitt=5",
        "$where=1",
    ],
)
async def test_a_wrong_parameter_is_named(client: Client, query: str) -> None:
    found = await kind(client, f"/v1/drivers/anna/hours?{query}", 400)
    assert found in ("invalid-parameter", "invalid-cursor", "range-too-long")


@pytest.mark.parametrize("driver", ["%00", "a%0Ab", "x" * 257, "%E2%80%A8"])
async def test_an_id_that_none_can_be_is_refused(client: Client, driver: str) -> None:
    assert await kind(client, f"/v1/drivers/{driver}/hours", 400) == "invalid-parameter"


@pytest.mark.parametrize(
    "driver", ["' OR ''='", "anna'; DROP TABLE driver_hour; --", "../../etc/passwd", "$$", "%25", "‮", HOSTILE]
)
async def test_an_odd_id_is_an_id_like_any_other(client: Client, driver: str) -> None:
    answer = await client().get(f"/v1/drivers/{quote(driver, safe='')}/hours")
    assert answer.status_code in (200, 404)
    assert answer.json().get("rows", []) == []
    assert (await client().get("/v1/drivers/anna/hours")).json()["rows"]


async def test_what_is_not_there_or_not_read_is_a_problem_too(client: Client) -> None:
    assert await kind(client, "/v2/drivers", 404) == "not-found"
    answer = await client().post("/v1/drivers/anna/hours")
    assert answer.json()["type"].endswith("method-not-allowed")
    answer = await client().get("/v1/drivers/anna/hours", headers={"Accept": "image/png"})
    assert answer.json()["type"].endswith("not-acceptable")


async def test_without_keys_only_this_machine_may_ask(client: Client) -> None:
    assert await kind(client, "/v1/fleets", 401, address="10.1.2.3") == "key-needed"
    # A name that some page of the internet made to point here.
    assert await kind(client, "/v1/fleets", 421, host="evil.example:8480") == "wrong-host"
    assert (await client(host="[::1]:8480", address="::1").get("/v1/fleets")).status_code == 200


async def test_a_wrong_key_or_none_is_refused(client: Client, file: Path) -> None:
    token = keys.add(file, "dispatch", "reader", [])
    assert await kind(client, "/v1/fleets", 401, keys=file) == "key-needed"
    assert await kind(client, "/v1/fleets", 401, keys=file, token=token[:-1]) == "key-unknown"
    assert await kind(client, "/v1/fleets", 401, keys=file, token=keys.digest(token)) == "key-unknown"
    assert (await client(keys=file, token=token, address="10.1.2.3").get("/v1/fleets")).status_code == 200
    answer = await client(keys=file).get("/v1/fleets", headers={"X-API-Key": token})
    assert answer.status_code == 200
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


async def test_every_route_but_health_asks_for_a_key(client: Client, file: Path) -> None:
    keys.add(file, "dispatch", "reader", [])
    asking = client(keys=file)
    paths = (await asking.get("/openapi.json")).json()["paths"]
    for path in paths:
        answer = await asking.get(re.sub(r"\{\w+\}", "x", path))
        assert answer.status_code == (
            200 if path == "/health" else 401 if answer.status_code != 429 else 429
        ), path


async def test_a_fleets_key_gets_that_fleet_and_no_other(client: Client, file: Path) -> None:
    asking = client(keys=file, token=keys.add(file, "north", "reader", ["north"]))
    assert (await asking.get("/v1/fleets")).json() == {"fleets": ["north"]}
    assert len((await asking.get("/v1/fleets/north/drivers")).json()["rows"]) == 2
    for path in ("/v1/fleets/south/drivers", "/v1/fleets/south/vehicles", "/v1/fleets/NORTH/drivers"):
        answer = await asking.get(path)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:kappafleet:problem:not-allowed"), (
            path
        )
    days = (await asking.get("/v1/drivers/anna/days?from=2026-11-18&to=2026-11-21")).json()["rows"]
    assert [row["day"] for row in days] == ["2026-11-21", "2026-11-19"]
    hours = (await asking.get("/v1/drivers/anna/hours?from=2026-11-20&to=2026-11-21")).json()["rows"]
    assert {row["day"] for row in hours} == {"2026-11-21"}
    assert (await asking.get("/v1/drivers/ben/days")).json()["rows"] == []
    events = (await asking.get("/v1/drivers/anna/events")).json()["rows"]
    assert [row["fleet_id"] for row in events] == ["north"]


async def test_each_question_keeps_a_fleets_key_to_its_fleet(client: Client, file: Path) -> None:
    asking = client(keys=file, token=keys.add(file, "north", "reader", ["north"]))
    for each in questions():
        path = re.sub(r"\{\w+\}", "south", each.path)
        answer = await asking.get(path)
        assert answer.status_code == 403 or answer.json()["rows"] == [], path


async def test_only_an_admin_sees_what_was_refused(client: Client, file: Path) -> None:
    reader = keys.add(file, "reader", "reader", [])
    admin = keys.add(file, "admin", "admin", [])
    path = "/v1/rejects/driver_stats/telemetry-0"
    assert await kind(client, path, 403, keys=file, token=reader) == "not-allowed"
    assert await kind(client, "/v1/rejects/driver_stats", 403, keys=file, token=reader) == "not-allowed"
    assert len((await client(keys=file, token=admin).get(path)).json()["rows"]) == 1


async def test_a_removed_key_is_refused_within_a_second_or_so(
    client: Client, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "CHECKED_EVERY_S", 0.0)
    asking = client(keys=file, token=keys.add(file, "dispatch", "reader", []))
    assert (await asking.get("/v1/fleets")).status_code == 200
    keys.remove(file, "dispatch")
    assert (await asking.get("/v1/fleets")).status_code == 401
    file.write_text("keys: [")  # and one that cannot be read lets nobody in
    assert (await asking.get("/v1/fleets")).status_code == 401


async def test_who_asks_too_often_is_told_when_to_come_back(client: Client) -> None:
    asking = client(rate=0.5, burst=3)
    answers = [await asking.get("/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_cursor_is_good_for_its_question_ids_and_range_alone(client: Client) -> None:
    asking = client()
    following = (await asking.get("/v1/drivers/anna/hours?day=2026-11-20&limit=5")).json()["next"]
    cursor = following.rpartition("cursor=")[2]
    for path in (
        "/v1/drivers/ben/hours?day=2026-11-20",
        "/v1/drivers/anna/hours?day=2026-11-19",
        "/v1/drivers/anna/hours?from=2026-11-20&to=2026-11-20",
        "/v1/drivers/anna/events?day=2026-11-20",
    ):
        answer = await asking.get(f"{path}&cursor={cursor}")
        assert answer.json()["type"].endswith("invalid-cursor"), path
    for index in range(0, len(cursor), 7):
        wrong = cursor[:index] + ("A" if cursor[index] != "A" else "B") + cursor[index + 1 :]
        answer = await asking.get(f"/v1/drivers/anna/hours?day=2026-11-20&cursor={wrong}")
        assert answer.status_code == 400
    other = await client().get(following)
    assert other.status_code == 400
    assert (await asking.get(following)).status_code == 200


async def test_a_cursor_outlives_a_restart_where_the_secret_is_kept(client: Client) -> None:
    first = await client(secret=b"s" * 32).get("/v1/drivers/anna/hours?day=2026-11-20&limit=5")
    again = await client(secret=b"s" * 32).get(first.json()["next"])
    assert len(again.json()["rows"]) == 5


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60), name=st.sampled_from(["day", "from", "to"]))
def test_any_text_as_a_range_is_a_range_or_a_refusal(text: str, name: str) -> None:
    given = {name: text} if name != "to" else {"from": "2026-11-01", "to": text}
    try:
        found = span(question("driver-hours"), given, NOW)
    except problems.Problem:
        return
    assert 1 <= len(found.buckets) <= 400


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_as_a_cursor_is_refused(text: str) -> None:
    asked = question("driver-hours")
    with pytest.raises(problems.Problem):
        Cursors(b"s" * 32).position(text, asked, ["anna"], Span(("2026-11-21",), None, None, ()))


@given(version=st.integers(1, 99), bucket=st.integers(0, 400), state=st.binary(max_size=100))
def test_a_cursor_gives_back_the_position_it_was_made_of(version: int, bucket: int, state: bytes) -> None:
    cursors, asked = Cursors(), question("driver-hours")
    place = Span(("2026-11-21",), None, None, (("day", "2026-11-21"),))
    position = Position(version, bucket, state)
    assert (
        cursors.position(cursors.text(position, asked, ["anna"], place), asked, ["anna"], place) == position
    )


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/csv;q=0.2, application/vnd.apache.arrow.stream", "arrow"),
        ("text/*;q=x, text/csv", "csv"),
    ],
)
def test_the_format_is_the_one_accepted_most(accept: str | None, form: str) -> None:
    assert parameters.form(None, accept) == form


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keys: [", "no YAML"),
        ("keys: [{name: a, sha256: abc, role: reader}]", "sha256"),
        (f"keys: [{{name: a, sha256: {'a' * 64}, role: king}}]", "role"),
        (f"keys: [{{name: a, sha256: {'a' * 64}, role: admin, fleets: [x]}}]", "admin sees all"),
        (f"keys: [{{name: a, sha256: {'a' * 64}, role: reader, fleets: []}}]", "fleets"),
        (f"keys: [{{name: a, sha256: {'a' * 64}, role: reader, flets: [x]}}]", "flets"),
        ("[]", "valid dictionary"),
    ],
)
def test_a_mistake_in_the_keys_file_is_one_line_that_names_it(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(UserError, match=said) as error:
        keys.Keys(file)
    assert "\n" not in str(error.value)


def test_a_bucket_fills_again_and_forgets_those_who_came_long_ago() -> None:
    now = 0.0
    limit = limits.RateLimit(2.0, 2, lambda: now)
    assert [limit.wait_s("a") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert limit.wait_s("b") == 0.0
    now = 0.5
    assert limit.wait_s("a") == 0.0
    for each in range(limits.MOST_CALLERS + 5):
        limit.wait_s(str(each))
    assert len(limit._callers) == limits.MOST_CALLERS
