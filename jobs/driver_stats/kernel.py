"""The vehicle kernel: one vehicle's samples, one after the other, become minutes, trips, events and live rows.

Law: results do not depend on how the stream is cut into batches. Everything that is decided is decided by a
vehicle's own next sample; ``advance`` (timers) only publishes early what those decisions would publish later.

The functions are compiled by Numba and run unchanged without it (NUMBA_DISABLE_JIT=1), which is their oracle.
It is one file because Numba's cache of a compiled function does not notice changes in other files.
Semantics: "a sample covers (t_prev, t] at its own speed"; the README of this folder states them all.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import njit
from numpy.typing import NDArray

from jobs.driver_stats.layout import (
    ACCEL,
    ACCUMULATORS,
    AXES,
    BRAKE,
    CORNER,
    DISTANCE_UM,
    DRIVE_MS,
    FOLDS,
    IDLE_MS,
    NONE,
    STOPPED_MS,
    TEXT_WORDS,
    N,
)

MINUTE_MS = 60_000
UM_PER_KMH_MS = 1e9 / 3.6e6  # micrometres per (km/h x ms)
EARTH_RADIUS_M = 6_371_008.8  # IUGG mean radius
COUNTERS = ("samples", "samples_not_newer")
SAMPLES, NOT_NEWER = range(2)
# Rows that one sample can produce at the most, beside the minutes that a gap spans.
ROWS_PER_SAMPLE = 8


class Parameters(NamedTuple):
    """The kernel's parameters, in milliseconds, km/h and m/s²; ``thresholds`` is [vehicle class, axis]."""

    max_gap_ms: int
    idle_gap_ms: int
    trip_gap_ms: int
    trip_stop_ms: int
    standing_kmh: float
    plausible_kmh: float
    rearm_ratio: float
    event_gap_ms: int
    live_interval_ms: int
    vehicle_ttl_ms: int
    thresholds: NDArray[Any]
    min_speeds_kmh: NDArray[Any]


class Columns(NamedTuple):
    """The samples of a mini-batch as columns of equal length; NaN or -1 where a value is missing."""

    t: NDArray[Any]
    speed: NDArray[Any]
    accel_x: NDArray[Any]
    accel_y: NDArray[Any]
    lat: NDArray[Any]
    lon: NDArray[Any]
    heading: NDArray[Any]
    ignition: NDArray[Any]
    odometer: NDArray[Any]


class Messages(NamedTuple):
    """The messages of a mini-batch: samples, key, and who drove what; drivers and fleets are rows of words."""

    lengths: NDArray[Any]
    key_index: NDArray[Any]
    driver: NDArray[Any]
    fleet: NDArray[Any]
    vehicle_class: NDArray[Any]
    texts: NDArray[Any]


class Rows(NamedTuple):
    """Where the kernel writes its rows; ``counts`` holds how many of each there are, in this order."""

    minutes: NDArray[Any]
    parts: NDArray[Any]
    trips: NDArray[Any]
    events: NDArray[Any]
    lives: NDArray[Any]
    counts: NDArray[Any]


MINUTES, PARTS, TRIPS, EVENTS, LIVES = range(5)


@njit(cache=True, nogil=True)
def rows_needed(p: Parameters) -> int:
    """How many rows of one kind a single sample can produce at the most."""
    return max(p.max_gap_ms, p.idle_gap_ms) // MINUTE_MS + ROWS_PER_SAMPLE


