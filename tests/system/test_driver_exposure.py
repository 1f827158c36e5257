"""The job driver_exposure on real servers: two logs, late readings as revisions, and a killed TaskManager."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.driver_exposure.oracle import oracle_tables
from kappafleet.connections import rabbitmq_connection
from kappafleet.publishing import Run, publish
from kappafleet.stack.stack import Stack
from kappafleet.streams import StreamSettings, stream_names
from tests.driver_exposure.test_job_on_files import messages
from tests.driver_stats.jobs import Rows, comparable, write_lines
from tests.system.pipeline import PARTITIONS, Pipeline, pipeline, wait_until

JOB = "driver_exposure"
OBSERVATIONS = "observations"
HISTORY = ["window.allowed_lateness_s=0", "watermark.idle_s=3"]
LATE = "sc-22449"
LIMIT_S = 180


def test_late_readings_correct_exposures_and_a_killed_taskmanager_changes_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    given = messages()
    late = [each for each in given if each.get("sensor_id") == LATE]
    first = [each for each in given if each not in late]
    with pipeline(stack, "exposure", JOB) as of:
        try:
            of.publish(write_lines(tmp_path / "drives.jsonl", [e for e in first if "vehicle_id" in e]))
            measured(write_lines(tmp_path / "first.jsonl", [e for e in first if "sensor_id" in e]))
            of.submit(HISTORY)
            until_final(of, first)
            before = of.checkpoints()
            wait_until(lambda: of.checkpoints() > before, 60, "a checkpoint")
            for victim in stack.taskmanagers:
                victim.kill()
                victim.start()
            measured(write_lines(tmp_path / "late.jsonl", [*late, *late[::5]]))
            until_final(of, given)
            rows = of.read_tables()["driver_exposure"].values()
            assert {row["driver_id"] for row in rows if row["revision"] > 0} == {"nds-driver-6"}
            assert of.failures() >= 1
        finally:
            of.cancel()
            forget()


def measured(path: Path) -> None:
    """Publishes readings into the exchange that the job reads beside its own."""
    publish(
        Run(path, exchange=OBSERVATIONS, streams=StreamSettings(partitions=PARTITIONS), id_field="sensor_id")
    )


def forget() -> None:
    """Takes the readings' streams away."""
    with rabbitmq_connection() as connection:
        channel = connection.channel()
        for stream in stream_names(OBSERVATIONS, PARTITIONS):
            channel.queue_delete(stream)
        channel.exchange_delete(OBSERVATIONS)


def until_final(of: Pipeline, sent: list[dict[str, Any]]) -> None:
    """Waits until Cassandra's tables equal the oracle's."""
    theirs = comparable(oracle_tables([json.dumps(each).encode() for each in sent], HISTORY))

    def equal() -> bool:
        mine: dict[str, Rows] = comparable(of.read_tables())
        return all(mine[name] == theirs[name] for name in ("driver_exposure", "event_weather"))

    wait_until(equal, LIMIT_S, "the tables to equal the oracle's")
