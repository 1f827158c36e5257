"""Settings as a workbook on real servers: edited, imported, in conflict, and what the running job makes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import openpyxl
import pytest
from typer.testing import CliRunner

from jobs.driver_stats.oracle import oracle_tables
from kappafleet.cli import run
from kappafleet.connections import RabbitMQConnection, rabbitmq_connection
from kappafleet.publishing import Run, publish
from kappafleet.stack.stack import Stack
from kappafleet.streams import StreamSettings, stream_names
from serving import keys
from serving.app import build
from serving.service import Service, Settings
from serving.settings_log import _lock
from serving.store import Store
from serving.workbook import MEDIA_TYPE
from tests.driver_stats.jobs import Rows, write_lines
from tests.driver_stats.rule_changes import HOUR_MS, MINUTE_MS, T0, Message, drive
from tests.publisher.wire import stored
from tests.system.pipeline import PARTITIONS, pipeline, wait_until
from tests.system.test_end_to_end import HISTORY, until_equal

EXCHANGES = {"rules": 1, "road_limits": 1, "stations": 1, "assignments": 8}
PATH = "/v1/settings/workbook"
PART_MS = 30 * MINUTE_MS
Cell = tuple[str, Callable[[tuple[Any, ...]], bool], int, Any]
"""A sheet, its row, the column's number, and the value to write."""


@pytest.fixture
def settings(stack: Stack) -> Iterator[None]:
    """Nothing but conf/ is known before and afterwards: the streams of settings keep everything."""
    forget()
    yield
    forget()


def forget() -> None:
    with rabbitmq_connection() as connection:
        for exchange, partitions in EXCHANGES.items():
            for stream in stream_names(exchange, partitions):
                connection.channel().queue_delete(stream)


def exported(path: Path) -> Path:
    assert run(["settings", "export", str(path)]) == 0
    return path


def edit(path: Path, *cells: Cell) -> bytes:
    book = openpyxl.load_workbook(path)
    for sheet, is_row, column, value in cells:
        page = book[sheet]
        rows = [row for row in page.iter_rows(min_row=2) if is_row(tuple(cell.value for cell in row))]
        number = rows[0][0].row if rows else page.max_row + 1
        page.cell(number, column, value)
    book.save(path)
    return path.read_bytes()


def row(*key: Any) -> Callable[[tuple[Any, ...]], bool]:
    return lambda values: values[: len(key)] == key


def van_brake(value: float) -> Cell:
    return ("Thresholds", row("van"), 3, value)


def brake_weight(value: float) -> Cell:
    return ("Score weights", row("additive_per_100km", "harsh_brake"), 3, value)


def imported(path: Path, effective_from: int, *options: str) -> int:
    text = datetime.fromtimestamp(effective_from / 1000, UTC).isoformat()
    return run(["settings", "import", str(path), "--effective-from", text, *options])


def published(exchange: str) -> list[dict[str, Any]]:
    with rabbitmq_connection() as connection:
        return [json.loads(each.body) for each in stored(connection, exchange, 1)]