@njit(cache=True, nogil=True)
def fold(p, columns, messages, states, is_new, rows, cursor, counters):
    """Folds a mini-batch into the states of its vehicles.

    Args:
        p: Parameters.
        columns: Columns of all messages, one message after the other.
        messages: Messages; ``driver`` and ``fleet`` index ``texts``, rows of 8 words.
        states: STATE records, one per key; updated in place.
        is_new: per key, whether its state is blank; cleared at its first sample.
        rows: Rows; filled from rows.counts on.
        cursor: [message, sample within it, index of that sample]: where to start, and where it stopped.
        counters: COUNTERS, added to.

    Returns:
        True when the batch is folded; False when rows are nearly full: take them away or enlarge them, call again.
    """
    capacity = min(
        len(rows.minutes), len(rows.parts), len(rows.trips), len(rows.events), len(rows.lives)
    ) - rows_needed(p)
    counts = rows.counts
    i = cursor[2]
    for m in range(cursor[0], len(messages.lengths)):
        key = messages.key_index[m]
        s = states[key]
        length = messages.lengths[m]
        known = False
        for j in range(cursor[1], length):
            if max(counts[MINUTES], counts[PARTS], counts[TRIPS], counts[EVENTS], counts[LIVES]) > capacity:
                cursor[0], cursor[1], cursor[2] = m, j, i
                return False
            if is_new[key]:
                _clear(s)
                is_new[key] = False
            t = columns.t[i]
            if s["last_t"] != NONE and t <= s["last_t"]:
                counters[NOT_NEWER] += 1
            else:
                counters[SAMPLES] += 1
                others = False
                if not known:  # once a message is enough, and calls that hand on many arrays are dear
                    others = _who(s, messages, m, key, rows)
                    known = True
                _sample(p, s, key, columns, i, rows, others)
            i += 1
        cursor[1] = 0
        if s["last_t"] != NONE and (s["live_t"] == NONE or s["last_t"] - s["live_t"] >= p.live_interval_ms):
            _emit_live(s, key, rows)
    cursor[0], cursor[2] = len(messages.lengths), i
    return True


@njit(cache=True, nogil=True)
def next_timers(states, timers):
    """The next timer of every key after ``fold``: the end of its open minute.

    It is enough that a timer comes once a minute: what is still open then gets its own from ``advance``.
    """
    for k in range(len(states)):
        start = states[k]["minute_start"]
        timers[k] = NONE if start == NONE else start + MINUTE_MS - 1


@njit(cache=True, nogil=True)
def advance(p, states, watermark, rows, timers, deletions, start):
    """Publishes what the watermark has closed: no sample with a time <= watermark is expected any more.

    Nothing is decided here: a later sample may extend what was published, which then comes out again with the next
    revision.

    Args:
        p: Parameters.
        states: STATE records whose timers fired; updated in place.
        watermark: event time in ms.
        rows: Rows; filled from rows.counts on.
        timers: gets each key's next timer, NONE for none.
        deletions: gets True for the states to forget.
        start: index of the first key to treat.

    Returns:
        The number of keys treated; fewer than len(states) when rows are nearly full.
    """
    capacity = min(
        len(rows.minutes), len(rows.parts), len(rows.trips), len(rows.events), len(rows.lives)
    ) - rows_needed(p)
    counts = rows.counts
    for k in range(start, len(states)):
        if max(counts[MINUTES], counts[PARTS], counts[TRIPS], counts[EVENTS], counts[LIVES]) > capacity:
            return k
        s = states[k]
        timers[k] = NONE
        if s["known"] == 0:
            deletions[k] = True
            continue
        due = NONE
        if s["minute_dirty"] != 0:
            end = s["minute_start"] + MINUTE_MS - 1
            if end <= watermark:
                _emit_minute(s, k, rows)
            else:
                due = _earlier(due, end)
        if s["live_t"] != s["last_t"]:
            _emit_live(s, k, rows)
        for axis in range(AXES):
            if s["event_start"][axis] != NONE and s["event_dirty"][axis] != 0:
                end = s["last_t"] + p.event_gap_ms + 1
                if end <= watermark:
                    _emit_event(s, k, axis, rows)
                else:
                    due = _earlier(due, end)
        if s["trip_start"] != NONE and s["trip_emitted_folds"] != s["trip"][FOLDS] + s["tail"][FOLDS]:
            end = s["last_t"] + p.trip_gap_ms
            if end <= watermark:
                _emit_trip(s, k, True, rows)
            else:
                due = _earlier(due, end)
        if due == NONE:
            end = s["last_t"] + p.vehicle_ttl_ms
            if end <= watermark:
                deletions[k] = True
            else:
                due = end
        timers[k] = due
    return len(states)


@njit(cache=True, nogil=True)
def _earlier(due, end):
    return end if due == NONE or end < due else due


