"""Pictures of a saved run, readable on light and dark pages: by samples per message, and by vehicles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Mid-grey text and lines on no background: enough contrast on white and on GitHub's dark grey.
_GREY = "#7d8590"
_COLOURS = {
    "kappafleet": "#e0662f",
    "bytewax": "#3d8fd1",
    "plain-PyFlink": "#9a6fd0",
    "Java-by-hand": "#4a9e5c",
    "Pathway": "#c9a227",
    "heap": "#e0662f",
    "rocksdb": "#3d8fd1",
}
_NAMES = {
    "kappafleet": "kappafleet, checkpoints every 2 s",
    "bytewax": "bytewax",
    "plain-PyFlink": "plain PyFlink",
    "Java-by-hand": "Java by hand, nothing durable",
    "Pathway": "Pathway, batch mode",
    "heap": "state on the heap",
    "rocksdb": "state in RocksDB",
}


def draw(sections: Mapping[str, Section], folder: Path) -> list[Path]:
    """Draws what was measured; returns the files that were written."""
    drawn = []
    if "engine" in sections:
        drawn.append(_engine(sections["engine"].figures, folder / "bench-samples.png"))
    if "keys" in sections:
        drawn.append(_keys(sections["keys"].figures, folder / "bench-keys.png"))
    return [each for each in drawn if each is not None]


def _engine(figures: Mapping[str, Figure], path: Path) -> Path | None:
    lines: dict[str, list[tuple[int, Figure]]] = {}
    for name, each in figures.items():
        _, n, engine, what = name.split("/")
        if what == "messages_per_s":
            lines.setdefault(engine, []).append((int(n), each))
    if not lines:
        return None
    with _canvas(path, "samples in a message", "messages/s") as axes:
        _plot(axes, lines)
    return path


def _keys(figures: Mapping[str, Figure], path: Path) -> Path | None:
    lines: dict[str, list[tuple[int, Figure]]] = {}
    for name, each in figures.items():
        _, vehicles, backend, what = name.split("/")
        if what == "cpu_us_per_message":
            lines.setdefault(backend, []).append((int(vehicles), each))
    if not lines:
        return None
    with _canvas(path, "vehicles", "µs of CPU a message") as axes:
        _plot(axes, lines)
        axes.set_yscale("linear")
        axes.set_ylim(bottom=0)
    return path


def _plot(axes: Axes, lines: Mapping[str, list[tuple[int, Figure]]]) -> None:
    ticks = sorted({x for points in lines.values() for x, _ in points})
    for key, points in lines.items():
        points.sort(key=lambda point: point[0])
        xs = [x for x, _ in points]
        medians = [each.median for _, each in points]
        errors = [
            [each.median - each.low for _, each in points],
            [each.high - each.median for _, each in points],
        ]
        axes.errorbar(
            xs,
            medians,
            yerr=errors,
            label=_NAMES.get(key, key),
            color=_COLOURS.get(key),
            marker="o",
            capsize=3,
            lw=2,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False, labelcolor=_GREY)


class _canvas:  # noqa: N801 - used like a function
    """A figure with one pair of axes; written when the block ends."""

    def __init__(self, path: Path, x: str, y: str) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Picture
        from matplotlib.ticker import FuncFormatter

        self._path = path
        self._picture = Picture(figsize=(7, 4), layout="constrained")
        FigureCanvasAgg(self._picture)
        self._axes = self._picture.subplots()
        self._axes.set_xlabel(x, color=_GREY)
        self._axes.set_ylabel(y, color=_GREY)
        self._axes.set_facecolor("none")
        self._axes.tick_params(colors=_GREY)
        self._axes.grid(color=_GREY, alpha=0.25)
        self._format = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:g}")
        for spine in self._axes.spines.values():
            spine.set_color(_GREY)

    def __enter__(self) -> Axes:
        return self._axes

    def __exit__(self, *failed: object) -> None:
        if failed[0] is None:
            self._axes.yaxis.set_major_formatter(self._format)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._picture.savefig(self._path, dpi=150, transparent=True)
