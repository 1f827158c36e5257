"""``kappafleet oracle JOB``: the tables that a job must make of message lines, worked out without Flink."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from kappafleet.errors import AddressError, UserError


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command(name="oracle")(oracle)


def oracle(
    job: Annotated[str, typer.Argument(help="driver_stats, sensor_windows, driver_exposure or metrics")],
    source: Annotated[
        str, typer.Option("--from", help="file:PATH (message lines, plain or .gz, file or folder)")
    ],
    sink: Annotated[str, typer.Option("--to", help="file:DIRECTORY")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of conf/; may be repeated."),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Let Numba compile the kernel, for large inputs.")
    ] = False,
) -> None:
    """Work out a job's final tables from files in plain Python, to compare a run of the job with.

    It is the ideal: copies are dropped, and each vehicle's samples count in the order of their times wherever they
    stand. updated_at is null, and a row that the job has marked with superseded_by has no counterpart here. Exit
    code 0: done; 2: a mistake in what was asked for.
    """
    from kappafleet.connections import FileAddress, parse_uri
    from kappafleet.launch import Launch, check

    check(Launch(job, source, sink, overrides or []))
    place, target = parse_uri(source), parse_uri(sink)
    if not isinstance(place, FileAddress):
        raise AddressError(f"--from {source}: the oracle reads file:PATH")
    if not isinstance(target, FileAddress):
        raise AddressError(f"--to {sink}: the oracle writes file:DIRECTORY")
    # Numba reads it when it is imported, which the job's modules do.
    os.environ["NUMBA_DISABLE_JIT"] = "0" if compiled else "1"
    begin = time.monotonic()
    module = importlib.import_module(f"jobs.{job}.oracle")
    with _shown() as progress:
        found = module.oracle_tables(place.path, overrides or [], progress)
    _write(found, target.path)
    print(f"{job}: done in {time.monotonic() - begin:.1f} s", file=sys.stderr)
    _show(found, target.path)


@contextmanager
def _shown() -> Iterator[Callable[[str, int, int | None], None]]:
    """A progress bar on stderr for each thing that is counted."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def told(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield told


def _write(found: Mapping[str, Mapping[Any, Mapping[str, Any]]], folder: Path) -> None:
    """DIRECTORY/TABLE.jsonl, one line for each row, in the order of the keys."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in found.items():
            with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                for key in sorted(rows):
                    line = json.dumps(rows[key], ensure_ascii=False, separators=(",", ":"), allow_nan=False)
                    file.write(line + "\n")
    except OSError as error:
        raise UserError(f"{folder} can't be written: {error}") from error


def _show(found: Mapping[str, Mapping[Any, Any]], folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("table", "rows", title=str(folder), title_justify="left")
    table.columns[1].justify = "right"
    for name in sorted(found):
        table.add_row(name, f"{len(found[name]):,}")
    Console(stderr=True).print(table)
