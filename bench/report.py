"""Medians, ratios and the machine: as a table, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.generate import Workload
from bench.measure import WARM_UP, Measured

Summary = dict[str, Any]


def summarise(
    measured: dict[tuple[int, str], list[Measured]],
    given: dict[tuple[int, str], Workload],
    checked: dict[int, dict[str, float]],
    ours: str,
    load: float,
) -> Summary:
    """Everything that was measured, and medians.

    Args:
        measured: runs by samples per message and engine, in the order of the rounds.
        given: the input by samples per message and engine.
        checked: totals in which all engines agreed, by samples per message.
        ours: the engine that the others are compared with, round by round.
        load: the machine's load average before the first run; above 1 the figures are not worth much.
    """
    rows = []
    for (n, engine), runs in measured.items():
        workload = given[n, engine]
        own = [run.per_second(workload.messages) for run in runs]
        mine = [run.per_second(given[n, ours].messages) for run in measured[n, ours]]
        rows.append(
            {
                "samples_per_message": n,
                "engine": engine,
                "messages": workload.messages,
                "messages_per_s": _spread(own),
                "samples_per_s": _spread([value * n for value in own]),
                "samples_per_cpu_s": _spread([run.per_cpu_second(workload.samples) for run in runs]),
                "ours_to_this": _spread([a / b for a, b in zip(mine, own, strict=True)]),
                "wall_s": _spread([run.wall_s for run in runs]),
                "steady_s": _spread([run.steady_s for run in runs]),
                "start_and_end_s": _spread([run.wall_s - run.steady_s / (1 - WARM_UP) for run in runs]),
            }
        )
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine(),
        "load_before": load,
        "runs": rows,
        "checked": checked,
    }


def machine() -> Summary:
    """What the figures depend on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    packages = ("apache-flink", "bytewax", "msgspec", "numba", "numpy", "pemja")
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def show(summary: Summary, console: Console) -> None:
    """Prints the table."""
    table = Table(title="median (min..max) of the steady part of each run", title_justify="left")
    table.add_column("samples\na message", justify="right")
    table.add_column("engine", no_wrap=True)
    for name in ("messages/s", "samples/s", "samples\nper CPU second", "ours : this", "whole\nprocess, s"):
        table.add_column(name, justify="right")
    before = None
    for row in summary["runs"]:
        n = row["samples_per_message"]
        if before is not None and n != before:
            table.add_section()
        table.add_row(
            str(n) if n != before else "",
            row["engine"],
            _text(row["messages_per_s"], ",.0f"),
            _text(row["samples_per_s"], ",.0f"),
            _text(row["samples_per_cpu_s"], ",.0f"),
            _text(row["ours_to_this"], ".2f"),
            _text(row["wall_s"], ".1f"),
        )
        before = n
    console.print(table)
    versions = ", ".join(f"{name} {number}" for name, number in summary["versions"].items())
    console.print(
        f"{summary['cores']} cores of {summary['cpu']}; Python {summary['python']}; {versions}",
        highlight=False,
    )
    if summary["load_before"] > 1:
        console.print(
            f"The machine was busy with something else (load {summary['load_before']:.1f}): trust ratios at most.",
            style="yellow",
        )
    for n, totals in summary["checked"].items():
        figures = ", ".join(f"{name} {value:,.9g}" for name, value in totals.items())
        console.print(f"{n} samples a message, the same from all: {figures}", highlight=False)


def write(summary: Summary, path: Path) -> None:
    """Writes the figures as JSON."""
    path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _text(spread: dict[str, float], form: str) -> str:
    median = format(spread["median"], form)
    if spread["min"] == spread["max"]:
        return median
    return f"{median} ({spread['min']:{form}}..{spread['max']:{form}})"
