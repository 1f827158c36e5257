"""Room for the kernel's rows, which grows where a mini-batch needs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats import kernel, layout
from jobs.driver_stats.emit import Rows
from jobs.driver_stats.kernel import Parameters

ROWS = {
    "vehicle_minute": layout.MINUTE_ROW,
    "part": layout.PART_ROW,
    "trip": layout.TRIP_ROW,
    "driver_event": layout.EVENT_ROW,
    "vehicle_live": layout.LIVE_ROW,
}
"""Row layouts by output, in the order of emit.Rows."""

OUTPUTS = {name: layout.with_texts(dtype) for name, dtype in ROWS.items()}


class RowBuffer:
    """The rows of one call; ``rows`` is what the kernel takes."""

    def __init__(self, parameters: Parameters, capacity: int) -> None:
        """Makes room for ``capacity`` rows of each kind, or for what a few samples may need."""
        self._capacity = max(capacity, 4 * kernel.rows_needed(parameters))
        self.rows = self._empty()

    def clear(self) -> None:
        """Forgets the rows."""
        self.rows.counts[:] = 0

    def cleared(self) -> RowBuffer:
        """Itself, without rows."""
        self.clear()
        return self

    def grow(self) -> None:
        """Doubles the room; rows that are there stay."""
        self._capacity *= 2
        before, self.rows = self.rows, self._empty()
        self.rows.counts[:] = before.counts
        for new, kept, count in zip(self.rows, before, before.counts, strict=False):
            new[:count] = kept[:count]

    def of(self, kind: int) -> NDArray[Any]:
        """The rows of one kind so far."""
        found: NDArray[Any] = self.rows[kind][: self.rows.counts[kind]]
        return found

    def add(self, kind: int, row: NDArray[Any]) -> None:
        """Adds one row."""
        while self.rows.counts[kind] == self._capacity:
            self.grow()
        self.rows[kind][self.rows.counts[kind]] = row
        self.rows.counts[kind] += 1

    def replace(self, kind: int, rows: NDArray[Any]) -> None:
        """Sets others in the place of the rows of one kind."""
        self.rows.counts[kind] = 0
        while len(rows) > self._capacity:
            self.grow()
        self.rows[kind][: len(rows)] = rows
        self.rows.counts[kind] = len(rows)

    def outputs(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Key indexes and rows of each output that has any."""
        found = {}
        for name, rows, count in zip(OUTPUTS, self.rows, self.rows.counts, strict=False):
            if count:
                found[name] = (np.ascontiguousarray(rows["key"][:count]), rows[:count].view(OUTPUTS[name]))
        return found

    def _empty(self) -> Rows:
        minutes, parts, trips, events, lives = (np.zeros(self._capacity, dtype) for dtype in ROWS.values())
        return Rows(minutes, parts, trips, events, lives, np.zeros(len(ROWS), np.int64))
