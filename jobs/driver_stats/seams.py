"""Seams: gaps in a vehicle's samples that a stored backlog may fill, as they are kept in the vehicle's store.

A seam has the lane of what lies before its gap, which a backlog continues, and the head of what lies behind it: the
samples up to the point from which the lane no longer depends on what was before the gap.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import zstandard
from numpy.typing import NDArray

from jobs.driver_stats.kernel import clear
from jobs.driver_stats.layout import LANE, NONE, RAW_WORDS, WHO_SHIFT, WHO_WORDS
from jobs.driver_stats.upgrades import LANE_3, LANE_4, RAW_3_WORDS, lane_of, samples_of_3

MAX_SEAMS = 4
HOUR_MS = 3_600_000
WEEK_MS = 7 * 24 * HOUR_MS

_VERSION = 1
_ZSTD = b"\x28\xb5\x2f\xfd"
_LEVEL = -1  # as small as zlib's first level, in a third of its time
_HEAD = struct.Struct("<ii")
_SEAM = struct.Struct("<qqqdiiii")
_LAYOUTS = {layout.itemsize: layout for layout in (LANE_3, LANE_4, LANE)}

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
        passed_kmh: top speed of the trip that was open at the seal between it and the seal of a seam that went.
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
    passed_kmh: float = math.nan
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
                seam.passed_kmh,
                flags,
                len(seam.head),
                len(seam.entries),
                LANE.itemsize,
            )
        )
        parts += [lane.tobytes() for lane in seam.lanes()]
        parts += [seam.head.tobytes(), seam.entries.tobytes()]
    return zstandard.compress(b"".join(parts), _LEVEL)


def decode(stored: bytes) -> list[Seam]:
    """Reads ``encode``, of savepoints with zlib's compression and of state layouts 2 to 4, too.

    Raises:
        ValueError: it was written by another version of the job.
    """
    if not stored:
        return []
    data = zstandard.decompress(stored) if stored.startswith(_ZSTD) else zlib.decompress(stored)
    version, count = _HEAD.unpack_from(data)
    at = _HEAD.size
    seams = []
    for _ in range(count):
        start, gap_ms, corrections, passed_kmh, flags, samples, entries, lane_bytes = _SEAM.unpack_from(
            data, at
        )
        layout = _LAYOUTS.get(lane_bytes)
        if version != _VERSION or layout is None:
            raise ValueError(f"seams of version {version} with lanes of {lane_bytes} bytes cannot be read")
        at += _SEAM.size

        def words(number: int) -> NDArray[np.int64]:
            nonlocal at
            # As words: a copy of records goes field by field.
            found: NDArray[np.int64] = np.frombuffer(data, np.int64, number, at).copy()
            at += found.nbytes
            return found

        def a_lane(is_there: bool, layout: np.dtype[np.void] = layout) -> Lane | None:
            if not is_there:
                return None
            found = words(layout.itemsize // 8)
            return found.view(LANE) if layout is LANE else lane_of(found, layout)

        lane = a_lane(True)
        assert lane is not None
        seal, first = a_lane(bool(flags & 1)), a_lane(bool(flags & 2))
        head = (
            samples_of_3(words(samples * RAW_3_WORDS))
            if layout is LANE_3
            else words(samples * RAW_WORDS).reshape(-1, RAW_WORDS)
        )
        who = words(entries * WHO_WORDS).reshape(-1, WHO_WORDS)
        seams.append(
            Seam(
                start,
                gap_ms,
                lane,
                head,
                who,
                seal,
                first,
                bool(flags & 4),
                bool(flags & 8),
                corrections,
                passed_kmh,
            )
        )
    return seams


def stands_alone(seam: Seam) -> bool:
    """Whether a correction behind it needs nothing of the next seam."""
    return seam.seal is not None and (seam.seal["trip_start"][0] == NONE or seam.first is not None)


TripEnd: TypeAlias = Callable[[Lane, NDArray[np.int64], NDArray[np.int64]], tuple[Lane, bool] | None]
"""Says how the trip that is open in a lane ends in the head that follows: the lane then, and whether by standing."""


def keep(seams: list[Seam], newest_t: int, keep_ms: int, max_head: int, trip_end: TripEnd) -> list[Seam]:
    """The seams that a backlog may still fill: at most MAX_SEAMS, long gaps and young ones first.

    Where one goes, the one before it takes over what it needs of it: the head, if it has no seal of its own yet, or how
    its open trip ends. Only if the head would be too long, it goes, too.

    Args:
        seams: of one vehicle, the oldest first.
        newest_t: the vehicle's newest sample.
        keep_ms: how much older a seam may be.
        max_head: how many samples a head may have.
        trip_end: see TripEnd.
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
        while index > 0 and not _take_over(kept[index - 1], gone, max_head, trip_end):
            index -= 1
            gone = kept.pop(index)
    return kept


def _take_over(seam: Seam, gone: Seam, max_head: int, trip_end: TripEnd) -> bool:
    """Gives a seam what it needs of the next one, which goes; False if that can't be."""
    if seam.seal is None:
        if len(seam.head) + len(gone.head) > max_head or gone.extended:
            return False
        head = gone.head.copy()
        head[:, -1] += len(seam.entries) << WHO_SHIFT
        seam.head = np.concatenate((seam.head, head))
        seam.entries = np.concatenate((seam.entries, gone.entries))
        seam.seal, seam.first, seam.stood, seam.passed_kmh = (
            gone.seal,
            gone.first,
            gone.stood,
            gone.passed_kmh,
        )
        return True
    if stands_alone(seam):
        return True
    open_trip = seam.seal["trip_start"][0]
    if gone.lane["trip_start"][0] != open_trip:
        return False
    end = trip_end(gone.lane, gone.head, gone.entries)
    if end is not None:
        seam.first, seam.stood = end
        return True
    if gone.seal is not None:
        seam.passed_kmh = float(
            np.nanmax([seam.passed_kmh, gone.seal["trip_max_kmh"][0], gone.passed_kmh, -1])
        )
    if gone.first is not None and gone.first["trip_start"][0] == open_trip:
        seam.first, seam.stood = gone.first, gone.stood
    return True
