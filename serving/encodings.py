"""Rows as JSON, CSV and Arrow, with names and types of the tables."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

from schemas.tables import Column
from serving.store import Row

_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("ms", tz="UTC"),
    "blob": pa.binary(),
    "date": pa.date32(),
}


def time_text(moment: datetime) -> str:
    """A time as in files: ``2026-11-21T05:00:00.000Z``; the driver's times are UTC without a zone."""
    plain = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return plain.isoformat(timespec="milliseconds") + "Z"


def plain(column: Column, value: Any) -> Any:
    """A value as JSON has it."""
    if value is None:
        return None
    convert = _PLAIN.get(column.cql_type)
    return convert(value) if convert else value


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "timestamp": time_text,
    "blob": lambda value: base64.b64encode(value).decode(),
    "date": str,
}


def records(columns: Sequence[Column], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as JSON objects; a column that a row does not have is null."""
    names = [column.name for column in columns]
    converts = [_PLAIN.get(column.cql_type) for column in columns]
    return [
        {
            name: value if convert is None or value is None else convert(value)
            for name, convert, value in zip(names, converts, row, strict=True)
        }
        for row in rows
    ]


def to_json(document: dict[str, Any]) -> bytes:
    """A document; numbers that JSON has not (NaN) are null."""
    return orjson.dumps(document)


def to_csv(columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    """Rows as CSV (RFC 4180), names first, UTF-8; null is an empty field.

    Values are given as they are: for people's spreadsheets there are workbooks, in which no text is a formula.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([column.name for column in columns])
    converts = [_CSV.get(column.cql_type) for column in columns]
    for row in rows:
        writer.writerow(
            [
                value if convert is None or value is None else convert(value)
                for convert, value in zip(converts, row, strict=True)
            ]
        )
    return out.getvalue().encode("utf-8", "replace")


_CSV: dict[str, Callable[[Any], Any]] = {**_PLAIN, "boolean": lambda value: "true" if value else "false"}


def to_arrow(columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    """Rows as an Arrow IPC stream, with the tables' types."""
    schema = pa.schema([(column.name, _ARROW[column.cql_type]) for column in columns])
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [
        pa.array(each, type=_ARROW[column.cql_type]) for column, each in zip(columns, values, strict=True)
    ]
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    return sink.getvalue()
