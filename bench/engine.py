"""Mode ``engine``: the whole job from a file to files, beside other engines that compute the same statistics.

Engines alternate, round by round; all rows of a peer are compared with ours. An engine gets an input of a length that
keeps it busy for some seconds; shorter ones are the beginning of longer ones.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import inside
from bench.figures import Figure, figure
from bench.generate import Workload, cached
from bench.measure import Measured, measure
from bench.ours import GC_LOG
from bench.outputs import Tables, compare, read_ours, read_peer, totals
from bench.progress import Progress
from bench.traffic import INPUTS
from kappafleet.places import project_root

RESULTS = project_root() / "bench" / "results"
OURS = "kappafleet"


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine.

    Attributes:
        name: for people and in figures.
        module: started as ``python -m MODULE INPUT FOLDER``.
        size: index into SECONDS: which length of input it gets.
        interpreter: the Python that runs it.
        batch: see :func:`bench.measure.measure`.
    """

    name: str
    module: str
    size: int
    interpreter: str = sys.executable
    batch: bool = False

    @property
    def key(self) -> str:
        """Its name in figures."""
        return self.name.replace(" ", "-")


ENGINES = (
    Engine(OURS, "bench.ours", 0),
    Engine("bytewax", "bench.bytewax_peer", 1),
    Engine("plain PyFlink", "bench.pyflink_peer", 2),
    Engine("Java by hand", "bench.java_peer", 0),
)

PATHWAY = "Pathway"


def engines(pathway: Path | None) -> tuple[Engine, ...]:
    """All of them; Pathway only with the interpreter of its environment."""
    if pathway is None:
        return ENGINES
    return (*ENGINES, Engine(PATHWAY, "bench.pathway_peer", 1, str(pathway), batch=True))


VEHICLES = 1000
# Seconds of driving of 1,000 vehicles by samples per message: for ours and Java, for bytewax, for PyFlink, which would
# take minutes for them. Ours and Java are busy for 15 s and more: in a shorter run a third of all processor time is the
# JVM's compilers'.
SECONDS = {1: (9000, 1200, 150), 20: (24000, 4000, 600), 100: (24000, 5000, 1200)}
QUICK_SHARE = 4


@dataclass(slots=True)
class Runs:
    """All runs with one number of samples per message."""

    measured: dict[str, list[Measured]] = field(default_factory=dict)
    given: dict[str, Workload] = field(default_factory=dict)
    gc_share: list[float] = field(default_factory=list)
    bytes_per_message: list[float] = field(default_factory=list)
    checkpoints: list[list[int]] = field(default_factory=list)


def run(
    progress: Progress, samples: Sequence[int], rounds: int, quick: bool, among: Sequence[Engine] = ENGINES
) -> tuple[list[Figure], dict[str, Any]]:
    """Measures everything and checks that all computed the same.

    Raises:
        RunFailed: an engine failed.
        Different: a peer's tables are not ours.
    """
    figures: list[Figure] = []
    checked: dict[str, Any] = {}
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kappafleet-bench-") as scratch:
        for n in samples:
            runs, agreed = _alternate(progress, n, rounds, quick, among, Path(scratch))
            figures += _figures(n, runs)
            checked[str(n)] = agreed
    return figures, {"the same from all engines": checked}


