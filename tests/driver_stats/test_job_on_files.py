"""The whole job in a Flink mini cluster, from message lines to table lines."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kappafleet.messages import line_files, lines
from tests.driver_stats import harness
from tests.driver_stats.jobs import (
    FileJob,
    comparable,
    out_of_order,
    read_tables,
    recut,
    run_jobs,
    write_lines,
)

DEMO = Path(__file__).resolve().parents[2] / "data" / "demo"
T0 = 1_700_000_040_000


def good(vehicle_id: str, start: int, count: int = 3) -> dict[str, Any]:
    times = [start + 1000 * index for index in range(count)]
    return {
        "schema": "telemetry/1",
        "vehicle_id": vehicle_id,
        "samples": {"t": times, "speed": [36.0] * count},
    }


def text(message: Any) -> bytes:
    return json.dumps(message).encode()


BAD: list[tuple[str, bytes]] = [
    ("not_json", b"not json at all"),
    ("not_json", b'{"vehicle_id":"v","samples":{"t":[1700000040000],"speed":[NaN]}}'),
    ("not_json", b'{"vehicle_id":"v","samples":{"t":[1700000040000'),
    ("not_json", b"\xff\xfe\x00garbage\x80"),
    ("wrong_schema", text({**good("v", T0), "schema": "observation/1"})),
    ("missing_id", text({"samples": {"t": [T0]}})),
    ("missing_id", text({"vehicle_id": "", "samples": {"t": [T0]}})),
    ("unequal_lengths", text({"vehicle_id": "v", "samples": {"t": [T0, T0 + 1], "speed": [1]}})),
    ("not_a_number", text({"vehicle_id": "v", "samples": {"t": [T0], "speed": ["50"]}})),
    ("out_of_range", text({"vehicle_id": "v", "samples": {"t": [T0], "lat": [91]}})),
    ("time_order", text({"vehicle_id": "v", "samples": {"t": [T0 + 1000, T0]}})),
    ("time_out_of_range", text({"vehicle_id": "v", "samples": {"t": [4_291_747_200_000]}})),
    ("too_large", b'{"vehicle_id":"v","x":"' + b"x" * 10_000_000 + b'"}'),
]


@pytest.fixture(scope="module")
def messages() -> list[dict[str, Any]]:
    demo = [json.loads(line) for name in ("nrel-cmap", "driveplotr-nds") for line in _demo(name)]
    return [
        message
        for message in demo
        if message["vehicle_id"] in ("cmap-4105836-2", "nds-drive-1", "nds-drive-3")
    ]


def _demo(name: str) -> list[bytes]:
    return list(lines(line_files(DEMO / f"{name}.jsonl.gz")))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, messages: list[dict[str, Any]]) -> dict[str, Path]:
    """All runs of this module, in one Java process: it is its start that takes the time."""
    folder = tmp_path_factory.mktemp("runs")
    jobs = {}
    for size in (1, 7, 60, 1000):
        source = write_lines(folder / f"messages-{size}.jsonl.gz", recut(messages, size))
        jobs[f"cut-{size}"] = FileJob(source, folder / f"cut-{size}")
    whole = write_lines(folder / "whole.jsonl", messages)
    jobs["two subtasks"] = FileJob(whole, folder / "two", parallelism=2)
    jobs["small batches"] = FileJob(whole, folder / "small", ["batch.max_messages=3"])
    late = write_lines(folder / "late.jsonl", out_of_order(recut(messages, 60)))
    jobs["late"] = FileJob(late, folder / "late", ["batch.max_messages=3"])
    split = folder / "in a folder"
    split.mkdir()
    write_lines(split / "a.jsonl", messages[:40])
    write_lines(split / "b.jsonl.gz", messages[40:])
    jobs["folder"] = FileJob(split, folder / "from-folder")
    bad = [
        line for index, (_, body) in enumerate(BAD) for line in (body, text(good("v", T0 + index * 60_000)))
    ]
    jobs["bad"] = FileJob(write_lines(folder / "bad.jsonl", bad), folder / "bad")
    write_lines(folder / "empty.jsonl", [])
    jobs["empty"] = FileJob(folder / "empty.jsonl", folder / "nothing")
    run_jobs(jobs.values())
    return {name: job.folder for name, job in jobs.items()}


@pytest.mark.parametrize(
    "name", ["cut-1", "cut-7", "cut-1000", "two subtasks", "small batches", "folder", "late"]
)
def test_tables_are_the_same_however_the_input_is_cut_and_spread(runs: dict[str, Path], name: str) -> None:
    assert comparable(read_tables(runs[name])) == comparable(read_tables(runs["cut-60"]))


def test_the_tables_are_the_kernels(runs: dict[str, Path], messages: list[dict[str, Any]]) -> None:
    """What Flink, Java and the sink make of the kernel's rows is what the kernel said."""
    found, expected = read_tables(runs["cut-60"]), harness.run(messages)
    assert len(found["vehicle_minute"]) == len(expected["vehicle_minute"]) > 60
    for row in found["vehicle_minute"].values():
        start = harness.epoch_ms(row["minute_start"])
        mine = expected["vehicle_minute"][row["vehicle_id"], start]
        for name in (
            "distance_km",
            "drive_s",
            "idle_s",
            "max_speed_kmh",
            "mean_speed_kmh",
            "n_samples",
            "harsh_brake",
        ):
            assert row[name] == mine[name], name
        assert (row["driver_id"], row["fleet_id"]) == (mine["driver"], mine["fleet"])
        assert row["day"] == row["minute_start"][:10]
    assert {(row["driver_id"], row["type"], row["peak"]) for row in found["driver_event"].values()} == {
        (row["driver"], row["type"], row["peak"]) for row in expected["driver_event"].values()
    }
    assert len(found["trip"]) == len(expected["trip"]) > 3


