"""Tables of a job as they are in Cassandra, and how they differ from what they should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cassandra.cluster import Session

from schemas.tables import Table, tables

MAY_DIFFER = frozenset({"updated_at", "revision"})
"""What may differ between two runs; only the log decides everything else."""

OF_THE_MOMENT = {
    "vehicle_live": frozenset({"drive_left_min", "drive_left_rule", "drive_left_driver", "drive_left_at"})
}
"""By table: what only a live job writes, of the moment at which it does."""

REJECT = "reject"
VOID = "superseded_by"
"""A row that has it was made void by a later message, and readers skip it."""

KEPT = 1000
_FETCH = 5000

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]
"""Rows of a table by primary key."""


@dataclass(slots=True)
class Compared:
    """One table beside what it should be: numbers of rows, and some that differ."""

    table: str
    equal: int = 0
    missing: int = 0
    surplus: int = 0
    different: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether every row is as it should be."""
        return not (self.missing or self.surplus or self.different)


def read_cassandra(session: Session, keyspace: str, job: str) -> dict[str, Rows]:
    """All rows of all tables of a job, in the form in which files have them."""
    found = {}
    for table in tables(job):
        names = ", ".join(column.name for column in table.columns)
        query = session.prepare(f"SELECT {names} FROM {keyspace}.{table.name}")
        query.fetch_size = _FETCH
        found[table.name] = _keyed(table, (_as_in_files(table, row) for row in session.execute(query)))
    return found


def compare(
    found: Mapping[str, Rows], expected: Mapping[str, Rows], copies: Mapping[str, int] | None = None
) -> list[Compared]:
    """Both row by row, void rows left out on both sides.

    Rejects carry the offset of the log, which a file does not have: they are compared as a multiset of reason's
    code, length, SHA-256 and bytes.

    Args:
        found: What is there.
        expected: What should be there.
        copies: How often the log holds each message, by SHA-256: each copy of a bad one is a reject of its own.
            None: as often as ``expected`` has it.
    """
    return [
        _compare_rejects(found[name], rows, copies)
        if name == REJECT
        else _compare_rows(name, found[name], rows)
        for name, rows in expected.items()
    ]


def _compare_rows(name: str, found: Rows, expected: Rows) -> Compared:
    leave_out = MAY_DIFFER | OF_THE_MOMENT.get(name, frozenset())
    mine, theirs = _valid(found, leave_out), _valid(expected, leave_out)
    result = Compared(name)
    for key in sorted(mine.keys() | theirs.keys(), key=str):
        if key not in mine:
            result.missing += 1
            _note(result, f"missing: {theirs[key]}")
        elif key not in theirs:
            result.surplus += 1
            _note(result, f"too many: {mine[key]}")
        elif mine[key] != theirs[key]:
            result.different += 1
            columns = {
                column: (mine[key][column], value)
                for column, value in theirs[key].items()
                if mine[key][column] != value
            }
            _note(result, f"{key}: found and expected {columns}")
        else:
            result.equal += 1
    return result


def _compare_rejects(found: Rows, expected: Rows, copies: Mapping[str, int] | None) -> Compared:
    mine = Counter(_reject(row) for row in found.values())
    theirs = Counter(_reject(row) for row in expected.values())
    if copies is not None:
        theirs = Counter({each: copies.get(str(each[2]), 0) for each in theirs})
    result = Compared(REJECT)
    for each in sorted(mine.keys() | theirs.keys(), key=str):
        result.equal += min(mine[each], theirs[each])
        result.missing += max(0, theirs[each] - mine[each])
        result.surplus += max(0, mine[each] - theirs[each])
        if mine[each] != theirs[each]:
            _note(result, f"{mine[each]} instead of {theirs[each]} times: {str(each)[:500]}")
    return result


def _reject(row: Row) -> tuple[object, ...]:
    return str(row["reason"]).partition(":")[0], row["length"], row["sha256"], row["body"]


def _valid(rows: Rows, leave_out: frozenset[str]) -> Rows:
    return {
        key: {column: value for column, value in row.items() if column not in leave_out}
        for key, row in rows.items()
        if row.get(VOID) is None
    }


def _note(result: Compared, text: str) -> None:
    if len(result.examples) < KEPT:
        result.examples.append(text)


def _keyed(table: Table, rows: Any) -> Rows:
    return {tuple(row[name] for name in table.primary_key): row for row in rows}


def _as_in_files(table: Table, row: Any) -> Row:
    """A row of cassandra-driver as JSON lines have it."""
    values: Row = {}
    for column, value in zip(table.columns, row, strict=True):
        if isinstance(value, datetime):
            value = value.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        elif isinstance(value, bytes):
            value = "0x" + value.hex()
        values[column.name] = value
    return values
