"""The job metrics on real servers: late samples become revisions, and a killed TaskManager changes nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from jobs.metrics.oracle import oracle_tables
from kappafleet.stack.stack import Stack
from tests.driver_stats.jobs import Rows, comparable, write_lines
from tests.system.pipeline import Pipeline, pipeline, wait_until

DATA = Path(__file__).resolve().parents[2] / "data" / "metrics" / "heart_rate.jsonl.gz"
DEFINITION = "definition=conf/metrics_heart_rate.yaml"
HISTORY = ["window.allowed_lateness_s=0", "watermark.idle_s=3", DEFINITION]
LIMIT_S = 150


def test_late_samples_are_revisions_and_a_killed_taskmanager_changes_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    messages = [json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines()]
    late, bad = messages[-3:-1], messages[-1]
    assert [each["seq"] for each in late] == [12, 13]
    first = [each for each in messages if each not in late]
    with pipeline(stack, "metrics", "metrics") as of:
        of.publish(write_lines(tmp_path / "first.jsonl", first), id_field="wearer_id")
        of.submit(HISTORY, parallelism=2)
        until_final(of, expected(first))
        assert {row["revision"] for row in of.read_tables()["metric_window"].values()} == {0}
        before = of.checkpoints()
        wait_until(lambda: of.checkpoints() > before, 60, "a checkpoint")
        for victim in stack.taskmanagers:
            victim.kill()
            victim.start()
        of.publish(write_lines(tmp_path / "late.jsonl", [*late, *late]), id_field="wearer_id")
        until_final(of, expected(messages))
        corrected = [row for row in of.read_tables()["metric_window"].values() if row["revision"] > 0]
        # All of the minute that was late came late, so its own first result is final.
        assert {(row["id"], row["window"]) for row in corrected} == {("w-1", "5m/1m"), ("w-1", "1d")}
        assert of.failures() >= 1
        (reject,) = of.read_tables()["reject"].values()
        assert reject["reason"].startswith("out_of_range: bpm[0]")
        assert json.loads(bytes.fromhex(reject["body"][2:])) == bad


def expected(messages: list[dict[str, Any]]) -> dict[str, Rows]:
    return oracle_tables([json.dumps(each).encode() for each in messages], HISTORY)


def until_final(of: Pipeline, tables: dict[str, Rows]) -> None:
    """Waits until Cassandra's windows and events equal the expected ones, final rows included."""
    theirs = comparable(tables)

    def equal() -> bool:
        mine = comparable(of.read_tables())
        return all(mine[name] == theirs[name] for name in ("metric_window", "metric_event"))

    wait_until(equal, LIMIT_S, "the tables to equal the oracle's")
