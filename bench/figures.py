"""What modes measure: named figures, each with its spread, saved as JSON and compared with the run before."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from kappafleet.places import project_root

NOISE = 0.10
"""A figure measured once has no spread: so far two runs may be apart before it is a difference."""

_PACKAGES = ("apache-flink", "bytewax", "msgspec", "numba", "numpy", "pemja", "pathway")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run.

    Attributes:
        name: what it is, as a path: ``engine/20/kappafleet/messages_per_s``.
        unit: for people.
        median, low, high: of all repetitions.
        better: which way is better; None: neither.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    better: Literal["more", "less"] | None = "more"


def figure(
    name: str, unit: str, values: float | Iterable[float], better: Literal["more", "less"] | None = "more"
) -> Figure:
    """A figure of one or more values."""
    found = [float(values)] if isinstance(values, int | float) else [float(value) for value in values]
    return Figure(name, unit, statistics.median(found), min(found), max(found), better)


@dataclass(frozen=True, slots=True)
class Change:
    """A figure beside the same one of an earlier run."""

    name: str
    before: float
    now: float
    percent: float
    beyond: bool
    """Whether the two runs' spreads do not touch."""
    worse: bool


def changes(figures: Mapping[str, Figure], earlier: Mapping[str, Figure]) -> list[Change]:
    """What both runs measured, in the order of the newer one."""
    found = []
    for name, now in figures.items():
        before = earlier.get(name)
        if before is None or before.median == 0:
            continue
        percent = (now.median / before.median - 1) * 100
        low, high = _widened(before)
        now_low, now_high = _widened(now)
        beyond = now_low > high or now_high < low
        worse = beyond and now.better is not None and (percent < 0) == (now.better == "more")
        found.append(Change(name, before.median, now.median, percent, beyond, worse))
    return found


def _widened(each: Figure) -> tuple[float, float]:
    if each.low != each.high:
        return each.low, each.high
    return each.median * (1 - NOISE / 2), each.median * (1 + NOISE / 2)


@dataclass(frozen=True, slots=True)
class Section:
    """What one mode measured, and where and when."""

    mode: str
    time: str
    commit: str
    quick: bool
    seconds: float
    load_before: float
    figures: dict[str, Figure]
    details: dict[str, Any]


def section(
    mode: str,
    figures: Iterable[Figure],
    *,
    quick: bool,
    seconds: float,
    load_before: float,
    details: dict[str, Any] | None = None,
) -> Section:
    """A mode's result, as of now."""
    return Section(
        mode=mode,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        quick=quick,
        seconds=round(seconds, 1),
        load_before=load_before,
        figures={each.name: each for each in figures},
        details=details or {},
    )


def read(path: Path) -> dict[str, Section]:
    """The sections of a saved run; none when there is no such file."""
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8")).get("sections", {})
    return {
        mode: Section(**{**one, "figures": {name: Figure(**each) for name, each in one["figures"].items()}})
        for mode, one in found.items()
    }


def write(path: Path, sections: Mapping[str, Section]) -> None:
    """Saves sections with the machine that they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "sections": {mode: asdict(each) for mode, each in sections.items()}}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def commit() -> str:
    """The checkout's commit, with a plus when files differ from it; ``unknown`` without git."""
    words = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(words, cwd=project_root(), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "versions": {name: number for name in _PACKAGES if (number := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
