"""driver_stats between the streams that a kept savepoint names and a keyspace of its own."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.cassandra import connect
from kappafleet.commands.submit import submit_job
from kappafleet.connections import CassandraConnection, rabbitmq_connection
from kappafleet.publishing import Run, publish
from kappafleet.stack.stack import Stack
from kappafleet.streams import StreamSettings
from tests.driver_stats.jobs import write_lines
from tests.system.pipeline import Pipeline, wait_until

STREAM = StreamSettings(partitions=1, max_age="")
"""No limit of age: a savepoint's offsets must exist however long a test takes."""


class Restorable(Pipeline):
    """Exchanges of one stream each, whose names, unlike a Pipeline's, are those of a savepoint."""

    def __init__(self, stack: Stack, name: str, exchanges: Sequence[str]) -> None:
        super().__init__(stack, name)
        self.exchanges = exchanges

    def publish_half(self, half: Mapping[str, Sequence[bytes]], folder: Path) -> None:
        """Publishes the lines of each exchange in their order."""
        for exchange, messages in half.items():
            path = write_lines(folder / f"{exchange}.jsonl", messages)
            publish(Run(path, exchange=exchange, streams=STREAM))

    def start(self, settings: Sequence[str], parallelism: int, savepoint: Path | None = None) -> None:
        """Submits the job; its streams must exist."""
        ports = self.stack.ports
        streams = ",".join(f"{exchange}-0" for exchange in self.exchanges)
        self.job_id = submit_job(
            "driver_stats",
            f"rabbitmq://127.0.0.1:{ports.stream}?streams={streams}",
            f"cassandra://127.0.0.1:{ports.cql}/{self.keyspace}",
            list(settings),
            parallelism=parallelism,
            savepoint=str(savepoint) if savepoint else None,
            home=self.stack.home,
            port_offset=ports.offset,
        )

    def stop_with_savepoint(self, folder: Path) -> Path:
        """Stops the job; its savepoint, in Flink's canonical form, is what lies in the folder afterwards."""
        order = {"drain": False, "formatType": "CANONICAL", "targetDirectory": folder.as_uri()}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.stack.ports.rest}/jobs/{self.job_id}/stop",
            json.dumps(order).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            trigger = json.load(answer)["request-id"]
        told: dict[str, Any] = {}

        def done() -> bool:
            told.update(self._rest(f"/jobs/{self.job_id}/savepoints/{trigger}"))
            return bool(told["status"]["id"] == "COMPLETED")

        wait_until(done, 120, "the savepoint")
        assert "location" in told["operation"], told
        return Path(told["operation"]["location"].removeprefix("file:"))

    def remove(self) -> None:
        """Ends the job and takes streams and keyspace away."""
        self.cancel()
        with rabbitmq_connection() as connection:
            for exchange in self.exchanges:
                channel = connection.channel()
                channel.queue_delete(f"{exchange}-0")
                channel.exchange_delete(exchange)
        with connect(CassandraConnection.from_environment(), timeout_s=60) as session:
            session.execute(f"DROP KEYSPACE IF EXISTS {self.keyspace}")


@contextmanager
def restorable(stack: Stack, name: str, exchanges: Sequence[str]) -> Iterator[Restorable]:
    """One whose job, streams and keyspace are gone afterwards."""
    found = Restorable(stack, name, exchanges)
    try:
        yield found
    finally:
        found.remove()