def _alternate(
    progress: Progress, n: int, rounds: int, quick: bool, among: Sequence[Engine], scratch: Path
) -> tuple[Runs, dict[str, float]]:
    divisor = QUICK_SHARE if quick else 1
    workloads = [Workload(n, seconds // divisor, VEHICLES) for seconds in SECONDS[n]]
    for workload in workloads:
        progress.stage(f"input: {workload.file_name}")
        cached(workload, INPUTS)
    ours = next(each for each in among if each.name == OURS)
    runs = Runs()
    expected: dict[Workload, Tables] = {}
    for size in sorted({each.size for each in among} - {ours.size}):
        progress.stage(f"{n} samples a message: our tables of input {size + 1}")
        expected[workloads[size]] = _one(ours, workloads[size], scratch, runs, count=False)[1]
    agreed: dict[str, float] = {}
    for number in range(rounds):
        for engine in among:
            workload = workloads[engine.size]
            progress.stage(f"{n} samples a message, round {number + 1} of {rounds}: {engine.name}")
            result, tables = _one(engine, workload, scratch, runs, count=True)
            if engine.name == OURS:
                expected[workload] = tables
                agreed = totals(tables)
            else:
                compare(expected[workload], tables, engine.name)
            runs.given[engine.key] = workload
            runs.measured.setdefault(engine.key, []).append(result)
            progress.tell(
                f"engine {n:>4} samples a message  {engine.name:<14} {result.per_second(workload.messages):>10,.0f} "
                f"messages/s {result.per_second(workload.samples):>11,.0f} samples/s   "
                f"{result.steady_s:5.1f} s of {result.wall_s:.1f} s measured"
            )
    return runs, agreed


def _one(
    engine: Engine, workload: Workload, scratch: Path, runs: Runs, *, count: bool
) -> tuple[Measured, Tables]:
    """One measured run of an engine, and the tables that it wrote."""
    folder = scratch / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    collections = scratch / "gc.log"
    collections.unlink(missing_ok=True)
    sizes = inside.Checkpoints(folder / "checkpoints")
    result = measure(
        engine.module,
        cached(workload, INPUTS),
        folder,
        RESULTS / f"{engine.key}.log",
        interpreter=engine.interpreter,
        batch=engine.batch,
        environment={GC_LOG: str(collections)},
        looked=sizes.look,
    )
    if engine.name != OURS:
        return result, read_peer(folder)
    if count and collections.exists():
        lines = collections.read_text(encoding="utf-8").splitlines()
        # The JVM starts a little later than the process: the span is cut a second short.
        begin = result.wall_s - result.steady_s
        found = inside.garbage(lines, begin, result.wall_s - 1)
        if found is not None:
            runs.gc_share.append(found.pause_share)
            messages_per_s = result.per_second(workload.messages)
            runs.bytes_per_message.append(found.allocated_mb * 2**20 / found.seconds / messages_per_s)
    if count and sizes.sizes:
        runs.checkpoints.append(sizes.sizes)
    return result, read_ours(folder)


def _figures(n: int, runs: Runs) -> list[Figure]:
    found = []
    mine = [each.per_second(runs.given[OURS].messages) for each in runs.measured[OURS]]
    for key, measured in runs.measured.items():
        workload = runs.given[key]
        own = [each.per_second(workload.messages) for each in measured]
        path = f"engine/{n}/{key}"
        starts = [each.wall_s - each.steady_s / each.share for each in measured]
        found += [
            figure(f"{path}/messages_per_s", "messages/s", own),
            figure(f"{path}/samples_per_s", "samples/s", [value * n for value in own]),
            figure(
                f"{path}/samples_per_cpu_s",
                "samples/CPU s",
                [each.per_cpu_second(workload.samples) for each in measured],
            ),
            figure(f"{path}/wall_s", "s", [each.wall_s for each in measured], None),
            figure(f"{path}/start_and_end_s", "s", starts, None),
        ]
        if key != OURS:
            ratios = [a / b for a, b in zip(mine, own, strict=True)]
            found.append(figure(f"{path}/ours_to_this", "times", ratios))
    if runs.gc_share:
        found.append(figure(f"engine/{n}/{OURS}/gc_share", "of the time", runs.gc_share, "less"))
        found.append(
            figure(f"engine/{n}/{OURS}/allocated_per_message", "bytes", runs.bytes_per_message, "less")
        )
    if runs.checkpoints:
        largest = [max(sizes) for sizes in runs.checkpoints]
        found.append(figure(f"engine/{n}/{OURS}/checkpoint_bytes", "bytes", largest, "less"))
        grown = [ratio for sizes in runs.checkpoints if (ratio := inside.growth(sizes)) is not None]
        if grown:
            found.append(figure(f"engine/{n}/{OURS}/checkpoint_growth", "times", grown, "less"))
    return found
