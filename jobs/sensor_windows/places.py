"""Where sensors stand: geohashes, and what is known of a station from a day on. Pure Python."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

AREA = 4
"""Characters of the geohash that are an area of the map, about 39 by 20 km."""

NO_AREA = b"none"
PRECISION = 9
_DIGITS = "0123456789bcdefghjkmnpqrstuvwxyz"
_MOST_BYTES = 64


@lru_cache(maxsize=65536)
def geohash(lat: float, lon: float, characters: int = PRECISION) -> str:
    """The geohash (Niemeyer 2008) of a place; empty where it is not known."""
    if math.isnan(lat) or math.isnan(lon):
        return ""
    spans = [[-180.0, 180.0], [-90.0, 90.0]]
    values = (lon, lat)
    bits = 0
    for place in range(5 * characters):
        low, high = spans[place % 2]
        middle = (low + high) / 2
        above = values[place % 2] >= middle
        spans[place % 2] = [middle, high] if above else [low, middle]
        bits = bits << 1 | above
    return "".join(_DIGITS[bits >> 5 * place & 31] for place in reversed(range(characters)))


class Station(NamedTuple):
    """What is known of a station from a time on; empty where it is not."""

    valid_from_ms: int
    place: str
    region: str
    country: str
    surroundings: str
    operator: str


class Stations:
    """Metadata of stations, effective-dated: of each time the newest that was valid then."""

    def __init__(self, lines: Iterable[str | bytes] = ()) -> None:
        """Takes JSON lines: station_id, valid_from (ISO 8601), place, region, country, surroundings, operator.

        Raises:
            ValueError: a line is none; the text says which.
        """
        self._stations: dict[str, list[Station]] = {}
        for number, line in enumerate(lines, 1):
            if line.strip():
                station_id, station = _station(line, number)
                self._stations.setdefault(station_id, []).append(station)
        for known in self._stations.values():
            known.sort()
        self._froms = {name: [each.valid_from_ms for each in known] for name, known in self._stations.items()}

    def __bool__(self) -> bool:
        return bool(self._stations)

    def at(self, station_id: str, time_ms: int) -> Station | None:
        """What was valid at a time; None: nothing is known."""
        froms = self._froms.get(station_id)
        place = bisect_right(froms, time_ms) if froms else 0
        return self._stations[station_id][place - 1] if place else None


def _station(line: str | bytes, number: int) -> tuple[str, Station]:
    try:
        given = json.loads(line)
        valid_from = datetime.fromisoformat(given["valid_from"])
        if valid_from.tzinfo is None:
            raise ValueError("valid_from needs a zone, such as Z")
        texts = [str(given.get(name) or "") for name in Station._fields[1:]]
        if any(len(text.encode()) > _MOST_BYTES for text in texts):
            raise ValueError(f"a text has more than {_MOST_BYTES} bytes")
        return str(given["station_id"]), Station(round(valid_from.timestamp() * 1000), *texts)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"station metadata, line {number}: {error}") from None
