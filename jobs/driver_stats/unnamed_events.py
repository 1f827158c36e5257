"""Events of vehicles that name no driver, kept by the hour, and as rows of whoever is logged in at their start.

The vehicles' stage sends such events here in place of writing them. A row goes to the driver of the minute in which the
event starts (attribution.py). What a late log-in moves is made void for one driver and written for the other: both
rows have later write times than whatever was written of the event before.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectors.rows import FrameEncoder, Value
from jobs.driver_stats import layout, unnamed, windows
from jobs.driver_stats.layout import EVENT_ROW, EVENT_TYPES, EVENT_UNITS, NONE, SEVERITIES
from jobs.driver_stats.windows import HOUR_MS
from schemas.tables import table

if TYPE_CHECKING:
    from pyflink.datastream.state import MapState

TABLE = table("driver_stats", "driver_event")
UNNAMED_EVENT = layout.with_texts(EVENT_ROW)
MOST_MOVES = 1024
_NUMBERS = ("duration_s", "peak", "lat", "lon", "speed_kmh", "limit_kmh")

DriverAt = Callable[[int], str]
Kept = dict[tuple[int, int], tuple[bytes, int]]
"""An hour's events by start and type: the newest row, and how often another driver got it."""


def is_event(row: bytes) -> bool:
    """Whether a record is an event; a log-in may have any length."""
    return len(row) == EVENT_ROW.itemsize and not unnamed.is_message(row)


def hour_of(row: bytes) -> int:
    """The hour (UTC) in which an event starts."""
    start_ms = int(np.frombuffer(row, UNNAMED_EVENT)[0]["start_ms"])
    return start_ms - start_ms % HOUR_MS


def values_of(row: bytes, vehicle_id: str, driver_id: str, rules: Sequence[str]) -> dict[str, Value]:
    """The columns of an event, times as epoch ms; ``rules`` are the rule sets by type."""
    event: Any = np.frombuffer(row, UNNAMED_EVENT)[0]
    numbers: dict[str, Value] = {name: _or_none(float(event[name])) for name in _NUMBERS}
    start_ms, kind, severity = int(event["start_ms"]), int(event["type"]), int(event["severity"])
    void = int(event["superseded_by"])
    return numbers | {
        "driver_id": driver_id,
        "vehicle_id": vehicle_id,
        "fleet_id": event["fleet"].decode() or None,
        "day": windows.day_text(start_ms),
        "event_time": start_ms,
        "start_time": start_ms,
        "end_time": int(event["end_ms"]),
        "type": EVENT_TYPES[kind],
        "severity": SEVERITIES[severity] if severity >= 0 else None,
        "unit": EVENT_UNITS[kind],
        "derived": bool(event["derived"]) if event["derived"] >= 0 else None,
        "rule": rules[kind],
        "n_samples": int(event["n_samples"]),
        "superseded_by": None if void == NONE else void,
    }


class UnnamedEvents:
    """The events of the vehicle whose key is current."""

    def __init__(self, state: MapState, rules: Sequence[str]) -> None:
        """Takes the state, by hour (UTC), and the rule sets of the types of events."""
        self._state = state
        self._rules = rules
        self._encoder = FrameEncoder(TABLE)

    def add(self, row: bytes, vehicle_id: str, driver_at: DriverAt) -> Iterator[bytes]:
        """Keeps an event, and writes it for its driver; one that is not newer than what is kept is nothing."""
        event: Any = np.frombuffer(row, UNNAMED_EVENT)[0]
        hour = hour_of(row)
        stored = self._state.get(hour)
        kept: Kept = {} if stored is None else pickle.loads(stored)
        place = (int(event["start_ms"]), int(event["type"]))
        before, moved = kept.get(place, (None, 0))
        if before is not None and np.frombuffer(before, UNNAMED_EVENT)[0]["write_us"] >= event["write_us"]:
            return
        kept[place] = (row, moved)
        self._state.put(hour, pickle.dumps(kept))
        yield self._row(row, vehicle_id, driver_at(place[0]), moved)

    def move(
        self, start_ms: int, end_ms: int | None, vehicle_id: str, before: DriverAt, after: DriverAt
    ) -> Iterator[bytes]:
        """Gives events that start in [start_ms, end_ms) to their drivers after a log-in."""
        for hour in sorted(self._state.keys()):
            if hour + HOUR_MS <= start_ms or (end_ms is not None and hour >= end_ms):
                continue
            kept: Kept = pickle.loads(self._state.get(hour))
            changed = False
            for place, (row, moved) in sorted(kept.items()):
                at = place[0]
                was, now = before(at), after(at)
                if at < start_ms or (end_ms is not None and at >= end_ms) or was == now:
                    continue
                changed = True
                kept[place] = (row, moved + 1)
                if np.frombuffer(row, UNNAMED_EVENT)[0]["superseded_by"] == NONE:
                    yield self._row(row, vehicle_id, was, moved + 1, void=True)
                    yield self._row(row, vehicle_id, now, moved + 1)
            if changed:
                self._state.put(hour, pickle.dumps(kept))

    def forget(self, hour: int) -> None:
        """Drops an hour for which no log-in may come any more."""
        self._state.remove(hour)

    def _row(self, row: bytes, vehicle_id: str, driver_id: str, moved: int, *, void: bool = False) -> bytes:
        event: Any = np.frombuffer(row, UNNAMED_EVENT)[0]
        values = values_of(row, vehicle_id, driver_id, self._rules)
        start_us = int(event["start_ms"]) * 1000
        if void:
            values["superseded_by"] = event["start_ms"].item()
        erases = bool(event["nulls"]) or moved > 0
        write_us = start_us + MOST_MOVES * (int(event["write_us"]) - start_us) + min(moved, MOST_MOVES - 1)
        values["updated_at"] = time.time_ns() // 1_000_000
        return self._encoder.encode(
            write_us,
            [values.get(each.name) for each in TABLE.columns],
            erase=[erases and each.name in values for each in TABLE.columns],
        )


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
