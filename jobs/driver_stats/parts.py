"""Holds parts back, so that the drivers' windows get few of them however fast the log is read.

The kernel makes a part of every vehicle's every minute. What comes next is slow beside it, and needs them only by the
hour: parts of one driver, fleet and hour are added up in the vehicle's state, and sent when the next one is another's,
when the hour closes, when the vehicle falls silent, or, in a live job, when none was sent for `live.backlog_s`, few
messages come (present.py), or the vehicle has caught up with the clock. A vehicle at the pace of the clock so sends
each minute as before, and one that comes from behind shows all it has as soon as it is there. Where a time zone has
other hours than UTC, parts are cut more finely (fleet_time.Cuts).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats.compiled import njit
from jobs.driver_stats.emit import MINUTE_MS
from jobs.driver_stats.layout import ACCUMULATORS, FOLDS, TEXT_WORDS

HOUR_MS = 3_600_000
NO_BREAKS: NDArray[np.int64] = np.empty(0, np.int64)


def hold_back(
    states: NDArray[Any],
    parts: NDArray[Any],
    count: int,
    sent: NDArray[Any],
    now_ms: int,
    hold_ms: int,
    present_ms: int,
    cut_ms: int = HOUR_MS,
    breaks: NDArray[np.int64] = NO_BREAKS,
) -> int:
    """Adds parts to those that are held back.

    A part that takes something back is sent at once, and all that is held before it: a window never holds less than
    nothing.

    Args:
        states: STATE records, one per key; what is held is updated in place.
        parts: PART_ROW records of any keys.
        count: how many there are.
        sent: gets the parts to be sent; has room for twice as many.
        now_ms: the clock; it decides when parts come, never what they add up to.
        hold_ms: a vehicle from which so long nothing was sent sends at once.
        present_ms: a part whose minute begins then or later is sent at once, and what was held before with it.
        cut_ms: a part has no minutes from both sides of a multiple of it; divides an hour.
        breaks: nor from both sides of one of these times; ascending.

    Returns:
        The number of parts to be sent.
    """
    found: int = _hold_back(states, parts, count, sent, now_ms, hold_ms, present_ms, cut_ms, breaks)
    return found


@njit
def _hold_back(states, parts, count, sent, now_ms, hold_ms, present_ms, cut_ms, breaks):
    n = 0
    for i in range(count):
        part = parts[i]
        h = states[part["key"]]["held"]
        if h["sums"][FOLDS] > 0 and not _belongs(h, part, cut_ms, breaks):
            n = _send(h, part["key"], sent, n)
        if _takes_back(part):
            if h["sums"][FOLDS] > 0:
                n = _send(h, part["key"], sent, n)
            _join(h, part)
            n = _send(h, part["key"], sent, n)
            h["sent_ms"] = 0
            continue
        _join(h, part)
        waited = now_ms - h["sent_ms"] >= hold_ms or now_ms < h["sent_ms"]
        if waited or part["minute_start"] >= present_ms:
            n = _send(h, part["key"], sent, n)
            h["sent_ms"] = now_ms
    return n


@njit
def release_all(states, sent, n):
    """Sends what is held back of every key, behind the ``n`` parts that are in ``sent``; returns how many there are."""
    for key in range(len(states)):
        h = states[key]["held"]
        if h["sums"][FOLDS] > 0:
            n = _send(h, key, sent, n)
    return n


@njit
def next_cuts(states, timers, cut_ms, breaks, none):
    """Lets the timers of keys that hold something fire when its share of an hour closes; ``none`` is no timer."""
    for k in range(len(states)):
        h = states[k]["held"]
        if h["sums"][FOLDS] > 0:
            end = h["minute_start"] - h["minute_start"] % cut_ms + cut_ms
            for at in breaks:
                if h["minute_start"] < at:
                    end = min(end, at)
                    break
            timers[k] = end - 1 if timers[k] == none else min(timers[k], end - 1)


@njit
def hour_end(h):
    """The last millisecond of the hour that is held back."""
    return h["minute_start"] - h["minute_start"] % HOUR_MS + HOUR_MS - 1


@njit
def _belongs(h, part, cut_ms, breaks):
    same = h["minute_start"] // cut_ms == part["minute_start"] // cut_ms
    for at in breaks:
        same = same and (h["minute_start"] < at) == (part["minute_start"] < at)
    for w in range(TEXT_WORDS):
        same = same and h["driver"][w] == part["driver"][w] and h["fleet"][w] == part["fleet"][w]
    return same


@njit
def _takes_back(part):
    below = False
    for a in range(ACCUMULATORS):
        below = below or part["sums"][a] < 0
    return below


@njit
def _join(h, part):
    if h["sums"][FOLDS] == 0:
        for w in range(TEXT_WORDS):
            h["driver"][w] = part["driver"][w]
            h["fleet"][w] = part["fleet"][w]
        h["minute_start"] = part["minute_start"]
        h["max_kmh"] = math.nan
    h["minute_start"] = max(h["minute_start"], part["minute_start"])
    for a in range(ACCUMULATORS):
        h["sums"][a] += part["sums"][a]
    if part["max_kmh"] == part["max_kmh"] and not h["max_kmh"] >= part["max_kmh"]:
        h["max_kmh"] = part["max_kmh"]


@njit
def _send(h, key, sent, n):
    part = sent[n]
    part["key"] = key
    for w in range(TEXT_WORDS):
        part["driver"][w] = h["driver"][w]
        part["fleet"][w] = h["fleet"][w]
    part["minute_start"] = h["minute_start"]
    part["event_ms"] = h["minute_start"] + MINUTE_MS - 1
    part["lat"] = part["lon"] = math.nan
    for a in range(ACCUMULATORS):
        part["sums"][a] = h["sums"][a]
        h["sums"][a] = 0
    part["max_kmh"] = h["max_kmh"]
    return n + 1
