"""Seams: gaps in a vehicle's samples that a stored backlog may fill, as they are kept in the vehicle's store.

A seam has the lane of what lies before its gap, which a backlog continues, and the head of what lies behind it: the
samples up to the point from which the lane no longer depends on what was before the gap.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats.kernel import clear
from jobs.driver_stats.layout import LANE, NONE, RAW_WORDS, WHO_WORDS

MAX_SEAMS = 4
HOUR_MS = 3_600_000
WEEK_MS = 7 * 24 * HOUR_MS

_VERSION = 1
_HEAD = struct.Struct("<ii")
_SEAM = struct.Struct("<qqqiiii")

Lane = NDArray[np.void]
"""An array of one LANE record."""


@dataclass(slots=True, eq=False)
class Seam:
    """A gap that ends at ``start``, the time of the first sample behind it.

    Attributes:
        start: epoch ms.
        gap_ms: how long the gap was when it was found; NONE before a vehicle's first sample.
        lane: what lies before the gap; blank before the first sample.
        extended: whether a backlog has been folded into ``lane``.
        head: [n, RAW_WORDS] the samples behind the gap, and who drove [m, WHO_WORDS].
        entries: see head.
        seal: the lane after the head, unless the next gap came before it could be sealed.
        first: the lane when the trip that was open at the seal ended; stood: by standing for too long.
        stood: see first.
        corrections: how often what follows was corrected.
        pending: whether head and lane are still in the vehicle's tail.
    """

    start: int
    gap_ms: int
    lane: Lane
    head: NDArray[np.int64]
    entries: NDArray[np.int64]
    seal: Lane | None = None
    first: Lane | None = None
    stood: bool = False
    extended: bool = False
    corrections: int = 0
    pending: bool = False

    def lanes(self) -> list[Lane]:
        """All lanes that are there."""
        return [lane for lane in (self.lane, self.seal, self.first) if lane is not None]


def blank_lane() -> Lane:
    """The lane of a vehicle that was never seen."""
    lane = np.zeros(1, LANE)
    clear(lane[0])
    return lane


def encode(seams: list[Seam]) -> bytes:
    """The form in the store; nothing for no seams."""
    if not seams:
        return b""
    parts = [_HEAD.pack(_VERSION, len(seams))]
    for seam in seams:
        flags = (seam.seal is not None) | (seam.first is not None) << 1 | seam.stood << 2 | seam.extended << 3
        parts.append(
            _SEAM.pack(
                seam.start,
                seam.gap_ms,
                seam.corrections,
                flags,
                len(seam.head),
                len(seam.entries),
                LANE.itemsize,
            )
        )
        parts += [lane.tobytes() for lane in seam.lanes()]
        parts += [seam.head.tobytes(), seam.entries.tobytes()]
    return zlib.compress(b"".join(parts), 1)


def decode(stored: bytes) -> list[Seam]:
    """Reads ``encode``.

    Raises:
        ValueError: it was written by another version of the job.
    """
    if not stored:
        return []
    data = zlib.decompress(stored)
    version, count = _HEAD.unpack_from(data)
    at = _HEAD.size
    seams = []
    for _ in range(count):
        start, gap_ms, corrections, flags, samples, entries, lane_bytes = _SEAM.unpack_from(data, at)
        if version != _VERSION or lane_bytes != LANE.itemsize:
            raise ValueError(f"seams of version {version} with lanes of {lane_bytes} bytes cannot be read")
        at += _SEAM.size

        def taken(dtype: Any, number: int) -> NDArray[Any]:
            nonlocal at
            found = np.frombuffer(data, dtype, number, at).copy()
            at += found.nbytes
            return found

        lane = taken(LANE, 1)
        seal = taken(LANE, 1) if flags & 1 else None
        first = taken(LANE, 1) if flags & 2 else None
        head = taken(np.int64, samples * RAW_WORDS).reshape(-1, RAW_WORDS)
        who = taken(np.int64, entries * WHO_WORDS).reshape(-1, WHO_WORDS)
        seams.append(
            Seam(start, gap_ms, lane, head, who, seal, first, bool(flags & 4), bool(flags & 8), corrections)
        )
    return seams


def stands_alone(seam: Seam) -> bool:
    """Whether a correction behind it needs nothing of the next seam."""
    return seam.seal is not None and (seam.seal["trip_start"][0] == NONE or seam.first is not None)


def keep(seams: list[Seam], newest_t: int, keep_ms: int, trip_gap_ms: int) -> list[Seam]:
    """The seams that a backlog may still fill: at most MAX_SEAMS, long gaps and young ones first.

    What follows the one before it then is no longer known: it goes, too, unless it needs no more than how its open trip
    ended, and that can be told.
    """
    kept = [seam for seam in seams if newest_t - seam.start <= keep_ms]
    while len(kept) > MAX_SEAMS:
        weights = [
            (WEEK_MS if seam.gap_ms == NONE else seam.gap_ms) / (newest_t - seam.start + HOUR_MS)
            for seam in kept
        ]
        # The newest one's end is the lane itself: it stays.
        index = min(range(len(kept) - 1), key=lambda index: (weights[index], index))
        gone = kept.pop(index)
        while index > 0 and not _bridge(kept[index - 1], gone, trip_gap_ms):
            index -= 1
            gone = kept.pop(index)
    return kept


def _bridge(before: Seam, gone: Seam, trip_gap_ms: int) -> bool:
    """Whether ``before`` needs nothing of the seam that goes, its open trip having ended at that gap."""
    if before.seal is None or stands_alone(before):
        return before.seal is not None
    open_trip = before.seal["trip_start"][0]
    end = gone.lane[0]
    if end["trip_start"] == open_trip and gone.start - end["last_t"] >= trip_gap_ms:
        before.first = gone.lane.copy()
        return True
    return False