@njit(cache=True, nogil=True)
def _clear(s):
    """A vehicle that was never seen."""
    nan = math.nan
    s["last_t"] = NONE
    s["last_lat"] = nan
    s["last_lon"] = nan
    s["last_odometer_m"] = nan
    s["last_heading"] = nan
    s["last_speed_kmh"] = nan
    s["last_standing"] = 0
    s["last_ignition"] = -1
    s["known"] = 0
    s["minute_start"] = NONE
    s["minute_max_kmh"] = nan
    s["minute_lat"] = nan
    s["minute_lon"] = nan
    s["minute_emissions"] = 0
    s["minute_dirty"] = 0
    s["part_max_kmh"] = nan
    s["trip_start"] = NONE
    s["trip_emissions"] = 0
    s["trip_emitted_folds"] = -1
    s["live_t"] = NONE
    for a in range(ACCUMULATORS):
        s["minute"][a] = 0
        s["part"][a] = 0
        s["trip"][a] = 0
        s["tail"][a] = 0
    for axis in range(AXES):
        s["event_start"][axis] = NONE
        s["event_dirty"][axis] = 0


@njit(cache=True, nogil=True)
def _who(s, messages, m, key, rows):
    """Takes over driver, fleet and class of the message whose sample comes next; a new driver ends the trip.

    Returns:
        Whether driver or fleet are others than before.
    """
    driver = messages.texts[messages.driver[m]]
    fleet = messages.texts[messages.fleet[m]]
    if s["known"] != 0:
        same_driver = True
        same_fleet = True
        for w in range(TEXT_WORDS):
            same_driver = same_driver and s["driver"][w] == driver[w]
            same_fleet = same_fleet and s["fleet"][w] == fleet[w]
        if same_driver and same_fleet:
            s["vehicle_class"] = messages.vehicle_class[m]
            return False
        _emit_part(s, key, rows)
        if not same_driver:
            for axis in range(AXES):
                if s["event_start"][axis] != NONE:
                    _close_event(s, key, axis, rows)
            if s["trip_start"] != NONE:
                _close_trip(s, key, True, rows)
    s["known"] = 1
    s["vehicle_class"] = messages.vehicle_class[m]
    for w in range(TEXT_WORDS):
        s["driver"][w] = driver[w]
        s["fleet"][w] = fleet[w]
    return True


@njit(cache=True, nogil=True, forceinline=True)
def _sample(p, s, key, c, i, rows, others):
    """One sample that is newer than the one before it."""
    t = c.t[i]
    speed = c.speed[i]
    lat = c.lat[i]
    lon = c.lon[i]
    ignition = c.ignition[i]
    before = s["last_t"]
    gap = t - before if before != NONE else 0

    distance_um = _distance_um(p.plausible_kmh, s, gap, speed, c.odometer[i], lat, lon)
    standing = _is_standing(p.standing_kmh, speed, distance_um, gap)
    covers = before != NONE and (
        gap <= p.max_gap_ms or (standing and s["last_standing"] != 0 and gap <= p.idle_gap_ms)
    )

    if s["trip_start"] != NONE and (gap >= p.trip_gap_ms or ignition == 0):
        _close_trip(s, key, True, rows)
    starts = s["trip_start"] == NONE and ignition != 0 and (p.trip_stop_ms == 0 or not standing)
    if starts:
        covers = False
        _open_trip(s, t, lat, lon)

    span = gap if covers else 0
    distance = max(distance_um, 0) if covers else 0
    kind = DRIVE_MS if not standing else (STOPPED_MS if ignition == 0 else IDLE_MS)
    part = s["part"]
    minute = t - t % MINUTE_MS
    if s["minute_start"] == minute and before >= minute:
        # As _cover does it, without a call: most samples lie in the minute of the one before.
        if covers:
            part[FOLDS] += 1
            part[kind] += span
            part[DISTANCE_UM] += distance
    else:
        if covers:
            _cover(s, key, before, t, kind, distance, rows)
        _open_minute(s, key, minute, rows)
    if others:
        _name_minute(s)

    accel, brake, corner = 0, 0, 0
    if not _quiet(p, s, c.accel_x[i], c.accel_y[i]):
        accel, brake, corner = _events(p, s, key, c, i, gap, rows)

    part[N] += 1
    part[FOLDS] += 1
    part[ACCEL] += accel
    part[BRAKE] += brake
    part[CORNER] += corner
    s["minute_dirty"] = 1
    if speed == speed and not s["part_max_kmh"] >= speed:
        s["part_max_kmh"] = speed
    if lat == lat and lon == lon:
        s["minute_lat"] = lat
        s["minute_lon"] = lon

    if s["trip_start"] != NONE:
        in_tail = p.trip_stop_ms > 0 and standing
        if in_tail:
            sums = s["tail"]
            s["tail_end"] = t
            if lat == lat and lon == lon:
                s["tail_lat"] = lat
                s["tail_lon"] = lon
        else:
            _keep_tail(s)
            sums = s["trip"]
            s["trip_end"] = t
            if lat == lat and lon == lon:
                s["trip_end_lat"] = lat
                s["trip_end_lon"] = lon
        sums[N] += 1
        sums[FOLDS] += 1
        sums[kind] += span
        sums[DISTANCE_UM] += distance
        sums[ACCEL] += accel
        sums[BRAKE] += brake
        sums[CORNER] += corner
        if speed == speed and not s["trip_max_kmh"] >= speed:
            s["trip_max_kmh"] = speed
        if in_tail and t - s["trip_end"] >= p.trip_stop_ms:
            _close_trip(s, key, False, rows)

    s["last_t"] = t
    s["last_lat"] = lat
    s["last_lon"] = lon
    s["last_odometer_m"] = c.odometer[i]
    s["last_heading"] = c.heading[i]
    s["last_speed_kmh"] = speed
    s["last_standing"] = 1 if standing else 0
    s["last_ignition"] = ignition


