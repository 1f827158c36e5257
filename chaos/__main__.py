"""``make chaos``: see README.md."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from chaos import report
from chaos.outage import run_outage
from chaos.runner import Plan, run
from chaos.schedule import Kind, schedule
from chaos.traffic import Traffic
from kappafleet.commands.stack import start
from kappafleet.errors import UserError
from kappafleet.places import project_root
from kappafleet.stack.server import is_free
from kappafleet.stack.stack import Stack

DIFFERENT, MISTAKE, INTERRUPTED = 1, 2, 130
WIDTH = 150  # of tables in a log


def _names() -> list[str]:
    return [kind.name.lower().replace("_", "-") for kind in Kind]


def _kind(name: str) -> Kind:
    try:
        return Kind[name.upper().replace("-", "_")]
    except KeyError:
        raise UserError(f"--only {name}: faults are {', '.join(_names())}") from None


def chaos(
    seed: Annotated[int | None, typer.Option(help="Replays the schedule and the traffic of a run.")] = None,
    minutes: Annotated[float, typer.Option(min=0.5, help="How long messages and faults go on.")] = 10.0,
    rate: Annotated[float, typer.Option(min=1, help="Messages a second.")] = 100.0,
    outage: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="No faults: the job is down for so many minutes, then drains the backlog."
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only these faults, of: {', '.join(_names())}. May be repeated.")
    ] = None,
) -> None:
    """Kill everything while messages flow, then compare every row of Cassandra with what it should be."""
    seed = random.randrange(1_000_000) if seed is None else seed
    kinds = [_kind(name) for name in only or ()]
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(
        f"seed {seed}: python -m chaos --seed {seed} --minutes {minutes:g} --rate {rate:g}", highlight=False
    )
    folder = project_root() / "build" / "chaos"
    drained = None
    with _alone(folder), _stack(folder / "stack") as stack:
        faults = () if outage else schedule(seed, minutes, kinds)
        plan = Plan(Traffic(seed), rate, outage or minutes, faults)
        with report.Live(console, plan) as live:
            if outage:
                drained, result = run_outage(stack, plan, folder / "run", live)
            else:
                result = run(stack, plan, folder / "run", live)
    report.show(console, result)
    if drained is not None:
        report.show_outage(console, drained)
    file = folder / f"{'outage' if outage else 'seed'}-{seed}.json"
    report.write(file, seed, plan, result, drained)
    console.print(report.verdict(result), style="green" if result.exact else "red", highlight=False)
    console.print(f"written to {file.relative_to(project_root())}", highlight=False)
    if not result.exact:
        raise typer.Exit(DIFFERENT)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs at a time would share their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another run uses {folder}; wait for it, or end it") from None
        yield


@contextmanager
def _stack(home: Path) -> Iterator[Stack]:
    """Servers of our own, new and on free ports; they end with the block whatever happens."""
    if home.exists():
        Stack(home).down()  # what a run that was killed may have left
        shutil.rmtree(home)
    offset = next((each for each in range(3400, 9000, 100) if _free(home, each)), None)
    if offset is None:
        raise UserError("there are no free ports for the servers")
    stack = Stack(home, offset, taskmanagers=2, slots=1)  # so that one can go while the other works
    try:
        start(stack)
        os.environ.update(stack.client_environment())
        yield stack
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave servers behind
        stack.down()


def _free(home: Path, offset: int) -> bool:
    return all(is_free(port) for port in Stack(home, offset).ports.all())


def main() -> int:
    """Runs the command; returns its exit code."""
    # Ended from outside, the servers have to go with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name="chaos")(chaos)
    try:
        code = app(prog_name="python -m chaos", standalone_mode=False)
    except (UserError, typer.TyperException) as error:
        message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        print(f"chaos: {' '.join(message.split())}", file=sys.stderr)
        return MISTAKE
    except (typer.Abort, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
