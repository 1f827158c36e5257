"""Puts a vehicle's samples in order before the rules of ``kernel.py`` see them.

A sample waits until one that is ``order.buffer_s`` newer is there: until then it can be preceded by a displaced one.
What waits lies in the tail of the vehicle's state. When the watermark says that nothing older is expected, the waiting
samples go into the lane as a **preview**: what they complete is published, and the lane as it was is kept to go back
to, should a displaced sample come after all.

A gap in a vehicle's samples, and the time before its first one, is a **seam**: a stored backlog may fill it later. For
that, the lane before the gap and the samples behind it (the **head**) are kept, up to the point from which the lane no
longer depends on what was before the gap, sums of the open trip aside: there the seam is **sealed**, and goes to the
vehicle's store. ``backlog.py`` does what is rare: it files seams, folds backlogs into them and corrects what follows.
"""

from __future__ import annotations

import math

from jobs.driver_stats.compiled import inlined, njit
from jobs.driver_stats.distance import distance_um, is_standing
from jobs.driver_stats.emit import EVENTS, LIVES, MINUTE_MS, MINUTES, PARTS, TRIPS, emit_live
from jobs.driver_stats.heads import note_head, open_seam, opens_seam, trip_ended, watch
from jobs.driver_stats.kernel import clear, publish, rows_needed, sample, sample_inlined, who
from jobs.driver_stats.layout import (
    FOLDS,
    LIVE_HEADING,
    LIVE_PLACE,
    LIVE_SPEED,
    LIVE_TRIP,
    NONE,
    RAW_WORDS,
    STRETCHES,
    TEXT_WORDS,
    WHO_SHIFT,
    WHO_WORDS,
)
from jobs.driver_stats.parts import hour_end
from jobs.driver_stats.tails import (
    BOX_N,
    BOX_WORDS,
    HEADER,
    RAW_END,
    RAW_FIRST,
    UNDO,
    WHO_N,
    append,
    box,
    insert,
    is_copy,
    place_of,
    raws_at,
    trim,
    waiting,
    who_index_of,
)

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

DONE, FULL, FILE, LATE, COMMIT, BACK, _RELEASE = range(7)
"""Why ``fold`` stopped: folded; rows nearly full; a seam is to be filed; a sample before what is in order; a preview
holds for good; a preview is to be taken back."""

MESSAGE, SAMPLE, INDEX, OPENED, IS_COPY, TAKEN = range(6)


@njit
def fold(p, columns, messages, states, lane_words, is_new, tails, rows, cursor, copies, counters):
    """Folds a mini-batch into the states of its vehicles.

    Args:
        p: Parameters.
        columns: Columns of all messages, one message after the other.
        messages: Messages; ``driver`` and ``fleet`` index ``texts``, rows of 8 words.
        states: STATE records, one per key; updated in place.
        lane_words: the same as words; their lanes come first.
        is_new: per key, whether its state is blank; cleared at its first sample.
        tails: Tails of the keys.
        rows: Rows; filled from rows.counts on.
        cursor: [message, sample within it, index of that sample, whether the message was looked at, whether its number
            was seen, samples counted before it]: where to start, and where it stopped.
        copies: gets True for the messages of which every sample was there before, by number and by time.
        counters: COUNTERS, added to.

    Returns:
        Why it stopped; call again when that is settled, until it is DONE.
    """
    for m in range(cursor[MESSAGE], len(messages.lengths)):
        cursor[MESSAGE] = m
        key = messages.key_index[m]
        v = states[key]
        s = v["lane"]
        if is_new[key]:
            blank(v, s)
            is_new[key] = False
        base = tails.start[key]
        if tails.length[key] == 0:
            for w in range(HEADER):
                tails.words[base + w] = 0
            tails.length[key] = HEADER
        if cursor[OPENED] == 0:
            cursor[IS_COPY] = 1 if is_copy(v, messages.seq[m], columns.t[cursor[INDEX]]) else 0
            cursor[TAKEN] = counters[SAMPLES]
            cursor[OPENED] = 1
        taken = _RELEASE
        while taken == _RELEASE:
            taken = _take(p, columns, messages, m, v, s, lane_words[key], key, tails, rows, cursor, counters)
            if taken == _RELEASE:
                limit = columns.t[cursor[INDEX]]
            elif taken == DONE:
                limit = v["newest_t"] - p.buffer_ms + (1 if p.buffer_ms == 0 else 0)
            else:
                return taken
            # The one place where it is called, so that it is compiled into this loop once.
            code = release_inlined(p, v, s, lane_words[key], key, tails, rows, limit, counters)
            if code != DONE:
                return code
        trim(v, tails, key)
        _note_values(v, columns, cursor[INDEX] - 1)
        if v["live_t"] == NONE or (v["newest_t"] >= p.present_ms and live_due(p, v)):
            if nearly_full(p, rows):
                return FULL
            early_live(p, v, s, key, tails, rows)
        if cursor[IS_COPY] != 0 and counters[SAMPLES] == cursor[TAKEN]:
            # The number alone decides nothing: no sample is ever left out because of it.
            copies[m] = True
            counters[DUPLICATES] += 1
        cursor[SAMPLE], cursor[OPENED] = 0, 0
    cursor[MESSAGE] = len(messages.lengths)
    return DONE