def test_hours_and_days_add_up_the_minutes(runs: dict[str, Path]) -> None:
    found = read_tables(runs["cut-60"])
    sums = ("drive_s", "idle_s", "stopped_s", "n_samples", "harsh_accel", "harsh_brake", "harsh_corner")

    def totals(table: str) -> dict[tuple[str, str], dict[str, float]]:
        days: dict[tuple[str, str], dict[str, float]] = {}
        for row in found[table].values():
            day = days.setdefault((row["driver_id"], row["day"]), dict.fromkeys((*sums, "um", "max"), 0))
            for name in sums:
                day[name] += row[name]
            day["um"] += round(row["distance_km"] * 1e9)
            day["max"] = max(day["max"], row["max_speed_kmh"] or 0)
        return days

    assert totals("driver_hour") == totals("driver_day") == totals("fleet_day") == totals("vehicle_minute")


def test_everything_from_files_is_final_in_its_first_revision(runs: dict[str, Path]) -> None:
    found = read_tables(runs["cut-60"])
    for name in ("driver_hour", "driver_day", "fleet_day", "trip", "vehicle_minute"):
        assert {(row["final"], row["revision"]) for row in found[name].values()} == {(True, 0)}, name


def test_each_bad_message_is_one_reject_and_the_good_ones_around_it_are_counted(
    runs: dict[str, Path],
) -> None:
    found = read_tables(runs["bad"])
    rejects = sorted(found["reject"].values(), key=lambda row: row["offset"])
    assert [row["offset"] for row in rejects] == [1 + 2 * index for index in range(len(BAD))]
    for row, (code, body) in zip(rejects, BAD, strict=True):
        assert row["reason"].startswith(f"{code}: ") or row["reason"] == code, row["reason"]
        assert (row["day"], row["received_at"], row["source"]) == (
            "1970-01-01",
            "1970-01-01T00:00:00.000Z",
            "bad.jsonl",
        )
        assert bytes.fromhex(row["body"].removeprefix("0x")) == body[: 64 * 1024]
        assert (row["length"], row["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    minutes = [row for row in found["vehicle_minute"].values() if row["vehicle_id"] == "v"]
    assert [row["n_samples"] for row in minutes] == [3] * len(BAD)
    assert found["driver_day"]["unknown:v", "2023-11", "2023-11-14"]["n_samples"] == 3 * len(BAD)


def test_no_input_gives_empty_tables(runs: dict[str, Path]) -> None:
    assert all(not rows for rows in read_tables(runs["empty"]).values())


UIDS = """
import json, sys
from pathlib import Path
from kappafleet.commands.run import use_own_flink
use_own_flink()
from pyflink.datastream import StreamExecutionEnvironment
from connectors.ends import CassandraTables, FileLines, FileTables, RabbitStreams
from jobs.driver_stats.job import build
from jobs.driver_stats.settings import Settings
def graph(source, sink, *overrides):
    env = StreamExecutionEnvironment.get_execution_environment()
    build(env, source, sink, Settings.load(overrides))
    found = env._j_stream_execution_environment.getStreamGraph()
    return found, {node.getId(): node for node in found.getStreamNodes().toArray()}
def uids(source, sink):
    _, nodes = graph(source, sink)
    return sorted(node.getTransformationUID() for node in nodes.values() if node.getTransformationUID())
def unheld():
    # What tables and drivers get of who drove without waiting for a checkpoint: by way of which operators.
    log = RabbitStreams("telemetry")
    found, nodes = graph(log, CassandraTables(["127.0.0.1"], 9042, "datacenter1", "kf"), "assignments.enabled=true")
    open_ways = [[node] for node in nodes.values() if node.getTransformationUID() == "attribution"]
    while open_ways:
        way = open_ways.pop()
        if way[-1].getTransformationUID() in ("attributed", "attributed-events"):
            continue
        if len(way) > 1 and way[-1].getTransformationUID() in ("drivers", "tables"):
            yield [str(each.getTransformationUID()) for each in way]
            continue
        for edge in way[-1].getOutEdges():
            tag = edge.getOutputTag()
            if tag is None or tag.getId() != "assignment-rejects":
                open_ways.append([*way, nodes[edge.getTargetId()]])
files = uids(FileLines(Path(".")), FileTables(Path(".")))
servers = uids(RabbitStreams("telemetry"), CassandraTables(["127.0.0.1"], 9042, "datacenter1", "kf"))
print(json.dumps([files, servers, list(unheld())]))
"""


@pytest.fixture(scope="module")
def graphs() -> list[Any]:
    """Uids of the job with files and with servers, and ways past what waits for a checkpoint."""
    done = subprocess.run(
        [sys.executable, "-c", UIDS],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_what_log_ins_may_change_reaches_nobody_before_a_checkpoint_holds_it(graphs: list[Any]) -> None:
    assert graphs[2] == []


def test_both_ends_have_the_same_operators(graphs: list[Any]) -> None:
    files, servers, _ = graphs
    assert files == servers
    assert {"log", "vehicles", "drivers", "tables"} <= set(files)
