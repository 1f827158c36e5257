"""What the stages of driver_exposure tell each other. Pure Python.

All of them say how things stand, never what changed: of two records of one thing the one with the larger ``version``
counts, and a copy changes nothing.
"""

from __future__ import annotations

import json
from typing import NamedTuple, TypeAlias

HOUR_MS = 3_600_000
MINUTE_MS = 60_000

HARSH_TYPES = ("harsh_accel", "harsh_brake", "harsh_corner", "possible_crash")
"""The events whose weather is told, as in driver_event."""

AIR = ("pm2_5", "temperature", "humidity", "pressure")
"""What is told of a cell and hour."""

CORRECTED = "pm2_5_corrected"
"""Takes the place of a sensor's pm2_5 where its model has a published correction."""

QUANTITIES = (*AIR, CORRECTED)


class Way(NamedTuple):
    """One vehicle's minute, as it stands.

    Attributes:
        driver: whose it is.
        vehicle: of which vehicle.
        start: epoch ms.
        cell: geohash of its last place; empty: not known.
        road_ms: driving and idling.
        samples: in it.
        version: grows with what the minute contains.
    """

    driver: str
    vehicle: str
    start: int
    cell: str
    road_ms: int
    samples: int
    version: int


class Harsh(NamedTuple):
    """One harsh event, as it stands.

    Attributes:
        driver: whose.
        vehicle: of which vehicle.
        start: epoch ms.
        cell: geohash of where its peak was; empty: not known.
        type: index into HARSH_TYPES.
        void: what took its place starts then; None: the event stands.
        version: grows with what the event contains.
    """

    driver: str
    vehicle: str
    start: int
    cell: str
    type: int
    void: int | None
    version: int


class SensorHour(NamedTuple):
    """The closed hour of one sensor and quantity.

    Attributes:
        sensor: which.
        start: epoch ms.
        quantity: index into QUANTITIES.
        mean: in the quantity's unit; None: too few readings.
        version: grows with what the hour contains.
    """

    sensor: str
    start: int
    quantity: int
    mean: float | None
    version: int


class Air(NamedTuple):
    """The air of one cell and hour.

    Attributes:
        cell: its geohash.
        start: epoch ms.
        values: for each of AIR the median of the cell's sensors and how many they are; None: none.
        version: grows with what it is made of.
    """

    cell: str
    start: int
    values: tuple[tuple[float, int] | None, ...]
    version: int


Record: TypeAlias = Way | Harsh | SensorHour | Air
_KINDS: dict[str, type[Way] | type[Harsh] | type[SensorHour] | type[Air]] = {
    kind.__name__: kind for kind in (Way, Harsh, SensorHour, Air)
}


def packed(record: Record) -> bytes:
    """As bytes."""
    return json.dumps([type(record).__name__, *record], separators=(",", ":")).encode()


def unpacked(data: bytes) -> Record:
    """Of ``packed``."""
    kind, *fields = json.loads(data)
    if kind == "Air":
        cell, start, values, version = fields
        told = tuple(None if each is None else (each[0], each[1]) for each in values)
        return Air(cell, start, told, version)
    return _KINDS[kind](*fields)


def hour_of(record: Record) -> int:
    """The start of its hour, epoch ms."""
    return record.start - record.start % HOUR_MS
