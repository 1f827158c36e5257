"""The part of the columnar operator that runs inside the embedded interpreter.

A job's author writes a class that follows :class:`ColumnarFunction`; the operator
(``io.kappafleet.columnar``) lays the columns of a mini-batch and the state rows of its keys into
memory that both languages see, and :class:`Runtime` makes numpy arrays of them without copying.

Knows numpy and nothing of Flink, so that kernels and their tests can import it.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import struct
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from connectors.columnar_checks import check_function, check_rejects, check_result, tail_growth
from connectors.columnar_state import NO_STORE, Int64s, JavaStore, KeyStore, Tails, no_tails
from connectors.reference import Place, ReferenceTable, RefusedRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = [
    "NO_INTEGER",
    "NO_STORE",
    "NO_TIMER",
    "TEXT_BYTES",
    "UNKNOWN",
    "Batch",
    "ColumnarFunction",
    "Flags",
    "Floats",
    "Int32s",
    "Int64s",
    "KeyStore",
    "Result",
    "Rows",
    "Runtime",
    "Samples",
    "Tails",
    "Texts",
    "TimerBatch",
    "check_function",
    "check_rejects",
    "check_result",
    "no_tails",
    "references",
    "tail_growth",
    "uses_store",
]

NO_TIMER = -(2**63)
"""The timer of a key that wants none."""

NO_INTEGER = -(2**63)
"""An integer that a message does not have."""

UNKNOWN = -1
"""A boolean sample that is missing, and the code of a missing text."""

TEXT_BYTES = 64
"""Width of the texts, which are UTF-8 padded with zeros."""

TAIL_WORDS = 5
"""Words that tails take in the header: a size and four places."""

INT64 = np.dtype("<i8")

Int32s: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.void]
Samples: TypeAlias = NDArray[Any]
Texts: TypeAlias = tuple[Int32s, NDArray[np.bytes_]]
Packed: TypeAlias = tuple[bytes | str | None, ...]
T = TypeVar("T")

_REFERENCE = struct.Struct(">qqiii")
"""Arrival, offset, and the lengths of name, source and body of a row of reference data, which follow."""


@dataclass(slots=True)
class Batch:
    """M messages with N samples of K keys, in the order of the log.

    The arrays are views of memory that the next call overwrites: copy what must outlive the call.

    Attributes:
        samples: by field name, [N]: ``t`` int64 epoch ms; numbers float64 (NaN: missing); booleans int8
            (-1: unknown). An array that a message did not have is missing throughout.
        lengths: [M] samples of each message, in order; their sum is N.
        key_index: [M] the key of each message, 0..K-1.
        texts: by field name, the code of each message's text ([M], -1: missing) and the texts ([D], S64).
        integers: by field name, [M] (NO_INTEGER: missing).
        numbers: by field name, [M] (NaN: missing).
        arrival_ms: [M] the broker's timestamp, 0: unknown.
        offset: [M] place in the log.
        states: [K] state rows, all zeros for a new key; to be changed in place.
        is_new: [K] whether the key had no state.
        watermark: event time in ms up to which the input is said to be complete.
        tails: what the keys have behind their rows, with room for what ``tail_growth`` declares.
        store: what the keys have elsewhere; raises for a function without ``uses_store``.
    """

    samples: Mapping[str, Samples]
    lengths: Int32s
    key_index: Int32s
    texts: Mapping[str, Texts]
    integers: Mapping[str, Int64s]
    numbers: Mapping[str, Floats]
    arrival_ms: Int64s
    offset: Int64s
    states: Rows
    is_new: Flags
    watermark: int
    tails: Tails = field(default_factory=lambda: no_tails(0))
    store: KeyStore = NO_STORE


@dataclass(slots=True)
class TimerBatch:
    """K keys whose event-time timer a watermark has fired.

    Attributes:
        states: [K] state rows, to be changed in place.
        timestamps: [K] the timer of each key.
        watermark: event time in ms, not before any of the timers.
        tails: what the keys have behind their rows, with the fixed room of ``tail_growth``.
        store: what the keys have elsewhere; raises for a function without ``uses_store``.
    """

    states: Rows
    timestamps: Int64s
    watermark: int
    tails: Tails = field(default_factory=lambda: no_tails(0))
    store: KeyStore = NO_STORE


@dataclass(slots=True)
class Result:
    """What a call returns, beside the states and tails that it changed in place.

    Attributes:
        timers: [K] the next event-time timer of each key in ms, or NO_TIMER. It replaces the one before. A
            timer that the watermark has passed fires at the next watermark; after a firing it has to be later
            than the one that fired.
        outputs: by name, the key index of each row [R] and the rows [R] of the declared type. Rows of a key
            leave in this order.
        deletions: [K] keys whose state, tail, store and timer end, or None.
        counters: [C] increments of the declared counters, or None.
        rejects: messages that the function refuses: the index in the batch, and the reason as ``code: explanation``.
            Each becomes a row of the reject table and counts like one that the decoder refuses. The rows say
            nothing of the clock, so the reason must not either. ``timers`` has no messages to refuse.
    """

    timers: Int64s
    outputs: Mapping[str, tuple[Int32s, Rows]] = field(default_factory=dict)
    deletions: Flags | None = None
    counters: Int64s | None = None
    rejects: Sequence[tuple[int, str]] = ()


class ColumnarFunction(Protocol):
    """A job's logic over mini-batches. Made without arguments, once per subtask.

    Its law: results do not depend on how the log is cut into batches.

    It may declare more, and pays for it only then:

    ``tail_growth: tuple[int, int, int]``
        Each key has a tail of int64 words behind its row (:class:`Tails`). In a call it has room for so many
        words beyond those that it has: always, more for each of its messages, and more for each of its samples.
        Only the version tells a row from a tail: a changed ``state_dtype`` without a new ``state_version``
        would be read wrong.
    ``uses_store: bool``
        True: it may use ``Batch.store`` and ``TimerBatch.store`` (:class:`KeyStore`).
    ``references: Mapping[str, ReferenceTable]``
        Reference data by name, made in ``open``. Rows are put into the tables between calls, so a table never
        changes while a call runs; before the first call it holds all that its log held when the job started.
    ``close()``
        Is called at the end.
    """

    state_dtype: np.dtype[np.void]
    """Layout of a key's state: structured, little endian, of fixed size."""

    state_version: int
    """Grows with every change of ``state_dtype``."""

    counters: tuple[str, ...]
    """Names of the counters that results carry."""

    outputs: Mapping[str, np.dtype[np.void]]
    """Layout of the rows of each output."""

    def open(self, settings_json: str, subtask: int) -> None:
        """Prepares for the first call, with the settings of the specification."""

    def upgrade(self, version: int, row: bytes) -> bytes | np.void:
        """Returns the state of an older version in the current layout; is asked once per key.

        ``row`` is all that was stored: the row, and behind it the tail if that version had one. What is returned
        is the new row, and behind it the tail, of whole words, if this version has one.
        """

    def batch(self, batch: Batch) -> Result:
        """Takes the messages of a mini-batch."""

    def timers(self, fired: TimerBatch) -> Result:
        """Takes the timers that a watermark has fired, before the watermark is passed on."""


