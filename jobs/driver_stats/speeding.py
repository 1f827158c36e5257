"""Speeding: in which band a sample is, and the episodes that are events.

Source: Lightfoot's severities, of which both conditions must hold, Motive's least length of 60 s, Verizon's refusal of
impossible speeds (domain.md 3). No limit known is ``unknown``, never ``ok``.

Scalar functions over a structured record, as kernel.py has them, compiled by Numba and the same without it. All
driving time is in exactly one band: seconds and metres of the five add up to those driven. Seconds in a band count
from the first one; only an *event* has to be 60 s long.

An episode is a run of samples in any band from minor on; what they cover follows on without a gap. It ends with the
first sample that is ok or unknown, and at a gap. Its severity is the highest band in or above which it was for
``min_episode_s`` all in all: 58 s of severe in two minutes of minor are minor.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.speeding import SpeedingRuleSet
from jobs.driver_stats.compiled import njit
from jobs.driver_stats.layout import (
    EPISODE_BANDS,
    MINOR_MS,
    MINOR_UM,
    NONE,
    SPEEDING_FIELDS,
    UNKNOWN_MS,
    UNKNOWN_UM,
)

OK, MINOR, MAJOR, SEVERE, UNKNOWN = range(5)
BANDS = ("ok", "minor", "major", "severe", "unknown")

SPEEDING = np.dtype([("speeding_start", "<i8"), *SPEEDING_FIELDS], align=True)


class SpeedingRules(NamedTuple):
    """The rules as Numba takes them; arrays are [minor, major, severe]."""

    over_kmh: NDArray[Any]
    factor: NDArray[Any]
    fixed_kmh: float
    max_kmh: float
    min_episode_ms: int


def compiled_rules(rules: SpeedingRuleSet) -> SpeedingRules:
    """The parameters in the form that the kernel takes."""
    bands = (rules.bands.minor, rules.bands.major, rules.bands.severe)
    return SpeedingRules(
        np.array([band.over_kmh for band in bands]),
        np.array([1 + band.over_percent / 100 for band in bands]),
        math.nan if rules.limit_kmh is None else rules.limit_kmh,
        rules.max_kmh,
        round(rules.min_episode_s * 1000),
    )


def no_episode() -> NDArray[np.void]:
    """A record without an episode."""
    record = np.zeros(1, SPEEDING)
    clear_episode(record[0])
    return record


@njit
def limit_kmh(r: SpeedingRules, of_sample: float, of_road: float) -> float:
    """The limit that counts: the sample's own, else the fixed one of the parameters, else the road's; NaN: unknown.

    A limit of 0 or less is none: devices send it where their map has nothing.
    """
    if of_sample > 0:
        return of_sample
    if r.fixed_kmh > 0:
        return r.fixed_kmh
    if of_road > 0:
        return of_road
    return math.nan


@njit
def band_of(r: SpeedingRules, speed: float, limit: float) -> int:
    """OK, MINOR, MAJOR, SEVERE, or UNKNOWN where speed or limit is missing or the speed is impossible."""
    if not limit > 0 or not speed <= r.max_kmh:
        return UNKNOWN
    found = OK
    for each in range(EPISODE_BANDS):
        if speed > limit + r.over_kmh[each] and speed > limit * r.factor[each]:
            found = MINOR + each
    return found


@njit
def is_speeding(band: int) -> bool:
    """Whether a band is one of an episode."""
    return MINOR <= band <= SEVERE


@njit
def add_span(sums: Any, band: int, ms: int, um: int) -> None:
    """Adds what a driving sample covers to accumulators; what is ok is the rest of the driving time and distance."""
    if band == UNKNOWN:
        sums[UNKNOWN_MS] += ms
        sums[UNKNOWN_UM] += um
    elif band != OK:
        sums[MINOR_MS + band - MINOR] += ms
        sums[MINOR_UM + band - MINOR] += um


@njit
def ends_episode(s: Any, ms: int, band: int) -> bool:
    """Whether the open episode is over with a sample of this band that covers ``ms``; 0: it covers nothing, a gap.

    The caller then writes the event if ``is_event``, and calls ``clear_episode``, before ``extend_episode``.
    """
    return bool(s["speeding_start"] != NONE) and (ms <= 0 or not is_speeding(band))


@njit
def is_event(r: SpeedingRules, s: Any) -> bool:
    """Whether the episode is long enough to be an event."""
    return bool(s["speeding_start"] != NONE and s["speeding_end"] - s["speeding_start"] >= r.min_episode_ms)


@njit
def extend_episode(
    s: Any, t: int, ms: int, um: int, band: int, speed: float, limit: float, lat: float, lon: float
) -> None:
    """Folds a sample that covers (t - ms, t] into the episode, or begins one with it; any other sample is left out."""
    if ms <= 0 or not is_speeding(band):
        return
    if s["speeding_start"] == NONE:
        s["speeding_start"] = t - ms
        s["speeding_over_kmh"] = -1.0
    s["speeding_end"] = t
    for each in range(EPISODE_BANDS):
        if band >= MINOR + each:
            s["speeding_ms"][each] += ms
    s["speeding_um"] += um
    s["speeding_samples"] += 1
    s["speeding_dirty"] = 1
    if speed - limit > s["speeding_over_kmh"]:
        s["speeding_over_kmh"] = speed - limit
        s["speeding_limit_kmh"] = limit
        s["speeding_kmh"] = speed
        s["speeding_lat"] = lat
        s["speeding_lon"] = lon


@njit
def severity_of(r: SpeedingRules, s: Any) -> int:
    """MINOR, MAJOR or SEVERE."""
    found = MINOR
    for each in range(1, EPISODE_BANDS):
        if s["speeding_ms"][each] >= r.min_episode_ms and s["speeding_ms"][each] > 0:
            found = MINOR + each
    return found


@njit
def becomes_severe(r: SpeedingRules, s: Any, before_ms: int) -> bool:
    """Whether the severity of the open episode has just become ``severe``, for which it lasts for good.

    Args:
        r: SpeedingRules.
        s: the episode.
        before_ms: its time in the severe band before its newest sample.
    """
    least = max(r.min_episode_ms, 1)
    return bool(before_ms < least <= s["speeding_ms"][EPISODE_BANDS - 1])


@njit
def clear_episode(s: Any) -> None:
    """No episode is open."""
    s["speeding_start"] = NONE
    s["speeding_end"] = NONE
    for each in range(EPISODE_BANDS):
        s["speeding_ms"][each] = 0
    s["speeding_um"] = 0
    s["speeding_samples"] = 0
    s["speeding_over_kmh"] = math.nan
    s["speeding_limit_kmh"] = math.nan
    s["speeding_kmh"] = math.nan
    s["speeding_lat"] = math.nan
    s["speeding_lon"] = math.nan
    s["speeding_dirty"] = 0
