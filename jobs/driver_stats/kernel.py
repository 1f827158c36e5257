"""The rules of a vehicle: its samples, in order, one after the other, become minutes, trips, events and live rows.

Law: results do not depend on how the stream is cut into batches. Everything that is decided is decided by a
vehicle's own next sample; ``publish`` (timers) only publishes early what those decisions would publish later.
``order.py`` puts the samples in order and calls this.

The functions are compiled by Numba and run unchanged without it (NUMBA_DISABLE_JIT=1), which is their oracle.
Semantics: "a sample covers (t_prev, t] at its own speed"; the README of this folder states them all.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from jobs.driver_stats.compiled import njit
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
    LIVE_HEADING,
    LIVE_PLACE,
    LIVE_SPEED,
    LIVE_TRIP,
    NONE,
    STOPPED_MS,
    TEXT_WORDS,
    N,
)

MINUTE_MS = 60_000
UM_PER_KMH_MS = 1e9 / 3.6e6  # micrometres per (km/h x ms)
EARTH_RADIUS_M = 6_371_008.8  # IUGG mean radius
# Rows that one sample can produce at the most, beside the minutes that a gap spans.
ROWS_PER_SAMPLE = 8


class Parameters(NamedTuple):
    """The kernel's parameters, in milliseconds, km/h and m/s²; ``thresholds`` is [vehicle class, axis].

    ``present_ms`` is the clock's: a newest sample before it is of the past, and its live row can wait (present.py).
    """

    max_gap_ms: int
    idle_gap_ms: int
    trip_gap_ms: int
    trip_stop_ms: int
    standing_kmh: float
    plausible_kmh: float
    rearm_ratio: float
    event_gap_ms: int
    live_interval_ms: int
    present_ms: int
    vehicle_ttl_ms: int
    buffer_ms: int
    backlog_gap_ms: int
    max_head: int
    max_waiting: int
    calm_levels: NDArray[Any]
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
    """The messages of a mini-batch: samples, key, number, and who drove what; drivers and fleets are rows of words."""

    lengths: NDArray[Any]
    key_index: NDArray[Any]
    driver: NDArray[Any]
    fleet: NDArray[Any]
    vehicle_class: NDArray[Any]
    texts: NDArray[Any]
    seq: NDArray[Any]


class Rows(NamedTuple):
    """Where the kernel writes its rows; ``counts`` holds how many of each there are, in this order."""

    minutes: NDArray[Any]
    parts: NDArray[Any]
    trips: NDArray[Any]
    events: NDArray[Any]
    lives: NDArray[Any]
    counts: NDArray[Any]


MINUTES, PARTS, TRIPS, EVENTS, LIVES = range(5)


@njit
def rows_needed(p: Parameters) -> int:
    """How many rows of one kind a single sample can produce at the most."""
    return max(p.max_gap_ms, p.idle_gap_ms) // MINUTE_MS + ROWS_PER_SAMPLE


@njit
def publish(p, s, key, watermark, rows):
    """Publishes what the watermark has closed: no sample with a time <= watermark is expected any more.

    Nothing is decided here: a later sample may extend what was published, which then comes out again with the next
    revision.

    Returns:
        When there is more to publish, in ms; NONE where there is not.
    """
    due = NONE
    if s["minute_dirty"] != 0:
        end = s["minute_start"] + MINUTE_MS - 1
        if end <= watermark:
            emit_minute(s, key, rows)
        else:
            due = _earlier(due, end)
    for axis in range(AXES):
        if s["event_start"][axis] != NONE and s["event_dirty"][axis] != 0:
            end = s["last_t"] + p.event_gap_ms + 1
            if end <= watermark:
                _emit_event(s, key, axis, rows)
            else:
                due = _earlier(due, end)
    if s["trip_start"] != NONE and s["trip_emitted_folds"] != s["trip"][FOLDS] + s["tail"][FOLDS]:
        end = s["last_t"] + p.trip_gap_ms
        if end <= watermark:
            emit_trip(s, key, True, rows)
        else:
            due = _earlier(due, end)
    return due


@njit
def _earlier(due, end):
    return end if due == NONE or end < due else due


@njit
def clear(s):
    """A vehicle that was never seen."""
    nan = math.nan
    s["last_t"] = NONE
    s["last_gap_ms"] = 0
    s["withdrawn"] = 0
    s["corrected_to"] = NONE
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
    for a in range(ACCUMULATORS):
        s["minute"][a] = 0
        s["part"][a] = 0
        s["trip"][a] = 0
        s["tail"][a] = 0
    for axis in range(AXES):
        s["event_start"][axis] = NONE
        s["event_dirty"][axis] = 0


@njit
def who(s, driver, fleet, vehicle_class, key, rows):
    """Takes over driver and fleet (words) and class of the sample that comes next; a new driver ends the trip.

    Returns:
        Whether driver or fleet are others than before.
    """
    if s["known"] != 0:
        same_driver = True
        same_fleet = True
        for w in range(TEXT_WORDS):
            same_driver = same_driver and s["driver"][w] == driver[w]
            same_fleet = same_fleet and s["fleet"][w] == fleet[w]
        if same_driver and same_fleet:
            s["vehicle_class"] = vehicle_class
            return False
        emit_part(s, key, rows)
        if not same_driver:
            for axis in range(AXES):
                if s["event_start"][axis] != NONE:
                    _close_event(s, key, axis, rows)
            if s["trip_start"] != NONE:
                _close_trip(s, key, True, rows)
    s["known"] = 1
    s["vehicle_class"] = vehicle_class
    for w in range(TEXT_WORDS):
        s["driver"][w] = driver[w]
        s["fleet"][w] = fleet[w]
    return True


def _sample(p, s, key, t, speed, accel_x, accel_y, lat, lon, heading, odometer, ignition, rows, others):
    """Folds one sample into a lane; it is newer than the one before it.

    Args:
        p: Parameters.
        s: the lane; updated in place.
        key: index of the vehicle, for its rows.
        t: epoch ms.
        speed: km/h; NaN where it is missing, as in all that follow.
        accel_x: m/s², forward.
        accel_y: m/s², left.
        lat: degrees.
        lon: degrees.
        heading: degrees.
        odometer: metres.
        ignition: 1, 0, or -1 where it is missing.
        rows: Rows; gets what the sample completes.
        others: whether driver or fleet have just changed.

    Returns:
        Whether the trip ended because the vehicle has been standing for too long.
    """
    before = s["last_t"]
    gap = t - before if before != NONE else 0

    um = distance_um(
        p.plausible_kmh, gap, speed, odometer, lat, lon, s["last_odometer_m"], s["last_lat"], s["last_lon"]
    )
    standing = is_standing(p.standing_kmh, speed, um, gap)
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
    distance = max(um, 0) if covers else 0
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
    if not _quiet(p, s, accel_x, accel_y):
        accel, brake, corner = _events(p, s, key, t, speed, accel_x, accel_y, lat, lon, gap, rows)

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

    stood = False
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
            stood = True

    s["last_t"] = t
    s["last_gap_ms"] = gap
    s["last_lat"] = lat
    s["last_lon"] = lon
    s["last_odometer_m"] = odometer
    s["last_heading"] = heading
    s["last_speed_kmh"] = speed
    s["last_standing"] = 1 if standing else 0
    s["last_ignition"] = ignition
    return stood


sample = njit(_sample)
sample_inlined = njit(_sample, inlined=True)


@njit
def distance_um(plausible_kmh, gap, speed, odometer, lat, lon, last_odometer, last_lat, last_lon):
    """Micrometres since the sample before: by speed, else by odometer, else by position; -1 where unknown."""
    if speed == speed:
        return math.floor(speed * gap * UM_PER_KMH_MS + 0.5)
    plausible_um = math.floor(plausible_kmh * gap * UM_PER_KMH_MS)
    if odometer == odometer and last_odometer == last_odometer:
        driven_m = odometer - last_odometer
        if driven_m >= 0 and driven_m * 1e6 <= plausible_um:
            return math.floor(driven_m * 1e6 + 0.5)
    if lat == lat and lon == lon and last_lat == last_lat and last_lon == last_lon:
        moved_um = haversine_m(last_lat, last_lon, lat, lon) * 1e6
        if moved_um <= plausible_um:
            return math.floor(moved_um + 0.5)
    return -1


@njit
def haversine_m(lat1, lon1, lat2, lon2):
    """Great-circle distance in metres of two points in degrees (haversine formula, mean Earth radius)."""
    phi1 = math.radians(lat1)
    phi2 = math.radians(lat2)
    a = math.sin((phi2 - phi1) / 2) ** 2
    a += math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(a)))


@njit
def is_standing(standing_kmh, speed, um, gap):
    """Below standing.speed_kmh, by the sample's speed or else by its distance; unknown is not standing."""
    if speed == speed:
        return speed < standing_kmh
    return um >= 0 and gap > 0 and um < standing_kmh * gap * UM_PER_KMH_MS


