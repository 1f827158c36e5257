"""sensor_windows while every server dies by kill -9 in turn: each row of each table is the oracle's, rejects too."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chaos import log
from chaos.tables import Compared, Rows, compare
from connectors.rows_in_memory import timestamp
from jobs.sensor_windows.oracle import oracle_tables
from kappafleet.publishing import Protocol
from kappafleet.stack.server import Server
from kappafleet.stack.stack import Stack
from kappafleet.streams import stream_names
from tests.driver_stats.jobs import write_lines
from tests.sensor_windows.test_job_on_files import BAD, OVERRIDES, readings
from tests.system.pipeline import PARTITIONS, Pipeline, pipeline, wait_until

JOB = "sensor_windows"
HISTORY = ["window.allowed_lateness_s=0", "watermark.idle_s=3", *OVERRIDES]
RATE = 10.0
SEEN_S, EQUAL_S = 240, 240


def test_every_row_is_the_oracles_after_kill_9_of_each_server_while_readings_flow(
    stack: Stack, tmp_path: Path
) -> None:
    victims: list[Server] = [stack.taskmanagers[0], stack.jobmanager, stack.rabbitmq, stack.cassandra]
    first, *parts = parts_of([json.dumps(each).encode() for each in readings()], len(victims) + 1)
    bad = [body for _, body in BAD if b'"station/1"' not in body]
    published = [*bad, *first]
    with pipeline(stack, "sensor_kills", JOB) as of:
        of.publish(write_lines(tmp_path / "first.jsonl", published), id_field="sensor_id")
        of.submit(HISTORY)
        await_result(of, first[-1], "first results")
        for victim, part in zip(victims, parts, strict=True):
            await_checkpoint(of)
            published += [*part, bad[0]]
            with publishing(of, write_lines(tmp_path / f"{victim.name}.jsonl", [*part, bad[0]])):
                await_result(of, part[0], f"results before {victim.name} is killed")
                victim.kill()
                assert not victim.alive
                victim.start()
            await_result(of, part[-1], f"results after {victim.name} was killed")
        held = log.read(stack.rabbitmq.connection, stream_names(of.exchange, PARTITIONS), len(published))
        assert log.missing(held, write_lines(tmp_path / "all.jsonl", published)) == 0
        await_equal(of, oracle_tables(published, HISTORY), held)


def parts_of(lines: Sequence[bytes], count: int) -> list[Sequence[bytes]]:
    """So many parts of about one length."""
    length = -(-len(lines) // count)
    return [lines[at : at + length] for at in range(0, len(lines), length)]


def await_result(of: Pipeline, line: bytes, what: str) -> None:
    """Waits until the live row of a message's sensor is as new as the message's first reading."""
    message = json.loads(line)

    def seen() -> bool:
        rows = of.read_tables()["sensor_live"].values()
        newest = [row["event_time"] for row in rows if row["sensor_id"] == message["sensor_id"]]
        return bool(newest) and max(newest) >= timestamp(message["samples"]["t"][0])

    wait_until(seen, SEEN_S, what)


def await_checkpoint(of: Pipeline) -> None:
    """Waits for one that begins from now on, so that there is something to go back to."""
    before = of.checkpoints()
    wait_until(lambda: of.checkpoints() > before, 60, "a checkpoint")


@contextmanager
def publishing(of: Pipeline, path: Path) -> Iterator[None]:
    """Messages flow as devices send them while the block runs, and have all been confirmed after it."""
    failed: list[Exception] = []

    def publish() -> None:
        try:
            of.publish(path, id_field="sensor_id", rate=RATE, protocol=Protocol.AMQP)
        except Exception as error:  # told to the main thread
            failed.append(error)

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(SEEN_S)
    assert not thread.is_alive()
    assert not failed, failed


def await_equal(of: Pipeline, expected: dict[str, Rows], held: log.Held) -> None:
    """Waits until all rows of all tables are the expected ones; each has some."""
    compared: list[Compared] = []

    def equal() -> bool:
        compared[:] = compare(of.read_tables(), expected, held.copies)
        return all(each.same for each in compared)

    try:
        wait_until(equal, EQUAL_S, "the tables to equal the oracle's")
    except AssertionError as error:
        raise AssertionError([each for each in compared if not each.same]) from error
    assert min(each.equal for each in compared) > 0, compared
