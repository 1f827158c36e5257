"""The head of a seam: the samples behind a gap, up to where the lane no longer depends on what was before it."""

from __future__ import annotations

import math

from jobs.driver_stats.compiled import njit
from jobs.driver_stats.kernel import MINUTE_MS, emit_part, trip_max_kmh
from jobs.driver_stats.layout import LANE, LANE_WORDS, NONE
from jobs.driver_stats.tails import BOX_N, BOX_WORDS, FIRST, HEADER, LEFT, SEALED, box, compact, shift

GIVEN_UP = 5
"""Index of the counter ``seams_given_up`` in order.COUNTERS."""

_MAX_TRIP_WORD = dict(LANE.fields or {})["trip_max_kmh"][1] // 8


@njit
def opens_seam(p, s, t):
    """Whether the gap before t is one that a backlog may fill, and not just how seldom this vehicle reports."""
    if s["last_t"] == NONE:
        return True
    gap = t - s["last_t"]
    return gap > p.backlog_gap_ms and gap > 2 * s["last_gap_ms"]


@njit
def open_seam(v, s, words_of_s, key, t, tails, rows):
    """Begins a seam whose gap ends at t: keeps the lane before it, and from now on the samples behind it."""
    compact(v, tails, key)
    v["head_gap_ms"] = NONE
    if s["last_t"] != NONE:
        emit_part(s, key, rows)  # so that the lane that goes on and the kept one don't both send it
        box(tails, key, LEFT, t, words_of_s)
        v["head_gap_ms"] = t - s["last_t"]
    v["head_start"] = t
    v["head_samples"] = 0
    v["head_calm"] = 0
    v["head_settled"] = 0
    v["head_minute"] = NONE
    v["seam_trip"] = NONE


@njit
def note_head(p, v, s, words_of_s, key, t, gap, speed, accel_x, accel_y, ignition, others, tails, counters):
    """Finds the sample after which the lane no longer depends on what was before the seam's gap, and seals there."""
    n = v["head_samples"]
    v["head_samples"] = n + 1
    follows = n > 0
    # Standing without a speed is judged by the distance from the sample before.
    certain = follows or speed == speed
    calm = v["head_calm"]
    broken = follows and gap > p.event_gap_ms
    if broken or not accel_x >= p.calm_levels[0]:
        calm |= 1
    if broken or not -accel_x >= p.calm_levels[1]:
        calm |= 2
    if broken or not abs(accel_y) >= p.calm_levels[2]:
        calm |= 4
    v["head_calm"] = calm
    moves = certain and s["last_standing"] == 0
    if (
        ignition == 0
        or moves
        or (follows and (gap >= p.trip_gap_ms or others))
        or p.trip_stop_ms == 0
        or t - v["head_start"] >= p.trip_stop_ms
    ):
        v["head_settled"] = 1
    minute = t - t % MINUTE_MS
    if v["head_minute"] != NONE:
        # The minutes up to head_minute may change with what was before; this one cannot.
        if minute > v["head_minute"]:
            box(tails, key, SEALED, v["head_start"], words_of_s)
            v["head_start"] = NONE
            v["seam_trip"] = s["trip_start"]
            s["trip_before_kmh"] = trip_max_kmh(s)
            s["trip_max_kmh"] = math.nan
            tails.filing[key] = True
    elif calm == 7 and v["head_settled"] != 0 and certain and follows:
        v["head_minute"] = minute
    if v["head_start"] != NONE and v["head_samples"] >= p.max_head:
        counters[GIVEN_UP] += 1
        v["head_start"] = NONE
        v["seam_lost"] = 1
        tails.filing[key] = True
        words = tails.words
        base = tails.start[key]
        if words[base + BOX_N] > 0:
            shift(tails, key, base + HEADER, -BOX_WORDS * words[base + BOX_N])
            words[base + BOX_N] = 0


@njit
def watch(v, words_of_s, tails):
    """Keeps the lane as it is if the trip that was open at the seal might end now."""
    if v["seam_trip"] == NONE:
        return False
    for w in range(LANE_WORDS):
        tails.scratch[w] = words_of_s[w]
    return True


@njit
def trip_ended(v, s, stood, tails, key):
    """Keeps the last state of the trip that was open at the seal, if it has just ended."""
    if s["trip_start"] == v["seam_trip"]:
        return
    box(tails, key, FIRST, 1 if stood else 0, tails.scratch)
    if stood:
        words = tails.words
        base = tails.start[key]
        at = base + HEADER + (words[base + BOX_N] - 1) * BOX_WORDS
        tails.floats[at + 2 + _MAX_TRIP_WORD] = s["trip_max_kmh"]
    v["seam_trip"] = NONE
    tails.filing[key] = True
