"""The whole job from files to files: its input, and its tables read back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from schemas.tables import Table, tables
from tests.file_jobs import FileJob as FileJob
from tests.file_jobs import run_jobs as run_jobs

MAY_DIFFER = frozenset({"updated_at", "revision"})
"""What may differ between runs (design: only the log decides everything else)."""

Rows = dict[tuple[Any, ...], dict[str, Any]]


def read_tables(folder: Path, job: str = "driver_stats") -> dict[str, Rows]:
    """The value of each primary key in each table: its last line."""
    return {table.name: read_table(folder, table) for table in tables(job)}


def read_table(folder: Path, table: Table) -> Rows:
    rows: Rows = {}
    with (folder / f"{table.name}.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            assert list(row) == [column.name for column in table.columns]
            rows[tuple(row[name] for name in table.primary_key)] = row
    return rows


def comparable(found: dict[str, Rows], *, without: Iterable[str] = ()) -> dict[str, Rows]:
    """Tables without what may differ between two runs, and without rows that are void."""
    leave_out = MAY_DIFFER | set(without)
    return {
        name: {
            key: {c: v for c, v in row.items() if c not in leave_out}
            for key, row in rows.items()
            if row.get("superseded_by") is None
        }
        for name, rows in found.items()
    }


def write_lines(path: Path, messages: Iterable[dict[str, Any] | bytes]) -> Path:
    """Message lines, gzipped if the name says so."""
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        for message in messages:
            file.write(message if isinstance(message, bytes) else json.dumps(message).encode())
            file.write(b"\n")
    return path


def out_of_order(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages, each vehicle's first half as a backlog after its second one, with copies in between."""
    by_vehicle: dict[str, list[dict[str, Any]]] = {}
    for message in messages:
        by_vehicle.setdefault(message["vehicle_id"], []).append(message)
    arranged = []
    for own in by_vehicle.values():
        middle = len(own) // 2
        arranged += [*own[middle:], own[-1], *own[:middle], own[0]]
    return arranged


def recut(messages: Sequence[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """The same samples in messages of ``size`` samples, vehicle after vehicle."""
    samples: dict[str, dict[str, list[Any]]] = {}
    heads: dict[str, dict[str, Any]] = {}
    for message in messages:
        vehicle_id = message["vehicle_id"]
        heads.setdefault(vehicle_id, {name: value for name, value in message.items() if name != "samples"})
        columns = samples.setdefault(vehicle_id, {name: [] for name in message["samples"]})
        for name, values in message["samples"].items():
            columns[name].extend(values)
    found = []
    for vehicle_id, columns in samples.items():
        for seq, start in enumerate(range(0, len(columns["t"]), size), 1):
            cut = {name: values[start : start + size] for name, values in columns.items()}
            found.append({**heads[vehicle_id], "seq": seq, "samples": cut})
    return found
