"""The rows that a vehicle's lane is written as."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from jobs.driver_stats.compiled import njit
from jobs.driver_stats.layout import (
    ACCEL,
    ACCUMULATORS,
    BRAKE,
    CORNER,
    DISTANCE_UM,
    DRIVE_MS,
    FOLDS,
    IDLE_MS,
    IDLING_EVENT,
    LIVE_HEADING,
    LIVE_PLACE,
    LIVE_SPEED,
    LIVE_TRIP,
    MAJOR_MS,
    MAJOR_UM,
    MINOR_MS,
    MINOR_UM,
    NONE,
    SEVERE_MS,
    SEVERE_UM,
    SPEEDING_EVENT,
    SPEEDING_SEVERITY,
    STOPPED_MS,
    TEXT_WORDS,
    UNKNOWN_MS,
    UNKNOWN_UM,
    N,
)
from jobs.driver_stats.speeding import MINOR, severity_of

MINUTE_MS = 60_000


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
    _metrics(row, s["trip"], s["tail"], keep, trip_max_kmh(s))
    row["folds"] = folded
    for a in range(ACCUMULATORS):
        row["sums"][a] = s["trip"][a] + (s["tail"][a] if keep else 0)
    row["sums"][FOLDS] = 0
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
def _metrics(row, sums, tail, with_tail, max_kmh):
    """Fills the metric columns of a row, ``folds`` aside, from one set of accumulators, or from two of them."""
    q = 1 if with_tail else 0
    um = sums[DISTANCE_UM] + q * tail[DISTANCE_UM]
    drive_ms = sums[DRIVE_MS] + q * tail[DRIVE_MS]
    row["n_samples"] = sums[N] + q * tail[N]
    row["distance_km"] = um / 1e9
    row["drive_s"] = drive_ms / 1e3
    row["idle_s"] = (sums[IDLE_MS] + q * tail[IDLE_MS]) / 1e3
    row["stopped_s"] = (sums[STOPPED_MS] + q * tail[STOPPED_MS]) / 1e3
    row["max_speed_kmh"] = max_kmh
    row["mean_speed_kmh"] = um / 1e9 / (drive_ms / 3.6e6) if drive_ms > 0 else math.nan
    row["harsh_accel"] = sums[ACCEL] + q * tail[ACCEL]
    row["harsh_brake"] = sums[BRAKE] + q * tail[BRAKE]
    row["harsh_corner"] = sums[CORNER] + q * tail[CORNER]
    row["speeding_minor_s"] = (sums[MINOR_MS] + q * tail[MINOR_MS]) / 1e3
    row["speeding_major_s"] = (sums[MAJOR_MS] + q * tail[MAJOR_MS]) / 1e3
    row["speeding_severe_s"] = (sums[SEVERE_MS] + q * tail[SEVERE_MS]) / 1e3
    row["speed_limit_unknown_s"] = (sums[UNKNOWN_MS] + q * tail[UNKNOWN_MS]) / 1e3
    row["speeding_minor_km"] = (sums[MINOR_UM] + q * tail[MINOR_UM]) / 1e9
    row["speeding_major_km"] = (sums[MAJOR_UM] + q * tail[MAJOR_UM]) / 1e9
    row["speeding_severe_km"] = (sums[SEVERE_UM] + q * tail[SEVERE_UM]) / 1e9
    row["speed_limit_unknown_km"] = (sums[UNKNOWN_UM] + q * tail[UNKNOWN_UM]) / 1e9


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
    row["trip_ms"] = s["minute_trip"]
    row["lat"] = s["minute_lat"]
    row["lon"] = s["minute_lon"]
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
    _metrics(row, s["minute"], s["minute"], False, s["minute_max_kmh"])
    row["folds"] = s["minute"][FOLDS]
    row["final"] = 1
    row["revision"] = s["minute_emissions"] + (1 if s["minute_start"] <= s["corrected_to"] else 0)
    row["write_us"] = (s["minute_start"] + MINUTE_MS) * 1000 + 2 * (s["minute"][FOLDS] + s["withdrawn"]) + 1
    row["superseded_by"] = NONE
    row["nulls"] = 1 if s["withdrawn"] > 0 else 0
    s["minute_emissions"] += 1
    s["minute_dirty"] = 0


@njit
def emit_event(s, key, axis, rows):
    """Writes the open event of an axis as it stands."""
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
    row["limit_kmh"] = math.nan
    row["derived"] = s["event_derived"][axis]
    row["n_samples"] = s["event_samples"][axis]
    row["write_us"] = s["event_start"][axis] * 1000 + 2 * (s["event_samples"][axis] + s["withdrawn"]) + 1
    row["superseded_by"] = NONE
    # A later peak may lack what an earlier one, published while the event was open, had.
    row["nulls"] = 1 if s["withdrawn"] > 0 or s["event_samples"][axis] > 1 else 0
    s["event_dirty"][axis] = 0


@njit
def emit_speeding(r, s, key, rows):
    """Writes the open episode of speeding as it stands; ``peak`` is by how much the speed was above the limit."""
    row = rows.events[rows.counts[EVENTS]]
    rows.counts[EVENTS] += 1
    row["key"] = key
    for w in range(TEXT_WORDS):
        row["driver"][w] = s["driver"][w]
        row["fleet"][w] = s["fleet"][w]
    row["type"] = SPEEDING_EVENT
    row["severity"] = SPEEDING_SEVERITY + severity_of(r, s) - MINOR
    row["start_ms"] = s["speeding_start"]
    row["end_ms"] = s["speeding_end"]
    row["duration_s"] = (s["speeding_end"] - s["speeding_start"]) / 1e3
    row["peak"] = s["speeding_over_kmh"]
    row["lat"] = s["speeding_lat"]
    row["lon"] = s["speeding_lon"]
    row["speed_kmh"] = s["speeding_kmh"]
    row["limit_kmh"] = s["speeding_limit_kmh"]
    row["derived"] = 0
    row["n_samples"] = s["speeding_samples"]
    row["write_us"] = s["speeding_start"] * 1000 + 2 * (s["speeding_samples"] + s["withdrawn"]) + 1
    row["superseded_by"] = NONE
    # The place of a later peak may be unknown.
    row["nulls"] = 1
    s["speeding_dirty"] = 0


@njit
def emit_idling(s, key, rows):
    """Writes the open episode of idling as it stands; ``peak`` is how many seconds it lasts."""
    row = rows.events[rows.counts[EVENTS]]
    rows.counts[EVENTS] += 1
    row["key"] = key
    for w in range(TEXT_WORDS):
        row["driver"][w] = s["driver"][w]
        row["fleet"][w] = s["fleet"][w]
    row["type"] = IDLING_EVENT
    row["severity"] = -1
    row["start_ms"] = s["idle_start"]
    row["end_ms"] = s["last_t"]
    row["duration_s"] = (s["last_t"] - s["idle_start"]) / 1e3
    row["peak"] = row["duration_s"]
    row["lat"] = s["idle_lat"]
    row["lon"] = s["idle_lon"]
    row["speed_kmh"] = math.nan
    row["limit_kmh"] = math.nan
    row["derived"] = 0
    row["n_samples"] = s["idle_samples"]
    row["write_us"] = s["idle_start"] * 1000 + 2 * (s["idle_samples"] + s["withdrawn"]) + 1
    row["superseded_by"] = NONE
    row["nulls"] = 1 if s["withdrawn"] > 0 else 0
    s["idle_emitted"] = s["idle_samples"]


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
