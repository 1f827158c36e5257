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

from jobs.driver_stats.compiled import inlined, njit
from jobs.driver_stats.distance import distance_um, is_standing
from jobs.driver_stats.emit import (
    MINUTE_MS,
    emit_event,
    emit_idling,
    emit_minute,
    emit_part,
    emit_speeding,
    emit_trip,
)
from jobs.driver_stats.harsh import HarshRules, clear_derived, credible_kmh, derive
from jobs.driver_stats.harsh_events import SCORED, close_event, events, quiet
from jobs.driver_stats.idling import clear_idling, extend_idling, is_idling_event
from jobs.driver_stats.layout import (
    ACCEL,
    ACCUMULATORS,
    AXES,
    BRAKE,
    CORNER,
    COUNTED_AXES,
    DISTANCE_UM,
    DRIVE_MS,
    EPISODE_BANDS,
    EXCESSIVE,
    FOLDS,
    IDLE_MS,
    NONE,
    SCORED_ACCEL,
    SCORED_BRAKE,
    SCORED_CORNER,
    STOPPED_MS,
    TEXT_WORDS,
    N,
)
from jobs.driver_stats.speeding import (
    OK,
    UNKNOWN,
    SpeedingRules,
    add_span,
    band_of,
    becomes_severe,
    clear_episode,
    extend_episode,
    is_event,
    is_speeding,
    limit_kmh,
)

# Rows that one sample can produce at the most, beside the minutes that a gap spans.
ROWS_PER_SAMPLE = 8


class Parameters(NamedTuple):
    """The kernel's parameters, in milliseconds, km/h and m/s²; ``thresholds`` is [vehicle class, axis].

    ``quiet_vector2``: below this square of the horizontal acceleration there is no possible crash.
    ``present_ms`` is the clock's: a newest sample before it is of the past, and its live row can wait (present.py).
    """

    max_gap_ms: int
    idle_gap_ms: int
    idle_event_ms: int
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
    quiet_vector2: float
    deduplicate_ms: int
    harsh: HarshRules
    speeding: SpeedingRules


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
    yaw_rate: NDArray[Any]
    speed_limit: NDArray[Any]


class Messages(NamedTuple):
    """The messages of a mini-batch: samples, key, number, and who drove what; drivers and fleets are rows of words."""

    lengths: NDArray[Any]
    key_index: NDArray[Any]
    driver: NDArray[Any]
    fleet: NDArray[Any]
    vehicle_class: NDArray[Any]
    texts: NDArray[Any]
    seq: NDArray[Any]


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
                emit_event(s, key, axis, rows)
            else:
                due = _earlier(due, end)
    if s["speeding_start"] != NONE and s["speeding_dirty"] != 0 and is_event(p.speeding, s):
        end = s["last_t"] + p.max_gap_ms + 1
        if end <= watermark:
            emit_speeding(p.speeding, s, key, rows)
        else:
            due = _earlier(due, end)
    if s["idle_emitted"] != s["idle_samples"] and is_idling_event(p.idle_event_ms, s):
        end = s["last_t"] + max(p.max_gap_ms, p.idle_gap_ms) + 1
        if end <= watermark:
            emit_idling(s, key, rows)
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
    s["minute_trip"] = NONE
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
        s["event_derived"][axis] = 0
    for axis in range(COUNTED_AXES):
        s["counted_ms"][axis] = NONE
    s["last_speeding"] = 0
    clear_derived(s)
    clear_episode(s)
    clear_idling(s)


@inlined
def who(p, s, driver, fleet, vehicle_class, key, rows):
    """Takes over driver and fleet (words) and class of the sample that comes next; a new driver ends the trip.

    Returns:
        Whether driver or fleet are others than before.
    """
    same = s["known"] != 0
    for w in range(TEXT_WORDS):
        same = same and s["driver"][w] == driver[w] and s["fleet"][w] == fleet[w]
    if same:
        s["vehicle_class"] = vehicle_class
        return False
    _others(p, s, driver, fleet, vehicle_class, key, rows)
    return True