def test_an_edit_is_shown_applied_once_and_a_second_of_the_same_export_conflicts(
    settings: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, other = exported(tmp_path / "one.xlsx"), tmp_path / "other.xlsx"
    shutil.copy(one, other)
    capfd.readouterr()
    edit(
        one,
        van_brake(2.5),
        ("Speed limits", row("u33dc0"), 1, "u33dc0"),
        ("Stations", row("DEBE034"), 1, "DEBE034"),
        ("Assignments", row("v-1"), 1, "v-1"),
    )
    edit(
        one,
        ("Speed limits", row("u33dc0"), 4, 30),
        ("Stations", row("DEBE034"), 2, "Berlin"),
        ("Assignments", row("v-1"), 2, "anna"),
    )
    edit(other, van_brake(3.0))

    assert imported(one, T0, "--dry-run") == 0
    shown = capfd.readouterr().out
    assert all(text in shown for text in ("Thresholds", "brake_ms2", "3.53", "2.5", "Berlin", "--dry-run"))

    assert imported(one, T0, "--yes") == 0
    assert "applied: 4 cells of 4 rows" in capfd.readouterr().out
    van = {"accel_ms2": 3.43, "brake_ms2": 2.5, "corner_ms2": 3.43}
    assert published("rules") == [
        {"schema": "rules/1", "rule_set": "harsh", "name": "van", **van, "valid_from": T0}
    ]
    assert [each["limit_kmh"] for each in published("road_limits")] == [30]
    assert [each["place"] for each in published("stations")] == ["Berlin"]

    assert imported(other, T0, "--yes") == 2
    told = capfd.readouterr().err
    assert "Thresholds!C" in told
    assert "exported 3.53, now 2.5, here 3" in told
    assert "Speed limits!(u33dc0) limit_kmh: exported -, now 30" in told
    assert "nothing was applied" in told
    assert len(published("rules")) == 1

    again = exported(tmp_path / "again.xlsx")
    assert imported(again, T0, "--yes") == 0
    assert "nothing to change" in capfd.readouterr().out
    limits = openpyxl.load_workbook(again)["Speed limits"]
    assert [cell.value for cell in limits[2]] == ["u33dc0", None, None, 30]
    drivers = openpyxl.load_workbook(again)["Assignments"]
    assert [cell.value for cell in drivers[2]] == ["v-1", "anna"]


def test_what_cannot_be_imported_is_told_in_lines_and_exit_code_2(
    settings: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = exported(tmp_path / "one.xlsx")
    edit(path, van_brake(-1), ("Thresholds", row("truck"), 2, "=1+1"))
    capfd.readouterr()
    assert imported(path, T0, "--yes") == 2
    told = capfd.readouterr().err.splitlines()
    assert any(line.startswith("Thresholds!C") and "more than 0" in line for line in told)
    assert any(line.startswith("Thresholds!B") and "a formula" in line for line in told)
    assert "2 cells are wrong" in told[-1]
    (tmp_path / "no.xlsx").write_bytes(b"no workbook")
    assert imported(tmp_path / "no.xlsx", T0, "--yes") == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert run(["settings", "import", str(path), "--effective-from", "soon"]) == 2
    with rabbitmq_connection() as connection:
        assert stored(connection, "rules", 0) == []


def test_without_an_answer_nothing_is_applied(settings: None, tmp_path: Path) -> None:
    path = exported(tmp_path / "one.xlsx")
    edit(path, van_brake(2.5))
    from kappafleet.cli import _app

    answer = CliRunner().invoke(_app(), ["settings", "import", str(path)], input="n\n")
    assert answer.exit_code == 1
    assert "Apply?" in answer.output
    assert "3.53" in answer.output
    assert imported(path, T0, "--dry-run") == 0  # of the same version still


def test_two_imports_at_once_wait_for_one_another(
    settings: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = exported(tmp_path / "one.xlsx")
    edit(path, van_brake(2.5))
    with _lock(None):
        assert imported(path, T0, "--yes") == 2
    assert "another import of settings is under way" in capfd.readouterr().err
    assert imported(path, T0, "--yes") == 0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_the_api_gives_the_workbook_says_what_would_change_and_applies_for_admins(
    settings: None, tmp_path: Path
) -> None:
    file = tmp_path / "keys.yaml"
    tokens = {
        name: keys.add(file, name, role, fleets)
        for name, role, fleets in (
            ("reader", "reader", []),
            ("north", "reader", ["north"]),
            ("admin", "admin", []),
        )
    }
    broker = RabbitMQConnection.from_environment()
    store = cast("Store", None)  # no table is asked for
    app = build(Service.of(store, Settings(keys=file, rate=0, broker=broker)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8480", timeout=60) as client:

        def who(name: str, **more: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {tokens[name]}", **more}

        async def post(name: str, data: bytes, query: str = "", media: str = MEDIA_TYPE) -> httpx.Response:
            headers = who(name, **{"Content-Type": media})
            return await client.post(f"{PATH}{query}", content=data, headers=headers)

        assert (await client.get(PATH)).status_code == 401
        assert (await client.get(PATH, headers=who("north"))).status_code == 403
        answer = await client.get(PATH, headers=who("reader"))
        assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPE)
        (tmp_path / "book.xlsx").write_bytes(answer.content)
        data = edit(tmp_path / "book.xlsx", van_brake(2.5))

        dry = await post("reader", data, "?effective_from=2026-03-02T04:00:00Z")
        assert dry.status_code == 200, dry.text
        told = dry.json()
        assert (told["applied"], told["effective_from"]) == (False, "2026-03-02T04:00:00.000Z")
        (change,) = told["changes"]
        assert (change["sheet"], change["before"], change["after"]) == ("Thresholds", 3.53, 2.5)

        assert (await post("reader", data, "?apply=true")).status_code == 403
        assert (await post("north", data)).status_code == 403
        assert (await post("admin", data, media="text/plain")).status_code == 415
        assert (await post("admin", data, "?apply=perhaps")).status_code == 400
        assert (await post("admin", data, "?effective_from=soon")).status_code == 400
        assert (await post("admin", b"x" * (17 << 20))).status_code == 413
        refused = await post("admin", b"no workbook")
        assert (refused.status_code, refused.json()["title"]) == (
            422,
            "The file is no workbook that is taken",
        )
        wrong = await post("admin", edit(tmp_path / "book.xlsx", van_brake(-1)), "?apply=true")
        assert (wrong.status_code, wrong.json()["errors"][0]["sheet"]) == (422, "Thresholds")

        applied = await post("admin", data, "?apply=true&effective_from=2026-03-02T04:00:00Z")
        assert (applied.status_code, applied.json()["applied"]) == (200, True)
        assert [each["brake_ms2"] for each in published("rules")] == [2.5]
        outdated = await post("admin", data, "?apply=true")
        assert outdated.status_code == 409
        assert [each["now"] for each in outdated.json()["conflicts"]] == [2.5]
    transport = httpx.ASGITransport(build(Service.of(store, Settings(rate=0))), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8480") as client:
        assert (await client.get(PATH)).status_code == 503


def test_an_imported_threshold_changes_what_the_running_job_calls_harsh_and_survives_kill_9(
    stack: Stack, settings: None, tmp_path: Path
) -> None:
    overrides = [*HISTORY, "rule_changes.enabled=true"]

    def sent(name: str, messages: list[Message], exchange: str) -> None:
        path = write_lines(tmp_path / f"{name}.jsonl", messages)
        publish(Run(path, streams=StreamSettings(partitions=PARTITIONS), exchange=exchange))

    def edited(name: str, from_ms: int, *cells: Cell) -> None:
        path = exported(tmp_path / f"{name}.xlsx")
        edit(path, *cells)
        assert imported(path, from_ms, "--yes") == 0

    parts = [
        [each for vehicle in ("v-1", "v-2", "v-3") for each in drive(vehicle, T0 + part * PART_MS, 30)]
        for part in range(3)
    ]
    with pipeline(stack, "settings") as of:
        edited("weights", T0 - HOUR_MS, brake_weight(2))
        sent("part-0", parts[0], of.exchange)
        of.submit(overrides, parallelism=2)
        wait_until(
            lambda: of.checkpoints() > 0 and bool(of.read_tables()["vehicle_minute"]),
            120,
            "the first minutes",
        )
        assert not of.read_tables()["driver_event"]

        edited("soft", T0 + PART_MS, van_brake(2.5))
        probes = 0

        def is_known() -> bool:
            """Whether a probe was judged by the new threshold; a later sample of whichever vehicle then is, too."""
            nonlocal probes
            sent("probe", drive(f"probe-{probes}", T0 + PART_MS, 3), of.exchange)
            probes += 1
            return bool(of.read_tables()["driver_event"])

        wait_until(is_known, 60, "a vehicle that is judged by the new threshold")
        sent("part-1", parts[1], of.exchange)

        edited("hard", T0 + 2 * PART_MS, van_brake(9), brake_weight(5))
        for victim in stack.taskmanagers:
            victim.kill()
        for victim in stack.taskmanagers:
            victim.start()
        sent("part-2", parts[2], of.exchange)

        of.read_tables, read = (lambda: without_probes(read())), of.read_tables  # type: ignore[method-assign]
        lines = [json.dumps(each).encode() for each in (*published("rules"), *parts[0], *parts[1], *parts[2])]
        expected = oracle_tables(lines, overrides)
        starts = sorted(row["event_time"] for row in expected["driver_event"].values())
        assert (starts[0], starts[-1]) == ("2026-03-02T04:30:30.000Z", "2026-03-02T04:59:30.000Z")
        hours = {(row["hour_start"], row["params_hash"]) for row in expected["driver_hour"].values()}
        assert len(hours) == 2
        until_equal(of, expected, leave_out=("reject",))
        assert of.failures() >= 1


def without_probes(tables: dict[str, Rows]) -> dict[str, Rows]:
    return {
        name: {key: row for key, row in rows.items() if "probe" not in json.dumps(row)}
        for name, rows in tables.items()
    }
