"""Servers of the benchmark's own: RabbitMQ, Cassandra and Flink on free ports, in ``build/bench/stack``."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cassandra.cluster import Session

from bench.progress import Progress
from connectors.cassandra import connect, create_tables
from kappafleet.connections import CassandraConnection, rabbitmq_connection
from kappafleet.errors import ServerError, UserError
from kappafleet.places import LOOPBACK, project_root
from kappafleet.stack.server import is_free
from kappafleet.stack.stack import SLOTS, TASKMANAGERS, Stack
from kappafleet.streams import StreamSettings, declare, stream_names
from schemas.tables import cql_text

JOB = "driver_stats"
PARTITIONS = 4
POLL_S = 0.1
_START_LIMIT_S = 300.0
_SEGMENT_BYTES = 100_000_000
_OFFSETS = range(3500, 9900, 100)


@contextmanager
def stack(progress: Progress, taskmanagers: int = TASKMANAGERS, slots: int = SLOTS) -> Iterator[Stack]:
    """New servers without any data; they end with the block, whatever happens, and their data go.

    ``KAPPAFLEET_HOME`` and ``KAPPAFLEET_PORT_OFFSET`` move them elsewhere.
    """
    chosen = os.environ.get("KAPPAFLEET_HOME")
    folder = Path(chosen) if chosen else project_root() / "build" / "bench"
    home = folder / "bench-stack"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another benchmark uses {home}; wait for it, or end it") from None
        if home.exists():
            Stack(home).down()  # what a run that was killed may have left
            shutil.rmtree(home)
        servers = Stack(home, _offset(home), taskmanagers=taskmanagers, slots=slots)
        before = dict(os.environ)
        try:
            progress.stage("starting RabbitMQ, Cassandra and Flink")
            servers.up(limit_s=_START_LIMIT_S)
            os.environ.update(servers.client_environment())
            yield servers
        finally:
            on_interrupt = signal.signal(
                signal.SIGINT, signal.SIG_IGN
            )  # a second one would leave servers behind
            servers.down()
            signal.signal(signal.SIGINT, on_interrupt)
            os.environ.clear()
            os.environ.update(before)
            shutil.rmtree(home, ignore_errors=True)


def _offset(home: Path) -> int:
    given = os.environ.get("KAPPAFLEET_PORT_OFFSET")
    for offset in (int(given),) if given else _OFFSETS:
        if all(is_free(port) for port in Stack(home, offset).ports.all()):
            return offset
    raise UserError("there are no free ports for the benchmark's servers; set KAPPAFLEET_PORT_OFFSET")


@contextmanager
def streams(exchange: str) -> Iterator[tuple[str, ...]]:
    """An exchange with its streams, all new; they go with the block, and so does the disk space they took."""
    settings = StreamSettings(PARTITIONS, max_age="", max_length_bytes=0, segment_bytes=_SEGMENT_BYTES)
    names = tuple(stream_names(exchange, PARTITIONS))
    with rabbitmq_connection() as connection:
        declare(connection, exchange, settings)
    try:
        yield names
    finally:
        with rabbitmq_connection() as connection:
            channel = connection.channel()
            for name in names:
                channel.queue_delete(name)
            channel.exchange_delete(exchange)


@contextmanager
def tables(keyspace: str) -> Iterator[Session]:
    """A session, and an empty keyspace with the job's tables; the keyspace goes with the block."""
    with connect(CassandraConnection.from_environment()) as session:
        create_tables(session, keyspace, cql_text(JOB))
        try:
            yield session
        finally:
            session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=60)


def stream_address(servers: Stack) -> dict[str, object]:
    """How the Java programs reach the streams."""
    return {"host": LOOPBACK, "port": servers.ports.stream}


def wait_until(condition: Callable[[], bool], limit_s: float, what: Callable[[], str]) -> None:
    """Polls.

    Raises:
        ServerError: the condition does not hold within the limit.
    """
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise ServerError(f"waited {limit_s:.0f} s in vain for {what()}")
        time.sleep(POLL_S)
