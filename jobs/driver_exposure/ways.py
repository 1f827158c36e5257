"""The first stage, by vehicle: a minute that gets another driver is taken from the one before. Pure Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from jobs.driver_exposure.records import MINUTE_MS, Harsh, Record, Way, hour_of, packed

Sent = tuple[str, bytes]
"""The key of the next stage, and a record."""

NOWHERE = "vehicle:"
"""In place of a cell where the place is not known; the vehicle's id follows."""


@dataclass(slots=True)
class VehicleHour:
    """Whose the minutes of an hour are: by driver a bit for each."""

    minutes: dict[str, int] = field(default_factory=dict)
    dirty: bool = False


class Ways:
    """Sends minutes and harsh events of a vehicle to their cells."""

    def empty(self) -> VehicleHour:
        """An hour without minutes."""
        return VehicleHour()

    def take(self, key: str, content: VehicleHour, record: Record, closed: bool) -> Iterator[Sent]:
        """One minute or event as it stands now."""
        if not isinstance(record, Way | Harsh):
            raise TypeError(f"a vehicle has no {type(record).__name__}")
        cell = record.cell or NOWHERE + record.vehicle
        if isinstance(record, Way):
            bit = 1 << (record.start - hour_of(record)) // MINUTE_MS
            for driver, minutes in content.minutes.items():
                if driver != record.driver and minutes & bit:
                    content.minutes[driver] = minutes & ~bit
                    yield cell, packed(record._replace(driver=driver, road_ms=0, samples=0))
            content.minutes[record.driver] = content.minutes.get(record.driver, 0) | bit
        yield cell, packed(record)

    def close(self, key: str, content: VehicleHour, hour: int) -> Iterator[Sent]:
        """Nothing is left to say."""
        yield from ()