class Runtime:
    """Calls one function for one subtask of the operator.

    Nothing raises into Java: a failing call returns its traceback, as text.
    """

    def __init__(self, spec_json: str, subtask: int) -> None:
        """Imports and opens the function that the operator's specification names."""
        spec = json.loads(spec_json)
        message = spec["message"]
        self._samples = [("t", np.dtype("<i8"))] + [
            (f["name"], np.dtype("i1" if f["kind"] == "boolean" else "<f8")) for f in message["samples"]
        ]
        self._texts: list[str] = message["texts"]
        self._integers: list[str] = message["integers"]
        self._numbers: list[str] = [f["name"] for f in message["numbers"]]
        function: ColumnarFunction = getattr(importlib.import_module(spec["module"]), spec["class_name"])()
        check_function(function)
        function.open(spec["settings_json"], subtask)
        self._function = function
        self._outputs = [(name, np.dtype(dtype)) for name, dtype in function.outputs.items()]
        self._has_tails = tail_growth(function) is not None
        self._store: KeyStore = NO_STORE
        self._no_tails = no_tails(0)
        self._memory: Any = None
        self._header: Int64s = np.empty(0, np.int64)

    def describe(self) -> str:
        """The layouts that Java needs, as JSON."""
        function = self._function
        return json.dumps(
            {
                "state_bytes": function.state_dtype.itemsize,
                "state_version": function.state_version,
                "tail_growth": tail_growth(function),
                "uses_store": uses_store(function),
                "counters": list(function.counters),
                "outputs": [
                    {"name": name, "bytes": dtype.itemsize, "fields": _fields(dtype)}
                    for name, dtype in self._outputs
                ],
            }
        )

    def attach(self, address: int, size: int) -> None:
        """Learns where the memory of the calls is."""
        self._memory = (ctypes.c_char * size).from_address(address)
        self._header = np.frombuffer(self._memory, np.int64)

    def use(self, store: Any) -> None:
        """Takes the Java object behind the store."""
        self._store = JavaStore(store)

    def refer(self, frames: bytes) -> bytes | str:
        """Takes rows of reference data.

        Returns:
            JSON: ``kept``, the rows that count from now on, each with the identity under which it is kept, and
            ``rejects``, those that cannot be used, each with the reason. Rows of a reference that the function
            does not have are neither.
        """
        return _told(lambda: self._refer(frames))

    def batch(self) -> Packed | str:
        """Takes the mini-batch that lies in the memory."""
        return _told(self._batch)

    def timers(self) -> Packed | str:
        """Takes the fired timers that lie in the memory."""
        return _told(self._timers)

    def upgrade(self, version: int, row: bytes) -> bytes | str:
        """Returns one state row in the current layout."""
        return _told(lambda: self._upgrade(version, row))

    def close(self) -> None:
        """Lets go of the memory, and closes the function if it can be closed."""
        self._memory = None
        self._header = np.empty(0, np.int64)
        self._store = NO_STORE
        close = getattr(self._function, "close", None)
        if close is not None:
            close()

    def _batch(self) -> Packed:
        batch = self._read_batch()
        return self._pack(self._function.batch(batch), len(batch.states), len(batch.lengths))

    def _timers(self) -> Packed:
        header = iter(self._header[: 5 + TAIL_WORDS].tolist())
        keys, watermark, timestamps = next(header), next(header), next(header)
        states, _ = next(header), next(header)
        fired = TimerBatch(
            states=self._array(states, keys, self._function.state_dtype),
            timestamps=self._array(timestamps, keys, INT64),
            watermark=watermark,
            tails=self._tails(header, keys),
            store=self._store,
        )
        return self._pack(self._function.timers(fired), keys, None)

    def _refer(self, frames: bytes) -> bytes:
        tables = references(self._function)
        said: dict[str, list[dict[str, int | str]]] = {"kept": [], "rejects": []}
        for index, (name, body, place) in enumerate(_frames(frames)):
            table = tables.get(name)
            if table is None:
                continue
            try:
                row = table.put(body, place)
            except RefusedRow as refused:
                said["rejects"].append({"row": index, "text": str(refused)})
            else:
                if row is not None:
                    said["kept"].append({"row": index, "text": row.identity})
        return json.dumps(said).encode()

    def _upgrade(self, version: int, row: bytes) -> bytes:
        upgraded = self._function.upgrade(version, row)
        return upgraded if isinstance(upgraded, bytes) else upgraded.tobytes()

    def _array(self, offset: int, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        return np.ndarray(count, dtype, self._memory, offset)

    def _read_batch(self) -> Batch:
        array = self._array
        words = (
            4 + len(self._samples) + 2 + 3 * len(self._texts) + len(self._integers) + len(self._numbers) + 4
        )
        header = iter(self._header[: words + TAIL_WORDS].tolist())
        messages, samples, keys, watermark = next(header), next(header), next(header), next(header)
        int32, int64, float64 = np.dtype("<i4"), INT64, np.dtype("<f8")
        return Batch(
            samples={name: array(next(header), samples, dtype) for name, dtype in self._samples},
            lengths=array(next(header), messages, int32),
            key_index=array(next(header), messages, int32),
            texts={
                name: (
                    array(next(header), messages, int32),
                    _texts(array, next(header), next(header)),
                )
                for name in self._texts
            },
            integers={name: array(next(header), messages, int64) for name in self._integers},
            numbers={name: array(next(header), messages, float64) for name in self._numbers},
            arrival_ms=array(next(header), messages, int64),
            offset=array(next(header), messages, int64),
            states=array(next(header), keys, self._function.state_dtype),
            is_new=array(next(header), keys, np.dtype(np.bool_)),
            watermark=watermark,
            tails=self._tails(header, keys),
            store=self._store,
        )

    def _tails(self, header: Iterator[int], keys: int) -> Tails:
        """Those that come next in the header."""
        if self._has_tails:
            count, array = next(header), self._array
            return Tails(
                words=array(next(header), count, INT64),
                start=array(next(header), keys, INT64),
                length=array(next(header), keys, INT64),
                capacity=array(next(header), keys, INT64),
            )
        if len(self._no_tails.start) < keys:
            self._no_tails = no_tails(2 * keys)
        none = self._no_tails.start[:keys]
        return Tails(none[:0], none, none, none)

    def _pack(self, result: Result, keys: int, messages: int | None) -> Packed:
        check_result(result, keys, self._function)
        check_rejects(result.rejects, messages)
        parts: list[bytes | str | None] = [
            np.ascontiguousarray(result.timers, "<i8").tobytes(),
            None if result.deletions is None else np.ascontiguousarray(result.deletions, np.bool_).tobytes(),
            None if result.counters is None else np.ascontiguousarray(result.counters, "<i8").tobytes(),
            _rejects(result.rejects) if result.rejects else None,
        ]
        for name, _ in self._outputs:
            output = result.outputs.get(name)
            if output is None or len(output[1]) == 0:
                parts += (None, None)
            else:
                parts += (np.ascontiguousarray(output[0], "<i4").tobytes(), output[1].tobytes())
        return tuple(parts)


def uses_store(function: ColumnarFunction) -> bool:
    """Whether a function may use the store of its keys."""
    return bool(getattr(function, "uses_store", False))


def references(function: ColumnarFunction) -> Mapping[str, ReferenceTable]:
    """The tables of reference data of a function that was opened."""
    tables: Mapping[str, ReferenceTable] = getattr(function, "references", {})
    return tables


def _frames(frames: bytes) -> Iterator[tuple[str, bytes, Place]]:
    """Name, body and place of each row; see ``io.kappafleet.columnar.References``."""
    at = 0
    while at < len(frames):
        arrival_ms, offset, *lengths = _REFERENCE.unpack_from(frames, at)
        at += _REFERENCE.size
        parts = []
        for length in lengths:
            parts.append(frames[at : at + length])
            at += length
        name, source, body = parts
        yield name.decode(), body, Place(arrival_ms, source.decode(), offset)


def _rejects(rejects: Sequence[tuple[int, str]]) -> str:
    return json.dumps([{"message": int(index), "reason": reason} for index, reason in rejects])


def _told(call: Callable[[], T]) -> T | str:
    try:
        return call()
    except BaseException:  # whatever it is, Java has to hear of it
        return traceback.format_exc()


def _texts(array: Any, count: int, offset: int) -> Any:
    return array(offset, count, np.dtype(f"S{TEXT_BYTES}"))


def _fields(dtype: np.dtype[Any]) -> list[dict[str, object]]:
    fields = []
    for name, (of, offset, *_) in (dtype.fields or {}).items():
        fields.append({"name": name, "kind": of.kind, "offset": offset, "size": of.itemsize})
    return fields