@njit(cache=True, nogil=True)
def _distance_um(plausible_kmh, s, gap, speed, odometer, lat, lon):
    """Micrometres since the sample before: by speed, else by odometer, else by position; -1 where unknown."""
    if speed == speed:
        return math.floor(speed * gap * UM_PER_KMH_MS + 0.5)
    plausible_um = math.floor(plausible_kmh * gap * UM_PER_KMH_MS)
    if odometer == odometer and s["last_odometer_m"] == s["last_odometer_m"]:
        driven_m = odometer - s["last_odometer_m"]
        if driven_m >= 0 and driven_m * 1e6 <= plausible_um:
            return math.floor(driven_m * 1e6 + 0.5)
    if lat == lat and lon == lon and s["last_lat"] == s["last_lat"] and s["last_lon"] == s["last_lon"]:
        moved_um = haversine_m(s["last_lat"], s["last_lon"], lat, lon) * 1e6
        if moved_um <= plausible_um:
            return math.floor(moved_um + 0.5)
    return -1


@njit(cache=True, nogil=True)
def haversine_m(lat1, lon1, lat2, lon2):
    """Great-circle distance in metres of two points in degrees (haversine formula, mean Earth radius)."""
    phi1 = math.radians(lat1)
    phi2 = math.radians(lat2)
    a = math.sin((phi2 - phi1) / 2) ** 2
    a += math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(a)))


@njit(cache=True, nogil=True)
def _is_standing(standing_kmh, speed, distance_um, gap):
    """Below standing.speed_kmh, by the sample's speed or else by its distance; unknown is not standing."""
    if speed == speed:
        return speed < standing_kmh
    return distance_um >= 0 and gap > 0 and distance_um < standing_kmh * gap * UM_PER_KMH_MS


@njit(cache=True, nogil=True)
def _cover(s, key, begin, end, kind, distance_um, rows):
    """Adds (begin, end] to the minutes it lies in, split at their edges in whole milliseconds and micrometres."""
    span = end - begin
    told = 0
    at = begin
    while at < end:
        minute = at - at % MINUTE_MS
        _open_minute(s, key, minute, rows)
        until = min(minute + MINUTE_MS, end)
        upto = distance_um if until == end else distance_um * (until - begin) // span
        part = s["part"]
        part[FOLDS] += 1
        part[kind] += until - at
        part[DISTANCE_UM] += upto - told
        s["minute_dirty"] = 1
        told = upto
        at = until


