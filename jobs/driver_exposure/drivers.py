"""The third stage, by driver: minutes, events and the air of their cells become table rows. Pure Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from jobs.driver_exposure.records import AIR, HARSH_TYPES, HOUR_MS, Air, Harsh, Record, Way

EXPOSURE, WEATHER = "driver_exposure", "event_weather"
MILLIONTHS = 1_000_000
WAY_STEP = 1 << 24
"""By so much a row's write time grows with each version of a minute or an event: more than the air of its cells adds.

Whose air counts depends on where the minutes are, so minutes come first; of the same minutes the newer air wins.
"""

PM2_5 = AIR.index("pm2_5")
Columns = dict[str, Any]


class Write(NamedTuple):
    """One row, without the driver, ``params_hash`` and ``updated_at``; None erases."""

    table: str
    write_us: int
    columns: Columns


@dataclass(slots=True)
class DriverHour:
    """What is known of one driver's hour.

    Attributes:
        ways: by vehicle and start of the minute.
        events: by start, type and vehicle.
        air: by cell; of every cell that was told, whether it is still one of a minute or not.
        told: what was last written of each row: its content, how often it changed, the write time; by table and key.
        dirty: something changed since.
    """

    ways: dict[tuple[str, int], Way] = field(default_factory=dict)
    events: dict[tuple[int, int, str], Harsh] = field(default_factory=dict)
    air: dict[str, Air] = field(default_factory=dict)
    told: dict[tuple[Any, ...], tuple[Columns, int, int]] = field(default_factory=dict)
    dirty: bool = False


class Drivers:
    """Makes the rows of drivers' hours and events."""

    def empty(self) -> DriverHour:
        """An hour without anything."""
        return DriverHour()

    def take(self, key: str, content: DriverHour, record: Record, closed: bool) -> Iterator[Write]:
        """One minute, event or cell's air as it stands now."""
        yield from ()
        if isinstance(record, Way):
            content.dirty |= _newer(content.ways, (record.vehicle, record.start), record)
        elif isinstance(record, Harsh):
            content.dirty |= _newer(content.events, (record.start, record.type, record.vehicle), record)
        elif isinstance(record, Air):
            content.dirty |= _newer(content.air, record.cell, record)
        else:
            raise TypeError(f"a driver has no {type(record).__name__}")

    def close(self, key: str, content: DriverHour, hour: int) -> Iterator[Write]:
        """Writes what is new, and what changed as the next revision."""
        driven = sum(each.version for each in content.ways.values())
        driven += sum(each.version for each in content.events.values())
        cells = {each.cell for each in content.ways.values() if each.road_ms > 0}
        version = driven * WAY_STEP + sum(_air_version(content, cell) for cell in cells)
        columns = exposure(content, hour)
        told = content.told.get((EXPOSURE,))
        if columns["minutes"] or columns["harsh_events"] or told:
            if not (columns["minutes"] or columns["harsh_events"]):
                columns["superseded_by"] = hour
            yield from _write(content, (EXPOSURE,), (hour + HOUR_MS) * 1000 + version, columns)
        for name, event in sorted(content.events.items()):
            if event.void is None or (WEATHER, *name) in content.told:
                version = event.version * WAY_STEP + _air_version(content, event.cell)
                write_us = event.start * 1000 + version
                yield from _write(content, (WEATHER, *name), write_us, weather(content, event, hour))


def _newer(known: dict[Any, Any], name: Any, record: Any) -> bool:
    if name in known and known[name].version >= record.version:
        return False
    known[name] = record
    return True


def _write(content: DriverHour, name: tuple[Any, ...], write_us: int, columns: Columns) -> Iterator[Write]:
    """The row, unless it was written like that.

    If only the write time is another it is written again, as the same revision: what was written before a crash, of
    other minutes or air, may lie between the two.
    """
    before, changes, *at = content.told.get(name, (None, 0))  # an older state has no write time
    if before != columns:
        changes += 1
    elif at and at[0] >= write_us:
        return
    content.told[name] = columns, changes, write_us
    yield Write(name[0], write_us, {**columns, "final": True, "revision": changes - 1})


def _air_version(content: DriverHour, cell: str) -> int:
    air = content.air.get(cell)
    return 0 if air is None else air.version


def exposure(content: DriverHour, hour: int) -> Columns:
    """The driver's hour: sums of whole milliseconds and millionths of µg/m³, so that their order never matters."""
    on_road_ms = known_ms = minutes = minutes_known = dose = 0
    cells: set[str] = set()
    known: dict[str, tuple[float, int]] = {}
    for way in content.ways.values():
        if way.road_ms <= 0:
            continue
        on_road_ms += way.road_ms
        minutes += 1
        if way.cell:
            cells.add(way.cell)
        found = _value(content, way.cell, PM2_5)
        if found is not None:
            known[way.cell] = found
            known_ms += way.road_ms
            minutes_known += 1
            dose += round(found[0] * MILLIONTHS) * way.road_ms
    return {
        "hour_start": hour,
        "on_road_s": on_road_ms / 1000,
        "known_s": known_ms / 1000,
        "minutes": minutes,
        "minutes_known": minutes_known,
        "coverage": minutes_known / minutes if minutes else None,
        "pm2_5_ug_h": float(Fraction(dose, MILLIONTHS * HOUR_MS)) if known_ms else None,
        "pm2_5_mean": float(Fraction(dose, MILLIONTHS * known_ms)) if known_ms else None,
        "pm2_5_max": max((value for value, _ in known.values()), default=None),
        "cells": len(cells),
        "sensors": sum(count for _, count in known.values()),
        "harsh_events": sum(event.void is None for event in content.events.values()),
        "n_samples": sum(way.samples for way in content.ways.values()),
        "superseded_by": None,
    }


def weather(content: DriverHour, event: Harsh, hour: int) -> Columns:
    """The weather at one event."""
    found = [_value(content, event.cell, quantity) for quantity in range(len(AIR))]
    return {
        "event_time": event.start,
        "type": HARSH_TYPES[event.type],
        "vehicle_id": event.vehicle,
        "cell": event.cell or None,
        "hour_start": hour,
        **{name: None if each is None else each[0] for name, each in zip(AIR, found, strict=True)},
        "sensors": max((each[1] for each in found if each is not None), default=0),
        "superseded_by": event.void,
    }


def _value(content: DriverHour, cell: str, quantity: int) -> tuple[float, int] | None:
    air = content.air.get(cell)
    return None if air is None else air.values[quantity]
