"""The tables of a job, read from ``schemas/<job>.cql``.

The CQL file is the source of truth for names, types and order of the columns: row frames, both sinks and the
tests take them from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

CQL_TYPES = frozenset({"text", "bigint", "int", "double", "boolean", "timestamp", "blob", "date"})

_TABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?P<name>\w+) \(\s*(?P<columns>.*?),\s*PRIMARY KEY \(\((?P<partition>[^)]*)\)"
    r"(?P<clustering>[^)]*)\)\s*\)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name and its CQL type."""

    name: str
    cql_type: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its index in row frames, its columns in their order, its primary key."""

    index: int
    name: str
    columns: tuple[Column, ...]
    partition_key: tuple[str, ...]
    clustering_key: tuple[str, ...]

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Partition key and clustering columns: what identifies a row."""
        return self.partition_key + self.clustering_key


def cql_text(job: str) -> str:
    """The CREATE TABLE statements of a job, without a keyspace.

    Raises:
        FileNotFoundError: the job has no tables.
    """
    return (resources.files(__package__) / f"{job}.cql").read_text(encoding="utf-8")


@cache
def tables(job: str) -> tuple[Table, ...]:
    """The tables of a job in the order of its CQL file, which gives each its index in row frames."""
    return tuple(parse(cql_text(job)))


def table(job: str, name: str) -> Table:
    """One table of a job by name.

    Raises:
        KeyError: the job has no such table.
    """
    for candidate in tables(job):
        if candidate.name == name:
            return candidate
    raise KeyError(f"{job} has no table {name}")


def parse(cql: str) -> Iterable[Table]:
    """Reads CREATE TABLE statements written as in ``schemas/*.cql``.

    Raises:
        ValueError: a column's type is none of CQL_TYPES, or no table was found.
    """
    statements = re.sub(r"--[^\n]*", "", cql)
    found = list(_TABLE.finditer(statements))
    if len(found) != statements.count("CREATE TABLE") or not found:
        raise ValueError("a CREATE TABLE statement is not of the form that schemas/*.cql uses")
    for index, match in enumerate(found):
        columns = []
        for declaration in match["columns"].split(","):
            name, cql_type = declaration.split()
            if cql_type not in CQL_TYPES:
                raise ValueError(f"{match['name']}.{name} has type {cql_type}, which row frames do not carry")
            columns.append(Column(name, cql_type))
        yield Table(
            index, match["name"], tuple(columns), _names(match["partition"]), _names(match["clustering"])
        )


def to_json(specs: Iterable[Table]) -> str:
    """The form in which the Java side reads tables (``io.kappafleet.record.TableSpec``)."""
    return json.dumps(
        [
            {
                "name": spec.name,
                "columns": [[column.name, column.cql_type] for column in spec.columns],
                "key": [list(spec.partition_key), list(spec.clustering_key)],
            }
            for spec in specs
        ]
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
