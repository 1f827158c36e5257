"""All readings of one sensor that are kept: a set, in whatever order and however often they came. Pure numpy.

A reading is a time and a value of each quantity, as the message gave it. Of several values of one time and quantity the
smallest counts, a value counts more than a missing one (null), and that more than none (the sensor does not measure
it). So sets of readings join in any order, and joining one twice is joining it once.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.sensor_windows.kernel import FIVE_MIN_MS, HOUR_MS
from jobs.sensor_windows.quantities import QUANTITIES

COUNT = len(QUANTITIES)
ABSENT = -math.inf
"""In place of a value that the sensor does not measure; NaN is a missing one."""

WORDS = 2 + COUNT
"""A reading in the tail of a key's state: its time, the number of its origin, its values."""

TOLD, CHANGED = 1, 2
"""Marks: tables have been written from this reading; it changed since."""

KINDS = 4
"""Of windows: five minutes, hours, days, hours of air_quality."""

REPLACED, FLIPPED = 0, 1
"""Counted of an hour: values that took the place of others; writings because of a verdict alone."""

HEADER = struct.Struct("<HHIII")
"""Of ``packed``: version, quantities as bits, how many readings, size of the origins, how many revisions."""

_INT64 = struct.Struct("<q")
_ABSENT_BITS = int(np.array(ABSENT).view(np.int64))
VERSION = 1
REVISION = np.dtype([("window", "<i8"), ("revision", "<i4")])

Array = NDArray[Any]


def window_name(start: Any, kind: Any) -> Any:
    """Under which name ``Series.revisions`` has a window; of arrays too."""
    return start // FIVE_MIN_MS * KINDS + kind


