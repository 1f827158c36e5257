"""The limit of the road at a place and time, looked up in arrays: cells of the map, directions in them, limits by time.

Plain loops over the samples of a mini-batch, compiled by Numba and the same without it, as kernel.py has them. A cell
is a geohash (Niemeyer 2008): of those that hold a place the longest that knows a limit counts, in it the narrowest
range of headings, and of that the limit in force at the sample's own time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats.compiled import njit

DIGITS = "0123456789bcdefghjkmnpqrstuvwxyz"
MOST_CHARACTERS = 9
ALL_AROUND = math.inf
"""The span of what holds for any heading, also an unknown one."""
_LON_BITS, _LAT_BITS = 23, 22
_BITS = _LON_BITS + _LAT_BITS


class Direction(NamedTuple):
    """The limits of a cell for headings from ``heading_from`` over ``span`` degrees clockwise; NaN: none."""

    heading_from: float
    span: float
    starts: Sequence[int]
    kmh: Sequence[float]


class Cells(NamedTuple):
    """Cells in the order of their numbers.

    Directions ``first_direction[c]`` to before ``[c + 1]`` are those of cell c, and steps go with directions alike.
    """

    numbers: NDArray[Any]
    first_direction: NDArray[Any]
    heading_from: NDArray[Any]
    span: NDArray[Any]
    first_step: NDArray[Any]
    starts: NDArray[Any]
    kmh: NDArray[Any]


class Roads(NamedTuple):
    """What is known of roads: a cell that changed lately stands in ``recent``, and ``base`` says nothing of it then.

    ``characters`` are the lengths of cells that there are, the longest first.
    """

    recent: Cells
    base: Cells
    characters: NDArray[Any]


def number(cell: str) -> int:
    """The number of a cell: its length, and behind it its bits."""
    bits = 0
    for digit in cell:
        bits = bits << 5 | DIGITS.index(digit)
    return len(cell) << _BITS | bits


def direction(
    heading_from: float | None, heading_to: float | None, starts: Sequence[int], kmh: Sequence[float]
) -> Direction:
    """A direction; without headings it is all around."""
    if heading_from is None or heading_to is None:
        return Direction(0.0, ALL_AROUND, starts, kmh)
    span = (heading_to - heading_from) % 360
    return Direction(heading_from, span if span or heading_to == heading_from else 360.0, starts, kmh)


def cells(known: Iterable[tuple[int, Sequence[Direction]]]) -> Cells:
    """The arrays of some cells, given by number with their directions."""
    ordered = sorted(known)
    directions = [
        each for _, of in ordered for each in sorted(of, key=lambda one: (one.span, one.heading_from))
    ]
    return Cells(
        np.array([each for each, _ in ordered], np.int64),
        np.cumsum([0, *(len(of) for _, of in ordered)], dtype=np.int64),
        np.array([each.heading_from for each in directions], np.float64),
        np.array([each.span for each in directions], np.float64),
        np.cumsum([0, *(len(each.starts) for each in directions)], dtype=np.int64),
        np.array([ms for each in directions for ms in each.starts], np.int64),
        np.array([kmh for each in directions for kmh in each.kmh], np.float64),
    )


def _fill(roads, t, lat, lon, heading, of_sample, found):
    """Writes the limit of each sample into ``found``: its own, else the road's, else NaN.

    Args:
        roads: Roads.
        t: [N] epoch ms.
        lat: [N] degrees; NaN where it is missing, as in all that follow.
        lon: [N] degrees.
        heading: [N] degrees.
        of_sample: [N] km/h, the limit that the device knows; 0 or less is none.
        found: [N] km/h.
    """
    for i in range(len(t)):
        found[i] = of_sample[i]
        if of_sample[i] > 0 or lat[i] != lat[i] or lon[i] != lon[i]:
            continue
        place = _place(lat[i], lon[i])
        for c in range(len(roads.characters)):
            characters = roads.characters[c]
            wanted = (characters << _BITS) | (place >> (_BITS - 5 * characters))
            at = _find(roads.recent.numbers, wanted)
            if at >= 0:
                kmh = _of_cell(roads.recent, at, t[i], heading[i])
            else:
                at = _find(roads.base.numbers, wanted)
                kmh = _of_cell(roads.base, at, t[i], heading[i]) if at >= 0 else math.nan
            if kmh == kmh:
                found[i] = kmh
                break


@njit
def _place(lat, lon):
    """The bits of the longest cell at a place: those of longitude and latitude in turn."""
    x = min(int((lon + 180.0) / 360.0 * (1 << _LON_BITS)), (1 << _LON_BITS) - 1)
    y = min(int((lat + 90.0) / 180.0 * (1 << _LAT_BITS)), (1 << _LAT_BITS) - 1)
    bits = 0
    for b in range(_LAT_BITS):
        bits |= (x >> b & 1) << (2 * b) | (y >> b & 1) << (2 * b + 1)
    return bits | (x >> _LAT_BITS & 1) << (2 * _LAT_BITS)


@njit
def _find(numbers, wanted):
    """Where a number stands among ascending ones; -1: nowhere."""
    low, high = 0, len(numbers)
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(numbers) and numbers[low] == wanted else -1


@njit
def _of_cell(of, cell, t, heading):
    """The limit of the first direction, narrow ones first, that has one at the time."""
    for d in range(of.first_direction[cell], of.first_direction[cell + 1]):
        span = of.span[d]
        if span < ALL_AROUND and not (heading - of.heading_from[d]) % 360 <= span:
            continue
        low, high = of.first_step[d], of.first_step[d + 1]
        first = low
        while low < high:
            middle = (low + high) // 2
            if of.starts[middle] <= t:
                low = middle + 1
            else:
                high = middle
        if low > first and of.kmh[low - 1] == of.kmh[low - 1]:
            return of.kmh[low - 1]
    return math.nan


fill = njit(_fill)
