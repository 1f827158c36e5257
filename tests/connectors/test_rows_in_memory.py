"""Table rows in plain Python; tests/driver_stats/test_oracle.py holds them against those of the job."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from connectors.columnar import Column, Conversion, OutputSpec
from connectors.rows_in_memory import Newest, TableRows, stream_key
from schemas.tables import Column as TableColumn
from schemas.tables import Table

MS = 1_700_000_040_007
NO_INT, NO_BIGINT = -(2**31), -(2**63)


@pytest.mark.parametrize(
    ("conversion", "dtype", "given", "expected"),
    [
        ("key", "<i8", 0, "k"),
        ("text", "S64", "é".encode(), "é"),
        ("text", "S64", b"", None),
        ("text_or_key", "S64", b"ann", "ann"),
        ("text_or_key", "S64", b"", "constant:k"),
        ("int", "<i4", 7, 7),
        ("int", "<i4", NO_INT, None),
        ("bigint", "<i8", NO_INT, NO_INT),
        ("bigint", "<i8", NO_BIGINT, None),
        ("double", "<f8", 0.1, 0.1),
        ("double", "<f8", np.nan, None),
        ("double", "<f8", np.inf, None),
        ("double", "<i8", 3, 3.0),
        ("timestamp", "<i8", MS, "2023-11-14T22:14:00.007Z"),
        ("timestamp", "<i8", 0, "1970-01-01T00:00:00.000Z"),
        ("timestamp", "<i8", NO_BIGINT, None),
        ("day", "<i8", MS, "2023-11-14"),
        ("month", "<i8", MS, "2023-11"),
        ("year", "<i8", MS, "2023"),
        ("day", "<i8", NO_BIGINT, None),
        ("boolean", "i1", 1, True),
        ("boolean", "i1", 0, False),
        ("boolean", "i1", -1, None),
        ("enum", "<i4", 1, "b"),
        ("enum", "<i4", -1, None),
        ("const", "<i8", 0, "constant:"),
        ("now", "<i8", 0, None),
        ("unset", "<i8", 0, None),
    ],
)
def test_a_column_is_as_in_the_table_files(
    conversion: Conversion, dtype: str, given: Any, expected: Any
) -> None:
    table = Table(0, "t", (TableColumn("c", "text"),), ("c",), ())
    column = Column(conversion, "f", "constant:", ("a", "b"))
    spec = OutputSpec("table", "t", table=0, write_us="w", columns=(column,))
    row = np.zeros(1, [("f", dtype), ("w", "<i8")])
    row["f"], row["w"] = given, 9
    write_us, found = TableRows(spec, table).row("k", row[0])
    assert (write_us, found) == (9, {"c": expected})
    assert type(found["c"]) is type(expected)


def test_an_index_without_a_name_is_an_error() -> None:
    table = Table(0, "t", (TableColumn("c", "text"),), ("c",), ())
    spec = OutputSpec("table", "t", table=0, write_us="f", columns=(Column("enum", "f", names=("a",)),))
    with pytest.raises(IndexError):
        TableRows(spec, table).row("k", np.ones(1, [("f", "<i8")])[0])


def test_the_later_write_counts_whatever_the_order() -> None:
    newest = Newest(Table(0, "t", (TableColumn("p", "int"), TableColumn("c", "int")), ("p",), ()))
    for write_us, p, c in [(2, 1, 10), (1, 1, 11), (2, 1, 12), (1, 2, 20)]:
        newest.upsert(write_us, {"p": p, "c": c})
    assert newest.rows == {(1,): {"p": 1, "c": 12}, (2,): {"p": 2, "c": 20}}


@pytest.mark.parametrize(
    ("prefix", "driver", "key"),
    [("unknown:", b"ann", "ann"), ("unknown:", b"", "unknown:k"), ("", b"", "")],
)
def test_a_stream_has_its_own_key(prefix: str, driver: bytes, key: str) -> None:
    spec = OutputSpec("stream", "s", key_field="driver", key_prefix=prefix, event_ms="t")
    row = np.array([(driver,)], [("driver", "S64")])[0]
    assert stream_key(spec, "k", row) == key
