"""State rows of older layouts, kept in savepoints/, go on in the present one as if nothing had happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.driver_stats.layout import STATE_VERSION, UNKNOWN_UM, upgraded_sums
from jobs.driver_stats.vehicle_operator import VehicleOperator
from jobs.driver_stats.windows import HOUR_MS
from tests.driver_stats.harness import Row, Tables, VehicleHarness
from tests.driver_stats.savepoints.kept import STATES, Kept, States, decoded

FOLDERS = sorted(each.parent for each in (Path(__file__).parent / "savepoints").glob(f"v*/{STATES}"))
# A write's own time and number: the rows before it are not in this run. A trip's sums are those of its columns.
MAY_DIFFER = frozenset({"revision", "write_us", "nulls", "sums"})

Table = dict[tuple[Any, ...], Row]
Sums = Counter[tuple[str, str, int, int]]


@pytest.fixture(params=FOLDERS, ids=[each.name for each in FOLDERS])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_what_follows_adds_to_the_rows_of_an_older_layout(folder: Path) -> None:
    """Every row written after the upgrade is that of one run over the whole input, and none is missing."""
    kept, states = Kept.read(folder), States.read(folder)
    first, second = (decoded(half) for half in kept.halves())
    expected = _run(kept, [*first, *second])
    upgraded = _upgraded(kept, states)
    upgraded.feed(second)
    upgraded.advance()
    found, whole = _tables(kept, upgraded), _tables(kept, expected)
    unchanged = _tables(kept, _run(kept, first))
    for name, rows in whole.items():
        assert not _wrong(found[name], rows), name
        missing = {key for key, row in rows.items() if row != unchanged[name].get(key)} - found[name].keys()
        assert not missing, name
        # So that the cut means something: rows that began before it end after it.
        assert any(key in unchanged[name] for key in found[name]), name
    assert _sums(states) + _parts(upgraded) == _parts(expected)


def test_only_timers_follow_an_upgrade(folder: Path) -> None:
    """Without further messages everything open is closed, and each minute has been sent to its driver once."""
    kept, states = Kept.read(folder), States.read(folder)
    first = decoded(kept.halves()[0])
    expected = _run(kept, first)
    upgraded = _upgraded(kept, states)
    upgraded.advance()
    found, whole = _tables(kept, upgraded), _tables(kept, expected)
    for name, rows in whole.items():
        assert not _wrong(found[name], rows), name
    open_trips = {vehicle for _, _, vehicle in found["trip"]}
    assert open_trips >= {"cmap-4105836-2", "cmap-4114555-1", "nds-drive-15", "nds-drive-6"}
    assert all(row["final"] for name in ("trip", "vehicle_minute") for row in found[name].values())
    assert _sums(states) + _parts(upgraded) == _parts(expected)


def test_a_layout_of_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match=str(STATE_VERSION + 1)):
        VehicleOperator().upgrade(STATE_VERSION + 1, bytes(8))


def _wrong(found: Table, expected: Table) -> dict[tuple[Any, ...], tuple[Row, Row | None]]:
    """The rows that are not among the expected ones, beside what is there in their place."""
    return {key: (row, expected.get(key)) for key, row in found.items() if row != expected.get(key)}


def _harness(kept: Kept) -> VehicleHarness:
    return VehicleHarness(kept.settings_to_go_on())


def _run(kept: Kept, messages: list[dict[str, Any]]) -> VehicleHarness:
    harness = _harness(kept)
    harness.feed(messages)
    harness.advance()
    return harness


def _upgraded(kept: Kept, states: States) -> VehicleHarness:
    """A harness with the kept rows in the present layout, as Flink's operator would load them."""
    harness = _harness(kept)
    for vehicle, row in states.rows.items():
        new = row if states.state_version == STATE_VERSION else _upgrade(harness, states.state_version, row)
        size = harness.operator.state_dtype.itemsize
        harness.states[vehicle] = np.frombuffer(new[:size], harness.operator.state_dtype)[0].copy()
        if len(new) > size:
            harness.keys.tails[vehicle] = np.frombuffer(new[size:], np.int64).copy()
        if states.store.get(vehicle):
            harness.keys.store[vehicle] = states.store[vehicle]
        if vehicle in states.timers:
            harness.timers[vehicle] = states.timers[vehicle]
    return harness


def _upgrade(harness: VehicleHarness, version: int, row: bytes) -> bytes:
    new = harness.operator.upgrade(version, row)
    return new if isinstance(new, bytes) else bytes(new.tobytes())


def _tables(kept: Kept, harness: VehicleHarness) -> Tables:
    """The newest rows, without what may differ; what was made void is not there for readers."""
    leave_out = MAY_DIFFER | kept.may_differ()
    return {
        name: {
            key: {column: value for column, value in row.items() if column not in leave_out}
            for key, row in rows.items()
            if row.get("superseded_by") is None
        }
        for name, rows in harness.tables().items()
    }


def _parts(harness: VehicleHarness) -> Sums:
    """What the drivers' windows were told, added up by vehicle, driver, hour and accumulator."""
    return _added(
        ((row["vehicle_id"], row["driver"], row["minute_start"]), row["sums"]) for row in harness.rows["part"]
    )


def _sums(states: States) -> Sums:
    if states.state_version < 4:
        return _added((key, upgraded_sums(sums)) for key, sums in states.parts.items())
    return _added(states.parts.items())


def _added(parts: Iterable[tuple[tuple[str, str, int], Iterable[int]]]) -> Sums:
    added: Sums = Counter()
    for (vehicle, driver, minute), sums in parts:
        for index, value in enumerate(sums):
            if value and index != UNKNOWN_UM:
                added[vehicle, driver, minute // HOUR_MS, index] += value
    return added
