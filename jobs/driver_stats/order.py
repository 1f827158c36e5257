"""Puts a vehicle's samples in order before the rules of ``kernel.py`` see them.

A sample waits until one that is ``order.buffer_s`` newer is there: until then it can be preceded by a displaced one.
What waits lies in the tail of the vehicle's state. When the watermark says that nothing older is expected, the waiting
samples go into the lane as a **preview**: what they complete is published, and the lane as it was is kept to go back
to, should a displaced sample come after all.

A gap in a vehicle's samples, and the time before its first one, is a **seam**: a stored backlog may fill it later. For
that, the lane before the gap and the samples behind it (the **head**) are kept, up to the point from which the lane no
longer depends on what was before the gap, sums of the open trip aside: there the seam is **sealed**, and goes to the
vehicle's store. ``backlog.py`` does what is rare: it files seams, folds backlogs into them and corrects what follows.

Layout of a tail, in words: header, boxes (kept lanes), who drove (driver and fleet), samples. Samples before
``RAW_FIRST`` are in the lane already and kept only as a head.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats.compiled import njit
from jobs.driver_stats.kernel import (
    EVENTS,
    LIVES,
    MINUTE_MS,
    MINUTES,
    PARTS,
    TRIPS,
    clear,
    distance_um,
    emit_live,
    emit_part,
    is_standing,
    publish,
    rows_needed,
    sample,
    trip_max_kmh,
    who,
)
from jobs.driver_stats.layout import LANE, LANE_WORDS, NONE, RAW_WORDS, STRETCHES, TEXT_WORDS, WHO_WORDS

HEADER = 4
WHO_N, RAW_FIRST, RAW_END, BOX_N = range(HEADER)
BOX_WORDS = LANE_WORDS + 2
UNDO, LEFT, SEALED, FIRST = range(4)
"""Kinds of boxes: the lane before a preview, before the gap of a seam, when it was sealed, when its trip ended."""

MAX_WHO = 8
GROWTH = (HEADER + 4 * BOX_WORDS, WHO_WORDS, RAW_WORDS)

COUNTERS = (
    "samples",
    "samples_repeated",
    "samples_backlog",
    "samples_out_of_order",
    "duplicates",
    "seams_given_up",
    "corrections",
)
SAMPLES, REPEATED, BACKLOG, OUT_OF_ORDER, DUPLICATES, GIVEN_UP, CORRECTIONS = range(len(COUNTERS))

DONE, FULL, FILE, LATE, COMMIT, BACK = range(6)
"""Why ``fold`` stopped: folded; rows nearly full; a seam is to be filed; a sample before what is in order; a preview
holds for good; a preview is to be taken back."""

MESSAGE, SAMPLE, INDEX, OPENED = range(4)
_MAX_TRIP_WORD = (LANE.fields or {})["trip_max_kmh"][1] // 8


class Tails(NamedTuple):
    """The tails of all keys; ``filing`` marks the keys whose seams are to be filed, ``scratch`` holds one lane."""

    words: NDArray[Any]
    floats: NDArray[Any]
    start: NDArray[Any]
    length: NDArray[Any]
    filing: NDArray[Any]
    scratch: NDArray[Any]


@njit
def fold(p, columns, messages, states, lanes, lane_words, is_new, tails, rows, cursor, counters):
    """Folds a mini-batch into the states of its vehicles.

    Args:
        p: Parameters.
        columns: Columns of all messages, one message after the other.
        messages: Messages; ``driver`` and ``fleet`` index ``texts``, rows of 8 words.
        states: STATE records, one per key; updated in place.
        lanes: their lanes.
        lane_words: the same as words.
        is_new: per key, whether its state is blank; cleared at its first sample.
        tails: Tails of the keys.
        rows: Rows; filled from rows.counts on.
        cursor: [message, sample within it, index of that sample, whether the message was looked at]: where to start,
            and where it stopped.
        counters: COUNTERS, added to.

    Returns:
        Why it stopped; call again when that is settled, until it is DONE.
    """
    for m in range(cursor[MESSAGE], len(messages.lengths)):
        cursor[MESSAGE] = m
        key = messages.key_index[m]
        v = states[key]
        s = lanes[key]
        if is_new[key]:
            blank(v, s)
            is_new[key] = False
        base = tails.start[key]
        if tails.length[key] == 0:
            for w in range(HEADER):
                tails.words[base + w] = 0
            tails.length[key] = HEADER
        length = messages.lengths[m]
        if cursor[OPENED] == 0:
            if _is_copy(v, messages.seq[m], columns.t[cursor[INDEX]]):
                counters[DUPLICATES] += 1
                cursor[SAMPLE], cursor[INDEX] = 0, cursor[INDEX] + length
                continue
            cursor[OPENED] = 1
        code = _take(p, columns, messages, m, v, s, lane_words[key], key, tails, rows, cursor, counters)
        if code != DONE:
            return code
        limit = v["newest_t"] - p.buffer_ms + (1 if p.buffer_ms == 0 else 0)
        code = release(p, v, s, lane_words[key], key, tails, rows, limit, counters)
        if code != DONE:
            return code
        _compact(v, tails, key)
        if v["live_t"] == NONE or v["newest_t"] - v["live_t"] >= p.live_interval_ms:
            if _nearly_full(p, rows):
                return FULL
            _early_live(p, v, s, key, tails, rows)
        cursor[SAMPLE], cursor[OPENED] = 0, 0
    cursor[MESSAGE] = len(messages.lengths)
    return DONE


@njit
def _take(p, c, messages, m, v, s, words_of_s, key, tails, rows, cursor, counters):
    """Takes the samples of a message: those far enough behind its last one straight into the lane, others wait."""
    length = messages.lengths[m]
    driver = messages.texts[messages.driver[m]]
    fleet = messages.texts[messages.fleet[m]]
    vehicle_class = messages.vehicle_class[m]
    last = c.t[cursor[INDEX] + length - cursor[SAMPLE] - 1]
    limit = max(last, v["newest_t"]) - p.buffer_ms + (1 if p.buffer_ms == 0 else 0)
    known = False
    waits = False
    who_index = 0
    for j in range(cursor[SAMPLE], length):
        i = cursor[INDEX]
        t = c.t[i]
        if v["newest_t"] == NONE or t > v["newest_t"]:
            if t < limit:
                ordered_t = v["ordered_t"]
                code = release(p, v, s, words_of_s, key, tails, rows, t, counters)
                if code != DONE:
                    return code
                known = known and v["ordered_t"] == ordered_t
            if t < limit and v["head_start"] == NONE and not _opens_seam(p, s, t):
                if _nearly_full(p, rows):
                    return FULL
                watched = _watch(v, s, words_of_s, tails)
                others = False
                if not known:
                    others = who(s, driver, fleet, vehicle_class, key, rows)
                    known = True
                stood = sample(
                    p, s, key, t, c.speed[i], c.accel_x[i], c.accel_y[i], c.lat[i], c.lon[i],
                    c.heading[i], c.odometer[i], c.ignition[i], rows, others,
                )  # fmt: skip
                v["ordered_t"] = t
                if watched:
                    _trip_ended(v, s, stood, tails, key)
            else:
                if not waits:
                    who_index = _who_index(tails, key, driver, fleet)
                    waits = True
                _insert(tails, key, tails.words[tails.start[key] + RAW_END], c, i, who_index, vehicle_class)
            v["newest_t"] = t
            counters[SAMPLES] += 1
        elif v["ordered_t"] != NONE and t <= v["ordered_t"]:
            return LATE
        else:
            at = _place(tails, key, t)
            if at < 0:
                counters[REPEATED] += 1
            else:
                if at - tails.words[tails.start[key] + RAW_FIRST] < v["previewed"]:
                    return BACK
                if not waits:
                    who_index = _who_index(tails, key, driver, fleet)
                    waits = True
                _insert(tails, key, at, c, i, who_index, vehicle_class)
                counters[SAMPLES] += 1
        cursor[SAMPLE] = j + 1
        cursor[INDEX] = i + 1
    return DONE


@njit
def release(p, v, s, words_of_s, key, tails, rows, limit, counters):
    """Folds the waiting samples before ``limit`` into the lane, and keeps the books of the newest seam.

    Returns:
        DONE, FULL, FILE or COMMIT; call again when that is settled.
    """
    words, floats = tails.words, tails.floats
    base = tails.start[key]
    known = False
    while words[base + RAW_FIRST] < words[base + RAW_END]:
        at = _raws(words, base) + words[base + RAW_FIRST] * RAW_WORDS
        t = words[at]
        if t >= limit and words[base + RAW_END] - words[base + RAW_FIRST] <= p.max_waiting:
            break
        if v["previewed"] > 0:
            return COMMIT
        if _nearly_full(p, rows):
            return FULL
        if _opens_seam(p, s, t):
            if v["head_start"] != NONE or words[base + BOX_N] > 0:
                return FILE
            _open_seam(v, s, words_of_s, key, t, tails, rows)
            at = _raws(words, base) + words[base + RAW_FIRST] * RAW_WORDS
        watched = _watch(v, s, words_of_s, tails)
        others = False
        if not known or words[base + WHO_N] > 1:
            others = _who_of(s, words, base, at, key, rows)
            known = True
        gap = t - s["last_t"] if s["last_t"] != NONE else 0
        speed, accel_x, accel_y = floats[at + 1], floats[at + 2], floats[at + 3]
        ignition = (words[at + RAW_WORDS - 1] & 15) - 1
        stood = sample(
            p, s, key, t, speed, accel_x, accel_y, floats[at + 4], floats[at + 5], floats[at + 6],
            floats[at + 7], ignition, rows, others,
        )  # fmt: skip
        v["ordered_t"] = t
        words[base + RAW_FIRST] += 1
        if watched:
            _trip_ended(v, s, stood, tails, key)
        if v["head_start"] != NONE:
            _note_head(p, v, s, words_of_s, key, t, gap, speed, accel_x, accel_y, ignition, others, tails, counters)
    return DONE


@njit
def advance(p, states, lanes, lane_words, watermark, tails, rows, timers, deletions, start):
    """Publishes what the watermark has closed: no sample with a time <= watermark is expected any more.

    Args:
        p: Parameters.
        states: STATE records whose timers fired; updated in place.
        lanes: their lanes.
        lane_words: the same as words.
        watermark: event time in ms.
        tails: Tails of the keys.
        rows: Rows; filled from rows.counts on.
        timers: gets each key's next timer, NONE for none.
        deletions: gets True for the states to forget.
        start: index of the first key to treat.

    Returns:
        The number of keys treated; fewer than len(states) when rows are nearly full.
    """
    for k in range(start, len(states)):
        if _nearly_full(p, rows):
            return k
        v = states[k]
        s = lanes[k]
        timers[k] = NONE
        if v["newest_t"] == NONE:
            deletions[k] = True
            continue
        due = NONE
        if waiting(v, tails, k) > 0:
            if v["newest_t"] <= watermark:
                if not _preview(p, v, s, lane_words[k], k, tails, rows):
                    return k
            else:
                due = v["newest_t"]
        if v["live_t"] != v["newest_t"] or v["live_settled"] <= 0:
            if waiting(v, tails, k) == 0:
                _settled_live(v, s, k, rows)
            elif v["live_t"] != v["newest_t"]:
                _early_live(p, v, s, k, tails, rows)
        open_until = publish(p, s, k, watermark, rows)
        if open_until != NONE and (due == NONE or open_until < due):
            due = open_until
        if due == NONE:
            end = v["newest_t"] + p.vehicle_ttl_ms
            if end <= watermark:
                deletions[k] = True
            else:
                due = end
        timers[k] = due
    return len(states)


@njit
def next_timers(states, timers):
    """The next timer of every key after ``fold``: the end of the minute of its newest sample.

    It is enough that a timer comes once a minute: what is still open then gets its own from ``advance``.
    """
    for k in range(len(states)):
        newest = states[k]["newest_t"]
        timers[k] = NONE if newest == NONE else newest - newest % MINUTE_MS + MINUTE_MS - 1


@njit
def run(p, s, key, head, head_floats, entries, count, rows, start):
    """Folds kept samples into a lane, as ``release`` did when they came.

    Args:
        p: Parameters.
        s: the lane; updated in place.
        key: index of the vehicle, for its rows.
        head, head_floats: samples of RAW_WORDS words each, and the same as floats.
        entries: who drove, WHO_WORDS words each.
        count: how many samples there are.
        rows: Rows; filled from rows.counts on.
        start: the first sample to fold.

    Returns:
        The number of samples folded; fewer than ``count`` when rows are nearly full.
    """
    for n in range(start, count):
        if _nearly_full(p, rows):
            return n
        packed = head[n, RAW_WORDS - 1]
        entry = entries[packed >> 40]
        others = who(s, entry[:TEXT_WORDS], entry[TEXT_WORDS:], (packed >> 4) & 0xFFFFFFFF, key, rows)
        sample(
            p, s, key, head[n, 0], head_floats[n, 1], head_floats[n, 2], head_floats[n, 3], head_floats[n, 4],
            head_floats[n, 5], head_floats[n, 6], head_floats[n, 7], (packed & 15) - 1, rows, others,
        )  # fmt: skip
    return count


@njit
def fold_late(p, s, key, columns, messages, m, i, end, until, rows, counters):
    """Folds samples i..end of a message into the lane before a seam, as long as they are before ``until``.

    Returns:
        The index of the first sample that was not treated: at or after ``until``, or for want of room in the rows.
    """
    driver = messages.texts[messages.driver[m]]
    fleet = messages.texts[messages.fleet[m]]
    known = False
    while i < end and columns.t[i] < until and not _nearly_full(p, rows):
        t = columns.t[i]
        if s["last_t"] != NONE and t <= s["last_t"]:
            counters[REPEATED] += 1
        else:
            others = False
            if not known:
                others = who(s, driver, fleet, messages.vehicle_class[m], key, rows)
                known = True
            sample(
                p, s, key, t, columns.speed[i], columns.accel_x[i], columns.accel_y[i], columns.lat[i],
                columns.lon[i], columns.heading[i], columns.odometer[i], columns.ignition[i], rows, others,
            )  # fmt: skip
            counters[SAMPLES] += 1
            counters[BACKLOG] += 1
        i += 1
    return i


@njit
def waiting(v, tails, key):
    """How many samples wait that are not even in the lane as a preview."""
    if tails.length[key] == 0:
        return 0
    base = tails.start[key]
    return tails.words[base + RAW_END] - tails.words[base + RAW_FIRST] - v["previewed"]


@njit
def blank(v, s):
    """A vehicle that was never seen."""
    clear(s)
    v["newest_t"] = NONE
    v["ordered_t"] = NONE
    v["previewed"] = 0
    v["live_t"] = NONE
    v["live_settled"] = 0
    v["head_start"] = NONE
    v["seam_trip"] = NONE
    for a in range(STRETCHES):
        v["seen_first"][a] = 0
        v["seen_last"][a] = -1
        v["seen_from_t"][a] = NONE
        v["seen_to_t"][a] = NONE


# ---------------------------------------------------------------- copies


@njit
def _is_copy(v, seq, t0):
    """Whether the batch (seq, t0) was seen before; notes it if not. Without a seq (NONE) nothing is known.

    A producer that starts again at seq 0 is not mistaken: its times are new.
    """
    if seq == NONE:
        return False
    first, last, from_t, to_t = v["seen_first"], v["seen_last"], v["seen_from_t"], v["seen_to_t"]
    for a in range(STRETCHES):
        if first[a] <= seq <= last[a] and from_t[a] <= t0 <= to_t[a]:
            return True
    for a in range(STRETCHES):
        if last[a] == seq - 1 and first[a] <= last[a] and to_t[a] <= t0:
            last[a] = seq
            to_t[a] = t0
            for b in range(STRETCHES):
                if b != a and first[b] == seq + 1 and first[b] <= last[b] and t0 <= from_t[b]:
                    last[a] = last[b]
                    to_t[a] = to_t[b]
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


# ---------------------------------------------------------------- what waits


@njit
def _nearly_full(p, rows):
    c = rows.counts
    capacity = min(len(rows.minutes), len(rows.parts), len(rows.trips), len(rows.events), len(rows.lives))
    return max(c[MINUTES], c[PARTS], c[TRIPS], c[EVENTS], c[LIVES]) > capacity - rows_needed(p)


@njit
def _raws(words, base):
    """Where the samples begin."""
    return base + HEADER + words[base + BOX_N] * BOX_WORDS + words[base + WHO_N] * WHO_WORDS


@njit
def _set_length(tails, key):
    base = tails.start[key]
    words = tails.words
    tails.length[key] = _raws(words, base) - base + words[base + RAW_END] * RAW_WORDS


@njit
def _shift(tails, key, at, by):
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


@njit
def _who_index(tails, key, driver, fleet):
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
    _shift(tails, key, at, WHO_WORDS)
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
        raws = _raws(words, base)
        for r in range(words[base + RAW_END]):
            used = used or words[raws + r * RAW_WORDS + RAW_WORDS - 1] >> 40 == n
        if used:
            n += 1
            continue
        _shift(tails, key, base + HEADER + words[base + BOX_N] * BOX_WORDS + n * WHO_WORDS, -WHO_WORDS)
        words[base + WHO_N] -= 1
        raws = _raws(words, base)
        for r in range(words[base + RAW_END]):
            at = raws + r * RAW_WORDS + RAW_WORDS - 1
            if words[at] >> 40 > n:
                words[at] -= 1 << 40
    return n


@njit
def _place(tails, key, t):
    """Where a displaced sample belongs among those that wait; -1 if there is one of this time."""
    words = tails.words
    base = tails.start[key]
    raws = _raws(words, base)
    at = words[base + RAW_END]
    while at > words[base + RAW_FIRST] and words[raws + (at - 1) * RAW_WORDS] > t:
        at -= 1
    if at > words[base + RAW_FIRST] and words[raws + (at - 1) * RAW_WORDS] == t:
        return -1
    return at


@njit
def _insert(tails, key, place, c, i, who_index, vehicle_class):
    words, floats = tails.words, tails.floats
    base = tails.start[key]
    at = _raws(words, base) + place * RAW_WORDS
    _shift(tails, key, at, RAW_WORDS)
    words[base + RAW_END] += 1
    words[at] = c.t[i]
    floats[at + 1] = c.speed[i]
    floats[at + 2] = c.accel_x[i]
    floats[at + 3] = c.accel_y[i]
    floats[at + 4] = c.lat[i]
    floats[at + 5] = c.lon[i]
    floats[at + 6] = c.heading[i]
    floats[at + 7] = c.odometer[i]
    words[at + 8] = (np.int64(who_index) << 40) | (np.int64(vehicle_class) << 4) | (np.int64(c.ignition[i]) + 1)


@njit
def _compact(v, tails, key):
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
        _shift(tails, key, _raws(words, base), -gone * RAW_WORDS)
    words[base + RAW_FIRST] = 0
    words[base + RAW_END] -= gone


@njit
def _who_of(s, words, base, at, key, rows):
    packed = words[at + RAW_WORDS - 1]
    entry = base + HEADER + words[base + BOX_N] * BOX_WORDS + (packed >> 40) * WHO_WORDS
    driver = words[entry : entry + TEXT_WORDS]
    fleet = words[entry + TEXT_WORDS : entry + WHO_WORDS]
    return who(s, driver, fleet, (packed >> 4) & 0xFFFFFFFF, key, rows)


@njit
def _preview(p, v, s, words_of_s, key, tails, rows):
    """Folds all that waits into the lane, which can be taken back; False for want of room in the rows."""
    words, floats = tails.words, tails.floats
    base = tails.start[key]
    if v["previewed"] == 0:
        _box(tails, key, UNDO, v["ordered_t"], words_of_s)
    known = False
    while waiting(v, tails, key) > 0:
        if _nearly_full(p, rows):
            return False
        at = _raws(words, base) + (words[base + RAW_FIRST] + v["previewed"]) * RAW_WORDS
        others = False
        if not known or words[base + WHO_N] > 1:
            others = _who_of(s, words, base, at, key, rows)
            known = True
        sample(
            p, s, key, words[at], floats[at + 1], floats[at + 2], floats[at + 3], floats[at + 4], floats[at + 5],
            floats[at + 6], floats[at + 7], (words[at + RAW_WORDS - 1] & 15) - 1, rows, others,
        )  # fmt: skip
        v["previewed"] += 1
    return True


@njit
def _settled_live(v, s, key, rows):
    times = abs(v["live_settled"]) + 1 if v["live_t"] == v["newest_t"] else 1
    emit_live(
        s, s["driver"], s["fleet"], key, s["last_t"], s["last_lat"], s["last_lon"], s["last_heading"],
        s["last_speed_kmh"], s["last_standing"] != 0, s["last_ignition"], times, rows,
    )  # fmt: skip
    v["live_t"] = v["newest_t"]
    v["live_settled"] = times


@njit
def _early_live(p, v, s, key, tails, rows):
    """The live row of the newest sample, which may still wait."""
    if waiting(v, tails, key) == 0:
        _settled_live(v, s, key, rows)
        return
    words, floats = tails.words, tails.floats
    base = tails.start[key]
    at = _raws(words, base) + (words[base + RAW_END] - 1) * RAW_WORDS
    gap = 0
    odometer, lat, lon = math.nan, math.nan, math.nan
    if waiting(v, tails, key) > 1:
        gap = words[at] - words[at - RAW_WORDS]
        odometer, lat, lon = floats[at - RAW_WORDS + 7], floats[at - RAW_WORDS + 4], floats[at - RAW_WORDS + 5]
    elif s["last_t"] != NONE:
        gap = words[at] - s["last_t"]
        odometer, lat, lon = s["last_odometer_m"], s["last_lat"], s["last_lon"]
    speed = floats[at + 1]
    um = distance_um(p.plausible_kmh, gap, speed, floats[at + 7], floats[at + 4], floats[at + 5], odometer, lat, lon)
    packed = words[at + RAW_WORDS - 1]
    entry = base + HEADER + words[base + BOX_N] * BOX_WORDS + (packed >> 40) * WHO_WORDS
    emit_live(
        s, words[entry : entry + TEXT_WORDS], words[entry + TEXT_WORDS : entry + WHO_WORDS], key, words[at],
        floats[at + 4], floats[at + 5], floats[at + 6], speed, is_standing(p.standing_kmh, speed, um, gap),
        (packed & 15) - 1, 0, rows,
    )  # fmt: skip
    v["live_t"] = v["newest_t"]
    v["live_settled"] = 0


# ---------------------------------------------------------------- seams


@njit
def _box(tails, key, kind, note, lane):
    """Keeps a copy of a lane, given as words."""
    words = tails.words
    base = tails.start[key]
    at = base + HEADER + words[base + BOX_N] * BOX_WORDS
    _shift(tails, key, at, BOX_WORDS)
    words[base + BOX_N] += 1
    words[at] = kind
    words[at + 1] = note
    for w in range(LANE_WORDS):
        words[at + 2 + w] = lane[w]


@njit
def _opens_seam(p, s, t):
    """Whether the gap before t is one that a backlog may fill, and not just how seldom this vehicle reports."""
    if s["last_t"] == NONE:
        return True
    gap = t - s["last_t"]
    return gap > p.backlog_gap_ms and gap > 2 * s["last_gap_ms"]


@njit
def _open_seam(v, s, words_of_s, key, t, tails, rows):
    _compact(v, tails, key)
    v["head_gap_ms"] = NONE
    if s["last_t"] != NONE:
        emit_part(s, key, rows)  # so that the lane that goes on and the kept one don't both send it
        _box(tails, key, LEFT, t, words_of_s)
        v["head_gap_ms"] = t - s["last_t"]
    v["head_start"] = t
    v["head_samples"] = 0
    v["head_calm"] = 0
    v["head_settled"] = 0
    v["head_minute"] = NONE
    v["seam_trip"] = NONE


@njit
def _note_head(p, v, s, words_of_s, key, t, gap, speed, accel_x, accel_y, ignition, others, tails, counters):
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
            _box(tails, key, SEALED, v["head_start"], words_of_s)
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
        words = tails.words
        base = tails.start[key]
        if words[base + BOX_N] > 0:
            _shift(tails, key, base + HEADER, -BOX_WORDS * words[base + BOX_N])
            words[base + BOX_N] = 0


@njit
def _watch(v, s, words_of_s, tails):
    """Keeps the lane as it is if the trip that was open at the seal might end now."""
    if v["seam_trip"] == NONE:
        return False
    for w in range(LANE_WORDS):
        tails.scratch[w] = words_of_s[w]
    return True


@njit
def _trip_ended(v, s, stood, tails, key):
    """Keeps the last state of the trip that was open at the seal, if it has just ended."""
    if s["trip_start"] == v["seam_trip"]:
        return
    _box(tails, key, FIRST, 1 if stood else 0, tails.scratch)
    if stood:
        words = tails.words
        base = tails.start[key]
        box = base + HEADER + (words[base + BOX_N] - 1) * BOX_WORDS
        tails.floats[box + 2 + _MAX_TRIP_WORD] = s["trip_max_kmh"]
    v["seam_trip"] = NONE
    tails.filing[key] = True
