"""Table rows from the rows of a columnar function, in plain Python, in the form of the table files.

What the operator's row encoder and the file sink make of a row (``io.kappafleet.columnar.RowEncoder``,
``io.kappafleet.files.FrameToJson``), read from the same output specifications, so that a column added there is
in both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np

from connectors.columnar import Column, OutputSpec
from schemas.tables import Table

Row: TypeAlias = dict[str, Any]
"""A table's row: every column in its order, None where nothing was written. Times are ISO 8601, UTC, with ms."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_INT = -(2**31)
_NO_BIGINT = -(2**63)


class TableRows:
    """Makes the rows of one table."""

    def __init__(self, output: OutputSpec, table: Table) -> None:
        """Takes an output of kind table, and that table."""
        self._write_us = output.write_us
        self._values = [
            (column.name, _reader(how)) for column, how in zip(table.columns, output.columns, strict=True)
        ]

    def row(self, key: str, row: np.void) -> tuple[int, Row]:
        """The row's write time and its columns."""
        return int(row[self._write_us]), {name: value(key, row) for name, value in self._values}


class Newest:
    """The rows of one table by primary key; of two upserts of a key the one with the later write time counts."""

    def __init__(self, table: Table) -> None:
        self._key = table.primary_key
        self._written: dict[tuple[Any, ...], int] = {}
        self.rows: dict[tuple[Any, ...], Row] = {}

    def upsert(self, write_us: int, row: Row) -> None:
        """Takes an upsert; of equal times the last one counts."""
        key = tuple(row[name] for name in self._key)
        if self._written.get(key, write_us) <= write_us:
            self._written[key] = write_us
            self.rows[key] = row


def timestamp(ms: int) -> str:
    """``2026-11-21T00:00:00.000Z``."""
    return (_EPOCH + timedelta(milliseconds=ms)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def day(ms: int) -> str:
    """``2026-11-21``."""
    return timestamp(ms)[:10]


def stream_key(output: OutputSpec, key: str, row: np.void) -> str:
    """The key under which a stream output sends a row."""
    text: str = row[output.key_field].decode()
    return output.key_prefix + key if not text and output.key_prefix else text


def _reader(column: Column) -> Callable[[str, np.void], Any]:
    name = column.field
    match column.conversion:
        case "key":
            return lambda key, _: key
        case "const":
            return lambda _key, _row: column.constant
        case "unset" | "now":  # the clock has no place in what is compared
            return lambda _key, _row: None
        case "text":
            return lambda _, row: row[name].decode() or None
        case "text_or_key":
            return lambda key, row: row[name].decode() or column.constant + key
        case "double":
            return lambda _, row: _finite(float(row[name]))
        case "enum":
            return lambda _, row: _choice(int(row[name]), column.names)
        case "boolean":
            return lambda _, row: None if row[name] < 0 else bool(row[name])
        case "int":
            return lambda _, row: _unless(int(row[name]), _NO_INT, int)
        case "bigint":
            return lambda _, row: _unless(int(row[name]), _NO_BIGINT, int)
        case "timestamp":
            return lambda _, row: _unless(int(row[name]), _NO_BIGINT, timestamp)
        case "day" | "month" | "year":
            length = {"day": 10, "month": 7, "year": 4}[column.conversion]
            return lambda _, row: _unless(int(row[name]), _NO_BIGINT, lambda ms: timestamp(ms)[:length])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _choice(index: int, names: Sequence[str]) -> str | None:
    return names[index] if index >= 0 else None


def _unless(value: int, missing: int, convert: Callable[[int], Any]) -> Any:
    return None if value == missing else convert(value)
