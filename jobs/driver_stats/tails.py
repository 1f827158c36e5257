"""The tail of a vehicle's state: samples that wait, who drove, and kept lanes; and which batches were seen.

Layout, in words: header, boxes (kept lanes), who drove (driver and fleet), samples. Samples before ``RAW_FIRST`` are
in the lane already and kept only as the head of a seam (order.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats.compiled import inlined, njit
from jobs.driver_stats.layout import LANE_WORDS, NONE, RAW_WORDS, STRETCHES, TEXT_WORDS, WHO_SHIFT, WHO_WORDS

HEADER = 4
WHO_N, RAW_FIRST, RAW_END, BOX_N = range(HEADER)
BOX_WORDS = LANE_WORDS + 2
UNDO, LEFT, SEALED, FIRST = range(4)
"""Kinds of boxes: the lane before a preview, before the gap of a seam, when it was sealed, when its trip ended."""

MAX_WHO = 8
WORTH = 4
"""So many samples that are in the lane are carried along, less one: 88 bytes each."""

GROWTH = (HEADER + 4 * BOX_WORDS, WHO_WORDS, RAW_WORDS)


class Tails(NamedTuple):
    """The tails of all keys; ``filing`` marks the keys whose seams are to be filed, ``scratch`` holds one lane."""

    words: NDArray[Any]
    floats: NDArray[Any]
    start: NDArray[Any]
    length: NDArray[Any]
    filing: NDArray[Any]
    scratch: NDArray[Any]


@njit
def waiting(v, tails, key):
    """How many samples wait that are not even in the lane as a preview."""
    if tails.length[key] == 0:
        return 0
    base = tails.start[key]
    return tails.words[base + RAW_END] - tails.words[base + RAW_FIRST] - v["previewed"]


@inlined
def raws_at(words, base):
    """Where the samples begin."""
    return base + HEADER + words[base + BOX_N] * BOX_WORDS + words[base + WHO_N] * WHO_WORDS


@njit
def shift(tails, key, at, by):
    """Makes room of ``by`` words at ``at``, or takes -by words away from there."""
    words = tails.words
    end = tails.start[key] + tails.length[key]
    if by > 0:
        for w in range(end - 1, at - 1, -1):
            words[w + by] = words[w]
    else:
        for w in range(at, end + by):
            words[w] = words[w - by]
    tails.length[key] += by


@inlined
def who_index_of(tails, key, driver, fleet):
    """The entry of who drives; a new one if there is none like it."""
    words = tails.words
    base = tails.start[key]
    first = base + HEADER + words[base + BOX_N] * BOX_WORDS
    count = words[base + WHO_N]
    for n in range(count - 1, -1, -1):
        same = True
        for w in range(TEXT_WORDS):
            same = same and words[first + n * WHO_WORDS + w] == driver[w]
            same = same and words[first + n * WHO_WORDS + TEXT_WORDS + w] == fleet[w]
        if same:
            return n
    if count >= MAX_WHO:
        count = _forget_who(tails, key)
    at = first + count * WHO_WORDS
    shift(tails, key, at, WHO_WORDS)
    for w in range(TEXT_WORDS):
        words[at + w] = driver[w]
        words[at + TEXT_WORDS + w] = fleet[w]
    words[base + WHO_N] = count + 1
    return count


@njit
def _forget_who(tails, key):
    """Drops the entries that no kept sample names; returns how many are left."""
    words = tails.words
    base = tails.start[key]
    n = 0
    while n < words[base + WHO_N]:
        used = False
        raws = raws_at(words, base)
        for r in range(words[base + RAW_END]):
            used = used or words[raws + r * RAW_WORDS + RAW_WORDS - 1] >> WHO_SHIFT == n
        if used:
            n += 1
            continue
        shift(tails, key, base + HEADER + words[base + BOX_N] * BOX_WORDS + n * WHO_WORDS, -WHO_WORDS)
        words[base + WHO_N] -= 1
        raws = raws_at(words, base)
        for r in range(words[base + RAW_END]):
            at = raws + r * RAW_WORDS + RAW_WORDS - 1
            if words[at] >> WHO_SHIFT > n:
                words[at] -= 1 << WHO_SHIFT
    return n


@njit
def place_of(tails, key, t):
    """Where a displaced sample belongs among those that wait; -1 if there is one of this time."""
    words = tails.words
    base = tails.start[key]
    raws = raws_at(words, base)
    at = words[base + RAW_END]
    while at > words[base + RAW_FIRST] and words[raws + (at - 1) * RAW_WORDS] > t:
        at -= 1
    if at > words[base + RAW_FIRST] and words[raws + (at - 1) * RAW_WORDS] == t:
        return -1
    return at


@inlined
def append(tails, key, c, i, who_index, vehicle_class):
    """Puts sample i of the columns behind the kept ones."""
    words = tails.words
    base = tails.start[key]
    at = raws_at(words, base) + words[base + RAW_END] * RAW_WORDS
    words[base + RAW_END] += 1
    tails.length[key] += RAW_WORDS
    _write(words, tails.floats, at, c, i, who_index, vehicle_class)


@njit
def insert(tails, key, place, c, i, who_index, vehicle_class):
    """Puts sample i of the columns at a place among the kept ones."""
    words = tails.words
    base = tails.start[key]
    at = raws_at(words, base) + place * RAW_WORDS
    shift(tails, key, at, RAW_WORDS)
    words[base + RAW_END] += 1
    _write(words, tails.floats, at, c, i, who_index, vehicle_class)


@inlined
def _write(words, floats, at, c, i, who_index, vehicle_class):
    words[at] = c.t[i]
    floats[at + 1] = c.speed[i]
    floats[at + 2] = c.accel_x[i]
    floats[at + 3] = c.accel_y[i]
    floats[at + 4] = c.lat[i]
    floats[at + 5] = c.lon[i]
    floats[at + 6] = c.heading[i]
    floats[at + 7] = c.odometer[i]
    floats[at + 8] = c.yaw_rate[i]
    floats[at + 9] = c.speed_limit[i]
    words[at + RAW_WORDS - 1] = (
        (np.int64(who_index) << WHO_SHIFT) | (np.int64(vehicle_class) << 4) | (np.int64(c.ignition[i]) + 1)
    )


@njit
def compact(v, tails, key):
    """Drops the samples that are in the lane, unless they are the head of a seam that is not filed yet."""
    words = tails.words
    base = tails.start[key]
    gone = words[base + RAW_FIRST]
    if gone == 0 or v["head_start"] != NONE or words[base + BOX_N] > 0:
        return
    if gone == words[base + RAW_END]:
        tails.length[key] = 0
        words[base + WHO_N] = 0
    else:
        shift(tails, key, raws_at(words, base), -gone * RAW_WORDS)
    words[base + RAW_FIRST] = 0
    words[base + RAW_END] -= gone


@inlined
def trim(v, tails, key):
    """Drops the samples that are in the lane once it is worth it: moving those that wait takes longest of all."""
    words = tails.words
    base = tails.start[key]
    gone = words[base + RAW_FIRST]
    if gone >= WORTH or gone == words[base + RAW_END]:
        compact(v, tails, key)


@njit
def box(tails, key, kind, note, lane):
    """Keeps a copy of a lane, given as words."""
    words = tails.words
    base = tails.start[key]
    at = base + HEADER + words[base + BOX_N] * BOX_WORDS
    shift(tails, key, at, BOX_WORDS)
    words[base + BOX_N] += 1
    words[at] = kind
    words[at + 1] = note
    for w in range(LANE_WORDS):
        words[at + 2 + w] = lane[w]


@njit
def is_copy(v, seq, t0):
    """Whether the batch (seq, t0) was seen before; notes it if not. Without a seq (NONE) nothing is known.

    A producer that starts again at seq 0 is not mistaken: its times are new.
    """
    if seq == NONE:
        return False
    first, last, from_t, to_t = v["seen_first"], v["seen_last"], v["seen_from_t"], v["seen_to_t"]
    for a in range(STRETCHES):
        if first[a] <= seq <= last[a] and from_t[a] <= t0 <= to_t[a]:
            return True
    before = -1
    for a in range(STRETCHES):
        if (
            last[a] == seq - 1
            and first[a] <= last[a]
            and to_t[a] <= t0
            and (before < 0 or to_t[a] > to_t[before])
        ):
            before = a  # the latest one: an earlier run of the producer may have ended with the same number
    if before >= 0:
        last[before] = seq
        to_t[before] = t0
        for b in range(STRETCHES):
            if b != before and first[b] == seq + 1 and first[b] <= last[b] and t0 <= from_t[b]:
                last[before] = last[b]
                to_t[before] = to_t[b]
                first[b], last[b], from_t[b], to_t[b] = 0, -1, NONE, NONE
        return False
    for a in range(STRETCHES):
        if first[a] == seq + 1 and first[a] <= last[a] and t0 <= from_t[a]:
            first[a] = seq
            from_t[a] = t0
            return False
    oldest = 0
    for a in range(STRETCHES):
        if to_t[a] < to_t[oldest]:
            oldest = a
    first[oldest], last[oldest], from_t[oldest], to_t[oldest] = seq, seq, t0, t0
    return False