@njit(cache=True, nogil=True)
def _open_minute(s, key, start, rows):
    """Makes ``start`` the open minute; the one before it is complete, by the vehicle's own progress."""
    if s["minute_start"] == start:
        return
    if s["minute_dirty"] != 0:
        _emit_minute(s, key, rows)
    s["minute_start"] = start
    _name_minute(s)
    s["minute_max_kmh"] = math.nan
    s["minute_lat"] = math.nan
    s["minute_lon"] = math.nan
    s["minute_emissions"] = 0
    for a in range(ACCUMULATORS):
        s["minute"][a] = 0


@njit(cache=True, nogil=True)
def _name_minute(s):
    """The open minute goes by the driver and fleet of its last sample."""
    for w in range(TEXT_WORDS):
        s["minute_driver"][w] = s["driver"][w]
        s["minute_fleet"][w] = s["fleet"][w]


@njit(cache=True, nogil=True)
def _open_trip(s, t, lat, lon):
    s["trip_start"] = t
    s["trip_end"] = t
    s["trip_start_lat"] = lat
    s["trip_start_lon"] = lon
    s["trip_end_lat"] = lat
    s["trip_end_lon"] = lon
    s["trip_max_kmh"] = math.nan
    s["trip_emissions"] = 0
    s["trip_emitted_folds"] = -1
    for a in range(ACCUMULATORS):
        s["trip"][a] = 0
        s["tail"][a] = 0
    s["tail_end"] = NONE
    s["tail_lat"] = math.nan
    s["tail_lon"] = math.nan


@njit(cache=True, nogil=True)
def _keep_tail(s):
    """The vehicle moves on: the standing so far belongs to the trip."""
    if s["tail"][FOLDS] == 0:
        return
    for a in range(ACCUMULATORS):
        s["trip"][a] += s["tail"][a]
        s["tail"][a] = 0
    s["trip_end"] = s["tail_end"]
    if s["tail_lat"] == s["tail_lat"]:
        s["trip_end_lat"] = s["tail_lat"]
        s["trip_end_lon"] = s["tail_lon"]
        s["tail_lat"] = math.nan
        s["tail_lon"] = math.nan


@njit(cache=True, nogil=True)
def _close_trip(s, key, with_tail, rows):
    _emit_trip(s, key, with_tail, rows)
    s["trip_start"] = NONE


@njit(cache=True, nogil=True)
def _emit_trip(s, key, with_tail, rows):
    """Writes the trip as it stands, with the standing at its end or without (then it ends with its last movement).

    The row's write time grows with what was folded in or taken out again, so that a newer row always wins.
    """
    folded = s["trip"][FOLDS] + s["tail"][FOLDS]
    withdrawn = 0 if with_tail else s["tail"][FOLDS]
    if s["trip_emitted_folds"] == folded and withdrawn == 0:
        return
    row = rows.trips[rows.counts[TRIPS]]
    rows.counts[TRIPS] += 1
    row["key"] = key
    for w in range(TEXT_WORDS):
        row["driver"][w] = s["driver"][w]
        row["fleet"][w] = s["fleet"][w]
    row["vehicle_class"] = s["vehicle_class"]
    row["start_ms"] = s["trip_start"]
    row["start_lat"] = s["trip_start_lat"]
    row["start_lon"] = s["trip_start_lon"]
    keep = with_tail and s["tail"][FOLDS] > 0
    row["end_ms"] = s["tail_end"] if keep else s["trip_end"]
    moved = keep and s["tail_lat"] == s["tail_lat"]
    row["end_lat"] = s["tail_lat"] if moved else s["trip_end_lat"]
    row["end_lon"] = s["tail_lon"] if moved else s["trip_end_lon"]
    a, b = s["trip"], s["tail"]
    q = 1 if keep else 0
    _metrics(
        row,
        a[N] + q * b[N],
        folded,
        a[DISTANCE_UM] + q * b[DISTANCE_UM],
        a[DRIVE_MS] + q * b[DRIVE_MS],
        a[IDLE_MS] + q * b[IDLE_MS],
        a[STOPPED_MS] + q * b[STOPPED_MS],
        s["trip_max_kmh"],
        a[ACCEL] + q * b[ACCEL],
        a[BRAKE] + q * b[BRAKE],
        a[CORNER] + q * b[CORNER],
    )
    row["final"] = 1
    row["revision"] = s["trip_emissions"]
    row["write_us"] = s["trip_start"] * 1000 + 2 * (folded + withdrawn) + 1
    s["trip_emissions"] += 1
    s["trip_emitted_folds"] = folded


