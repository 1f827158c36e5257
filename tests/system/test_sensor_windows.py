"""The job sensor_windows on real servers: late readings become revisions, and a killed TaskManager changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.sensor_windows.oracle import oracle_tables
from kappafleet.stack.stack import Stack
from tests.driver_stats.jobs import Rows, comparable, write_lines
from tests.sensor_windows.test_job_on_files import OVERRIDES, readings
from tests.system.pipeline import Pipeline, pipeline, wait_until

JOB = "sensor_windows"
HISTORY = ["window.allowed_lateness_s=0", "watermark.idle_s=3", *OVERRIDES]
LIMIT_S = 240


def test_late_readings_are_revisions_and_a_killed_taskmanager_changes_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    messages = readings()
    late = [each for each in messages if each["sensor_id"] == "s-1"][5:9]
    first = [each for each in messages if each not in late]
    with pipeline(stack, "sensors", JOB) as of:
        of.publish(write_lines(tmp_path / "first.jsonl", first), id_field="sensor_id")
        of.submit(HISTORY, parallelism=2)
        until_final(of, expected(first))
        before = of.checkpoints()
        wait_until(lambda: of.checkpoints() > before, 60, "a checkpoint")
        for victim in stack.taskmanagers:
            victim.kill()
            victim.start()
        of.publish(write_lines(tmp_path / "late.jsonl", [*late, *late]), id_field="sensor_id")
        until_final(of, expected(messages))
        corrected = [row for row in of.read_tables()["sensor_hour"].values() if row["revision"] > 0]
        assert {row["sensor_id"] for row in corrected} == {"s-1"}
        assert of.failures() >= 1


def expected(messages: list[dict[str, Any]]) -> dict[str, Rows]:
    return oracle_tables([json.dumps(each).encode() for each in messages], HISTORY)


def until_final(of: Pipeline, tables: dict[str, Rows]) -> None:
    """Waits until Cassandra's tables equal the expected ones, final rows included."""
    theirs = comparable(tables)

    def equal() -> bool:
        mine = comparable(of.read_tables())
        return all(mine[name] == theirs[name] for name in theirs if name != "reject")

    wait_until(equal, LIMIT_S, "the tables to equal the oracle's")
