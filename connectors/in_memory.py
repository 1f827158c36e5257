"""Runs a columnar function without Flink and without Java: what the operator does, in plain Python.

States, timers and rows are in dictionaries by key. Made for oracles and tests of kernels, which feed messages in any
cut and look at what comes out. Knows numpy and nothing of Flink.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.columnar_runtime import (
    NO_INTEGER,
    NO_TIMER,
    TEXT_BYTES,
    UNKNOWN,
    Batch,
    ColumnarFunction,
    Result,
    Tails,
    TimerBatch,
    check_function,
    check_rejects,
    check_result,
    tail_growth,
)
from schemas.messages import Message

END = 2**63 - 1
"""The watermark at the end of input."""


@dataclass(slots=True)
class Decoded:
    """One accepted message.

    Attributes:
        times: epoch ms, at least one.
        samples: arrays as long as ``times``; None, or no entry, is an array that the message does not have.
        texts, integers, numbers: None, or no entry, is missing.
        arrival_ms: the broker's timestamp, 0: unknown.
        offset: place in the log.
    """

    key: str
    times: list[int]
    samples: dict[str, list[float | bool | None] | None] = field(default_factory=dict)
    texts: dict[str, str | None] = field(default_factory=dict)
    integers: dict[str, int | None] = field(default_factory=dict)
    numbers: dict[str, float | None] = field(default_factory=dict)
    arrival_ms: int = 0
    offset: int = 0


class InMemory:
    """One columnar function, all its keys and every row so far.

    Attributes:
        states: the state row of each key.
        tails: the tail of each key that has one, int64 words.
        store: what the function has put into the store, by key.
        timers: the next timer of each key that has one.
        rows: by output, in the order in which they were made: the key and the row.
        counters: the sums of the function's counters.
        rejects: messages that the function refused, and why.
    """

    def __init__(self, function: ColumnarFunction, message: Message) -> None:
        """Takes a function that was opened, and the message whose fields become its columns."""
        check_function(function)
        self._function = function
        self._message = message
        self._tail_growth = tail_growth(function) or (0, 0, 0)
        self.states: dict[str, NDArray[Any]] = {}
        self.tails: dict[str, NDArray[np.int64]] = {}
        self.store: dict[str, bytes] = {}
        self.timers: dict[str, int] = {}
        self.rows: dict[str, list[tuple[str, np.void]]] = {name: [] for name in function.outputs}
        self.counters = dict.fromkeys(function.counters, 0)
        self.rejects: list[tuple[Decoded, str]] = []

    def batch(self, messages: Sequence[Decoded], watermark: int = NO_TIMER) -> None:
        """Takes one mini-batch; an empty one is nothing."""
        if not messages:
            return
        keys = list(dict.fromkeys(message.key for message in messages))
        states, is_new = self._states_of(keys)
        columns = _columns(self._message, messages, {key: index for index, key in enumerate(keys)})
        per_message = np.bincount(columns["key_index"], minlength=len(keys))
        per_sample = np.bincount(columns["key_index"], columns["lengths"], len(keys)).astype(np.int64)
        tails = self._tails_of(keys, per_message, per_sample)
        result = self._function.batch(
            Batch(
                **columns,
                states=states,
                is_new=is_new,
                watermark=watermark,
                tails=tails,
                store=_Store(self.store, keys),
            )
        )
        check_rejects(result.rejects, len(messages))
        self.rejects += [(messages[index], reason) for index, reason in result.rejects]
        self._take(keys, states, tails, result)

    def advance(self, watermark: int = END) -> None:
        """Lets the watermark pass: fires the timers up to it, again while there are new ones.

        Raises:
            ValueError: a timer that follows a firing is not later than the one that fired.
        """
        while due := [key for key, timer in self.timers.items() if timer <= watermark]:
            fired = [self.timers.pop(key) for key in due]
            states, _ = self._states_of(due)
            nothing = np.zeros(len(due), np.int64)
            tails = self._tails_of(due, nothing, nothing)
            result = self._function.timers(
                TimerBatch(
                    states=states,
                    timestamps=np.array(fired, np.int64),
                    watermark=watermark,
                    tails=tails,
                    store=_Store(self.store, due),
                )
            )
            check_rejects(result.rejects, None)
            self._take(due, states, tails, result)
            for key, before in zip(due, fired, strict=True):
                if self.timers.get(key, END) <= before:
                    raise ValueError(f"{key}: after the timer {before} comes {self.timers[key]}")

    def _states_of(self, keys: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        states = np.zeros(len(keys), self._function.state_dtype)
        is_new = np.ones(len(keys), np.bool_)
        for index, key in enumerate(keys):
            if key in self.states:
                states[index] = self.states[key]
                is_new[index] = False
        return states, is_new

    def _tails_of(
        self, keys: Sequence[str], messages: NDArray[np.int64], samples: NDArray[np.int64]
    ) -> Tails:
        """The tails of the keys, with the room that the function has declared."""
        fixed, per_message, per_sample = self._tail_growth
        length = np.array([len(self.tails.get(key, ())) for key in keys], np.int64)
        capacity = length + fixed + per_message * messages + per_sample * samples
        start = np.cumsum(capacity) - capacity
        words = np.full(int(capacity.sum()), -7)  # unused room holds anything
        for key, at, count in zip(keys, start.tolist(), length.tolist(), strict=True):
            if count:
                words[at : at + count] = self.tails[key]
        return Tails(words=words, start=start, length=length, capacity=capacity)

    def _take(self, keys: Sequence[str], states: NDArray[Any], tails: Tails, result: Result) -> None:
        check_result(result, len(keys), self._function)
        for name, (key_index, rows) in result.outputs.items():
            owned = rows.copy()  # the function may use its memory again
            self.rows[name] += [(keys[index], owned[i]) for i, index in enumerate(key_index.tolist())]
        if result.counters is not None:
            for name, count in zip(self._function.counters, result.counters.tolist(), strict=True):
                self.counters[name] += count
        for index, key in enumerate(keys):
            self.timers.pop(key, None)
            self.tails.pop(key, None)
            if result.deletions is not None and result.deletions[index]:
                self.states.pop(key, None)
                self.store.pop(key, None)
                continue
            self.states[key] = states[index].copy()
            timer = int(result.timers[index])
            if timer != NO_TIMER:
                self.timers[key] = timer
            if tails.length[index]:
                at = tails.start[index]
                self.tails[key] = tails.words[at : at + tails.length[index]].copy()


class _Store:
    """The store of one call: bytes by key index."""

    def __init__(self, store: dict[str, bytes], keys: Sequence[str]) -> None:
        self._store = store
        self._keys = keys

    def get(self, key_index: int) -> bytes:
        """What was put for the key; empty if nothing was."""
        return self._store.get(self._keys[key_index], b"")

    def put(self, key_index: int, value: bytes) -> None:
        """Replaces what is there for the key; empty bytes take it away."""
        if value:
            self._store[self._keys[key_index]] = bytes(value)
        else:
            self._store.pop(self._keys[key_index], None)


def _columns(message: Message, messages: Sequence[Decoded], index_of: Mapping[str, int]) -> dict[str, Any]:
    """The columns of a mini-batch, as the operator lays them out."""
    samples: dict[str, NDArray[Any]] = {"t": np.array([t for each in messages for t in each.times], np.int64)}
    for number in message.number_samples:
        samples[number.name] = np.array(_joined(messages, number.name), np.float64)  # None becomes NaN
    for name in message.boolean_samples:
        flags = [UNKNOWN if flag is None else int(flag) for flag in _joined(messages, name)]
        samples[name] = np.array(flags, np.int8)
    return {
        "samples": samples,
        "lengths": np.array([len(each.times) for each in messages], np.int32),
        "key_index": np.array([index_of[each.key] for each in messages], np.int32),
        "texts": {name: _texts([each.texts.get(name) for each in messages]) for name in message.texts},
        "integers": {
            name: np.array([_or(each.integers.get(name), NO_INTEGER) for each in messages], np.int64)
            for name in message.integers
        },
        "numbers": {
            number.name: np.array([each.numbers.get(number.name) for each in messages], np.float64)
            for number in message.numbers
        },
        "arrival_ms": np.array([each.arrival_ms for each in messages], np.int64),
        "offset": np.array([each.offset for each in messages], np.int64),
    }


def _joined(messages: Sequence[Decoded], name: str) -> list[float | bool | None]:
    values: list[float | bool | None] = []
    for each in messages:
        array = each.samples.get(name)
        values += [None] * len(each.times) if array is None else array
    return values


def _texts(values: Sequence[str | None]) -> tuple[NDArray[np.int32], NDArray[np.bytes_]]:
    known = {value: code for code, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
    codes = np.array([UNKNOWN if value is None else known[value] for value in values], np.int32)
    return codes, np.array([value.encode() for value in known], f"S{TEXT_BYTES}")


def _or(value: int | None, missing: int) -> int:
    return missing if value is None else value
