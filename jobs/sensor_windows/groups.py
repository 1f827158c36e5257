"""Closed hours of several sensors that belong together, those of a cell or of a station. Pure Python.

An hour of a sensor and quantity comes again with each correction; of those that came, the one with most in it counts.
The write time of a row is the sum of what its parts hold. A job that reads the log again from its checkpoint may write
fewer and other rows than it did before, but its last one has all parts complete: no row written before has more.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar

HOUR_MS = 3_600_000


class Part(Protocol):
    """The closed hour of one sensor and quantity."""

    @property
    def start(self) -> int:
        """Epoch ms."""

    @property
    def quantity(self) -> int:
        """Index into derived.NAMES."""

    @property
    def changes(self) -> int:
        """Grows with what the hour contains, and depends on nothing else: ``closing.MADE``."""

    @property
    def sensor_id(self) -> str:
        """Whose it is."""


P = TypeVar("P", bound=Part)
Parts = dict[tuple[int, str], P]
"""Of one group and hour, by quantity and sensor."""


class Write(NamedTuple):
    """One row, without the columns that rows of all groups have.

    None in it is erased if it is a correction.
    """

    write_us: int
    columns: dict[str, Any]


def fold(parts: Parts[P], part: P) -> bool:
    """Takes a part in; returns whether it is new or newer."""
    name = part.quantity, part.sensor_id
    before = parts.get(name)
    if before is not None and before.changes >= part.changes:
        return False
    parts[name] = part
    return True
