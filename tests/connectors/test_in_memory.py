"""The columnar function run without Flink, with a function that shows what it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from connectors.columnar_runtime import NO_INTEGER, NO_TIMER, Batch, Result, TimerBatch
from connectors.in_memory import Decoded, InMemory
from schemas.messages import Message, NumberField

MESSAGE = Message(
    "m/1",
    "id",
    64,
    texts=("who",),
    integers=("seq",),
    numbers=(NumberField("weight", None, None),),
    number_samples=(NumberField("speed", None, None),),
    boolean_samples=("on",),
)
ROW = np.dtype([("n", "<i8"), ("end_ms", "<i8")])


class Count:
    """Counts a key's samples; a timer 10 ms after the newest writes the count, one 20 ms after it forgets the key."""

    state_dtype = np.dtype([("n", "<i8"), ("last", "<i8"), ("told", "i1")])
    state_version = 1
    counters = ("samples",)
    outputs = {"counts": ROW}  # noqa: RUF012

    def __init__(self) -> None:
        self.seen: list[Batch] = []
        self.buffer = np.zeros(100, ROW)  # used again by every call

    def open(self, settings_json: str, subtask: int) -> None:
        pass

    def upgrade(self, version: int, row: bytes) -> bytes:
        raise NotImplementedError

    def batch(self, b: Batch) -> Result:
        self.seen.append(b)
        ends = np.cumsum(b.lengths)
        for key, length, end in zip(b.key_index, b.lengths, ends, strict=True):
            b.states["n"][key] += length
            b.states["last"][key] = b.samples["t"][end - 1]
        b.states["told"] = 0
        return Result(timers=b.states["last"] + 10, counters=np.array([len(b.samples["t"])]))

    def timers(self, b: TimerBatch) -> Result:
        told = b.states["told"] != 0
        keys = np.flatnonzero(~told).astype(np.int32)
        rows = self.buffer[: len(keys)]
        rows["n"], rows["end_ms"] = b.states["n"][keys], b.timestamps[keys]
        b.states["told"] = 1
        timers = np.where(told, NO_TIMER, b.timestamps + 10)
        return Result(timers=timers, outputs={"counts": (keys, rows)}, deletions=told)


def rows_of(run: InMemory) -> list[tuple[str, int, int]]:
    return [(key, int(row["n"]), int(row["end_ms"])) for key, row in run.rows["counts"]]


def test_timers_fire_up_to_the_watermark_and_again() -> None:
    run = InMemory(Count(), MESSAGE)
    run.batch([Decoded("a", [1, 2]), Decoded("b", [5])])
    run.batch([Decoded("a", [3])])
    run.advance(12)
    assert rows_of(run) == []
    run.advance(14)
    assert rows_of(run) == [("a", 3, 13)]
    assert run.timers == {"a": 23, "b": 15}
    run.batch([Decoded("a", [4])])
    run.advance()
    assert rows_of(run) == [("a", 3, 13), ("b", 1, 15), ("a", 4, 14)]
    assert (run.states, run.timers, run.counters) == ({}, {}, {"samples": 5})


def test_columns_are_as_the_operator_lays_them_out() -> None:
    function = Count()
    InMemory(function, MESSAGE).batch(
        [
            Decoded("a", [1, 2], {"speed": [1.5, None], "on": [True, None]}, {"who": "é"}, {"seq": 7}),
            Decoded("b", [3], {"on": [False]}, {"who": None}, numbers={"weight": 2.0}, offset=9),
            Decoded("a", [4], {"speed": [4.0], "on": None}, {"who": "é"}, arrival_ms=8),
        ],
        watermark=77,
    )
    (b,) = function.seen
    assert b.samples["t"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(b.samples["speed"], [1.5, np.nan, np.nan, 4.0])
    assert (b.samples["on"].dtype, b.samples["on"].tolist()) == (np.int8, [1, -1, 0, -1])
    assert (b.lengths.tolist(), b.key_index.tolist()) == ([2, 1, 1], [0, 1, 0])
    codes, texts = b.texts["who"]
    assert (codes.tolist(), texts.tolist(), texts.dtype) == ([0, -1, 0], ["é".encode()], np.dtype("S64"))
    assert b.integers["seq"].tolist() == [7, NO_INTEGER, NO_INTEGER]
    np.testing.assert_array_equal(b.numbers["weight"], [np.nan, 2.0, np.nan])
    assert (b.arrival_ms.tolist(), b.offset.tolist(), b.watermark) == ([0, 0, 8], [0, 9, 0], 77)
    assert b.is_new.tolist() == [True, True]


def test_a_state_that_is_there_is_not_new() -> None:
    function = Count()
    run = InMemory(function, MESSAGE)
    run.batch([Decoded("a", [1])])
    run.batch([Decoded("b", [1]), Decoded("a", [2])])
    assert function.seen[1].is_new.tolist() == [True, False]
    assert run.states["a"]["n"] == 2


def test_a_timer_that_does_not_go_on_is_refused() -> None:
    class Stuck(Count):
        def timers(self, b: TimerBatch) -> Result:
            return Result(timers=b.timestamps)

    run = InMemory(Stuck(), MESSAGE)
    run.batch([Decoded("a", [1])])
    with pytest.raises(ValueError, match="after the timer 11 comes 11"):
        run.advance()


def test_a_result_of_the_wrong_shape_is_refused() -> None:
    class Wrong(Count):
        def batch(self, b: Batch) -> Any:
            return Result(timers=np.zeros(5, np.int64))

    with pytest.raises(ValueError, match="timers has the shape"):
        InMemory(Wrong(), MESSAGE).batch([Decoded("a", [1])])