@njit
def _others(p, s, driver, fleet, vehicle_class, key, rows):
    if s["known"] != 0:
        same_driver = True
        for w in range(TEXT_WORDS):
            same_driver = same_driver and s["driver"][w] == driver[w]
        emit_part(s, key, rows)
        if not same_driver:
            for axis in range(AXES):
                if s["event_start"][axis] != NONE:
                    close_event(s, key, axis, rows)
            _close_episode(p, s, key, rows)
            _close_idling(p, s, key, rows)
            if s["trip_start"] != NONE:
                _close_trip(p, s, key, True, rows)
            for axis in range(COUNTED_AXES):
                s["counted_ms"][axis] = NONE
    s["known"] = 1
    s["vehicle_class"] = vehicle_class
    for w in range(TEXT_WORDS):
        s["driver"][w] = driver[w]
        s["fleet"][w] = fleet[w]


def _sample(
    p,
    s,
    key,
    t,
    speed,
    accel_x,
    accel_y,
    lat,
    lon,
    heading,
    odometer,
    yaw_rate,
    of_sample_kmh,
    ignition,
    rows,
    others,
):
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
        yaw_rate: degrees/s, to the left.
        of_sample_kmh: the speed limit that the device knows.
        ignition: 1, 0, or -1 where it is missing.
        rows: Rows; gets what the sample completes.
        others: whether driver or fleet have just changed.

    Returns:
        Whether the trip ended because the vehicle has been standing for too long.
    """
    before = s["last_t"]
    gap = t - before if before != NONE else 0

    # The maximum can't be taken back where a backlog makes a speed incredible: it goes by the sample alone.
    top = speed if speed <= p.harsh.max_kmh else math.nan
    speed = credible_kmh(p.harsh, s, t, speed, lat, lon)
    um = distance_um(
        p.plausible_kmh, gap, speed, odometer, lat, lon, s["last_odometer_m"], s["last_lat"], s["last_lon"]
    )
    standing = is_standing(p.standing_kmh, speed, um, gap)
    covers = before != NONE and (
        gap <= p.max_gap_ms or (standing and s["last_standing"] != 0 and gap <= p.idle_gap_ms)
    )

    if s["trip_start"] != NONE and (gap >= p.trip_gap_ms or ignition == 0):
        _close_trip(p, s, key, True, rows)
    starts = s["trip_start"] == NONE and ignition != 0 and (p.trip_stop_ms == 0 or not standing)
    if starts:
        covers = False
        _open_trip(s, key, t, lat, lon, rows)

    span = gap if covers else 0
    distance = max(um, 0) if covers else 0
    kind = DRIVE_MS if not standing else (STOPPED_MS if ignition == 0 else IDLE_MS)
    part = s["part"]

    band = OK
    limit = math.nan
    if kind == DRIVE_MS:
        limit = limit_kmh(p.speeding, of_sample_kmh, math.nan)
        band = band_of(p.speeding, speed, limit) if limit == limit else UNKNOWN
    speeds = is_speeding(band)
    if s["speeding_start"] != NONE and (span <= 0 or not speeds):
        _close_episode(p, s, key, rows)
    excessive = False
    if speeds and span > 0:
        severe_ms = s["speeding_ms"][EPISODE_BANDS - 1]
        extend_episode(s, t, span, distance, band, speed, limit, lat, lon)
        excessive = becomes_severe(p.speeding, s, severe_ms)
    if kind == IDLE_MS and span > 0:
        extend_idling(s, t, span, lat, lon)
    elif s["idle_start"] != NONE:
        _close_idling(p, s, key, rows)

    minute = t - t % MINUTE_MS
    if s["minute_start"] == minute and before >= minute:
        # As _cover does it, without a call: most samples lie in the minute of the one before.
        if covers:
            part[FOLDS] += 1
            part[kind] += span
            part[DISTANCE_UM] += distance
            add_span(part, band, span, distance)
    else:
        if covers:
            _cover(s, key, before, t, kind, distance, band, rows)
        _open_minute(s, key, minute, rows)
    if others:
        _name_minute(s)

    derived_x, derived_y = math.nan, math.nan
    if accel_x != accel_x or accel_y != accel_y:
        derived_x, derived_y = derive(p.harsh, s, t, speed, heading, yaw_rate, lat, lon)
        x = derived_x if accel_x != accel_x else accel_x
        y = derived_y if accel_y != accel_y else accel_y
    else:
        x, y = accel_x, accel_y
    started = 0
    if not quiet(p, s, x, y):
        started = events(p, s, key, t, speed, accel_x, accel_y, derived_x, derived_y, lat, lon, gap, rows)

    part[N] += 1
    part[FOLDS] += 1
    if started != 0 or excessive:
        _count(part, started, excessive)
    s["minute_dirty"] = 1
    if top == top and not s["part_max_kmh"] >= top:
        s["part_max_kmh"] = top
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
        add_span(sums, band, span, distance)
        if started != 0 or excessive:
            _count(sums, started, excessive)
        if top == top and not s["trip_max_kmh"] >= top:
            s["trip_max_kmh"] = top
        if in_tail and t - s["trip_end"] >= p.trip_stop_ms:
            _close_trip(p, s, key, False, rows)
            stood = True

    s["last_t"] = t
    s["last_gap_ms"] = gap
    s["last_lat"] = lat
    s["last_lon"] = lon
    s["last_odometer_m"] = odometer
    s["last_heading"] = heading
    s["last_speed_kmh"] = speed
    s["last_standing"] = 1 if standing else 0
    s["last_speeding"] = 1 if speeds else 0
    s["last_ignition"] = ignition
    return stood


sample = njit(_sample)
sample_inlined = njit(_sample, inlined=True)


@njit
def _count(sums, started, excessive):
    """Adds what happened with a sample: events that started (bits, see ``harsh_events.events``), a severe episode."""
    sums[ACCEL] += started & 1
    sums[BRAKE] += started >> 1 & 1
    sums[CORNER] += started >> 2 & 1
    sums[SCORED_ACCEL] += started >> SCORED & 1
    sums[SCORED_BRAKE] += started >> (SCORED + 1) & 1
    sums[SCORED_CORNER] += started >> (SCORED + 2) & 1
    if excessive:
        sums[EXCESSIVE] += 1


@njit
def _close_episode(p, s, key, rows):
    """The open episode of speeding, if there is one, is over; it is an event if it was long enough."""
    if s["speeding_start"] == NONE:
        return
    if s["speeding_dirty"] != 0 and is_event(p.speeding, s):
        emit_speeding(p.speeding, s, key, rows)
    clear_episode(s)


@njit
def _close_idling(p, s, key, rows):
    """The open episode of idling, if there is one, is over; it is an event if it was long enough."""
    if s["idle_emitted"] != s["idle_samples"] and is_idling_event(p.idle_event_ms, s):
        emit_idling(s, key, rows)
    clear_idling(s)


@njit
def _cover(s, key, begin, end, kind, um, band, rows):
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
        add_span(part, band, until - at, upto - told)
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
    s["minute_trip"] = s["trip_start"] if start <= s["trip_start"] < start + MINUTE_MS else NONE
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
def _open_trip(s, key, t, lat, lon, rows):
    if s["minute_start"] == t - t % MINUTE_MS:
        emit_part(s, key, rows)  # what lies before it in its minute is told apart
        s["minute_trip"] = t
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
def _close_trip(p, s, key, with_tail, rows):
    _close_episode(p, s, key, rows)
    emit_trip(s, key, with_tail, rows)
    s["trip_start"] = NONE
