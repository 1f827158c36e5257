"""Feeds messages to the vehicle kernel without Flink, in any cut, and reads its rows back as tables.

It stands for the columnar operator: states by key, one call per mini-batch, one timer call at the end of input.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from connectors.in_memory import END, Decoded, InMemory
from jobs.driver_stats.layout import EVENT_TYPES, FOLDS, NONE, SEVERITIES
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.vehicle_operator import VehicleOperator
from jobs.driver_stats.windows import HOUR_MS, WindowSums
from schemas.messages import message

TELEMETRY = message("telemetry/1")

Row = dict[str, Any]
Tables = dict[str, dict[tuple[Any, ...], Row]]

KEYS = {
    "vehicle_minute": ("vehicle_id", "minute_start"),
    "trip": ("driver", "start_ms", "vehicle_id"),
    "driver_event": ("driver", "start_ms", "type", "vehicle_id"),
    "vehicle_live": ("fleet", "vehicle_id"),
}


class VehicleHarness:
    """The states of all vehicles, and every row so far."""

    def __init__(self, overrides: Sequence[str] = (), *, live: bool = False) -> None:
        self.operator = VehicleOperator()
        settings = Settings.load(overrides)
        self.operator.open(json.dumps({"settings": settings.model_dump(), "live": live}), 0)
        self.keys = InMemory(self.operator, TELEMETRY)

    @property
    def rows(self) -> dict[str, list[Row]]:
        """Every row so far, by output."""
        return {name: [to_row(key, row) for key, row in rows] for name, rows in self.keys.rows.items()}

    @property
    def states(self) -> dict[str, np.ndarray]:
        """The state of each vehicle."""
        return self.keys.states

    @property
    def timers(self) -> dict[str, int]:
        """The next timer of each vehicle that has one."""
        return self.keys.timers

    @property
    def counters(self) -> dict[str, int]:
        """The sums of the counters."""
        return self.keys.counters

    def feed(self, messages: Sequence[dict[str, Any]], watermark: int = NONE) -> None:
        """One mini-batch."""
        self.keys.batch([to_decoded(item) for item in messages], watermark)

    def advance(self, watermark: int = END) -> None:
        """Lets the watermark pass: fires the timers up to it, again while there are new ones."""
        self.keys.advance(watermark)

    def tables(self) -> Tables:
        """The newest row of each key that is not void; checks that the order of writing never matters."""
        return {name: newest(self.rows[name], key) for name, key in KEYS.items()}


def run(
    messages: Sequence[dict[str, Any]], overrides: Sequence[str] = (), cuts: Iterable[int] = ()
) -> Tables:
    """All messages, in mini-batches that end at ``cuts``, then the end of input."""
    harness = VehicleHarness(overrides)
    edges = sorted({0, len(messages), *(cut for cut in cuts if 0 < cut < len(messages))})
    for start, end in pairwise(edges):
        harness.feed(messages[start:end])
    harness.advance()
    return harness.tables()


NOT_CONTENT = frozenset({"revision", "write_us", "folds", "nulls", "superseded_by"})


def comparable(tables: Tables) -> Tables:
    """Tables without what tells how they came about: only that may depend on the order of arrival."""
    return {
        name: {
            key: {column: value for column, value in row.items() if column not in NOT_CONTENT}
            for key, row in rows.items()
        }
        for name, rows in tables.items()
    }


def driver_hours(harness: VehicleHarness) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """What the drivers' windows add up, by driver, fleet and hour: sums without folds, and the maximum."""
    totals: dict[tuple[Any, ...], WindowSums] = {}
    for part in harness.rows["part"]:
        hour = (part["driver"], part["fleet"], part["minute_start"] // HOUR_MS)
        total = totals.setdefault(hour, WindowSums())
        folds = total.sums[FOLDS]
        total.add(part["sums"], math.nan if part["max_kmh"] is None else part["max_kmh"])
        assert total.sums[FOLDS] > folds, "what a window contains only grows: its write time does"
    return {hour: (*total.metrics().values(),) for hour, total in totals.items() if not total.is_void}


def _both_void(one: Row, other: Row) -> bool:
    """Whether nobody reads either: what else a void row says is of no account."""
    return bool(one.get("superseded_by") and other.get("superseded_by"))


def newest(rows: list[Row], key: tuple[str, ...]) -> dict[tuple[Any, ...], Row]:
    """Of each key the row with the largest write time, which must be the last one written, too."""
    table: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        identity = tuple(row[name] for name in key)
        before = table.get(identity)
        assert before is None or before["write_us"] <= row["write_us"], (before, row)
        if before is not None and before["write_us"] == row["write_us"] and not _both_void(before, row):
            assert {**before, "revision": 0} == {**row, "revision": 0}, (
                "rows that differ have different write times"
            )
        table[identity] = row
    return {identity: row for identity, row in table.items() if row.get("superseded_by") is None}


def to_row(vehicle_id: str, row: np.ndarray) -> Row:
    """A kernel row as a dictionary; NaN and NONE become None."""
    values: Row = {"vehicle_id": vehicle_id}
    for name in row.dtype.names or ():
        value = row[name]
        if name == "key":
            continue
        if name in ("driver", "fleet", "vehicle"):
            values[name] = value.decode()
        elif isinstance(value, np.ndarray):
            values[name] = tuple(int(item) for item in value)
        elif isinstance(value, np.floating):
            values[name] = None if np.isnan(value) else float(value)
        else:
            values[name] = None if int(value) == NONE else int(value)
    if "severity" in values:
        values["type"] = EVENT_TYPES[values["type"]]
        values["severity"] = SEVERITIES[values["severity"]] if values["severity"] >= 0 else None
    return values


def to_decoded(item: dict[str, Any]) -> Decoded:
    """A message as the JVM decodes it, for input that it would accept."""
    return Decoded(
        key=item["vehicle_id"],
        times=item["samples"]["t"],
        samples={name: values for name, values in item["samples"].items() if name != "t"},
        texts={name: item.get(name) for name in TELEMETRY.texts},
        integers={name: item.get(name) for name in TELEMETRY.integers},
    )


def epoch_ms(text: str) -> int:
    """Epoch milliseconds of a time as files have it."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def cut_into(samples: Sequence[dict[str, Any]], size: int, **fields: Any) -> Iterator[dict[str, Any]]:
    """Messages of at most ``size`` samples from samples given as dictionaries with a time ``t``."""
    names = list(dict.fromkeys(name for sample in samples for name in sample))
    for seq, start in enumerate(range(0, len(samples), size)):
        chunk = samples[start : start + size]
        yield {
            "schema": "telemetry/1",
            "vehicle_id": "v",
            "seq": seq,
            **fields,
            "samples": {name: [sample.get(name) for sample in chunk] for name in names},
        }