def hour_name(hour_ms: int, kind: int) -> int:
    """Under which name ``Series.revisions`` has REPLACED or FLIPPED of an hour."""
    return -2 * (hour_ms // HOUR_MS) - 1 - kind


def start_of(name: int) -> int:
    """When the window or hour of a name begins, epoch ms."""
    return name // KINDS * FIVE_MIN_MS if name >= 0 else -(name + 1) // 2 * HOUR_MS


class Origin(NamedTuple):
    """What a message says of its readings; empty or NaN where it says nothing."""

    model: str
    station: str
    lat: float
    lon: float


def origin_order(origin: Origin) -> tuple[Any, ...]:
    """Of several origins of one time the smallest counts: one that says more before one that says less."""
    lat, lon = (math.inf if math.isnan(each) else each for each in (origin.lat, origin.lon))
    return (not origin.model, origin.model, not origin.station, origin.station, lat, lon)


@dataclass(slots=True)
class Series:
    """Readings in the order of their times, each time once.

    Attributes:
        t: [N] epoch ms, ascending.
        origin: [N] index into ``origins``.
        mark: [N] TOLD, CHANGED.
        x: [Q, N] values, NaN: missing, ABSENT: not measured.
        verdict: [Q, N] the flag and the failed tests (<< 4) as cleansing judged last; 0: not judged.
        origins: what messages said of their readings.
        revisions: how often a window was written again, by window number; one that is not here: never. Below 0:
            what else is counted of an hour (``hour_name``).
    """

    t: Array = field(default_factory=lambda: np.empty(0, np.int64))
    origin: Array = field(default_factory=lambda: np.empty(0, np.uint16))
    mark: Array = field(default_factory=lambda: np.empty(0, np.uint8))
    x: Array = field(default_factory=lambda: np.empty((COUNT, 0)))
    verdict: Array = field(default_factory=lambda: np.empty((COUNT, 0), np.uint16))
    origins: list[Origin] = field(default_factory=list)
    revisions: dict[int, int] = field(default_factory=dict)
    _numbers: dict[tuple[Any, ...], int] | None = None

    def number_of(self, origin: Origin) -> int:
        """The number of an origin, which is added if it is not known.

        There is room for 65536; where a sensor moves about more in the time that readings are kept, the last counts.
        """
        if self._numbers is None:
            self._numbers = {origin_order(known): number for number, known in enumerate(self.origins)}
        name = origin_order(origin)
        number = self._numbers.get(name)
        if number is None:
            if len(self.origins) > np.iinfo(np.uint16).max:
                return len(self.origins) - 1
            number = self._numbers[name] = len(self.origins)
            self.origins.append(origin)
        return number

    def join(self, words: Array) -> int:
        """Adds readings.

        Args:
            words: [N, WORDS] int64, in any order.

        Returns:
            How many changed something: 0 if all were known.
        """
        if not len(words):
            return 0
        t = words[:, 0]
        x = np.ascontiguousarray(words[:, 2:]).view(np.float64).T
        origin = words[:, 1].astype(np.uint16)
        known = len(self.t)
        self.t = np.concatenate((self.t, t))
        self.origin = np.concatenate((self.origin, origin))
        self.mark = np.concatenate((self.mark, np.full(len(t), CHANGED, np.uint8)))
        self.x = np.concatenate((self.x, x), axis=1)
        self.verdict = np.concatenate((self.verdict, np.zeros((COUNT, len(t)), np.uint16)), axis=1)
        first = max(known - 1, 0)
        if np.all(self.t[first + 1 :] > self.t[first:-1]):
            return len(t)
        self._select(np.argsort(self.t, kind="stable"))
        again = np.flatnonzero(self.t[1:] == self.t[:-1]) + 1
        if not len(again):
            return len(t)
        changed = len(t) - len(again)
        keep = np.ones(len(self.t), np.bool_)
        keep[again] = False
        into = -1
        for place in again.tolist():
            if into < 0 or self.t[into] != self.t[place]:
                into = place - 1
            if self._merge(into, place):
                self.mark[into] |= CHANGED
                self.count(int(self.t[into]), REPLACED)
                changed += 1
        self._select(keep)
        return changed

    def _merge(self, into: int, place: int) -> bool:
        changed = False
        for quantity in range(COUNT):
            own, other = self.x[quantity, into], self.x[quantity, place]
            if counts_more(other, own):
                self.x[quantity, into] = other
                changed = True
        mine, theirs = (self.origins[self.origin[each]] for each in (into, place))
        if origin_order(theirs) < origin_order(mine):
            self.origin[into] = self.origin[place]
            changed = True
        return changed

    def count(self, ms: int, kind: int) -> None:
        """Counts one of a kind for the hour of a time."""
        name = hour_name(ms, kind)
        self.revisions[name] = self.revisions.get(name, 0) + 1

    def forget(self, before_ms: int) -> None:
        """Takes away the readings before the start of a day and what is counted of their windows.

        Origins that no other reading has are taken away, too; the others get new numbers.
        """
        gone = int(np.searchsorted(self.t, before_ms))
        if gone:
            self._select(slice(gone, None))
            used, numbers = np.unique(self.origin, return_inverse=True)
            self.origin = numbers.astype(np.uint16)
            self.origins = [self.origins[number] for number in used.tolist()]
            self._numbers = None
            self.revisions = {name: n for name, n in self.revisions.items() if start_of(name) >= before_ms}

    def _select(self, which: Any) -> None:
        self.t, self.origin, self.mark = self.t[which], self.origin[which], self.mark[which]
        self.x, self.verdict = self.x[:, which], self.verdict[:, which]

    def packed(self) -> bytes:
        """As bytes, without the quantities that no reading has."""
        there = np.flatnonzero((self.x != ABSENT).any(axis=1))
        origins = json.dumps([_plain(each) for each in self.origins], separators=(",", ":")).encode()
        revisions = np.fromiter(self.revisions.items(), REVISION, len(self.revisions))
        mask = int(np.bitwise_or.reduce(1 << there)) if len(there) else 0
        return b"".join(
            (
                HEADER.pack(VERSION, mask, len(self.t), len(origins), len(revisions)),
                origins,
                revisions.tobytes(),
                self.t.tobytes(),
                self.origin.tobytes(),
                self.mark.tobytes(),
                self.x[there].tobytes(),
                self.verdict[there].tobytes(),
            )
        )


def quantities_of(mask: int) -> list[int]:
    """The quantities whose bits are set."""
    return [quantity for quantity in range(COUNT) if mask >> quantity & 1]


def origins_of(data: bytes | bytearray) -> list[Origin]:
    """The origins as ``packed`` has them."""
    return [_origin(each) for each in json.loads(data)]


def appended(data: bytes, words: Array) -> bytearray | None:
    """What ``packed`` would give once readings that are all later than those there have joined.

    Args:
        data: of ``packed``.
        words: [N, WORDS] int64, as ``Series.join`` takes them.

    Returns:
        None where it takes more than putting them behind: their times do not ascend, or they have other quantities.
    """
    if not data:
        return None
    version, mask, count, origins_size, revisions = HEADER.unpack_from(data)
    at = HEADER.size + origins_size + revisions * REVISION.itemsize
    if version != VERSION or not count:
        return None
    (last,) = _INT64.unpack_from(data, at + 8 * (count - 1))
    t = words[:, 0]
    if t[0] <= last or not np.all(t[1:] > t[:-1]):
        return None
    measured = (words[:, 2:] != _ABSENT_BITS).any(axis=0)
    if any(there and not mask >> quantity & 1 for quantity, there in enumerate(measured.tolist())):
        return None
    old = memoryview(data)
    parts: list[bytes | memoryview] = [
        HEADER.pack(version, mask, count + len(words), origins_size, revisions),
        old[HEADER.size : at],
    ]

    def column(size: int, more: bytes) -> None:
        nonlocal at
        parts.extend((old[at : at + size * count], more))
        at += size * count

    column(8, t.tobytes())
    column(2, words[:, 1].astype(np.uint16).tobytes())
    column(1, bytes([CHANGED]) * len(words))
    quantities = quantities_of(mask)
    for quantity in quantities:
        column(8, words[:, 2 + quantity].tobytes())
    for _ in quantities:
        column(2, bytes(2 * len(words)))
    return bytearray().join(parts)


def counts_more(one: float, other: float) -> bool:
    """Whether of two values of one time the first one counts."""
    if one in (ABSENT, other):
        return False
    if other == ABSENT:
        return True
    if math.isnan(one):
        return False
    return math.isnan(other) or one < other


def unpacked(data: bytes | bytearray) -> Series:
    """The series of ``packed``; an empty one of no bytes.

    Raises:
        ValueError: they are of another version.
    """
    if not data:
        return Series()
    version, mask, count, origins_size, revisions = HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"readings of version {version} are not known here")
    at = HEADER.size
    origins = origins_of(data[at : at + origins_size])
    at += origins_size

    def array(dtype: Any, *shape: int) -> Array:
        nonlocal at
        found = np.frombuffer(data, dtype, math.prod(shape), at).reshape(shape)
        at += found.nbytes
        return found

    corrected = array(REVISION, revisions)
    there = quantities_of(mask)
    t, origin, mark = array(np.int64, count), array(np.uint16, count), array(np.uint8, count)
    x = np.full((COUNT, count), ABSENT)
    x[there] = array(np.float64, len(there), count)
    verdict = np.zeros((COUNT, count), np.uint16)
    verdict[there] = array(np.uint16, len(there), count)
    return Series(
        t.copy(),  # compiled code takes arrays that may be changed for others than those that may not
        origin,
        mark.copy(),
        x,
        verdict,
        origins,
        revisions=dict(zip(corrected["window"].tolist(), corrected["revision"].tolist(), strict=True)),
    )


def _plain(origin: Origin) -> Sequence[Any]:
    return [origin.model, origin.station, *(None if math.isnan(each) else each for each in origin[2:])]


def _origin(plain: Sequence[Any]) -> Origin:
    model, station, lat, lon = plain
    return Origin(model, station, math.nan if lat is None else lat, math.nan if lon is None else lon)
