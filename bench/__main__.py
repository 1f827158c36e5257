"""``make bench``: messages and samples per second of our job, beside bytewax and plain PyFlink."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import report
from bench.generate import Workload, cached
from bench.measure import Measured, RunFailed, measure
from bench.outputs import Different, Tables, compare, read_ours, read_peer, totals
from kappafleet.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ROOT / "build" / "bench"
RESULTS = ROOT / "bench" / "results"

OURS, BYTEWAX, PYFLINK = "kappafleet", "bytewax", "plain PyFlink"
ENGINES = {OURS: "bench.ours", BYTEWAX: "bench.bytewax_peer", PYFLINK: "bench.pyflink_peer"}

# Seconds of driving of 1,000 vehicles by samples per message: for ours and bytewax, and for PyFlink, which would take
# minutes for them. The short input is the beginning of the long one.
SECONDS = {1: (1200, 150), 20: (4000, 600), 100: (5000, 1200)}
QUICK_SHARE = 3
VEHICLES = 1000
WIDTH = 150  # of the table in a log


@dataclass(frozen=True, slots=True)
class Case:
    """One number of samples per message, and what the engines are given."""

    long: Workload
    short: Workload

    def workload(self, engine: str) -> Workload:
        """The input on which an engine is measured."""
        return self.short if engine == PYFLINK else self.long


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of shorter runs")
    parser.add_argument("--rounds", type=int, default=None, help="runs of each engine (default 3)")
    parser.add_argument("--vehicles", type=int, default=VEHICLES, help="vehicles at once (default 1,000)")
    parser.add_argument("--samples", type=int, nargs="+", choices=sorted(SECONDS), default=sorted(SECONDS))
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    # A run has a process group of its own, which has to go with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(console, given.samples, given.vehicles, given.rounds or (1 if given.quick else 3), given.quick)
    except (RunFailed, Different, UserError) as error:
        console.print(f"bench: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return 1
    return 0


def run(console: Console, samples: list[int], vehicles: int, rounds: int, quick: bool) -> None:
    """Measures everything, checks that all computed the same, and reports.

    Raises:
        RunFailed: an engine failed.
        Different: a peer's tables are not ours.
    """
    load = os.getloadavg()[0]
    divisor = QUICK_SHARE if quick else 1
    cases = {
        n: Case(Workload(n, long // divisor, vehicles), Workload(n, short // divisor, vehicles))
        for n, (long, short) in SECONDS.items()
        if n in samples
    }
    for case in cases.values():
        for workload in (case.long, case.short):
            with console.status(f"input: {workload.file_name}"):
                cached(workload, INPUTS)
    measured: dict[tuple[int, str], list[Measured]] = {}
    checked: dict[int, dict[str, float]] = {}
    given: dict[tuple[int, str], Workload] = {}
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kappafleet-bench-") as scratch:
        for n, case in cases.items():
            with console.status(f"{n} samples a message: our tables of the short input"):
                expected = {case.short: one_run(OURS, case.short, Path(scratch))[1]}
            for number in range(rounds):
                for engine in ENGINES:
                    workload = case.workload(engine)
                    with console.status(f"{n} samples a message, round {number + 1} of {rounds}: {engine}"):
                        result, tables = one_run(engine, workload, Path(scratch))
                    if engine == OURS:
                        expected[workload] = tables
                    else:
                        compare(expected[workload], tables, engine)
                    given[n, engine] = workload
                    measured.setdefault((n, engine), []).append(result)
                    console.print(
                        f"{n:>4} samples a message  {engine:<14} {result.per_second(workload.messages):>10,.0f} "
                        f"messages/s {result.per_second(workload.samples):>11,.0f} samples/s   "
                        f"{result.steady_s:5.1f} s of {result.wall_s:.1f} s measured",
                        highlight=False,
                    )
            checked[n] = totals(expected[case.long])
    summary = report.summarise(measured, given, checked, OURS, load)
    report.show(summary, console)
    report.write(summary, RESULTS / "latest.json")
    console.print(f"written to {(RESULTS / 'latest.json').relative_to(ROOT)}", highlight=False)


def one_run(engine: str, workload: Workload, scratch: Path) -> tuple[Measured, Tables]:
    """One measured run of an engine, and the tables that it wrote."""
    folder = scratch / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    log = RESULTS / f"{engine.replace(' ', '-')}.log"
    result = measure(ENGINES[engine], cached(workload, INPUTS), folder, log)
    tables = read_ours(folder) if engine == OURS else read_peer(folder)
    return result, tables


if __name__ == "__main__":
    sys.exit(main())
