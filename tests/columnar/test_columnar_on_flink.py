"""The operator inside whole jobs on Flink: files in, files out."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kappafleet.flink_home import prepare
from tests.columnar.columnar_jobs import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
START = 1_700_000_000_000
TIMEOUT_S = 240


def messages(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Batches of ten vehicles on an uneven road."""
    rng = random.Random(seed)
    clocks: dict[str, int] = defaultdict(lambda: START + rng.randrange(5000))
    made = []
    for _ in range(count):
        vehicle = f"v{rng.randrange(10)}"
        times = []
        for _ in range(rng.randrange(1, 8)):
            clocks[vehicle] += rng.randrange(0, 4000)
            times.append(clocks[vehicle])
        speeds = [rng.choice([None, rng.randrange(800) / 2]) for _ in times]
        made.append(
            {
                "schema": "telemetry/1",
                "vehicle_id": vehicle,
                "driver_id": f"driver of {vehicle}",
                "samples": {"t": times, "speed": speeds},
            }
        )
    return made


def expected(sent: Sequence[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, float]]:
    """Number and sum of the samples by vehicle and window: the oracle."""
    counts: dict[tuple[str, str], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for message in sent:
        samples = message["samples"]
        for t, speed in zip(samples["t"], samples["speed"], strict=True):
            start = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(t // 10_000 * 10))
            n, total = counts[message["vehicle_id"], start]
            counts[message["vehicle_id"], start] = n + 1, total + (speed or 0.0)
    return dict(counts)


def rows(target: Path, table: str) -> list[dict[str, Any]]:
    """All lines of a table."""
    return [json.loads(line) for line in (target / f"{table}.jsonl").read_text().splitlines()]


def counts(target: Path) -> dict[tuple[str, str], tuple[int, float]]:
    """The table of counts; a key that is there twice is an error."""
    lines = rows(target, "counts")
    found = {(row["vehicle_id"], row["start"]): (row["n"], row["total"]) for row in lines}
    assert len(found) == len(lines)
    for row in lines:
        assert row["driver_id"] == f"driver of {row['vehicle_id']}"
        assert row["day"] == row["start"][:10]
        assert row["extra"] is None
    return found


def write(path: Path, sent: Sequence[dict[str, Any] | str]) -> str:
    """Message lines; a text stands for itself."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in sent]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that runs jobs."""
    home = prepare(tmp_path_factory.mktemp("home"))
    return home.environment({**os.environ, "PYTHONPATH": str(HERE)})


def run(flink: dict[str, str], *runs: Run) -> subprocess.CompletedProcess[str]:
    """Runs jobs one after the other in one process."""
    return subprocess.run(
        [sys.executable, str(HERE / "columnar_jobs.py"), json.dumps([asdict(each) for each in runs])],
        env=flink,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_several_jobs_in_one_process_give_the_same_rows_under_any_limits(
    flink: dict[str, str], tmp_path: Path
) -> None:
    sent = messages(600)
    source = write(tmp_path / "in.jsonl", sent)
    limits = [{}, {"max_messages": 1}, {"max_messages": 7}, {"max_bytes": 999}]
    runs = [Run(source, str(tmp_path / f"out{i}"), limits=each) for i, each in enumerate(limits)]
    runs.append(Run(source, str(tmp_path / "out4"), parallelism=2))

    done = run(flink, *runs)

    assert done.returncode == 0, done.stderr[-4000:]
    for each in runs:
        target = Path(each.target)
        assert counts(target) == expected(sent)
        assert len(rows(target, "streamed")) == len(expected(sent))
        assert rows(target, "reject") == []


def test_refused_messages_become_rows_and_their_neighbours_count(
    flink: dict[str, str], tmp_path: Path
) -> None:
    good = messages(50)
    bad = {
        3: "rubbish",
        9: '{"vehicle_id": "v1", "samples": {"t": [1700000000000], "speed": [NaN]}}',
        17: '{"vehicle_id": "v1", "samples": {"t": [1700000000000], "speed": [1, 2]}}',
        30: '{"samples": {"t": [1700000000000]}}',
        31: "x" * 5_000_000,
        55: '{"schema": "observation/1", "vehicle_id": "v1", "samples": {"t": [1700000000000]}}',
    }
    mixed: list[dict[str, Any] | str] = list(good)
    for line, text in bad.items():
        mixed.insert(line - 1, text)
    target = tmp_path / "out"

    done = run(flink, Run(write(tmp_path / "in.jsonl", mixed), str(target)))

    assert done.returncode == 0, done.stderr[-4000:]
    assert counts(target) == expected(good)
    refused = {row["offset"]: row for row in rows(target, "reject")}
    assert {offset: row["reason"].split(":")[0] for offset, row in refused.items()} == {
        3: "not_json",
        9: "not_json",
        17: "unequal_lengths",
        30: "missing_id",
        31: "too_large",
        55: "wrong_schema",
    }
    assert refused[31]["length"] == 5_000_000
    assert refused[31]["body"] == "0x" + "78" * 65_536
    assert {row["source"] for row in refused.values()} == {"in.jsonl"}


def test_a_failure_is_recovered_from_a_checkpoint_and_counts_every_sample_once(
    flink: dict[str, str], tmp_path: Path
) -> None:
    sent = messages(4000)
    attempts = tmp_path / "attempts"
    attempts.mkdir()
    target = tmp_path / "out"
    failing = Run(
        write(tmp_path / "in.jsonl", sent),
        str(target),
        limits={"max_messages": 20},
        settings={"fail_after": 2500, "attempts": str(attempts)},
        flink={
            "execution.checkpointing.interval": "100 ms",
            "execution.checkpointing.dir": (tmp_path / "checkpoints").as_uri(),
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "3",
            "restart-strategy.fixed-delay.delay": "100 ms",
            # Without it the file is read ahead into network buffers, and no checkpoint falls in between.
            "taskmanager.network.memory.buffer-debloat.enabled": "true",
        },
    )

    done = run(flink, failing)

    assert done.returncode == 0, done.stderr[-4000:]
    first, second = (int(note.read_text()) for note in sorted(attempts.iterdir()))
    assert first >= 2500
    assert 1500 <= second < 4000, "the second attempt must go on from a checkpoint"
    assert counts(target) == expected(sent)


def test_a_function_that_cannot_be_imported_fails_the_job_at_once(
    flink: dict[str, str], tmp_path: Path
) -> None:
    source = write(tmp_path / "in.jsonl", messages(1))
    endless = {"restart-strategy.type": "exponential-delay", "execution.checkpointing.interval": "1 s"}

    started = time.monotonic()
    done = run(flink, Run(source, str(tmp_path / "out"), module="no_such_module", flink=endless))

    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'no_such_module'" in done.stderr
    assert "cannot be opened in the interpreter" in done.stderr
    assert time.monotonic() - started < 60


def test_python_chained_to_the_operator_is_refused_before_it_can_stop_it(
    flink: dict[str, str], tmp_path: Path
) -> None:
    source = write(tmp_path / "in.jsonl", messages(1))

    done = run(flink, Run(source, str(tmp_path / "out"), chained=True))

    assert done.returncode == 1
    assert "the Python function 'frame' is chained to the columnar operator" in done.stderr
