"""The second stage, by cell: the hourly means of its sensors meet those who drive through it. Pure Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

from jobs.driver_exposure.records import (
    AIR,
    CORRECTED,
    QUANTITIES,
    Air,
    Harsh,
    Record,
    SensorHour,
    Way,
    packed,
)
from jobs.driver_exposure.ways import Sent

Means = Mapping[tuple[int, str], tuple[int, float | None]]
"""Version and mean by quantity and sensor."""

_CORRECTED = QUANTITIES.index(CORRECTED)


@dataclass(slots=True)
class CellHour:
    """What the sensors of a cell measured in an hour, and who was there."""

    means: dict[tuple[int, str], tuple[int, float | None]] = field(default_factory=dict)
    drivers: set[str] = field(default_factory=set)
    dirty: bool = False


class Cells:
    """Hands minutes and events on to their drivers, and tells those the air."""

    def empty(self) -> CellHour:
        """An hour in which nobody was there and nothing measured."""
        return CellHour()

    def take(self, key: str, content: CellHour, record: Record, closed: bool) -> Iterator[Sent]:
        """One minute, event or mean as it stands now."""
        if isinstance(record, SensorHour):
            name = record.quantity, record.sensor
            if name not in content.means or content.means[name][0] < record.version:
                content.means[name] = record.version, record.mean
                content.dirty = True
        elif isinstance(record, Way | Harsh):
            yield record.driver, packed(record)
            if record.driver not in content.drivers:
                content.drivers.add(record.driver)
                if closed and content.means:
                    yield record.driver, packed(_air(key, content, record.start))
        else:
            raise TypeError(f"a cell has no {type(record).__name__}")

    def close(self, key: str, content: CellHour, hour: int) -> Iterator[Sent]:
        """Tells everybody who was there the air of the hour."""
        if content.means:
            told = packed(_air(key, content, hour))
            for driver in sorted(content.drivers):
                yield driver, told


def _air(cell: str, content: CellHour, start: int) -> Air:
    version = sum(version for version, _ in content.means.values())
    return Air(cell, start, values_of(content.means), version)


def values_of(means: Means) -> tuple[tuple[float, int] | None, ...]:
    """For each of AIR the median of the sensors that have a mean, and how many they are; None: none has."""
    found = []
    for quantity in range(len(AIR)):
        of_sensor = {sensor: mean for (of, sensor), (_, mean) in means.items() if of == quantity}
        if quantity == 0:
            of_sensor |= {
                sensor: mean
                for (of, sensor), (_, mean) in means.items()
                if of == _CORRECTED and mean is not None
            }
        there = [mean for mean in of_sensor.values() if mean is not None]
        found.append((median(there), len(there)) if there else None)
    return tuple(found)