@njit(cache=True, nogil=True)
def _metrics(row, n, folds, distance_um, drive_ms, idle_ms, stopped_ms, max_kmh, accel, brake, corner):
    row["n_samples"] = n
    row["folds"] = folds
    row["distance_km"] = distance_um / 1e9
    row["drive_s"] = drive_ms / 1e3
    row["idle_s"] = idle_ms / 1e3
    row["stopped_s"] = stopped_ms / 1e3
    row["max_speed_kmh"] = max_kmh
    row["mean_speed_kmh"] = distance_um / 1e9 / (drive_ms / 3.6e6) if drive_ms > 0 else math.nan
    row["harsh_accel"] = accel
    row["harsh_brake"] = brake
    row["harsh_corner"] = corner


@njit(cache=True, nogil=True)
def _emit_part(s, key, rows):
    """Sends the driver's share since the last time, and adds it to the minute."""
    part = s["part"]
    if part[FOLDS] == 0:
        return
    row = rows.parts[rows.counts[PARTS]]
    rows.counts[PARTS] += 1
    row["key"] = key
    for w in range(TEXT_WORDS):
        row["driver"][w] = s["driver"][w]
        row["fleet"][w] = s["fleet"][w]
    row["minute_start"] = s["minute_start"]
    row["event_ms"] = s["minute_start"] + MINUTE_MS - 1
    for a in range(ACCUMULATORS):
        row["sums"][a] = part[a]
        s["minute"][a] += part[a]
        part[a] = 0
    row["max_kmh"] = s["part_max_kmh"]
    if s["part_max_kmh"] == s["part_max_kmh"] and not s["minute_max_kmh"] >= s["part_max_kmh"]:
        s["minute_max_kmh"] = s["part_max_kmh"]
    s["part_max_kmh"] = math.nan


@njit(cache=True, nogil=True)
def _emit_minute(s, key, rows):
    """Writes the open minute's total; the write time grows with the samples folded in."""
    _emit_part(s, key, rows)
    row = rows.minutes[rows.counts[MINUTES]]
    rows.counts[MINUTES] += 1
    row["key"] = key
    for w in range(TEXT_WORDS):
        row["driver"][w] = s["minute_driver"][w]
        row["fleet"][w] = s["minute_fleet"][w]
    row["minute_start"] = s["minute_start"]
    row["lat"] = s["minute_lat"]
    row["lon"] = s["minute_lon"]
    a = s["minute"]
    _metrics(
        row,
        a[N],
        a[FOLDS],
        a[DISTANCE_UM],
        a[DRIVE_MS],
        a[IDLE_MS],
        a[STOPPED_MS],
        s["minute_max_kmh"],
        a[ACCEL],
        a[BRAKE],
        a[CORNER],
    )
    row["final"] = 1
    row["revision"] = s["minute_emissions"]
    row["write_us"] = (s["minute_start"] + MINUTE_MS) * 1000 + 2 * a[FOLDS] + 1
    s["minute_emissions"] += 1
    s["minute_dirty"] = 0


@njit(cache=True, nogil=True)
def _quiet(p, s, accel_x, accel_y):
    """Whether no harsh event is open and no threshold reached: nothing for ``_events`` to do."""
    start = s["event_start"]
    if start[0] != NONE or start[1] != NONE or start[2] != NONE:
        return False
    vehicle_class = s["vehicle_class"]
    return not (
        accel_x >= p.thresholds[vehicle_class, 0]
        or -accel_x >= p.thresholds[vehicle_class, 1]
        or abs(accel_y) >= p.thresholds[vehicle_class, 2]
    )


