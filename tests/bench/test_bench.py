"""The benchmark compares like with like: its input is the same each time, and all engines compute the same of it."""

from __future__ import annotations

import os
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
SECONDS, VEHICLES = 2100, 20


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "input.jsonl"
    generate(Workload(20, SECONDS, VEHICLES), path)
    return path


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
        timeout=240,
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
    assert found["trip"] > VEHICLES
    assert found["driver_day"] > VEHICLES


@pytest.mark.parametrize("module", ["bench.bytewax_peer", "bench.pyflink_peer", "bench.java_peer"])
def test_peer_computes_the_same_tables(module: str, source: Path, ours: Tables, tmp_path: Path) -> None:
    compare(ours, read_peer(run(module, source, tmp_path / "tables")), module)


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


def test_comparison_finds_a_missing_row(ours: Tables) -> None:
    fewer = dict(list(ours["driver_event"].items())[1:])
    with pytest.raises(Different, match="driver_event"):
        compare(ours, ours | {"driver_event": fewer}, "other")
