"""Feeds messages to the vehicle kernel without Flink, in any cut, and reads its rows back as tables.

It stands for the columnar operator: states by key, one call per mini-batch, one timer call at the end of input.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from connectors.columnar_runtime import Batch, Result, TimerBatch
from jobs.driver_stats.layout import EVENT_TYPES, NONE, SEVERITIES
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.vehicle_operator import VehicleOperator
from schemas.messages import message

TELEMETRY = message("telemetry/1")
END = 2**63 - 1

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
        self.states: dict[str, np.ndarray] = {}
        self.timers: dict[str, int] = {}
        self.rows: dict[str, list[Row]] = {name: [] for name in self.operator.outputs}
        self.counters = dict.fromkeys(self.operator.counters, 0)

    def feed(self, messages: Sequence[dict[str, Any]], watermark: int = NONE) -> None:
        """One mini-batch."""
        keys = list(dict.fromkeys(item["vehicle_id"] for item in messages))
        states, is_new = self._gather(keys)
        result = self.operator.batch(to_batch(messages, keys, states, is_new, watermark))
        self._scatter(keys, states, result)

    def advance(self, watermark: int = END) -> None:
        """Lets the watermark pass: fires the timers up to it, again while there are new ones."""
        while due := [key for key, timer in self.timers.items() if timer != NONE and timer <= watermark]:
            states, _ = self._gather(due)
            times = np.array([self.timers[key] for key in due])
            result = self.operator.timers(TimerBatch(states=states, timestamps=times, watermark=watermark))
            self._scatter(due, states, result)

    def tables(self) -> Tables:
        """The newest row of each key; checks that the order of writing never matters."""
        return {name: newest(self.rows[name], key) for name, key in KEYS.items()}

    def _gather(self, keys: list[str]) -> tuple[np.ndarray, np.ndarray]:
        states = np.zeros(len(keys), self.operator.state_dtype)
        is_new = np.ones(len(keys), np.bool_)
        for index, key in enumerate(keys):
            if key in self.states:
                states[index] = self.states[key]
                is_new[index] = False
        return states, is_new

    def _scatter(self, keys: list[str], states: np.ndarray, result: Result) -> None:
        for index, key in enumerate(keys):
            if result.deletions is not None and result.deletions[index]:
                self.states.pop(key, None)
                self.timers.pop(key, None)
            else:
                self.states[key] = states[index].copy()
                self.timers[key] = int(result.timers[index])
        for name, (key_index, rows) in result.outputs.items():
            for key, row in zip(key_index, rows, strict=True):
                self.rows[name].append(to_row(keys[key], row))
        if result.counters is not None:
            for name, count in zip(self.operator.counters, result.counters, strict=True):
                self.counters[name] += int(count)


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


def newest(rows: list[Row], key: tuple[str, ...]) -> dict[tuple[Any, ...], Row]:
    """Of each key the row with the largest write time, which must be the last one written, too."""
    table: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        identity = tuple(row[name] for name in key)
        before = table.get(identity)
        assert before is None or before["write_us"] <= row["write_us"], (before, row)
        table[identity] = row
    return table


def to_row(vehicle_id: str, row: np.ndarray) -> Row:
    """A kernel row as a dictionary; NaN and NONE become None."""
    values: Row = {"vehicle_id": vehicle_id}
    for name in row.dtype.names or ():
        value = row[name]
        if name == "key":
            continue
        if name in ("driver", "fleet"):
            values[name] = value.decode()
        elif name == "sums":
            values[name] = tuple(int(item) for item in value)
        elif isinstance(value, np.floating):
            values[name] = None if np.isnan(value) else float(value)
        else:
            values[name] = None if int(value) == NONE else int(value)
    if "severity" in values:
        values["type"] = EVENT_TYPES[values["type"]]
        values["severity"] = SEVERITIES[values["severity"]]
    return values


def to_batch(
    messages: Sequence[dict[str, Any]],
    keys: list[str],
    states: np.ndarray,
    is_new: np.ndarray,
    watermark: int,
) -> Batch:
    """Decodes messages as the JVM does, for input that it would accept."""
    lengths = np.array([len(item["samples"]["t"]) for item in messages], np.int32)
    samples: dict[str, np.ndarray] = {"t": _column(messages, "t", np.int64, 0)}
    for field in TELEMETRY.number_samples:
        samples[field.name] = _column(messages, field.name, np.float64, np.nan)
    for name in TELEMETRY.boolean_samples:
        samples[name] = _column(messages, name, np.int8, -1)
    return Batch(
        samples=samples,
        lengths=lengths,
        key_index=np.array([keys.index(item["vehicle_id"]) for item in messages], np.int32),
        texts={name: _texts(messages, name) for name in TELEMETRY.texts},
        integers={
            name: np.array([item.get(name, NONE) for item in messages], np.int64)
            for name in TELEMETRY.integers
        },
        numbers={},
        arrival_ms=np.zeros(len(messages), np.int64),
        offset=np.arange(len(messages), dtype=np.int64),
        states=states,
        is_new=is_new,
        watermark=watermark,
    )


def _column(messages: Sequence[dict[str, Any]], name: str, dtype: Any, missing: Any) -> np.ndarray:
    values: list[Any] = []
    for item in messages:
        array = item["samples"].get(name) or [None] * len(item["samples"]["t"])
        values.extend(missing if value is None else value for value in array)
    return np.array(values, dtype)


def _texts(messages: Sequence[dict[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray]:
    values = list(dict.fromkeys(item[name] for item in messages if item.get(name) is not None))
    codes = np.array(
        [values.index(item[name]) if item.get(name) is not None else -1 for item in messages], np.int32
    )
    return codes, np.array([value.encode() for value in values], dtype="S64")


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
