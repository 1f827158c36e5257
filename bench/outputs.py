"""Reads back what the engines wrote, and tells where they differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.plain_records import STARTED

Row = dict[str, Any]
Tables = dict[str, dict[tuple[Any, ...], Row]]

KEYS = {
    "vehicle_minute": ("vehicle_id", "minute_start"),
    "trip": ("driver_id", "start_time", "vehicle_id"),
    "driver_event": ("driver_id", "event_time", "type", "vehicle_id"),
    # Its key has the fleet, too; but ours writes a vehicle's first sample at once, and it may be of another fleet.
    "vehicle_live": ("vehicle_id",),
    "driver_hour": ("driver_id", "hour_start"),
    "driver_day": ("driver_id", "day"),
    "fleet_day": ("fleet_id", "day", "driver_id"),
    "driver_week": ("driver_id", "week"),
    "driver_rolling": ("driver_id", "day"),
}
"""What identifies a row in each table."""

CALENDAR = frozenset({"year", "month", "day", "updated_at"})
"""Columns that a peer need not write: texts of a row's times, which it writes as numbers; and the clock's time."""

ALWAYS: dict[str, object] = {
    "final": True,
    "revision": 0,
    "superseded_by": None,
    # Of drivers' hours: no vehicle of the input is of a class under such rules.
    "drive_left_min": None,
    "drive_left_rule": None,
    "drive_left_driver": None,
    "drive_left_at": None,
    "article": None,
    "threshold": None,
}
"""Nor these, while they are the same in all rows of ours."""

TIMES = frozenset({"minute_start", "start_time", "end_time", "event_time", "trip_start", "hour_start"})
DATES = frozenset({"day", "week"})
TOLERANCE = 1e-6


class Different(Exception):
    """Two engines did not compute the same."""


def read_ours(folder: Path) -> Tables:
    """Our tables: one file each, the last line of a key counts."""
    tables: Tables = {name: {} for name in KEYS}
    decode = msgspec.json.Decoder(Row).decode
    for name, key in KEYS.items():
        with (folder / f"{name}.jsonl").open("rb") as lines:
            for line in lines:
                row = decode(line)
                for column in TIMES & row.keys():
                    row[column] = _epoch_ms(row[column])
                tables[name][tuple(row[column] for column in key)] = row
    with (folder / "reject.jsonl").open("rb") as rejects:
        first = rejects.readline()
    if first:
        raise Different(f"our job refused a message of the benchmark's input: {first[:300]!r}")
    return tables


def read_peer(folder: Path) -> Tables:
    """A peer's tables: all in the same files, each row names its own."""
    tables: Tables = {name: {} for name in KEYS}
    decode = msgspec.json.Decoder(Row).decode
    for line in _lines(folder):
        row = decode(line)
        name = row.pop("table")
        for column in DATES & row.keys():
            row[column] = datetime.fromtimestamp(row[column] / 1000, UTC).strftime("%Y-%m-%d")
        tables[name][tuple(row[column] for column in KEYS[name])] = row
    return tables


def _lines(folder: Path) -> Iterator[bytes]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != STARTED:
            with file.open("rb") as lines:
                yield from lines


def _epoch_ms(text: str | None) -> int | None:
    if text is None:
        return None
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def compare(ours: Tables, peer: Tables, peer_name: str) -> None:
    """Every row of every table, every column but CALENDAR and ALWAYS.

    Raises:
        Different: naming the first difference.
    """
    for name in KEYS:
        mine, theirs = ours[name], peer[name]
        if mine.keys() != theirs.keys():
            only = sorted(map(str, mine.keys() ^ theirs.keys()))[0]
            raise Different(
                f"{name}: {len(mine)} rows of ours, {len(theirs)} of {peer_name}; not in both: {only}"
            )
        for key, row in theirs.items():
            more = row.keys() - mine[key].keys()
            if more:
                raise Different(f"{name}: only {peer_name} has a column {min(more)}")
            for column, value in mine[key].items():
                if column in row:
                    other = row[column]
                elif column in ALWAYS:
                    other = ALWAYS[column]
                elif column in CALENDAR or (column == "start_time" and name == "driver_event"):
                    continue
                else:
                    raise Different(f"{name}: {peer_name} has no column {column}")
                if not _same(value, other):
                    raise Different(f"{name} {key} {column}: ours {value}, {peer_name} {other}")


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        if a is None or b is None:
            return False
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-9)  # type: ignore[arg-type]
    return a == b


def totals(tables: Tables) -> dict[str, float]:
    """What all vehicles did together: shown with the results, and recorded."""
    minutes = tables["vehicle_minute"].values()
    found: dict[str, float] = {
        "distance_km": math.fsum(row["distance_km"] for row in minutes),
        "drive_s": math.fsum(row["drive_s"] for row in minutes),
        "idle_s": math.fsum(row["idle_s"] for row in minutes),
        "stopped_s": math.fsum(row["stopped_s"] for row in minutes),
        "samples": sum(row["n_samples"] for row in minutes),
    }
    for name in ("harsh_accel", "harsh_brake", "harsh_corner"):  # what minutes count
        found[name] = sum(row[name] for row in minutes)
    return found | {name: len(rows) for name, rows in tables.items()}
