"""``make bench``: everything that is claimed about speed, measured in one run; see README.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from bench import engine, figures, keys, pathway_env, plots, report, sensors
from bench.cluster_job import JobOptions
from bench.engine import RESULTS
from bench.figures import Figure, Section
from bench.measure import RunFailed
from bench.outputs import Different
from bench.progress import Progress
from kappafleet.errors import UserError
from kappafleet.places import project_root
from kappafleet.stack.stack import SLOTS, TASKMANAGERS, Stack

WIDTH = 150  # of the table in a log
ON_FILES = ("engine", "keys")
ON_SERVERS = ("publish", "sink", "drain", "live", "latency", "serve")
MODES = (*ON_FILES, *ON_SERVERS)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    rounds: int
    drain_messages: int
    live_samples_per_s: float
    live_s: float
    latency_s: float
    sink_rows: int
    publish_messages: int
    ask_s: float
    feed_s: float


FULL = Sizes(2, 5_000_000, 1_000_000, 120, 60, 300_000, 300_000, 20, 120)
QUICK = Sizes(1, 500_000, 200_000, 20, 20, 60_000, 50_000, 5, 20)

Result = tuple[list[Figure], dict[str, Any]]


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    given = _arguments()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    # A run has processes of its own, which have to go with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Progress(console) as progress:
            before = figures.read(RESULTS / "latest.json")
            new, failures = measure_all(progress, given)
            took = progress.seconds
    except (RunFailed, Different, UserError) as error:
        console.print(f"bench: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped", style="red")
        return 130
    sections = {mode: (before | new)[mode] for mode in MODES if mode in before | new}
    found = [
        each
        for mode, one in new.items()
        if mode in before and before[mode].quick == one.quick
        for each in figures.changes(one.figures, before[mode].figures)
    ]
    report.show(sections, new, found, console)
    path = RESULTS / f"{time.strftime('%Y%m%dT%H%M%S')}-{figures.commit().rstrip('+')}.json"
    figures.write(path, new)
    figures.write(RESULTS / "latest.json", sections)
    console.print(
        f"written to {path.relative_to(project_root())}, and to latest.json beside it", highlight=False
    )
    if given.plots:
        for picture in plots.draw(sections, project_root() / "docs"):
            console.print(f"drawn: {picture.relative_to(project_root())}", highlight=False)
    console.print(f"{took / 60:.0f} minutes in all", highlight=False)
    for failure in failures:
        console.print(f"bench: {failure}", style="red", highlight=False, soft_wrap=True, markup=False)
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "modes",
        nargs="*",
        metavar="MODE",
        help=f"of {', '.join(MODES)}; default: all",
    )
    parser.add_argument("--quick", action="store_true", help="shorter runs, one round")
    parser.add_argument("--rounds", type=int, help="runs of each engine")
    parser.add_argument(
        "--samples", type=int, nargs="+", choices=sorted(engine.SECONDS), help="engine: samples per message"
    )
    parser.add_argument("--vehicles", type=int, nargs="+", help="keys: how many, multiples of 1,000")
    parser.add_argument("--messages", type=int, help="drain: the backlog")
    parser.add_argument("--rate", type=float, help="live: samples published a second")
    parser.add_argument("--minutes", type=float, help="live, and the feed of serve: for how long")
    parser.add_argument("--clients", type=int, default=500, help="serve: followers of the feed")
    parser.add_argument(
        "--updates", type=int, default=1000, help="serve: changed rows a second, over all fleets"
    )
    parser.add_argument("--fleets", type=int, default=20, help="serve: so many")
    parser.add_argument("--parallelism", type=int, default=2, help="of the job on servers (default 2)")
    parser.add_argument("--taskmanagers", type=int, default=TASKMANAGERS, help="on servers (default 1)")
    parser.add_argument("--slots", type=int, default=SLOTS, help="of each TaskManager (default 2)")
    parser.add_argument("--pathway", action="store_true", help="engine: install Pathway, and measure it too")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="over conf/, on servers",
    )
    parser.add_argument("--plots", action="store_true", help="draw docs/bench-*.png")
    given = parser.parse_args()
    unknown = set(given.modes) - set(MODES)
    if unknown:
        parser.error(f"no such mode: {', '.join(sorted(unknown))}; modes are {', '.join(MODES)}")
    if any(count < 1000 or count % 1000 for count in given.vehicles or ()):
        parser.error("--vehicles: multiples of 1,000, please")
    return given


def measure_all(progress: Progress, given: argparse.Namespace) -> tuple[dict[str, Section], list[str]]:
    """Every mode that was asked for; servers run only while they are needed.

    Returns:
        What was measured, and why the other modes failed: an engine or job did, or results are not what they must be.

    Raises:
        UserError: something is missing, or a server failed.
    """
    wanted = [mode for mode in MODES if mode in (given.modes or MODES)]
    sizes = QUICK if given.quick else FULL
    found: dict[str, Section] = {}
    failures: list[str] = []

    def add(mode: str, run: Callable[[], Result]) -> None:
        load, begin = os.getloadavg()[0], progress.seconds
        try:
            measured, details = run()
        except (RunFailed, Different, UserError) as error:
            failures.append(f"{mode}: {error}")
            progress.tell(failures[-1])
            return
        found[mode] = figures.section(
            mode,
            measured,
            quick=given.quick,
            seconds=progress.seconds - begin,
            load_before=load,
            details=details,
        )
        # What was measured is kept, whatever comes after it.
        latest = RESULTS / "latest.json"
        figures.write(latest, figures.read(latest) | {mode: found[mode]})

    rounds = given.rounds or sizes.rounds
    if "engine" in wanted:
        samples: Sequence[int] = given.samples or sorted(engine.SECONDS)
        if given.pathway:
            progress.stage("installing Pathway (1.3 GB) the first time")
            pathway_env.install()
        among = engine.engines(pathway_env.python())

        def run_engines() -> Result:
            measured, details = engine.run(progress, samples, rounds, given.quick, among)
            return measured + sensors.run(progress, rounds, given.quick), details

        add("engine", run_engines)
    if "keys" in wanted:
        vehicles: Sequence[int] = given.vehicles or keys.VEHICLES[: 3 if given.quick else None]
        add("keys", lambda: (keys.run(progress, vehicles, 1, given.quick), {}))
    on_servers = [mode for mode in wanted if mode in ON_SERVERS]
    if on_servers:
        from bench.servers import stack

        with ExitStack() as exit_stack:
            servers = exit_stack.enter_context(stack(progress, given.taskmanagers, given.slots))
            for mode in on_servers:
                add(mode, _on_servers(mode, servers, progress, sizes, given))
    return found, failures


def _on_servers(
    mode: str, servers: Stack, progress: Progress, sizes: Sizes, given: argparse.Namespace
) -> Callable[[], Result]:
    from bench import drain, latency, live, publish, serve, sink
    from bench.feed import Load

    options = JobOptions(given.parallelism, tuple(given.overrides))
    if mode == "publish":
        return lambda: (publish.run(servers, progress, sizes.publish_messages), {})
    if mode == "sink":
        return lambda: (sink.run(servers, progress, sizes.sink_rows, sizes.rounds), {})
    if mode == "drain":
        messages = given.messages or sizes.drain_messages
        return lambda: (drain.run(servers, progress, messages, options), {})
    if mode == "latency":
        return lambda: (latency.run(servers, progress, sizes.latency_s, options), {})
    if mode == "serve":
        seconds = given.minutes * 60 if given.minutes else sizes.feed_s
        load = Load(given.clients, updates=given.updates, fleets=given.fleets, seconds=seconds)
        return lambda: serve.run(servers, progress, sizes.ask_s, load)

    def run_live() -> Result:
        rate = given.rate or sizes.live_samples_per_s
        seconds = given.minutes * 60 if given.minutes else sizes.live_s
        measured, seen = live.run(servers, progress, rate, seconds, options)
        return measured, {"behind": [[round(each.at, 1), each.published, each.taken] for each in seen]}

    return run_live


if __name__ == "__main__":
    sys.exit(main())
