"""What subscribers of the results exchange get is what the tables hold, though a TaskManager is killed with -9."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from kappafleet.connections import rabbitmq_connection
from kappafleet.stack.stack import Stack
from kappafleet.streams import RESULTS, declare_results
from schemas.tables import table
from tests.driver_stats.jobs import Rows, write_lines
from tests.system.pipeline import pipeline, wait_until
from tests.system.test_end_to_end import HISTORY, messages

__all__ = ["messages"]  # the fixture

JOB = "driver_stats"
TABLES = ("trip", "driver_event", "fleet_day", "vehicle_live")
LIMIT_S = 150


class Subscriber:
    """Rows as somebody keeps them who listens to the exchange: column by column, the newest write time counts."""

    def __init__(self, producer: str) -> None:
        self.producer = producer
        self.rows: dict[str, Rows] = {name: {} for name in TABLES}
        self.seen: dict[str, Any] = {}
        self.copies = 0
        self._times: dict[tuple[str, Any, str], int] = {}

    def take(self, routing_key: str, properties: Any, body: bytes) -> None:
        if properties.app_id != self.producer:
            return
        row = json.loads(body)
        spec = table(JOB, properties.type)
        assert routing_key.split(".")[0] == spec.name
        same = {name: value for name, value in row.items() if name != "updated_at"}
        if properties.message_id in self.seen:
            assert self.seen[properties.message_id] == same, "one id, two contents"
            self.copies += 1
        self.seen[properties.message_id] = same
        key = tuple(row[name] for name in spec.primary_key)
        known = self.rows[spec.name].setdefault(key, {column.name: None for column in spec.columns})
        for name, value in row.items():
            if properties.headers["write_us"] >= self._times.get((spec.name, key, name), -1):
                known[name] = value
                self._times[spec.name, key, name] = properties.headers["write_us"]


def without_clock(rows: dict[str, Rows]) -> dict[str, Rows]:
    """Without the columns that say when something was written or computed; empty texts of keys stay."""
    left_out = ("updated_at", "revision")
    return {
        name: {
            key: {column: value for column, value in row.items() if column not in left_out}
            for key, row in rows[name].items()
        }
        for name in TABLES
    }


def test_subscribers_get_what_the_tables_hold_though_a_taskmanager_is_killed(
    stack: Stack, messages: list[dict[str, Any]], tmp_path: Path
) -> None:
    head = write_lines(tmp_path / "head.jsonl", messages[:10])
    rest = write_lines(tmp_path / "rest.jsonl", messages[10:])
    victim = stack.taskmanagers[0]
    with pipeline(stack, "results") as of, rabbitmq_connection() as connection:
        declare_results(connection)
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, RESULTS, "#")
        listener = Subscriber(of.keyspace)

        def listen() -> None:
            while True:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    return
                listener.take(method.routing_key, properties, body)

        of.publish(head)
        of.submit([*HISTORY, "results.enabled=true", f"results.tables=[{','.join(TABLES)}]"], parallelism=2)
        wait_until(lambda: of.status() == "RUNNING" and of.checkpoints() > 0, 90, "a first checkpoint")
        publisher = threading.Thread(target=of.publish, args=(rest,), kwargs={"rate": len(messages) / 10})
        publisher.start()
        try:
            before = of.checkpoints()
            wait_until(lambda: of.checkpoints() > before, 60, "a checkpoint while publishing")
            victim.kill()
            victim.start()
        finally:
            publisher.join()

        def agree() -> bool:
            listen()
            held = of.read_tables()
            closed = held["fleet_day"] and all(row["final"] for row in held["fleet_day"].values())
            return bool(closed) and without_clock(listener.rows) == without_clock(held)

        wait_until(agree, LIMIT_S, "the subscriber to have what the tables hold")
        assert of.failures() >= 1
        assert all(listener.rows[name] for name in TABLES)