@njit
def _cover(s, key, begin, end, kind, um, rows):
    """Adds (begin, end] to the minutes it lies in, split at their edges in whole milliseconds and micrometres."""
    span = end - begin
    told = 0
    at = begin
    while at < end:
        minute = at - at % MINUTE_MS
        _open_minute(s, key, minute, rows)
        until = min(minute + MINUTE_MS, end)
        upto = um if until == end else um * (until - begin) // span
        part = s["part"]
        part[FOLDS] += 1
        part[kind] += until - at
        part[DISTANCE_UM] += upto - told
        s["minute_dirty"] = 1
        told = upto
        at = until


@njit
def _open_minute(s, key, start, rows):
    """Makes ``start`` the open minute; the one before it is complete, by the vehicle's own progress."""
    if s["minute_start"] == start:
        return
    if s["minute_dirty"] != 0:
        emit_minute(s, key, rows)
    s["minute_start"] = start
    _name_minute(s)
    s["minute_max_kmh"] = math.nan
    s["minute_lat"] = math.nan
    s["minute_lon"] = math.nan
    s["minute_emissions"] = 0
    for a in range(ACCUMULATORS):
        s["minute"][a] = 0


@njit
def _name_minute(s):
    """The open minute goes by the driver and fleet of its last sample."""
    for w in range(TEXT_WORDS):
        s["minute_driver"][w] = s["driver"][w]
        s["minute_fleet"][w] = s["fleet"][w]


