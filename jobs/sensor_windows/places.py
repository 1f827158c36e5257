"""Where sensors stand: geohashes, and what may be known of a station. Pure Python."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple, Protocol

AREA = 4
"""Characters of the geohash that are an area of the map, about 39 by 20 km."""

NO_AREA = b"none"
PRECISION = 9
_DIGITS = "0123456789bcdefghjkmnpqrstuvwxyz"


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


def is_south(of: str) -> bool:
    """Whether the place of a geohash is south of the equator; an empty one is not."""
    return bool(of) and not _DIGITS.index(of[0]) >> 3 & 1


class Station(NamedTuple):
    """What is known of a station; empty where it is not."""

    place: str
    region: str
    country: str
    surroundings: str
    operator: str


class Stations(Protocol):
    """What is known of stations; false where that is nothing."""

    def at(self, station_id: str, time_ms: int) -> Station | None:
        """What holds at a time; None: nothing is known."""