@inlined
def _take(p, c, messages, m, v, s, words_of_s, key, tails, rows, cursor, counters):
    """Takes the samples of a message: those far enough behind its last one straight into the lane, others wait.

    Returns:
        As ``fold``, or _RELEASE: before the sample at the cursor, release what waits.
    """
    length = messages.lengths[m]
    driver = messages.texts[messages.driver[m]]
    fleet = messages.texts[messages.fleet[m]]
    vehicle_class = messages.vehicle_class[m]
    last = c.t[cursor[INDEX] + length - cursor[SAMPLE] - 1]
    limit = max(last, v["newest_t"]) - p.buffer_ms + (1 if p.buffer_ms == 0 else 0)
    known = False
    waits = False
    who_index = 0
    words = tails.words
    base = tails.start[key]
    room = room_for_rows(p, rows)
    for j in range(cursor[SAMPLE], length):
        i = cursor[INDEX]
        t = c.t[i]
        if v["newest_t"] == NONE or t > v["newest_t"]:
            if t < limit and words[base + RAW_FIRST] < words[base + RAW_END]:
                return _RELEASE
            if t < limit and v["head_start"] == NONE and not opens_seam(p, s, t):
                if most_rows(rows) > room:
                    return FULL
                watched = watch(v, words_of_s, tails)
                others = False
                if not known:
                    others = who(p, s, driver, fleet, vehicle_class, key, rows)
                    known = True
                stood = sample_inlined(
                    p, s, key, t, c.speed[i], c.accel_x[i], c.accel_y[i], c.lat[i], c.lon[i],
                    c.heading[i], c.odometer[i], c.yaw_rate[i], c.speed_limit[i], c.ignition[i], rows, others,
                )  # fmt: skip
                v["ordered_t"] = t
                if watched:
                    trip_ended(v, s, stood, tails, key)
            else:
                if not waits:
                    who_index = who_index_of(tails, key, driver, fleet)
                    waits = True
                append(tails, key, c, i, who_index, vehicle_class)
            v["newest_t"] = t
            counters[SAMPLES] += 1
        elif v["ordered_t"] != NONE and t <= v["ordered_t"]:
            return LATE
        else:
            at = place_of(tails, key, t)
            if at < 0:
                counters[REPEATED] += 1
            else:
                if at - tails.words[tails.start[key] + RAW_FIRST] < v["previewed"]:
                    return BACK
                if not waits:
                    who_index = who_index_of(tails, key, driver, fleet)
                    waits = True
                insert(tails, key, at, c, i, who_index, vehicle_class)
                counters[SAMPLES] += 1
        cursor[SAMPLE] = j + 1
        cursor[INDEX] = i + 1
    return DONE


def _release(p, v, s, words_of_s, key, tails, rows, limit, counters):
    """Folds the waiting samples before ``limit`` into the lane, and keeps the books of the newest seam.

    Returns:
        DONE, FULL, FILE or COMMIT; call again when that is settled.
    """
    words, floats = tails.words, tails.floats
    base = tails.start[key]
    known = False
    room = room_for_rows(p, rows)
    while words[base + RAW_FIRST] < words[base + RAW_END]:
        at = raws_at(words, base) + words[base + RAW_FIRST] * RAW_WORDS
        t = words[at]
        if t >= limit and words[base + RAW_END] - words[base + RAW_FIRST] <= p.max_waiting:
            break
        if v["previewed"] > 0:
            return COMMIT
        if most_rows(rows) > room:
            return FULL
        if opens_seam(p, s, t):
            if v["head_start"] != NONE or words[base + BOX_N] > 0:
                return FILE
            open_seam(v, s, words_of_s, key, t, tails, rows)
            at = raws_at(words, base) + words[base + RAW_FIRST] * RAW_WORDS
        watched = watch(v, words_of_s, tails)
        others = False
        if not known or words[base + WHO_N] > 1:
            others = _who_of(p, s, words, base, at, key, rows)
            known = True
        gap = t - s["last_t"] if s["last_t"] != NONE else 0
        speed, accel_x, accel_y = floats[at + 1], floats[at + 2], floats[at + 3]
        ignition = (words[at + RAW_WORDS - 1] & 15) - 1
        stood = sample_inlined(
            p, s, key, t, speed, accel_x, accel_y, floats[at + 4], floats[at + 5], floats[at + 6],
            floats[at + 7], floats[at + 8], floats[at + 9], ignition, rows, others,
        )  # fmt: skip
        v["ordered_t"] = t
        words[base + RAW_FIRST] += 1
        if watched:
            trip_ended(v, s, stood, tails, key)
        if v["head_start"] != NONE:
            note_head(
                p, v, s, words_of_s, key, t, gap, speed, accel_x, accel_y, ignition, others, tails, counters
            )
    return DONE


