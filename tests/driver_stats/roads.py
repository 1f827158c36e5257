"""Limits of roads for tests: messages, and what they mean, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from jobs.driver_stats.road_cells import DIGITS

Message = dict[str, Any]


def geohash(lat: float, lon: float, characters: int) -> str:
    """The geohash of a place, halving the ranges as Niemeyer describes it."""
    spans = [[-180.0, 180.0], [-90.0, 90.0]]
    bits = 0
    for place in range(5 * characters):
        low, high = spans[place % 2]
        middle = (low + high) / 2
        above = (lon, lat)[place % 2] >= middle
        spans[place % 2] = [middle, high] if above else [low, middle]
        bits = bits << 1 | above
    return "".join(DIGITS[bits >> 5 * place & 31] for place in reversed(range(characters)))


def road_limit(cell: str, limit_kmh: float | None, valid_from: int, **more: Any) -> Message:
    """A row of reference data."""
    return {
        "schema": "road_limit/1",
        "cell": cell,
        "limit_kmh": limit_kmh,
        "valid_from": valid_from,
        **more,
    }


def limit_at(rows: Iterable[Message], ms: int, lat: float, lon: float, heading: float | None) -> float | None:
    """The limit of a road by the words of the schema, row by row; later rows of the log come later."""
    one_each: dict[tuple[Any, ...], tuple[int, int, Message]] = {}
    for number, row in enumerate(rows):
        identity = (row["cell"], row.get("heading_from"), row.get("heading_to"), row["valid_from"])
        found = (row.get("version") or 0, number, row)
        one_each[identity] = max(one_each.get(identity, found), found, key=lambda each: each[:2])
    best: tuple[Any, ...] | None = None
    for _, _, row in one_each.values():
        start, end = row.get("heading_from"), row.get("heading_to")
        span = math.inf
        if start is not None:
            span = (end - start) % 360 or (0 if end == start else 360)
            if heading is None or (heading - start) % 360 > span:
                continue
        here = geohash(lat, lon, len(row["cell"])) == row["cell"]
        ends = row.get("valid_to")
        now = row["valid_from"] <= ms and (ends is None or ms < ends)
        if here and now and row["limit_kmh"] is not None:
            rank = (len(row["cell"]), -span, -(start or 0.0), row["valid_from"])
            if best is None or rank > best[0]:
                best = (rank, row["limit_kmh"])
    return None if best is None else best[1]
