"""The whole thing on real servers: RabbitMQ streams, a Flink cluster, Cassandra."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from kappafleet.messages import line_files, lines
from kappafleet.stack.stack import Stack
from tests.driver_stats.jobs import (
    FileJob,
    Rows,
    comparable,
    out_of_order,
    read_tables,
    recut,
    run_jobs,
    write_lines,
)
from tests.driver_stats.test_job_on_files import BAD
from tests.system.pipeline import Pipeline, pipeline, wait_until

DEMO = Path(__file__).resolve().parents[2] / "data" / "demo"
# History is replayed as it is: nothing is too late.
HISTORY = ["window.allowed_lateness_s=0", "watermark.idle_s=3"]
LIMIT_S = 150

Differs = dict[str, list[Any]]


@pytest.fixture(scope="module")
def messages() -> list[dict[str, Any]]:
    """A few drives of both data sets; two vehicle-days of one set, and positions in the other."""
    wanted = {"cmap-4105836-2", "cmap-4033363-1", "nds-drive-1", "nds-drive-3"}
    demo = [json.loads(line) for file in line_files(DEMO) for line in lines([file])]
    return [message for message in demo if message["vehicle_id"] in wanted]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, messages: list[dict[str, Any]]) -> dict[str, Rows]:
    """The tables of the same input, from files to files."""
    folder = tmp_path_factory.mktemp("expected")
    run_jobs([FileJob(write_lines(folder / "whole.jsonl", messages), folder / "tables", HISTORY)])
    return read_tables(folder / "tables")


def differences(
    found: dict[str, Rows], expected: dict[str, Rows], leave_out: tuple[str, ...] = ()
) -> Differs:
    """The rows that are missing, too many or different, by table."""
    mine, theirs = comparable(found), comparable(expected)
    differing = {
        name: [
            (key, mine[name].get(key), rows.get(key))
            for key in rows.keys() | mine[name].keys()
            if mine[name].get(key) != rows.get(key)
        ]
        for name, rows in theirs.items()
        if name not in leave_out
    }
    return {name: rows for name, rows in differing.items() if rows}


def until_equal(of: Pipeline, expected: dict[str, Rows], leave_out: tuple[str, ...] = ()) -> None:
    """Waits until Cassandra's tables equal the expected ones, final rows included."""
    last: list[Differs] = []

    def equal() -> bool:
        last[:] = [differences(of.read_tables(), expected, leave_out)]
        return not last[0]

    try:
        wait_until(equal, LIMIT_S, "the tables to equal those of the files")
    except AssertionError as error:
        shown = {name: (len(rows), str(rows[0])[:600]) for name, rows in last[0].items()}
        raise AssertionError(f"{error}; job {of.status()}; differing rows: {shown}") from None


def test_through_rabbitmq_to_cassandra_the_tables_are_those_of_the_files(
    stack: Stack, messages: list[dict[str, Any]], expected: dict[str, Rows], tmp_path: Path
) -> None:
    """Whole messages, then the same samples cut into messages of 7, then late ones and copies; two subtasks."""
    cut = recut(messages, 60)
    for name, source in (("whole", messages), ("cut7", recut(messages, 7)), ("late", out_of_order(cut))):
        with pipeline(stack, name) as of:
            of.publish(write_lines(tmp_path / f"{name}.jsonl", source))
            of.submit(HISTORY, parallelism=2)
            until_equal(of, expected)
            assert of.failures() == 0


def test_bad_messages_are_rejects_with_their_reason_and_the_job_goes_on(
    stack: Stack, messages: list[dict[str, Any]], expected: dict[str, Rows], tmp_path: Path
) -> None:
    lines_with_bad: list[dict[str, Any] | bytes] = list(messages)
    for index, (_, body) in enumerate(BAD):
        lines_with_bad.insert(index * 3, body)
    with pipeline(stack, "bad") as of:
        of.publish(write_lines(tmp_path / "bad.jsonl", lines_with_bad))
        of.submit(HISTORY)
        until_equal(of, expected, leave_out=("reject",))
        wait_until(lambda: len(of.read_tables()["reject"]) >= len(BAD), 30, "all rejects")
        rejects = of.read_tables()["reject"].values()
        assert sorted(row["reason"].split(":")[0] for row in rejects) == sorted(code for code, _ in BAD)
        assert {row["length"] for row in rejects} == {len(body) for _, body in BAD}
        assert all(row["source"].startswith(of.exchange) and row["received_at"] > "2020" for row in rejects)
        assert (of.status(), of.failures()) == ("RUNNING", 0)


def test_tables_survive_kill_9_of_a_taskmanager_while_publishing(
    stack: Stack,
    messages: list[dict[str, Any]],
    expected: dict[str, Rows],
    tmp_path: Path,
) -> None:
    """It dies in the middle and comes back. (One of two: chaos.)"""
    head = write_lines(tmp_path / "head.jsonl", messages[:10])
    rest = write_lines(tmp_path / "rest.jsonl", messages[10:])
    victim = stack.taskmanagers[0]
    with pipeline(stack, "kill") as of:
        of.publish(head)
        of.submit(HISTORY, parallelism=2)
        wait_until(lambda: of.status() == "RUNNING" and of.checkpoints() > 0, 90, "a first checkpoint")
        publisher = threading.Thread(target=of.publish, args=(rest,), kwargs={"rate": len(messages) / 10})
        publisher.start()
        try:
            before = of.checkpoints()
            wait_until(lambda: of.checkpoints() > before, 60, "a checkpoint while publishing")
            victim.kill()
            assert publisher.is_alive(), "the kill must come while messages are published"
            victim.start()
        finally:
            publisher.join()
        until_equal(of, expected)
        assert of.failures() >= 1
