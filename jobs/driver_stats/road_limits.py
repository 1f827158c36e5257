"""Limits of roads as reference data: the table of rows that came, compiled for the look-up of whole mini-batches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.reference import Key, ReferenceTable
from jobs.driver_stats.road_cells import Cells, Direction, Roads, cells, direction, fill, number
from jobs.driver_stats.settings import Settings
from schemas.references import Reference, Value, reference

ROAD_LIMITS = reference("road_limits", "road_limit/1", ("cell", "heading_from", "heading_to"))

_MOST_RECENT = 1000
"""So many cells may have changed, and an eighth of all more, before all are compiled anew."""

_NOWHERE = cells(())


def references_of(settings: Settings) -> tuple[Reference, ...]:
    """The reference data that the vehicles' operator has."""
    return (ROAD_LIMITS,) if settings.road_limits.enabled else ()


class RoadLimits:
    """The limits of a table, looked up by sample.

    The arrays are made anew only when rows came, and then of the cells that changed lately; what a look-up costs does
    not depend on how many rows there are.
    """

    def __init__(self, table: ReferenceTable) -> None:
        """Takes the table, into which rows may come between calls of :meth:`limits`."""
        self._table = table
        self._of_cell: dict[str, dict[Key, Direction]] = {}
        self._recent: set[str] = set()
        self._roads = Roads(_NOWHERE, _NOWHERE, np.zeros(0, np.int64))

    def limits(self, samples: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The limit of each sample in km/h: its own, else the road's where and when it is, else NaN (or 0 or less).

        Args:
            samples: the columns ``t``, ``lat``, ``lon``, ``heading`` and ``speed_limit`` of a mini-batch.
        """
        changes = self._table.take_changes()
        if changes:
            self._compile(changes)
        own = samples["speed_limit"]
        if not len(self._roads.characters):
            return own
        found = np.empty(len(own))
        fill(self._roads, samples["t"], samples["lat"], samples["lon"], samples["heading"], own, found)
        return found

    def _compile(self, changes: Iterable[Key]) -> None:
        for key in changes:
            cell, heading_from, heading_to = key
            steps = self._table.steps(key)
            kmh = [math.nan if values is None else float(values[0] or math.nan) for values in steps.values]
            way = direction(_degrees(heading_from), _degrees(heading_to), steps.starts, kmh)
            self._of_cell.setdefault(str(cell), {})[key] = way
            self._recent.add(str(cell))
        base = self._roads.base
        if len(self._recent) > _MOST_RECENT + len(base.numbers) // 8:
            base = self._cells(self._of_cell)
            self._recent.clear()
        characters = sorted({len(cell) for cell in self._of_cell}, reverse=True)
        self._roads = Roads(self._cells(self._recent), base, np.array(characters, np.int64))

    def _cells(self, names: Iterable[str]) -> Cells:
        return cells((number(name), list(self._of_cell[name].values())) for name in names)


def _degrees(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None