@njit(cache=True, nogil=True)
def _events(p, s, key, c, i, gap, rows):
    """Harsh events of the three axes; returns how many of each start with this sample.

    An event starts at the first sample at or over its threshold (with the minimum speed reached, or none asked
    for), ends with the last sample at or over the re-arm level, and is over at a missing value or a gap.
    """
    started_accel = 0
    started_brake = 0
    started_corner = 0
    for axis in range(AXES):
        if axis == 0:
            value = c.accel_x[i]
        elif axis == 1:
            value = -c.accel_x[i]
        else:
            value = abs(c.accel_y[i])
        if s["event_start"][axis] != NONE:
            over = value >= p.rearm_ratio * s["event_threshold"][axis]
            if gap <= p.event_gap_ms and over:
                s["event_end"][axis] = c.t[i]
                s["event_samples"][axis] += 1
                s["event_dirty"][axis] = 1
                if value > s["event_peak"][axis]:
                    _peak(s, axis, value, c, i)
                continue
            _close_event(s, key, axis, rows)
        threshold = p.thresholds[s["vehicle_class"], axis]
        fast = p.min_speeds_kmh[axis] == 0 or c.speed[i] >= p.min_speeds_kmh[axis]
        if value >= threshold and fast:
            s["event_start"][axis] = c.t[i]
            s["event_end"][axis] = c.t[i]
            s["event_samples"][axis] = 1
            s["event_threshold"][axis] = threshold
            s["event_dirty"][axis] = 1
            _peak(s, axis, value, c, i)
            if axis == 0:
                started_accel = 1
            elif axis == 1:
                started_brake = 1
            else:
                started_corner = 1
    return started_accel, started_brake, started_corner


@njit(cache=True, nogil=True)
def _peak(s, axis, value, c, i):
    s["event_peak"][axis] = value
    s["event_lat"][axis] = c.lat[i]
    s["event_lon"][axis] = c.lon[i]
    s["event_speed_kmh"][axis] = c.speed[i]


@njit(cache=True, nogil=True)
def _close_event(s, key, axis, rows):
    if s["event_dirty"][axis] != 0:
        _emit_event(s, key, axis, rows)
    s["event_start"][axis] = NONE


@njit(cache=True, nogil=True)
def _emit_event(s, key, axis, rows):
    row = rows.events[rows.counts[EVENTS]]
    rows.counts[EVENTS] += 1
    row["key"] = key
    for w in range(TEXT_WORDS):
        row["driver"][w] = s["driver"][w]
        row["fleet"][w] = s["fleet"][w]
    row["type"] = axis
    ratio = s["event_peak"][axis] / s["event_threshold"][axis]
    row["severity"] = 2 if ratio >= 1.5 else (1 if ratio >= 1.25 else 0)
    row["start_ms"] = s["event_start"][axis]
    row["end_ms"] = s["event_end"][axis]
    row["duration_s"] = (s["event_end"][axis] - s["event_start"][axis]) / 1e3
    row["peak"] = s["event_peak"][axis]
    row["lat"] = s["event_lat"][axis]
    row["lon"] = s["event_lon"][axis]
    row["speed_kmh"] = s["event_speed_kmh"][axis]
    row["n_samples"] = s["event_samples"][axis]
    row["write_us"] = s["event_start"][axis] * 1000 + 2 * s["event_samples"][axis] + 1
    s["event_dirty"][axis] = 0


@njit(cache=True, nogil=True)
def _emit_live(s, key, rows):
    row = rows.lives[rows.counts[LIVES]]
    rows.counts[LIVES] += 1
    row["key"] = key
    for w in range(TEXT_WORDS):
        row["driver"][w] = s["driver"][w]
        row["fleet"][w] = s["fleet"][w]
    row["event_ms"] = s["last_t"]
    if s["last_standing"] == 0:
        row["state"] = 0
    else:
        row["state"] = 2 if s["last_ignition"] == 0 else 1
    row["trip_start"] = s["trip_start"]
    row["lat"] = s["last_lat"]
    row["lon"] = s["last_lon"]
    row["heading"] = s["last_heading"]
    row["speed_kmh"] = s["last_speed_kmh"]
    row["write_us"] = s["last_t"] * 1000
    s["live_t"] = s["last_t"]
