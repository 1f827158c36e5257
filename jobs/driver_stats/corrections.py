"""The difference of two runs over the same samples, as rows: what a correction sends."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats.emit import EVENTS, MINUTE_MS, MINUTES, PARTS, TRIPS, emit_idling
from jobs.driver_stats.idling import is_idling_event
from jobs.driver_stats.layout import FOLDS, IDLING_EVENT, NONE, SPEEDING_EVENT
from jobs.driver_stats.row_buffer import RowBuffer

Identity: TypeAlias = tuple[Any, ...]
_EVENT = ("driver", "type", "start_ms")
_NOT_CONTENT = frozenset({"key", "folds", "revision", "write_us", "nulls"})


@dataclass(slots=True)
class Run:
    """What a run over kept samples gave: rows, rows of what is still open, and the lane after it."""

    rows: RowBuffer
    still_open: RowBuffer
    lane: NDArray[np.void]


@dataclass(slots=True)
class Difference:
    """Rows to send: parts that take back and add, rows that changed, and rows that are void."""

    parts: list[Any] = field(default_factory=list)
    minutes: list[Any] = field(default_factory=list)
    trips: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)


def difference(
    key: int,
    old: Run,
    new: Run,
    withdrawn: int,
    *,
    after: int,
    written: Collection[Identity],
    minutes_after: int,
    not_void: Collection[int] = (),
) -> Difference:
    """What has to be sent so that the rows of ``new`` take the place of those of ``old``.

    Args:
        key: index of the vehicle.
        old: the run so far.
        new: the run that takes its place.
        withdrawn: of the vehicle now; rows of the new run have it in their write times.
        after: trips and harsh events that begin later are void if only the old run has them, open ones included.
            Speeding and idling are wherever they began: before, they may not have been events without what followed.
        written: events that have come since, of samples before those of the runs; see ``event_identities``.
        minutes_after: minutes that begin later are.
        not_void: minutes that are not.
    """
    found = Difference(parts=_parts(old.rows.of(PARTS), new.rows.of(PARTS)))
    was, now = _by(old.rows.of(MINUTES), "minute_start"), _by(new.rows.of(MINUTES), "minute_start")
    found.minutes = _changed(was, now, "minute_start", after, ())
    for identity, row in was.items():
        start = int(row["minute_start"])
        if identity not in now and start > minutes_after and start not in not_void:
            found.minutes.append(_void(row, (start + MINUTE_MS) * 1000, start, withdrawn))

    for kind, names, into in (
        (TRIPS, ("driver", "start_ms"), found.trips),
        (EVENTS, _EVENT, found.events),
    ):
        was, now = _by(old.rows.of(kind), *names), _by(new.rows.of(kind), *names)
        into.extend(_changed(was, now, "start_ms", after, written))
        # What is still open may have been published; if it is still there, it is published again in its time.
        now |= _by(new.still_open.of(kind), *names)
        for identity, row in (_by(old.still_open.of(kind), *names) | was).items():
            start = int(row["start_ms"])
            episode = kind == EVENTS and row["type"] >= SPEEDING_EVENT
            if identity not in now and identity not in written and (episode or start > after):
                instead = [int(other["start_ms"]) for other in now.values() if other["start_ms"] <= start]
                into.append(_void(row, start * 1000, max(instead, default=start), withdrawn))
    for row in (*found.parts, *found.minutes, *found.trips, *found.events):
        row["key"] = key
    return found


def move_idling(
    event_ms: int, key: int, was: Any, now: Any, live: Any | None, rows: RowBuffer
) -> set[Identity]:
    """Lets an idling that was open at a seal begin when it does now, if it is still open.

    If it has ended, or there was another gap since, its row stays as it is.

    Args:
        event_ms: so long an idling is an event.
        key: index of the vehicle.
        was: the lane at the seal.
        now: the lane there after the correction.
        live: the vehicle's lane; None if there was another gap since.
        rows: gets the row that is void.

    Returns:
        The event that must not be made void.
    """
    start = int(was["idle_start"])
    if start == NONE or (start == now["idle_start"] and was["idle_samples"] == now["idle_samples"]):
        return set()
    if live is None or live["idle_start"] != start:
        return {(was["driver"].tobytes(), IDLING_EVENT, start)}
    if start != now["idle_start"] and is_idling_event(event_ms, live):
        emit_idling(live.copy(), key, rows.rows)
        row = rows.of(EVENTS)[-1]
        row["superseded_by"], row["nulls"] = now["idle_start"], 1
        row["write_us"] = start * 1000 + 2 * int(live["withdrawn"]) + 1
    for name in ("idle_start", "idle_lat", "idle_lon"):
        live[name] = now[name]
    live["idle_samples"] += now["idle_samples"] - was["idle_samples"]
    live["idle_emitted"] = 0
    return {(was["driver"].tobytes(), IDLING_EVENT, start)}


def event_identities(rows: NDArray[Any]) -> Collection[Identity]:
    """What tells these events apart."""
    return _by(rows, *_EVENT).keys()


def _by(rows: NDArray[Any], *names: str) -> dict[Identity, Any]:
    """The last row of each identity."""
    return {
        tuple(row[name].tobytes() if row[name].ndim else int(row[name]) for name in names): row.copy()
        for row in rows
    }


def _changed(
    was: dict[Identity, Any], now: dict[Identity, Any], start: str, after: int, written: Collection[Identity]
) -> list[Any]:
    """The new rows that are not as before; and those that begin before, which the lane before has just written."""
    rows = []
    for identity, row in now.items():
        before = was.get(identity)
        if before is not None:
            if row[start] > after and identity not in written and _same(before, row):
                continue
            row["revision" if "revision" in (row.dtype.names or ()) else "nulls"] = (
                before["revision"] + 1 if "revision" in (row.dtype.names or ()) else 1
            )
        rows.append(row)
    return rows


def _same(one: Any, other: Any) -> bool:
    return all(
        one[name].tobytes() == other[name].tobytes()
        for name in one.dtype.names or ()
        if name not in _NOT_CONTENT
    )


def _void(row: Any, start_us: int, instead_ms: int, withdrawn: int) -> Any:
    """A row that no longer exists: newer than the one that was written, older than one that may be again."""
    gone = row.copy()
    gone["superseded_by"] = instead_ms
    gone["nulls"] = 1
    gone["write_us"] = start_us + 2 * withdrawn + 1
    return gone


def _parts(old: NDArray[Any], new: NDArray[Any]) -> list[Any]:
    """Old parts taken away and new ones added, by driver, fleet, minute and trip; nothing where they are the same."""
    found: dict[tuple[Any, ...], Any] = {}
    same: dict[tuple[Any, ...], bool] = {}
    for sign, rows in ((-1, old), (1, new)):
        for row in rows:
            identity = (
                row["driver"].tobytes(),
                row["fleet"].tobytes(),
                int(row["minute_start"]),
                int(row["trip_ms"]),
            )
            total = found.get(identity)
            if total is None:
                total = found[identity] = row.copy()
                total["sums"] = 0
                total["max_kmh"] = np.nan
                same[identity] = True
            folds = int(total["sums"][FOLDS]) + int(row["sums"][FOLDS])  # what is withdrawn counts, too
            total["sums"] += sign * row["sums"]
            total["sums"][FOLDS] = folds
            if sign > 0 and not total["max_kmh"] >= row["max_kmh"]:
                total["max_kmh"] = row["max_kmh"]
            if sign > 0:
                total["lat"], total["lon"] = row["lat"], row["lon"]
    kept = []
    for total in found.values():
        sums = total["sums"].copy()
        sums[FOLDS] = 0
        if sums.any():
            kept.append(total)
    return kept
