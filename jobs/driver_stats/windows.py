"""Hours and days of a driver: pure arithmetic on what the vehicle kernel sends of each minute.

A window's sums are integers (milliseconds, micrometres, counts), so neither the order of the parts nor a replay
changes them; only a row's last conversion makes kilometres and seconds of them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import add
from typing import NamedTuple

from jobs.driver_stats.layout import (
    ACCEL,
    ACCUMULATORS,
    BRAKE,
    CORNER,
    DISTANCE_UM,
    DRIVE_MS,
    EXCESSIVE,
    FOLDS,
    IDLE_MS,
    MAJOR_MS,
    MAJOR_UM,
    MINOR_MS,
    MINOR_UM,
    PART_ROW,
    SCORED_ACCEL,
    SCORED_BRAKE,
    SCORED_CORNER,
    SEVERE_MS,
    SEVERE_UM,
    STOPPED_MS,
    UNKNOWN_MS,
    UNKNOWN_UM,
    N,
    upgraded_sums,
)
from jobs.driver_stats.score import Tally

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_PART = struct.Struct(f"<i64s64sqqqdd{ACCUMULATORS}qd")
assert _PART.size == PART_ROW.itemsize, "the layout of a part is that of layout.PART_ROW"
_SUMS = struct.Struct(f"<{ACCUMULATORS}qdi?")
_SUMS_1 = struct.Struct("<9qdi")  # before there were corrections
_SUMS_2 = struct.Struct("<9qdi?")  # before there were speeding and scores


class Part(NamedTuple):
    """A driver's share of one vehicle's minute since the last one sent."""

    fleet_id: str
    minute_start: int
    sums: tuple[int, ...]
    max_kmh: float


def read_part(row: bytes) -> Part:
    """Reads a record of layout.PART_ROW."""
    values = _PART.unpack(row)
    return Part(values[2].rstrip(b"\0").decode(), values[3], values[8:-1], values[-1])


@dataclass(slots=True)
class WindowSums:
    """What a window holds: integer sums, the maximum speed, and how often it was written as final.

    ``corrected``: something was taken out again, so a row may have had values that it no longer has.
    """

    sums: list[int] = field(default_factory=lambda: [0] * ACCUMULATORS)
    max_kmh: float = math.nan
    finals: int = 0
    corrected: bool = False

    def add(self, sums: tuple[int, ...] | list[int], max_kmh: float) -> None:
        """Folds a part or another window in; a part may be negative, its folds never are."""
        self.sums = [mine + other for mine, other in zip(self.sums, sums, strict=True)]
        if not self.max_kmh >= max_kmh and max_kmh == max_kmh:
            self.max_kmh = max_kmh
        self.corrected = self.corrected or min(sums) < 0

    @property
    def is_void(self) -> bool:
        """Whether all that was in it has been taken out again: its row stands for nothing."""
        return not any(value for index, value in enumerate(self.sums) if index != FOLDS)

    def to_bytes(self) -> bytes:
        """The form that is kept in Flink's state."""
        return _SUMS.pack(*self.sums, self.max_kmh, self.finals, self.corrected)

    @classmethod
    def from_bytes(cls, data: bytes) -> WindowSums:
        """Reads ``to_bytes``, of a savepoint of an earlier version too."""
        if len(data) == _SUMS_1.size:
            *sums, max_kmh, finals = _SUMS_1.unpack(data)
            return cls(upgraded_sums(sums), max_kmh, finals)
        if len(data) == _SUMS_2.size:
            *sums, max_kmh, finals, corrected = _SUMS_2.unpack(data)
            return cls(upgraded_sums(sums), max_kmh, finals, corrected)
        *sums, max_kmh, finals, corrected = _SUMS.unpack(data)
        return cls(sums, max_kmh, finals, corrected)

    def metrics(self) -> dict[str, float | int | None]:
        """The metric columns; None where there is no value."""
        distance_km = self.sums[DISTANCE_UM] / 1e9
        drive_ms = self.sums[DRIVE_MS]
        return {
            "distance_km": distance_km,
            "drive_s": drive_ms / 1e3,
            "idle_s": self.sums[IDLE_MS] / 1e3,
            "stopped_s": self.sums[STOPPED_MS] / 1e3,
            "max_speed_kmh": None if math.isnan(self.max_kmh) else self.max_kmh,
            "mean_speed_kmh": distance_km / (drive_ms / 3.6e6) if drive_ms > 0 else None,
            "harsh_accel": self.sums[ACCEL],
            "harsh_brake": self.sums[BRAKE],
            "harsh_corner": self.sums[CORNER],
            "speeding_minor_s": self.sums[MINOR_MS] / 1e3,
            "speeding_major_s": self.sums[MAJOR_MS] / 1e3,
            "speeding_severe_s": self.sums[SEVERE_MS] / 1e3,
            "speed_limit_unknown_s": self.sums[UNKNOWN_MS] / 1e3,
            "speeding_minor_km": self.sums[MINOR_UM] / 1e9,
            "speeding_major_km": self.sums[MAJOR_UM] / 1e9,
            "speeding_severe_km": self.sums[SEVERE_UM] / 1e9,
            "speed_limit_unknown_km": self.sums[UNKNOWN_UM] / 1e9,
            "n_samples": self.sums[N],
        }

    def tally(self) -> Tally:
        """What its score is made of."""
        return tally(self.sums)

    def write_us(self, window_end_ms: int, final: bool) -> int:
        """The upsert's write time: grows with what the window contains, never with a clock."""
        return window_end_ms * 1000 + 2 * self.sums[FOLDS] + int(final)


def tally(sums: Sequence[int]) -> Tally:
    """What a score is made of, from accumulators."""
    return Tally(
        distance_um=sums[DISTANCE_UM],
        drive_ms=sums[DRIVE_MS],
        idle_ms=sums[IDLE_MS],
        harsh_accel=sums[SCORED_ACCEL],
        harsh_brake=sums[SCORED_BRAKE],
        harsh_corner=sums[SCORED_CORNER],
        excessive=sums[EXCESSIVE],
        minor_ms=sums[MINOR_MS],
        major_ms=sums[MAJOR_MS],
        severe_ms=sums[SEVERE_MS],
        speeding_um=sums[MINOR_UM] + sums[MAJOR_UM] + sums[SEVERE_UM],
    )


def folded(stored: bytes | None, sums: tuple[int, ...], max_kmh: float) -> bytes:
    """A window in the form that is kept with one more part in it: what ``WindowSums`` does, in a third of the time."""
    if stored is None or len(stored) != _SUMS.size:
        window = WindowSums() if stored is None else WindowSums.from_bytes(stored)
        window.add(sums, max_kmh)
        return window.to_bytes()
    *before, top, finals, corrected = _SUMS.unpack(stored)
    if max_kmh == max_kmh and not top >= max_kmh:
        top = max_kmh
    return _SUMS.pack(*map(add, before, sums), top, finals, corrected or min(sums) < 0)


def hour_start(ms: int) -> int:
    """Start of the hour, UTC."""
    return ms - ms % HOUR_MS


def day_start(ms: int) -> int:
    """Start of the day, UTC."""
    return ms - ms % DAY_MS


def day_text(ms: int) -> str:
    """``2026-11-21``."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def month_text(ms: int) -> str:
    """``2026-11``."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m")
