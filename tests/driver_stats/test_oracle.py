"""The oracle against the job, and against itself."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.in_memory import Decoded
from connectors.message_decoder import MessageDecoder, Reject
from jobs.driver_stats.inputs import message_spec
from jobs.driver_stats.oracle import Tables, in_order, oracle_tables
from jobs.driver_stats.settings import Settings
from kappafleet.cli import run as kappafleet
from kappafleet.messages import line_files, lines
from tests.driver_stats.jobs import FileJob, Rows, comparable, read_tables, run_jobs, write_lines
from tests.driver_stats.odd_messages import changed, hand_made
from tests.driver_stats.test_job_on_files import BAD

DEMO = Path(__file__).resolve().parents[2] / "data" / "demo"
OVERRIDES = ["trip.stop_s=60", "trip.gap_s=120", "harsh.accel_ms2=1.5", "harsh.brake_ms2=1.5"]
ODD_COPIES = 600


@pytest.fixture(scope="module")
def demo() -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(line_files(DEMO))]


@pytest.fixture(scope="module")
def by_job(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileJob]:
    """All runs of the job, in one Java process: it is its start that takes the time."""
    folder = tmp_path_factory.mktemp("by-job")
    odd = write_lines(folder / "odd.jsonl", [*(body for _, body in BAD), *hand_made(), *changed(ODD_COPIES)])
    jobs = {
        "demo": FileJob(DEMO, folder / "demo"),
        "with overrides": FileJob(DEMO, folder / "overrides", OVERRIDES),
        "odd": FileJob(odd, folder / "odd"),
    }
    run_jobs(jobs.values())
    return jobs


def valid(found: dict[str, Rows]) -> dict[str, Rows]:
    """Tables without what may differ, and without rows that the job has made void."""
    return {
        name: {key: row for key, row in rows.items() if not row.get("superseded_by")}
        for name, rows in comparable(found, without=["reason"]).items()
    }


@pytest.mark.parametrize("name", ["demo", "with overrides", "odd"])
def test_the_job_makes_the_oracles_tables(by_job: dict[str, FileJob], name: str) -> None:
    job = by_job[name]
    expected = oracle_tables(job.source, job.overrides)
    assert len(expected["vehicle_minute"]) > 100
    assert valid(read_tables(job.folder)) == valid(expected)


def test_what_is_compared_holds_rows_of_every_table(by_job: dict[str, FileJob]) -> None:
    found = {name: rows for job in by_job.values() for name, rows in read_tables(job.folder).items() if rows}
    assert found.keys() == oracle_tables([]).keys()


def test_job_and_oracle_refuse_the_same_messages_for_the_same_reasons(by_job: dict[str, FileJob]) -> None:
    def codes(found: Tables) -> dict[int, str]:
        return {row["offset"]: row["reason"].partition(":")[0] for row in found["reject"].values()}

    job = by_job["odd"]
    bodies = job.source.read_bytes().split(b"\n")
    by_flink, mine = codes(read_tables(job.folder)), codes(oracle_tables(job.source))
    assert len(set(mine.values())) > 11
    differing = {
        bodies[number - 1][:300]: (by_flink.get(number), mine.get(number))
        for number in by_flink.keys() | mine.keys()
        if by_flink.get(number) != mine.get(number)
    }
    assert differing == {}


@pytest.mark.parametrize(("code", "body"), BAD, ids=[f"{code}-{n}" for n, (code, _) in enumerate(BAD)])
def test_a_bad_message_has_its_code(code: str, body: bytes) -> None:
    with pytest.raises(Reject) as refused:
        MessageDecoder(message_spec(Settings.load())).decode(body, "v")
    assert refused.value.code == code


def test_the_order_of_the_lines_does_not_matter(demo: list[dict[str, Any]]) -> None:
    expected = oracle_tables(map(text, demo))
    assert expected == oracle_tables(map(text, shuffled(demo)))
    assert expected != oracle_tables(map(text, demo[:-1]))


def test_copies_are_ignored(demo: list[dict[str, Any]]) -> None:
    """Even where they differ: the vehicle, seq and first time are what makes a copy."""
    copies = []
    for message in demo[::3]:
        first, *others = message["samples"]["t"]
        moved = message["samples"] | {"t": [first, *(time + 1 for time in others)]}
        copies.append(message | {"samples": moved})
    expected = oracle_tables(map(text, demo))
    assert oracle_tables(map(text, [*demo, *shuffled(copies)])) == expected
    without_seq = [{name: value for name, value in copy.items() if name != "seq"} for copy in copies]
    assert oracle_tables(map(text, [*demo, *without_seq])) != expected


def test_samples_of_overlapping_messages_are_put_in_order(demo: list[dict[str, Any]]) -> None:
    """A message of every other sample, after those with the rest."""
    torn = []
    for message in demo:
        for odd in (1, 0):
            half = {name: values[odd::2] for name, values in message["samples"].items()}
            torn.append(message | {"seq": 2 * message["seq"] + odd, "samples": half})
    torn = [message for message in torn if message["samples"]["t"]]
    assert oracle_tables(map(text, torn)) == oracle_tables(map(text, demo))


def test_each_sample_keeps_its_messages_driver_and_of_equal_times_the_first_counts() -> None:
    def sent(driver: str, times: list[int], speeds: list[float | bool | None]) -> Decoded:
        return Decoded("v", times, {"speed": speeds, "lat": None}, {"driver_id": driver}, {"seq": 1})

    found = in_order(
        [
            sent("late", [50], [5.0]),
            sent("ann", [10, 20, 30], [1.0, 2.0, 3.0]),
            sent("bob", [15, 20, 30, 40], [1.5, 0.0, 0.0, 4.0]),
            sent("twice", [60, 60, 61], [6.0, 0.0, 6.1]),
        ]
    )
    assert [(m.texts["driver_id"], m.times, m.samples["speed"]) for m in found] == [
        ("ann", [10], [1.0]),
        ("bob", [15], [1.5]),
        ("ann", [20, 30], [2.0, 3.0]),
        ("bob", [40], [4.0]),
        ("late", [50], [5.0]),
        ("twice", [60, 61], [6.0, 6.1]),
    ]
    assert all(m.integers == {} and m.samples["lat"] is None for m in found)


ORACLE_WITHOUT_FLINK = """
import os, sys
from pathlib import Path
from kappafleet.cli import run
code = run(sys.argv[1:])
assert not {"pyflink", "py4j", "pika", "cassandra"} & set(sys.modules), "imports what the oracle does without"
from numba import njit
assert hasattr(njit(lambda: 1), "py_func") == ("--compiled" in sys.argv), "NUMBA_DISABLE_JIT came too late"
sys.exit(code)
"""


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Path]:
    """Runs `kappafleet oracle` in a process of its own; returns the folder of its tables."""

    def run(name: str, *options: str) -> Path:
        folder = tmp_path / name
        arguments = ["oracle", "driver_stats", "--from", f"file:{tmp_path / 'in'}", "--to", f"file:{folder}"]
        done = subprocess.run(
            [sys.executable, "-c", ORACLE_WITHOUT_FLINK, *arguments, *options],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "vehicle_minute" in done.stderr
        return folder

    return run


def test_compiled_and_interpreted_give_equal_tables(
    command: Callable[..., Path], demo: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    write_lines(tmp_path / "in" / "a.jsonl", demo[:100])
    write_lines(tmp_path / "in" / "b.jsonl.gz", [b"", b"no json", *map(text, demo[100:150])])
    found = read_tables(command("interpreted", "--set", "trip.stop_s=60"))
    assert found == read_tables(command("compiled", "--set", "trip.stop_s=60", "--compiled"))
    assert found == oracle_tables(tmp_path / "in", ["trip.stop_s=60"])
    assert [(row["source"], row["offset"]) for row in found["reject"].values()] == [("b.jsonl.gz", 2)]
    assert len(found["vehicle_minute"]) > 100


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rides", "--from", "file:{here}", "--to", "file:{here}/out"], "there is no job rides"),
        (["driver_stats", "--from", "rabbitmq:", "--to", "file:{here}/out"], "the oracle reads file:PATH"),
        (["driver_stats", "--from", "file:{here}", "--to", "cassandra:"], "writes file:DIRECTORY"),
        (["driver_stats", "--from", "file:{here}/none", "--to", "file:{here}/out"], "no file or folder"),
        (["driver_stats", "--from", "file:{here}/no", "--to", "file:{here}/out"], "holds no files"),
        (["driver_stats", "--from", "file:{here}/bad.gz", "--to", "file:{here}/out"], "can't be read"),
        (
            ["driver_stats", "--from", "file:{here}", "--to", "file:{here}/out", "--set", "trip.x=1"],
            "there is no parameter trip.x",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")  # the command sets it for its own process
    (tmp_path / "no").mkdir()
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8b\x08 no gzip")
    assert kappafleet(["oracle", *(argument.format(here=tmp_path) for argument in arguments)]) == 2
    assert told in capsys.readouterr().err


def text(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def shuffled(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    mixed = list(messages)
    random.Random(3).shuffle(mixed)
    return mixed
