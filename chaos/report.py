"""What a run shows: on the terminal while it goes on, tables at its end, and a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos.outage import Drained
from chaos.runner import Happened, Plan, Result, Told
from chaos.schedule import Fault, Kind

TARGETS_S = {
    Kind.TASKMANAGER: 15.0,
    Kind.TERM_TASKMANAGER: 15.0,
    Kind.RABBITMQ: 30.0,
    Kind.TERM_RABBITMQ: 30.0,
    Kind.CASSANDRA: 30.0,
    Kind.TERM_CASSANDRA: 30.0,
}
"""From the kill until results flow again; for a TaskManager and the servers beside Flink."""

SHOWN, WIDTH = 5, 400
"""Differing rows of each table that are shown, and their characters; the file has all of them, up to a thousand."""


class Live(Told):
    """A bar on a terminal, and a line for each fault."""

    def __init__(self, console: Console, plan: Plan) -> None:
        """Nothing is shown yet."""
        self._console = console
        self._faults = len(plan.faults)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[messages]:,} messages confirmed"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("servers", total=plan.minutes * 60, messages=0)

    def __enter__(self) -> Self:
        """Shows the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes it away."""
        self._progress.stop()

    def stage(self, text: str) -> None:
        """See :class:`Told`."""
        self._progress.update(self._task, description=text)
        if not self._console.is_terminal:
            self._console.print(text)

    def tick(self, seconds: float, messages: int) -> None:
        """See :class:`Told`."""
        self._progress.update(self._task, completed=seconds, messages=messages)

    def fault(self, fault: Fault) -> None:
        """See :class:`Told`."""
        self._progress.update(self._task, description=f"{fault.number}/{self._faults} {fault.kind}")

    def happened(self, happened: Happened) -> None:
        """See :class:`Told`."""
        fault = happened.fault
        self._console.print(
            f"{fault.number:>3}/{self._faults}  {happened.at_s:6.1f} s  {fault.kind:<28} "
            f"silent for {happened.silent_s:5.1f} s, results again after {_seconds(happened.recovered_s)} s",
            highlight=False,
        )


def show(console: Console, result: Result) -> None:
    """The tables at the end."""
    console.print(_faults(result))
    console.print(_tables(result))
    for table in result.tables:
        for example in table.examples[:SHOWN]:
            console.print(f"{table.table}: {escape(example[:WIDTH])}", highlight=False, soft_wrap=True)
    for death in result.deaths:
        console.print(f"nobody ended it: {escape(death)}", highlight=False, soft_wrap=True)
    console.print(_memory(result))
    again = f", {result.copies:,} of them copies on purpose" if result.copies else ""
    console.print(
        f"{result.messages:,} messages published{again}, {result.repeated:,} more sent twice by the publisher over "
        f"{result.reconnects} broken connections; {result.lost} lost; {result.disorder.reordered} out of order in "
        f"their stream, {result.disorder.scattered} vehicles in more than one stream. "
        f"A result is {result.age_ms:.0f} ms old (median) when it is seen in Cassandra.",
        highlight=False,
    )


def show_outage(console: Console, found: Drained) -> None:
    """What an outage cost."""
    console.print(
        f"{found.outage_s:.0f} s without the job, {found.backlog:,} messages behind; first result after "
        f"{found.first_s:.1f} s; then {found.drained:,} messages in {found.drain_s:.1f} s: "
        f"{found.per_second:,.0f} messages/s until results were fresh.",
        highlight=False,
    )
    table = Table("", "lowest MB", "highest MB", title="used heap of the TaskManagers together")
    for name, heap in found.heap.items():
        table.add_row(name, f"{heap.low:,.0f}", f"{heap.high:,.0f}")
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)


def verdict(result: Result) -> str:
    """One line."""
    rows = sum(each.equal for each in result.tables)
    wrong = sum(each.missing + each.surplus + each.different for each in result.tables)
    slow = [each for each in result.faults if each.recovered_s is None]
    if result.exact:
        return f"exactly once: {rows:,} rows equal after {len(result.faults)} faults"
    return f"NOT exactly once: {wrong:,} rows differ, {result.lost} messages lost, {len(slow)} faults without recovery"


def write(path: Path, seed: int, plan: Plan, result: Result, outage: Drained | None = None) -> None:
    """Everything as JSON."""
    found = {
        "seed": seed,
        "minutes": plan.minutes,
        "rate": plan.rate,
        "traffic": asdict(plan.traffic),
        "exact": result.exact,
        **asdict(result),
        "outage": None if outage is None else asdict(outage) | {"per_second": outage.per_second},
    }
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _faults(result: Result) -> Table:
    table = Table(
        "", "at s", "fault", "victim", "down s", "silent s", "results again s", "after restart s", "target s"
    )
    table.title = "faults: seconds until results of new messages are in Cassandra"
    for each in result.faults:
        target = TARGETS_S.get(each.fault.kind)
        # What is down for a while by intention can only recover once it is started again.
        counted = each.recovered_s if each.after_restart_s is None else each.after_restart_s
        missed = counted is None or (target is not None and counted > target)
        table.add_row(
            str(each.fault.number),
            f"{each.at_s:.1f}",
            each.fault.kind,
            escape(each.victim),
            f"{each.down_s:.1f}",
            f"{each.silent_s:.1f}",
            f"[red]{_seconds(each.recovered_s)}[/]" if missed else _seconds(each.recovered_s),
            _seconds(each.after_restart_s, ""),
            "" if target is None else f"< {target:.0f}",
        )
    for column in (0, 1, 4, 5, 6, 7, 8):
        table.columns[column].justify = "right"
    return table


def _tables(result: Result) -> Table:
    table = Table("table", "equal", "missing", "too many", "different", title="rows of Cassandra's tables")
    for column in table.columns[1:]:
        column.justify = "right"
    for each in result.tables:
        style = None if each.same else "red"
        table.add_row(
            each.table,
            *(f"{count:,}" for count in (each.equal, each.missing, each.surplus, each.different)),
            style=style,
        )
    return table


def _memory(result: Result) -> Table:
    table = Table("process", "resident MB", "heap used MB", title="peak memory")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, (resident, heap) in sorted(result.peaks_mb.items()):
        table.add_row(name, f"{resident:,}", "" if heap is None else f"{heap:,}")
    return table


def _seconds(value: float | None, nothing: str = "never") -> str:
    return nothing if value is None else f"{value:.1f}"
