"""A run of a job through real servers: streams of its own, a keyspace of its own, tables read back."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from connectors.cassandra import connect
from kappafleet.commands.submit import submit_job
from kappafleet.connections import CassandraConnection, rabbitmq_connection
from kappafleet.publishing import Run, publish
from kappafleet.stack.stack import Stack
from kappafleet.streams import StreamSettings, stream_names
from schemas.tables import Table, tables
from tests.driver_stats.jobs import Rows

PARTITIONS = 3
POLL_S = 0.5


class Pipeline:
    """An exchange, its streams, a keyspace, and the job between them."""

    def __init__(self, stack: Stack, name: str, job: str = "driver_stats") -> None:
        self.stack = stack
        self.job = job
        self.exchange = f"telemetry-of-{name}"
        self.keyspace = f"kf_test_{name}"
        self.job_id = ""

    def publish(self, path: Path, **options: Any) -> None:
        """Publishes message lines into the pipeline's exchange."""
        publish(Run(path, exchange=self.exchange, streams=StreamSettings(partitions=PARTITIONS), **options))

    def submit(self, overrides: Sequence[str] = (), parallelism: int = 1) -> None:
        """Submits the job by ``flink run``; its streams must exist."""
        ports = self.stack.ports
        streams = ",".join(stream_names(self.exchange, PARTITIONS))
        self.job_id = submit_job(
            self.job,
            f"rabbitmq://127.0.0.1:{ports.stream}?streams={streams}",
            f"cassandra://127.0.0.1:{ports.cql}/{self.keyspace}",
            list(overrides),
            parallelism=parallelism,
            home=self.stack.home,
            port_offset=ports.offset,
        )

    def status(self) -> str:
        """Flink's word for the job's state."""
        return str(self._rest(f"/jobs/{self.job_id}")["state"])

    def failures(self) -> int:
        """How often the job failed and was restarted."""
        return len(self._rest(f"/jobs/{self.job_id}/exceptions")["exceptionHistory"]["entries"])

    def checkpoints(self) -> int:
        """Checkpoints completed."""
        return int(self._rest(f"/jobs/{self.job_id}/checkpoints")["counts"]["completed"])

    def cancel(self) -> None:
        """Cancels the job and waits for it."""
        if not self.job_id:
            return
        url = f"http://127.0.0.1:{self.stack.ports.rest}/jobs/{self.job_id}?mode=cancel"
        with suppress(HTTPError):  # it has ended already
            urllib.request.urlopen(urllib.request.Request(url, method="PATCH"), timeout=10).close()
        wait_until(lambda: self.status() in ("CANCELED", "FAILED", "FINISHED"), 60, "the job to end")

    def read_tables(self) -> dict[str, Rows]:
        """All rows of all tables, in the form in which files have them."""
        with connect(CassandraConnection.from_environment()) as session:
            found = {}
            for table in tables(self.job):
                rows = session.execute(f"SELECT * FROM {self.keyspace}.{table.name}")  # a name of ours
                found[table.name] = {
                    tuple(row[name] for name in table.primary_key): row
                    for row in (as_in_files(table, each._asdict()) for each in rows)
                }
            return found

    def _rest(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.stack.ports.rest}{path}", timeout=10
            ) as answer:
                return json.load(answer)
        except URLError as error:
            raise AssertionError(f"Flink does not answer {path}: {error}") from error


@contextmanager
def pipeline(stack: Stack, name: str, job: str = "driver_stats") -> Iterator[Pipeline]:
    """A pipeline whose job, streams and keyspace are gone afterwards, whatever fails, and were gone before.

    A test that is killed can leave them: the next one of that name begins without them.
    """
    found = Pipeline(stack, name, job)
    _remove_streams(found)
    _drop(found)
    with ExitStack() as steps:
        steps.callback(_drop, found)
        steps.callback(_remove_streams, found)
        steps.callback(found.cancel)
        yield found


def _remove_streams(of: Pipeline) -> None:
    with rabbitmq_connection() as connection:
        channel = connection.channel()
        for stream in stream_names(of.exchange, PARTITIONS):
            channel.queue_delete(stream)
        channel.exchange_delete(of.exchange)


def _drop(of: Pipeline) -> None:
    with connect(CassandraConnection.from_environment(), timeout_s=60) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {of.keyspace}")


def as_in_files(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """A row of cassandra-driver as JSON lines have it."""
    values = {}
    for column in table.columns:
        value = row[column.name]
        if isinstance(value, datetime):
            value = value.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        elif isinstance(value, bytes):
            value = "0x" + value.hex()
        values[column.name] = value
    return values


def wait_until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    """Polls; fails after the limit."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s} s in vain for {what}")
        time.sleep(POLL_S)
