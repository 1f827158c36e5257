"""Prints what was measured: one table with ratios and targets, and what changed since the run before."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from bench.figures import Change, Figure, Section, machine
from bench.targets import ROWS

BUSY = 1.0
MOST_CHANGES = 40


def show(
    sections: Mapping[str, Section], new: Mapping[str, Section], changes: list[Change], console: Console
) -> None:
    """The table of all sections, those of earlier runs marked; then differences to the run before.

    Args:
        sections: everything that is known.
        new: what this run measured.
        changes: of this run to what was saved before.
        console: where to.
    """
    figures = {name: each for one in sections.values() for name, each in one.figures.items()}
    fresh = {name for one in new.values() for name in one.figures}
    console.print(_table(figures, fresh))
    if any(name not in fresh for name in figures):
        earlier = {
            f"{each.mode} {each.time} ({each.commit})" for each in sections.values() if each.mode not in new
        }
        console.print(f"* of an earlier run: {', '.join(sorted(earlier))}", highlight=False)
    found = machine()
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    console.print(
        f"{found['cores']} cores of {found['cpu']}, {found['memory_gb']:.0f} GB; Python {found['python']}; {versions}",
        highlight=False,
    )
    busy = [each.load_before for each in new.values() if each.load_before > BUSY]
    if busy:
        console.print(
            f"The machine was busy with something else (load {max(busy):.1f}): trust ratios at most.",
            style="yellow",
        )
    if any(each.quick for each in new.values()):
        console.print("A quick run: too short for figures to be quoted.", style="yellow")
    _show_changes(changes, console)


def _table(figures: Mapping[str, Figure], fresh: set[str]) -> Table:
    table = Table(title="kappafleet on this machine; median (min..max)", title_justify="left")
    table.add_column("what", min_width=30)
    table.add_column("ours", justify="right")
    table.add_column("peer")
    table.add_column("peer's", justify="right")
    table.add_column("ours : peer", justify="right")
    table.add_column("target", justify="right")
    table.add_column("", justify="center")
    group = before = ""
    for row in ROWS:
        ours = figures.get(row.ours)
        if ours is None:
            continue
        theirs = figures.get(row.theirs)
        if row.theirs and theirs is None:
            continue
        if group and row.ours.partition("/")[0] != group:
            table.add_section()
        group = row.ours.partition("/")[0]
        ratio = figures.get(row.ratio)
        if ratio is not None:
            told = _text(ratio, ".2f")
        else:
            told = "" if theirs is None else f"{ours.median / theirs.median:.2f}"
        met = None if row.target is None else row.target.met(figures)
        repeated = row.what == before
        before = row.what
        table.add_row(
            "" if repeated else row.what,
            "" if repeated else _text(ours, row.form) + ("" if ours.name in fresh else " *"),
            row.peer,
            "" if theirs is None else _text(theirs, row.form),
            told,
            "" if row.target is None else row.target.text,
            {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[met],
        )
    return table


def _show_changes(changes: list[Change], console: Console) -> None:
    if not changes:
        console.print("There is no earlier run to compare with.", highlight=False)
        return
    beyond = [each for each in changes if each.beyond]
    console.print(
        f"Compared with the run before: {len(changes)} figures, {len(beyond)} differ by more than their spread.",
        highlight=False,
    )
    for each in sorted(beyond, key=lambda one: not one.worse)[:MOST_CHANGES]:
        console.print(
            f"  {each.name}: {each.before:,.6g} -> {each.now:,.6g} ({each.percent:+.1f} %)"
            f"{'  worse' if each.worse else ''}",
            style="red" if each.worse else "green",
            highlight=False,
        )


def _text(each: Figure, form: str) -> str:
    median = format(each.median, form)
    if each.low == each.high:
        return median
    return f"{median} ({each.low:{form}}..{each.high:{form}})"
