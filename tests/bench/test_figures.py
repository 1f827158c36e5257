"""Figures, their comparison with an earlier run, the table of targets, and the pictures."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("bytewax", reason="the benchmark's packages are not installed: scripts/setup.sh bench")

from bench import figures, plots, report
from bench.engine import ENGINES, OURS, SECONDS, engines
from bench.figures import Figure, Section, changes, figure
from bench.targets import ROWS


def named(*found: Figure) -> dict[str, Figure]:
    return {each.name: each for each in found}


def section(mode: str, *found: Figure) -> Section:
    return figures.section(mode, found, quick=False, seconds=1.0, load_before=0.0)


@pytest.mark.parametrize(
    ("better", "before", "now", "beyond", "worse"),
    [
        ("more", [90, 100, 110], [85, 89], True, True),
        ("more", [90, 100, 110], [85, 91], False, False),
        ("more", [90, 100, 110], [111, 120], True, False),
        ("less", [90, 100, 110], [111, 120], True, True),
        ("more", [100], [91], False, False),  # measured once: 10 % may be noise
        ("more", [100], [89], True, True),
        (None, [100], [50], True, False),
    ],
)
def test_a_change_is_told_when_the_spreads_do_not_touch(
    better: str | None, before: list[float], now: list[float], beyond: bool, worse: bool
) -> None:
    (found,) = changes(named(figure("a/b", "x", now, better)), named(figure("a/b", "x", before, better)))  # type: ignore[arg-type]
    assert (found.beyond, found.worse) == (beyond, worse)


def test_only_what_both_runs_measured_is_compared() -> None:
    assert changes(named(figure("a/new", "x", 1)), named(figure("a/old", "x", 1))) == []


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    saved = {
        "engine": section("engine", figure("engine/1/kappafleet/messages_per_s", "messages/s", [1, 2, 3]))
    }
    figures.write(tmp_path / "latest.json", saved)
    assert figures.read(tmp_path / "latest.json") == saved
    assert figures.read(tmp_path / "none.json") == {}


def test_every_engine_and_size_has_its_row() -> None:
    peers = [each.key for each in engines(Path("python")) if each.name != OURS]
    wanted = {f"engine/{n}/{peer}/samples_per_s" for n in SECONDS for peer in peers}
    theirs = {row.theirs for row in ROWS if row.theirs.startswith("engine/")}
    assert wanted == {each for each in theirs if f"/{OURS}/" not in each}


def shown(*found: Section) -> str:
    out = io.StringIO()
    sections = {each.mode: each for each in found}
    report.show(sections, sections, [], Console(file=out, width=160))
    return out.getvalue()


def test_the_table_has_ratio_target_and_verdict() -> None:
    text = shown(
        section(
            "engine",
            figure("engine/1/kappafleet/samples_per_s", "samples/s", 700_000),
            figure("engine/1/bytewax/samples_per_s", "samples/s", 100_000),
            figure("engine/1/bytewax/ours_to_this", "times", [6.5, 7, 7.5]),
        ),
        section("latency", figure("latency/p50_ms", "ms", 61, "less")),
    )
    (engine,) = [
        line for line in text.splitlines() if "bytewax" in line and "x" in line and "700,000" in line
    ]
    assert "7.00 (6.50..7.50)" in engine
    assert ">= 6 x" in engine
    assert "yes" in engine
    (latency,) = [line for line in text.splitlines() if "p50" in line]
    assert "< 60" in latency
    assert "no" in latency.split("< 60")[1]


def test_what_was_not_measured_has_no_row() -> None:
    assert "drain" not in shown(section("latency", figure("latency/p50_ms", "ms", 20, "less")))


def test_pictures_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    engine = section(
        "engine",
        *(
            figure(f"engine/{n}/{each.key}/messages_per_s", "messages/s", [1e6 / n, 2e6 / n])
            for n in SECONDS
            for each in ENGINES
        ),
    )
    found = plots.draw({"engine": engine}, tmp_path)
    assert [each.name for each in found] == ["bench-samples.png"]
    assert found[0].read_bytes().startswith(b"\x89PNG")
