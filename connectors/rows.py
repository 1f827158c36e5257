"""Row frames made in Python: one upsert as bytes, for PyFlink functions that produce few rows.

The layout is that of ``io.kappafleet.record.RowFrame``: int32 table, int64 write time in microseconds, then each
column's int32 length and its value in Cassandra's wire format, big endian. The columnar operator makes its frames in
Java; this module is for what comes after it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Protocol

UNSET = struct.pack(">i", -2)
NULL = struct.pack(">i", -1)
_HEADER = struct.Struct(">iq")
_INT = struct.Struct(">ii")
_LONG = struct.Struct(">iq")
_DOUBLE = struct.Struct(">id")
_BOOLEAN = struct.Struct(">ib")
_LENGTH = struct.Struct(">i")

Value = str | int | float | bool | bytes | None


class _Column(Protocol):
    @property
    def cql_type(self) -> str: ...


class _Table(Protocol):
    @property
    def index(self) -> int: ...
    @property
    def columns(self) -> Sequence[_Column]: ...


def _blob(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


_ENCODERS: dict[str, Callable[..., bytes]] = {
    "text": lambda value: _blob(value.encode()),
    "blob": _blob,
    "bigint": lambda value: _LONG.pack(8, value),
    "timestamp": lambda value: _LONG.pack(8, value),
    "int": lambda value: _INT.pack(4, value),
    "double": lambda value: _DOUBLE.pack(8, value),
    "boolean": lambda value: _BOOLEAN.pack(1, value),
}


class FrameEncoder:
    """Encodes the rows of one table."""

    def __init__(self, table: _Table) -> None:
        """Takes a table of ``schemas``.

        Raises:
            KeyError: a column's type cannot be encoded here.
        """
        self._index = table.index
        self._encoders = [_ENCODERS[column.cql_type] for column in table.columns]

    def encode(self, write_us: int, values: Sequence[Value], erase: Sequence[bool] | None = None) -> bytes:
        """One upsert: ``values`` in the order of the table's columns; None leaves a column unset.

        Args:
            write_us: write time in microseconds; of two writes to a cell the larger wins, whatever their order.
            values: times as epoch milliseconds.
            erase: for each column, whether None means null: what an earlier write put there goes.

        Raises:
            ValueError: the number of values is not that of the columns.
        """
        parts = [_HEADER.pack(self._index, write_us)]
        nulls = erase or [False] * len(values)
        for encoder, value, null in zip(self._encoders, values, nulls, strict=True):
            parts.append((NULL if null else UNSET) if value is None else encoder(value))
        return b"".join(parts)
