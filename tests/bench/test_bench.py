"""The benchmark compares like with like: its input is the same each time, and all engines compute the same of it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("bytewax", reason="the peers are not installed: scripts/setup.sh bench")

from bench import pathway_env
from bench.generate import Workload, generate
from bench.outputs import Different, Tables, compare, read_ours, read_peer, totals

ROOT = Path(__file__).resolve().parents[2]
# 35 minutes from half past eleven at night: the day changes, drivers are relieved, trips end with parking.
SECONDS, VEHICLES = 2100, 50
SAMPLES = 20


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "input.jsonl"
    generate(Workload(SAMPLES, SECONDS, VEHICLES), path)
    return path


@pytest.fixture(scope="module")
def worn(source: Path) -> Path:
    """The same from worse devices: each rule has something to decide."""
    draw = random.Random(8)
    path = source.with_name("worn.jsonl")
    with source.open() as lines, path.open("w") as out:
        for line in lines:
            message = json.loads(line)
            if draw.random() < 0.05:  # not received
                continue
            samples = message["samples"]
            for name in sorted(set(samples) - {"t"}):
                if draw.random() < 0.03:
                    del samples[name]
                elif draw.random() < 0.2:
                    samples[name][draw.randrange(SAMPLES)] = None
            if draw.random() < 0.1:
                _jump(samples, draw)
            if draw.random() < 0.02:
                samples["odometer"] = [1e6 + 20 * second for second in range(SAMPLES)]
                samples.pop("speed", None)
            if draw.random() < 0.2:  # two fixes within half a second
                at = draw.randrange(1, SAMPLES)
                samples["t"][at] = samples["t"][at - 1] + 400
            if draw.random() < 0.02:
                message["fleet_id"] = "another"
            out.write(json.dumps(message) + "\n")
    return path


def _jump(samples: dict[str, list[float | None]], draw: random.Random) -> None:
    """A place and a heading that are wrong, and the speed that a GPS makes of it, or one that nothing drives at."""
    at = draw.randrange(SAMPLES)
    kmh = draw.choice((90.0, 150.0, 249.0, 300.0))
    for name, value in (("speed", kmh), ("lat", 40.0), ("heading", 10.0)):
        if name in samples and draw.random() < 0.8:
            samples[name][at] = value


@pytest.fixture(scope="module")
def of_worn(worn: Path, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_ours(run("bench.ours", worn, tmp_path_factory.mktemp("worn") / "tables"))


@pytest.fixture(scope="module")
def ours(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_ours(run("bench.ours", source, tmp_path_factory.mktemp("ours") / "tables"))


def run(module: str, source: Path, folder: Path, interpreter: str = sys.executable) -> Path:
    done = subprocess.run(
        [interpreter, "-m", module, str(source), str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        generate(Workload(7, 50, vehicles=5), tmp_path / name)
    generate(Workload(7, 50, vehicles=5, seed=4), tmp_path / "c")
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_shorter_input_is_the_beginning_of_the_longer(tmp_path: Path) -> None:
    generate(Workload(20, 200, vehicles=5), tmp_path / "long")
    generate(Workload(20, 60, vehicles=5), tmp_path / "short")
    assert (tmp_path / "long").read_bytes().startswith((tmp_path / "short").read_bytes())


def test_input_has_what_the_statistics_are_about(ours: Tables) -> None:
    found = totals(ours)
    assert found["samples"] == SECONDS * VEHICLES
    assert found["distance_km"] > 100
    for name in ("harsh_accel", "harsh_brake", "harsh_corner", "idle_s", "stopped_s"):
        assert found[name] > 10, name
    events = ours["driver_event"].values()
    assert {row["type"] for row in events} == {
        "harsh_accel", "harsh_brake", "harsh_corner", "possible_crash", "speeding", "idling",
    }  # fmt: skip
    assert {row["type"] for row in events if row["derived"]} == {"harsh_accel", "harsh_brake", "harsh_corner"}
    assert {row["severity"] for row in events if row["type"] == "speeding"} == {"minor", "major", "severe"}
    weeks = ours["driver_week"].values()
    assert {row["score_band"] for row in weeks} >= {None, "low", "mild", "high"}
    for name in ("speeding_minor_s", "speeding_major_s", "speeding_severe_s", "speed_limit_unknown_s"):
        assert sum(row[name] for row in weeks) > 60, name
    assert sum(row["speed_limit_unknown_s"] for row in weeks) < 0.8 * found["drive_s"]
    assert found["trip"] > VEHICLES
    assert found["driver_day"] > VEHICLES


@pytest.mark.parametrize("module", ["bench.bytewax_peer", "bench.pyflink_peer", "bench.java_peer"])
def test_peer_computes_the_same_tables(module: str, source: Path, ours: Tables, tmp_path: Path) -> None:
    compare(ours, read_peer(run(module, source, tmp_path / "tables")), module)


@pytest.mark.parametrize("module", ["bench.bytewax_peer", "bench.java_peer"])
def test_peer_computes_the_same_of_worse_devices(
    module: str, worn: Path, of_worn: Tables, tmp_path: Path
) -> None:
    compare(of_worn, read_peer(run(module, worn, tmp_path / "tables")), module)


def test_pathway_computes_the_same_tables(source: Path, ours: Tables, tmp_path: Path) -> None:
    interpreter = pathway_env.python()
    if interpreter is None:
        pytest.skip("it is not installed: python -m bench engine --pathway")
    folder = run("bench.pathway_peer", source, tmp_path / "tables", str(interpreter))
    compare(ours, read_peer(folder), "Pathway")


def test_comparison_finds_a_difference_of_one_in_a_hundred_thousand(ours: Tables) -> None:
    key, row = next(iter(ours["trip"].items()))
    other = ours | {"trip": ours["trip"] | {key: row | {"distance_km": row["distance_km"] * 1.00001}}}
    with pytest.raises(Different, match=r"trip .* distance_km: ours"):
        compare(ours, other, "other")


def test_comparison_finds_a_missing_column(ours: Tables) -> None:
    without = {
        key: {name: value for name, value in row.items() if name != "penalty_idle"}
        for key, row in ours["driver_hour"].items()
    }
    with pytest.raises(Different, match="driver_hour: other has no column penalty_idle"):
        compare(ours, ours | {"driver_hour": without}, "other")


def test_comparison_finds_that_a_column_left_out_is_needed(ours: Tables) -> None:
    key, row = next(iter(ours["driver_day"].items()))
    without = {name: value for name, value in row.items() if name != "drive_left_min"}
    mine = ours | {"driver_day": ours["driver_day"] | {key: row | {"drive_left_min": 5}}}
    with pytest.raises(Different, match="drive_left_min: ours 5, other None"):
        compare(mine, ours | {"driver_day": ours["driver_day"] | {key: without}}, "other")


def test_comparison_finds_a_missing_row(ours: Tables) -> None:
    fewer = dict(list(ours["driver_event"].items())[1:])
    with pytest.raises(Different, match="driver_event"):
        compare(ours, ours | {"driver_event": fewer}, "other")
