"""``kappafleet run JOB``: a job in this process' own Flink mini cluster."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kappafleet import places
from kappafleet.stack.flink import SEGMENT_SIZE

if TYPE_CHECKING:
    from rich.console import Console


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command(name="run")(run)


def run(
    job: Annotated[str, typer.Argument(help="driver_stats, sensor_windows, driver_exposure or metrics")],
    source: Annotated[
        str,
        typer.Option("--from", help="file:PATH (message lines, plain or .gz, file or folder) or rabbitmq:"),
    ],
    sink: Annotated[str, typer.Option("--to", help="file:DIRECTORY or cassandra:")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of conf/; may be repeated."),
    ] = None,
    parallelism: Annotated[int, typer.Option(min=1, max=128, help="Subtasks of each operator.")] = 1,
) -> None:
    """Run one job here, in a Flink mini cluster of this process' own; needs no server for files.

    From files it ends when all windows are closed. From RabbitMQ it runs until it is stopped, unless the address says
    bounded=1. Exit code 0: done; 1: the job failed; 2: a mistake in what was asked for.
    """
    from kappafleet.launch import JobFailed, Launch, check, launch

    what = Launch(job, source, sink, overrides or [], parallelism)
    check(what)
    use_own_flink()

    from rich.console import Console

    console = Console(stderr=True)
    begin = time.monotonic()
    try:
        with console.status(f"{job}: {source} to {sink}"):
            launch(what, flink_settings(source))
    except JobFailed as failure:
        log = places.home() / "log"
        print(f"kappafleet: {job} failed: {failure.reason} (log: {log})", file=sys.stderr)
        raise typer.Exit(1) from None
    console.print(f"{job}: done in {time.monotonic() - begin:.1f} s")
    if sink.startswith("file:"):
        _show_tables(Path(sink.removeprefix("file:")), console)


def use_own_flink() -> None:
    """Points this process, and the Java process that PyFlink starts from it, at our Flink installation."""
    from kappafleet.flink_home import prepare

    flink = prepare(conf_name="conf-embedded")
    log = places.home() / "log"
    log.mkdir(parents=True, exist_ok=True)
    os.environ.update(flink.environment())
    os.environ["FLINK_LOG_DIR"] = str(log)


def flink_settings(source: str) -> dict[str, str]:
    """Flink's settings for the mini cluster: a bounded job runs once, an endless one checkpoints and restarts."""
    # A mini cluster takes its settings from here alone, not from the installation's files.
    settings = {
        "python.execution-mode": "thread",
        "python.executable": sys.executable,
        "pipeline.object-reuse": "true",
        "taskmanager.memory.segment-size": SEGMENT_SIZE,
        "taskmanager.memory.network.min": "128m",
        "taskmanager.memory.network.max": "128m",
        "jobmanager.bind-host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        # All parts are in this process: that one is silent means that the machine is busy or was asleep.
        "heartbeat.timeout": "1 d",
    }
    if source.startswith("file:"):
        settings["restart-strategy.type"] = "none"
    else:
        checkpoints = places.home() / "flink-state" / "embedded"
        checkpoints.mkdir(parents=True, exist_ok=True)
        settings |= {
            "execution.checkpointing.interval": "2 s",
            "execution.checkpointing.dir": checkpoints.as_uri(),
            "restart-strategy.type": "exponential-delay",
            "restart-strategy.exponential-delay.initial-backoff": "500 ms",
            "restart-strategy.exponential-delay.max-backoff": "10 s",
            "restart-strategy.exponential-delay.attempts-before-reset-backoff": "10",
        }
    return settings


def _show_tables(folder: Path, console: Console) -> None:
    from rich.table import Table

    table = Table("table", "upserts", title=str(folder), title_justify="left")
    table.columns[1].justify = "right"
    for file in sorted(folder.glob("*.jsonl")):
        with file.open("rb") as lines:
            table.add_row(file.stem, f"{sum(1 for _ in lines):,}")
    console.print(table)
