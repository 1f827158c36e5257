"""The whole job in a Flink mini cluster, from files to files: the oracle's tables in any order and parallelism."""

from __future__ import annotations

import gzip
import json
import random
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import pytest

from jobs.driver_exposure.oracle import oracle_tables
from scripts import make_exposure_data
from tests.driver_stats.jobs import FileJob, comparable, read_tables, run_jobs, write_lines

JOB = "driver_exposure"
DATA = Path(__file__).resolve().parents[2] / "data" / "exposure"

BAD = [
    ("not_json", b"not json at all"),
    ("missing_id", b'{"samples":{"t":[1763683200000]}}'),
    ("missing_id", b'{"schema":"observation/1","samples":{"t":[1763683200000]}}'),
    ("out_of_range", b'{"schema":"observation/1","sensor_id":"s","samples":{"t":[1763683200000],"pm10":[100001]}}'),
    ("wrong_schema", b'{"schema":"weather/1","vehicle_id":"v","samples":{"t":[1763683200000]}}'),
]  # fmt: skip


def messages() -> list[dict[str, Any]]:
    """Three real drives and a day of real readings, moved to where they were."""
    (file,) = DATA.iterdir()
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def arranged(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Readings in any order, the drives' messages in between; a copy of every seventh."""
    driven = [each for each in given if "vehicle_id" in each]
    measured = [each for each in given if "sensor_id" in each]
    mixed = random.Random(3).sample(measured, len(measured))
    found = [each for each in chain(*zip_longest(mixed, driven)) if each is not None]
    return [*found, *found[::7]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both runs, in one Java process: it is its start that takes the time."""
    folder = tmp_path_factory.mktemp("runs")
    one = write_lines(folder / "one.jsonl", [*(body for _, body in BAD), *messages()])
    other = write_lines(folder / "other.jsonl.gz", arranged(messages()))
    mixed = ["driver_stats.batch.max_messages=7", "sensor_windows.batch.max_messages=11"]
    run_jobs(
        [
            FileJob(one, folder / "out-one", [], 1, JOB),
            FileJob(other, folder / "out-other", mixed, 2, JOB),
        ]
    )
    return folder


def test_the_tables_are_the_oracles(runs: Path) -> None:
    found = read_tables(runs / "out-one", JOB)
    expected = oracle_tables(runs / "one.jsonl")
    for rejects in (found.pop("reject"), expected.pop("reject")):
        rows = sorted(rejects.values(), key=lambda row: row["offset"])
        told = [(row["reason"].partition(":")[0], bytes.fromhex(row["body"][2:])) for row in rows]
        assert told == BAD
    assert comparable(found) == comparable(expected)
    for table in found.values():
        assert all(row["final"] and row["revision"] == 0 for row in table.values())
    coverage = {row["driver_id"]: row["coverage"] for row in found["driver_exposure"].values()}
    assert 0 < coverage["nds-driver-6"] < 1
    assert any(row["temperature"] is not None for row in found["event_weather"].values())
    assert any(row["temperature"] is None for row in found["event_weather"].values())


def test_the_example_data_are_what_the_script_makes(tmp_path: Path) -> None:
    make_exposure_data.main(tmp_path)
    (made,) = tmp_path.iterdir()
    assert gzip.decompress(made.read_bytes()) == gzip.decompress((DATA / made.name).read_bytes())


def test_order_copies_batches_and_subtasks_do_not_matter(runs: Path) -> None:
    one, other = read_tables(runs / "out-one", JOB), read_tables(runs / "out-other", JOB)
    del one["reject"], other["reject"]
    assert comparable(one) == comparable(other)