@njit
def _open_trip(s, t, lat, lon):
    s["trip_start"] = t
    s["trip_end"] = t
    s["trip_start_lat"] = lat
    s["trip_start_lon"] = lon
    s["trip_end_lat"] = lat
    s["trip_end_lon"] = lon
    s["trip_before_kmh"] = math.nan
    s["trip_max_kmh"] = math.nan
    s["trip_emissions"] = 0
    s["trip_emitted_folds"] = -1
    for a in range(ACCUMULATORS):
        s["trip"][a] = 0
        s["tail"][a] = 0
    s["tail_end"] = NONE
    s["tail_lat"] = math.nan
    s["tail_lon"] = math.nan


@njit
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


@njit
def _close_trip(s, key, with_tail, rows):
    emit_trip(s, key, with_tail, rows)
    s["trip_start"] = NONE


@njit
def emit_trip(s, key, with_tail, rows):
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
        trip_max_kmh(s),
        a[ACCEL] + q * b[ACCEL],
        a[BRAKE] + q * b[BRAKE],
        a[CORNER] + q * b[CORNER],
    )
    row["final"] = 1
    row["revision"] = s["trip_emissions"] + (1 if s["trip_start"] <= s["corrected_to"] else 0)
    row["write_us"] = s["trip_start"] * 1000 + 2 * (folded + withdrawn + s["withdrawn"]) + 1
    row["superseded_by"] = NONE
    row["nulls"] = 1 if s["withdrawn"] > 0 or withdrawn > 0 else 0
    s["trip_emissions"] += 1
    s["trip_emitted_folds"] = folded


@njit
def trip_max_kmh(s):
    """The top speed of the open trip; NaN without any speed."""
    before, since = s["trip_before_kmh"], s["trip_max_kmh"]
    return before if before >= since or since != since else since


@njit
def _metrics(row, n, folds, um, drive_ms, idle_ms, stopped_ms, max_kmh, accel, brake, corner):
    row["n_samples"] = n
    row["folds"] = folds
    row["distance_km"] = um / 1e9
    row["drive_s"] = drive_ms / 1e3
    row["idle_s"] = idle_ms / 1e3
    row["stopped_s"] = stopped_ms / 1e3
    row["max_speed_kmh"] = max_kmh
    row["mean_speed_kmh"] = um / 1e9 / (drive_ms / 3.6e6) if drive_ms > 0 else math.nan
    row["harsh_accel"] = accel
    row["harsh_brake"] = brake
    row["harsh_corner"] = corner


@njit
def emit_part(s, key, rows):
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