release = njit(_release)
release_inlined = inlined(_release)


@njit
def advance(p, states, lane_words, watermark, tails, rows, timers, deletions, start):
    """Publishes what the watermark has closed: no sample with a time <= watermark is expected any more.

    Args:
        p: Parameters.
        states: STATE records whose timers fired; updated in place.
        lane_words: the same as words; their lanes come first.
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
        if nearly_full(p, rows):
            return k
        v = states[k]
        s = v["lane"]
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
        # One of the past that still moves has later timers: its minute is open.
        if v["newest_t"] >= p.present_ms or v["newest_t"] <= watermark:
            if waiting(v, tails, k) == 0 and (v["live_t"] != v["newest_t"] or v["live_settled"] <= 0):
                _settled_live(v, s, k, rows)
            elif v["live_t"] != v["newest_t"]:
                early_live(p, v, s, k, tails, rows)
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

    It is enough that a timer comes once a minute: what is still open then gets its own from ``advance``. Parts that
    are held back must be sent when their hour closes.
    """
    for k in range(len(states)):
        newest, h = states[k]["newest_t"], states[k]["held"]
        timers[k] = NONE if newest == NONE else newest - newest % MINUTE_MS + MINUTE_MS - 1
        if h["sums"][FOLDS] > 0:
            timers[k] = hour_end(h) if newest == NONE else min(timers[k], hour_end(h))


