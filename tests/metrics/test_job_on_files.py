"""The job in a Flink mini cluster, from the example data to table lines: the oracle's tables."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from jobs.metrics.oracle import oracle_tables
from schemas.tables import tables
from scripts import make_metrics_data
from tests.file_jobs import FileJob, run_jobs

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data" / "metrics"
EXAMPLES = ["heart_rate", "log_rates", "game_events"]

BAD = [
    ("not_json", b"not json at all"),
    ("missing_id", b'{"seq":1,"samples":{"t":[1763701200000]}}'),
    ("out_of_range", b'{"wearer_id":"w-1","samples":{"t":[1763701200000],"bpm":[251]}}'),
    ("wrong_schema", b'{"schema":"telemetry/1","wearer_id":"w-1","samples":{"t":[1763701200000]}}'),
    ("not_a_number", b'{"wearer_id":"w-1","seq":"7","samples":{"t":[1763701200000]}}'),
    ("time_order", b'{"wearer_id":"w-1","samples":{"t":[1763701200001,1763701200000]}}'),
]


def lines(name: str) -> list[bytes]:
    return gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).splitlines()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All runs of this module, in one Java process: it is its start that takes the time."""
    folder = tmp_path_factory.mktemp("runs")
    jobs: dict[str, FileJob] = {}

    def add(name: str, source: Path, *overrides: str, parallelism: int = 1) -> None:
        jobs[name] = FileJob(source, folder / "out" / name, overrides, parallelism, "metrics")

    for name in EXAMPLES:
        shuffled = folder / f"{name}.jsonl"
        shuffled.write_bytes(b"\n".join(random.Random(3).sample(lines(name), len(lines(name)))))
        definition = f"definition=metrics_{name}"
        add(name, DATA / f"{name}.jsonl.gz", definition)
        add(f"{name} shuffled", shuffled, definition, "batch.max_messages=3", parallelism=2)
    bad = folder / "bad.jsonl"
    good = lines("heart_rate")[: len(BAD)]
    bad.write_bytes(
        b"\n".join(line for (_, body), own in zip(BAD, good, strict=True) for line in (body, own))
    )
    add("bad", bad, "definition=metrics_heart_rate")
    run_jobs(jobs.values())
    return {name: job.folder for name, job in jobs.items()}


def read(folder: Path) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    for table in tables("metrics"):
        rows = found[table.name] = {}
        for line in (folder / f"{table.name}.jsonl").read_text().splitlines():
            row = json.loads(line)
            assert list(row) == [column.name for column in table.columns]
            key = tuple(row[name] for name in table.primary_key)
            assert key not in rows, "files have one line for each window: nothing is final twice"
            rows[key] = {**row, "updated_at": None} if "updated_at" in row else row
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_tables_are_the_oracles(runs: dict[str, Path], name: str) -> None:
    expected = oracle_tables(DATA / f"{name}.jsonl.gz", [f"definition=metrics_{name}"])
    assert len(expected["metric_window"]) > 10
    assert len(expected["metric_event"]) > 0
    found = read(runs[name])
    for row in (*found["reject"].values(), *expected["reject"].values()):
        row["reason"] = row["reason"].partition(":")[0]  # Python words the same fault differently
    assert found == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_order_batches_and_subtasks_do_not_matter(runs: dict[str, Path], name: str) -> None:
    one, other = read(runs[name]), read(runs[f"{name} shuffled"])
    assert {n: rows for n, rows in one.items() if n != "reject"} == {
        n: rows for n, rows in other.items() if n != "reject"
    }


def test_each_bad_message_is_one_reject_and_the_good_ones_around_it_are_counted(
    runs: dict[str, Path],
) -> None:
    found = read(runs["bad"])
    rejects = sorted(found["reject"].values(), key=lambda row: row["offset"])
    assert [(row["reason"].partition(":")[0], bytes.fromhex(row["body"][2:])) for row in rejects] == BAD
    good = oracle_tables(lines("heart_rate")[: len(BAD)], ["definition=metrics_heart_rate"])
    assert found["metric_window"] == good["metric_window"]


def test_the_example_data_are_what_the_script_makes(tmp_path: Path) -> None:
    make_metrics_data.main(tmp_path)
    for name in EXAMPLES:
        made = gzip.decompress((tmp_path / f"{name}.jsonl.gz").read_bytes())
        assert made.splitlines() == lines(name)
