"""The head of a seam: the samples behind a gap, up to where the lane no longer depends on what was before it."""

from __future__ import annotations

import math

from jobs.driver_stats.compiled import inlined, njit
from jobs.driver_stats.emit import MINUTE_MS, emit_part, trip_max_kmh
from jobs.driver_stats.harsh import axis_value, value_or
from jobs.driver_stats.layout import AXES, CORNER_AXIS, COUNTED_AXES, CRASH_AXIS, LANE, LANE_WORDS, NONE
from jobs.driver_stats.tails import BOX_N, BOX_WORDS, FIRST, HEADER, LEFT, SEALED, box, compact, shift

GIVEN_UP = 5
"""Index of the counter ``seams_given_up`` in order.COUNTERS."""

EPISODE, CREDIBLE, FIX, DERIVED, IDLED = (1 << (AXES + each) for each in range(5))
"""Bits of ``head_calm``, behind one for each axis: no speeding is open that began before the gap, speeds are credible
or not whatever was before it, accelerations are derived of a fix that does not depend on it, and have been, and no
idling is open that began before it."""

IDLING_HEAD = 600
"""Behind so many samples nothing waits for the end of an idling: what it is then, see corrections.move_idling."""

CALM = (1 << AXES) - 1 | EPISODE | CREDIBLE | DERIVED | IDLED

_MAX_TRIP_WORD = dict(LANE.fields or {})["trip_max_kmh"][1] // 8


@inlined
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
    v["head_since"] = t
    v["head_fix"] = NONE
    v["head_quiet"] = t
    v["head_settled"] = 0
    v["head_minute"] = NONE
    v["seam_trip"] = NONE


@njit
def note_head(p, v, s, words_of_s, key, t, gap, speed, accel_x, accel_y, ignition, others, tails, counters):
    """Finds the sample after which the lane no longer depends on what was before the seam's gap, and seals there."""
    n = v["head_samples"]
    v["head_samples"] = n + 1
    follows = n > 0
    calm = _known_speed(p, v, s, t, speed)
    # What is known to be standing or not: without a speed it is judged by the distance from the sample before.
    certain = calm & CREDIBLE != 0 or 0 <= speed <= p.harsh.slack_kmh
    if follows:
        calm = _known_fix(p, v, s, t, gap, calm)
    calm = _known_events(p, s, follows and gap > p.event_gap_ms, accel_x, accel_y, calm)
    if calm & CREDIBLE != 0 and v["head_settled"] != 0 and (s["last_speeding"] == 0 or gap > p.max_gap_ms):
        calm |= EPISODE
    ends_idling = (
        s["last_standing"] == 0 or ignition == 0 or (follows and gap > max(p.max_gap_ms, p.idle_gap_ms))
    )
    if p.idle_event_ms == 0 or (calm & CREDIBLE != 0 and ends_idling) or n >= IDLING_HEAD:
        calm |= IDLED
    v["head_calm"] = calm
    moves = certain and s["last_standing"] == 0
    if (
        ignition == 0
        or moves
        or (follows and (gap >= p.trip_gap_ms or others))
        or p.trip_stop_ms == 0
        or (calm & CREDIBLE != 0 and t - v["head_since"] >= p.trip_stop_ms)
    ):
        v["head_settled"] = 1
    starts = False
    for axis in range(COUNTED_AXES):
        starts = starts or s["event_start"][axis] == t
    if calm & CALM != CALM or starts:
        v["head_quiet"] = t
    # Which event counts in the score depends on the one before it that did.
    quiet = calm & CALM == CALM and t - v["head_quiet"] >= p.deduplicate_ms
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
    elif quiet and v["head_settled"] != 0 and follows:
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
def _known_speed(p, v, s, t, speed):
    """Finds when the same speeds are credible as if there had been samples in the gap; returns ``head_calm``.

    What is compared with is at most ``max_gap_ms`` old. So once all speeds of a longer time were credible, the newest
    one is what is compared with from then on: without the others, that time would have made it credible.
    """
    calm = v["head_calm"]
    if calm & CREDIBLE != 0:
        return calm
    r = p.harsh
    newest = s["credible_t"]
    if 0 <= speed <= r.max_kmh and newest != t:
        v["head_since"] = t
    elif t - v["head_since"] > r.max_gap_ms and (newest in (t, NONE) or t - newest > r.max_gap_ms):
        v["head_since"] = t
        return calm | CREDIBLE
    return calm


@njit
def _known_fix(p, v, s, t, gap, calm):
    """Finds when accelerations are derived as if there had been samples in the gap; returns ``head_calm``.

    That is after two fixes that would have been ones anyway, or when the last one is too old to matter.
    """
    if calm & CREDIBLE == 0 or calm & DERIVED != 0:
        return calm
    r = p.harsh
    if s["derive_t"] != t:
        reach = r.max_gap_ms + r.min_gap_ms
        if t - v["head_start"] > reach and (s["derive_t"] == NONE or t - s["derive_t"] > reach):
            calm |= DERIVED
    elif calm & FIX != 0:
        if t - v["head_fix"] >= r.min_gap_ms:
            calm |= DERIVED
        v["head_fix"] = t
    elif gap >= r.min_gap_ms or t // MINUTE_MS != (t - gap) // MINUTE_MS:
        calm |= FIX
        v["head_fix"] = t
    return calm


@njit
def _known_events(p, s, broken, accel_x, accel_y, calm):
    """Finds the axes on which no event can be open that began before the gap; returns ``head_calm``."""
    derived = calm & DERIVED != 0
    x = value_or(accel_x, s["derive_x"])
    y = value_or(accel_y, s["derive_y"])
    for axis in range(AXES):
        if axis == CRASH_AXIS:
            known = True
            value = axis_value(axis, accel_x, accel_y)
        else:
            measured = accel_y if axis == CORNER_AXIS else accel_x
            known = derived or measured == measured
            value = axis_value(axis, x, y)
        if broken or (known and not value >= p.calm_levels[axis]):
            calm |= 1 << axis
    return calm


@inlined
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