@njit
def run(p, s, key, head, head_floats, entries, count, rows, start):
    """Folds kept samples into a lane, as ``release`` did when they came.

    Args:
        p: Parameters.
        s: the lane; updated in place.
        key: index of the vehicle, for its rows.
        head: samples of RAW_WORDS words each.
        head_floats: the same as floats.
        entries: who drove, WHO_WORDS words each.
        count: how many samples there are.
        rows: Rows; filled from rows.counts on.
        start: the first sample to fold.

    Returns:
        The number of samples folded; fewer than ``count`` when rows are nearly full.
    """
    for n in range(start, count):
        if nearly_full(p, rows):
            return n
        packed = head[n, RAW_WORDS - 1]
        entry = entries[packed >> WHO_SHIFT]
        others = who(p, s, entry[:TEXT_WORDS], entry[TEXT_WORDS:], (packed >> 4) & 0xFFFFFFFF, key, rows)
        sample(
            p, s, key, head[n, 0], head_floats[n, 1], head_floats[n, 2], head_floats[n, 3], head_floats[n, 4],
            head_floats[n, 5], head_floats[n, 6], head_floats[n, 7], head_floats[n, 8], head_floats[n, 9],
            (packed & 15) - 1, rows, others,
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
    while i < end and columns.t[i] < until and not nearly_full(p, rows):
        t = columns.t[i]
        if s["last_t"] != NONE and t <= s["last_t"]:
            counters[REPEATED] += 1
        else:
            others = False
            if not known:
                others = who(p, s, driver, fleet, messages.vehicle_class[m], key, rows)
                known = True
            sample(
                p, s, key, t, columns.speed[i], columns.accel_x[i], columns.accel_y[i], columns.lat[i],
                columns.lon[i], columns.heading[i], columns.odometer[i], columns.yaw_rate[i], columns.speed_limit[i],
                columns.ignition[i], rows, others,
            )  # fmt: skip
            counters[SAMPLES] += 1
            counters[BACKLOG] += 1
        i += 1
    return i


@njit
def blank(v, s):
    """A vehicle that was never seen."""
    clear(s)
    v["newest_t"] = NONE
    v["ordered_t"] = NONE
    v["previewed"] = 0
    v["live_t"] = NONE
    v["live_settled"] = 0
    v["live_had"] = 0
    v["head_start"] = NONE
    v["head_since"] = NONE
    v["head_fix"] = NONE
    v["head_quiet"] = NONE
    v["seam_trip"] = NONE
    for a in range(STRETCHES):
        v["seen_first"][a] = 0
        v["seen_last"][a] = -1
        v["seen_from_t"][a] = NONE
        v["seen_to_t"][a] = NONE


@inlined
def room_for_rows(p, rows):
    """How many rows of any kind there may be, so that those of one more sample fit; all kinds have the same room."""
    return len(rows.minutes) - rows_needed(p)


@inlined
def most_rows(rows):
    """How many rows there are of the kind that has most."""
    c = rows.counts
    return max(c[MINUTES], c[PARTS], c[TRIPS], c[EVENTS], c[LIVES])


@njit
def nearly_full(p, rows):
    """Whether the rows of one more sample might not fit."""
    return most_rows(rows) > room_for_rows(p, rows)


@inlined
def _who_of(p, s, words, base, at, key, rows):
    packed = words[at + RAW_WORDS - 1]
    entry = base + HEADER + words[base + BOX_N] * BOX_WORDS + (packed >> WHO_SHIFT) * WHO_WORDS
    driver = words[entry : entry + TEXT_WORDS]
    fleet = words[entry + TEXT_WORDS : entry + WHO_WORDS]
    return who(p, s, driver, fleet, (packed >> 4) & 0xFFFFFFFF, key, rows)


@njit
def _preview(p, v, s, words_of_s, key, tails, rows):
    """Folds all that waits into the lane, which can be taken back; False for want of room in the rows."""
    words, floats = tails.words, tails.floats
    base = tails.start[key]
    if v["previewed"] == 0:
        box(tails, key, UNDO, v["ordered_t"], words_of_s)
    known = False
    while waiting(v, tails, key) > 0:
        if nearly_full(p, rows):
            return False
        at = raws_at(words, base) + (words[base + RAW_FIRST] + v["previewed"]) * RAW_WORDS
        others = False
        if not known or words[base + WHO_N] > 1:
            others = _who_of(p, s, words, base, at, key, rows)
            known = True
        sample(
            p, s, key, words[at], floats[at + 1], floats[at + 2], floats[at + 3], floats[at + 4], floats[at + 5],
            floats[at + 6], floats[at + 7], floats[at + 8], floats[at + 9],
            (words[at + RAW_WORDS - 1] & 15) - 1, rows, others,
        )  # fmt: skip
        v["previewed"] += 1
    return True


@inlined
def _note_values(v, c, i):
    """Notes what a live row may show: of its samples only the last one of a message, and a trip if there is any."""
    had = v["live_had"] | LIVE_TRIP
    if c.lat[i] == c.lat[i] or c.lon[i] == c.lon[i]:
        had |= LIVE_PLACE
    if c.heading[i] == c.heading[i]:
        had |= LIVE_HEADING
    if c.speed[i] == c.speed[i]:
        had |= LIVE_SPEED
    v["live_had"] = had


@njit
def _settled_live(v, s, key, rows):
    times = abs(v["live_settled"]) + 1 if v["live_t"] == v["newest_t"] else 1
    emit_live(
        s, s["driver"], s["fleet"], key, s["last_t"], s["last_lat"], s["last_lon"], s["last_heading"],
        s["last_speed_kmh"], s["last_standing"] != 0, s["last_ignition"], times, v["live_had"], rows,
    )  # fmt: skip
    v["live_t"] = v["newest_t"]
    v["live_settled"] = times


@njit
def live_due(p, v):
    """Whether the newest sample is so far behind the one of the live row that it needs a new one."""
    return v["newest_t"] - v["live_t"] >= p.live_interval_ms


@njit
def early_live(p, v, s, key, tails, rows):
    """The live row of the newest sample, which may still wait."""
    if waiting(v, tails, key) == 0:
        _settled_live(v, s, key, rows)
        return
    words, floats = tails.words, tails.floats
    base = tails.start[key]
    at = raws_at(words, base) + (words[base + RAW_END] - 1) * RAW_WORDS
    gap = 0
    odometer, lat, lon = math.nan, math.nan, math.nan
    if waiting(v, tails, key) > 1:
        gap = words[at] - words[at - RAW_WORDS]
        odometer, lat, lon = (
            floats[at - RAW_WORDS + 7],
            floats[at - RAW_WORDS + 4],
            floats[at - RAW_WORDS + 5],
        )
    elif s["last_t"] != NONE:
        gap = words[at] - s["last_t"]
        odometer, lat, lon = s["last_odometer_m"], s["last_lat"], s["last_lon"]
    speed = floats[at + 1]
    um = distance_um(
        p.plausible_kmh, gap, speed, floats[at + 7], floats[at + 4], floats[at + 5], odometer, lat, lon
    )
    packed = words[at + RAW_WORDS - 1]
    entry = base + HEADER + words[base + BOX_N] * BOX_WORDS + (packed >> WHO_SHIFT) * WHO_WORDS
    emit_live(
        s, words[entry : entry + TEXT_WORDS], words[entry + TEXT_WORDS : entry + WHO_WORDS], key, words[at],
        floats[at + 4], floats[at + 5], floats[at + 6], speed, is_standing(p.standing_kmh, speed, um, gap),
        (packed & 15) - 1, 0, v["live_had"], rows,
    )  # fmt: skip
    v["live_t"] = v["newest_t"]
    v["live_settled"] = 0