@njit
def emit_minute(s, key, rows):
    """Writes the open minute's total; the write time grows with the samples folded in."""
    emit_part(s, key, rows)
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
    row["revision"] = s["minute_emissions"] + (1 if s["minute_start"] <= s["corrected_to"] else 0)
    row["write_us"] = (s["minute_start"] + MINUTE_MS) * 1000 + 2 * (a[FOLDS] + s["withdrawn"]) + 1
    row["superseded_by"] = NONE
    row["nulls"] = 1 if s["withdrawn"] > 0 else 0
    s["minute_emissions"] += 1
    s["minute_dirty"] = 0


@njit
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


@njit
def _events(p, s, key, t, speed, accel_x, accel_y, lat, lon, gap, rows):
    """Harsh events of the three axes; returns how many of each start with this sample.

    An event starts at the first sample at or over its threshold (with the minimum speed reached, or none asked
    for), ends with the last sample at or over the re-arm level, and is over at a missing value or a gap.
    """
    started_accel = 0
    started_brake = 0
    started_corner = 0
    for axis in range(AXES):
        if axis == 0:
            value = accel_x
        elif axis == 1:
            value = -accel_x
        else:
            value = abs(accel_y)
        if s["event_start"][axis] != NONE:
            over = value >= p.rearm_ratio * s["event_threshold"][axis]
            if gap <= p.event_gap_ms and over:
                s["event_end"][axis] = t
                s["event_samples"][axis] += 1
                s["event_dirty"][axis] = 1
                if value > s["event_peak"][axis]:
                    _peak(s, axis, value, lat, lon, speed)
                continue
            _close_event(s, key, axis, rows)
        threshold = p.thresholds[s["vehicle_class"], axis]
        fast = p.min_speeds_kmh[axis] == 0 or speed >= p.min_speeds_kmh[axis]
        if value >= threshold and fast:
            s["event_start"][axis] = t
            s["event_end"][axis] = t
            s["event_samples"][axis] = 1
            s["event_threshold"][axis] = threshold
            s["event_dirty"][axis] = 1
            _peak(s, axis, value, lat, lon, speed)
            if axis == 0:
                started_accel = 1
            elif axis == 1:
                started_brake = 1
            else:
                started_corner = 1
    return started_accel, started_brake, started_corner


@njit
def _peak(s, axis, value, lat, lon, speed):
    s["event_peak"][axis] = value
    s["event_lat"][axis] = lat
    s["event_lon"][axis] = lon
    s["event_speed_kmh"][axis] = speed


@njit
def _close_event(s, key, axis, rows):
    if s["event_dirty"][axis] != 0:
        _emit_event(s, key, axis, rows)
    s["event_start"][axis] = NONE


@njit
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
    row["write_us"] = s["event_start"][axis] * 1000 + 2 * (s["event_samples"][axis] + s["withdrawn"]) + 1
    row["superseded_by"] = NONE
    # A later peak may lack what an earlier one, published while the event was open, had.
    row["nulls"] = 1 if s["withdrawn"] > 0 or s["event_samples"][axis] > 1 else 0
    s["event_dirty"][axis] = 0


@njit
def emit_live(s, driver, fleet, key, t, lat, lon, heading, speed, standing, ignition, settled, had, rows):
    """Writes where a vehicle is.

    ``settled`` says how often it was written with all samples in the lane: such a row wins over an early one (0) of
    the same time, and over those before it. ``had`` says which columns may have a value (LIVE_*): if one of them has
    none now, the row erases it; columns that never had one are left alone, because nulls cost Cassandra's readers.
    """
    row = rows.lives[rows.counts[LIVES]]
    rows.counts[LIVES] += 1
    row["key"] = key
    for w in range(TEXT_WORDS):
        row["driver"][w] = driver[w]
        row["fleet"][w] = fleet[w]
    row["event_ms"] = t
    if not standing:
        row["state"] = 0
    else:
        row["state"] = 2 if ignition == 0 else 1
    row["trip_start"] = s["trip_start"]
    row["lat"] = lat
    row["lon"] = lon
    row["heading"] = heading
    row["speed_kmh"] = speed
    has = 0
    if lat == lat and lon == lon:
        has |= LIVE_PLACE
    if heading == heading:
        has |= LIVE_HEADING
    if speed == speed:
        has |= LIVE_SPEED
    if s["trip_start"] != NONE:
        has |= LIVE_TRIP
    row["nulls"] = 1 if had & ~has != 0 else 0
    row["write_us"] = t * 1000 + min(settled, 999)
