"""`kappafleet stack up|down|status`: the local servers."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from kappafleet.stack.stack import Stack

_stack = typer.Typer(help="The local servers: RabbitMQ, Cassandra, Flink.")


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.add_typer(_stack, name="stack")


def start(stack: Stack) -> None:
    """Starts a stack and shows its progress on stderr: live on a terminal, else a line for each server.

    Raises:
        UserError: see :meth:`Stack.up`.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from kappafleet.stack.flink import running_jobs

    console = Console(stderr=True)
    begun = time.monotonic()
    if console.is_terminal:
        texts = TextColumn("{task.description}"), TextColumn("{task.fields[state]}")
        with Progress(SpinnerColumn(finished_text="✓"), *texts, console=console, transient=True) as progress:
            rows = {each.name: progress.add_task(each.name, total=1, state="") for each in stack.servers}
            stack.up(
                lambda name, state, seconds: progress.update(
                    rows[name], state=f"{state}, {seconds:.1f} s", completed=int(state != "starting")
                )
            )
    else:
        stack.up(
            lambda name, state, seconds: (
                state == "up" and print(f"{name} up, {seconds:.1f} s", file=sys.stderr)
            )
        )
    console.print(f"all servers up, {time.monotonic() - begun:.1f} s; kappafleet stack status shows them")
    for job in running_jobs(stack.ports):
        console.print(f"job {job.name} goes on: {job.job_id}")


@_stack.command()
def up() -> None:
    """Start what does not run, and wait until everything serves."""
    from kappafleet.stack.stack import Stack

    start(Stack.from_environment())


@_stack.command()
def down() -> None:
    """Stop the local servers; their data stay, and running jobs go on at the next start."""
    from rich.console import Console

    from kappafleet.stack.stack import Stack

    console = Console(stderr=True)
    with console.status("stopping"):
        Stack.from_environment().down()
    console.print("all servers stopped; their data stay, and jobs go on at the next start")


@_stack.command()
def status() -> None:
    """Show each server: whether it serves, its process, port, memory and log."""
    from rich.console import Console
    from rich.table import Table

    from kappafleet.stack.flink import running_jobs
    from kappafleet.stack.stack import Stack

    stack = Stack.from_environment()
    found = stack.status()
    here = Path.cwd()
    table = Table(box=None, pad_edge=False)
    for name in ("server", "state"):
        table.add_column(name)
    for name in ("pid", "port", "MB"):
        table.add_column(name, justify="right")
    table.add_column("log", overflow="fold")
    for each in found:
        colour = {"up": "green", "down": "red"}.get(each.state, "yellow")
        table.add_row(
            each.name,
            f"[{colour}]{each.state}[/]",
            str(each.pid or ""),
            str(each.port or ""),
            str(each.memory_mb or ""),
            str(each.log.relative_to(here) if each.log.is_relative_to(here) else each.log),
        )
    console = Console()
    console.print(table)
    if any(each.state == "up" for each in found):
        console.print(f"{sum(each.memory_mb for each in found):,} MB in all")
    for job in running_jobs(stack.ports):
        console.print(f"job {job.name} {job.state}: {job.job_id}")
