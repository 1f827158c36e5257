"""Harsh events of a lane: when they start, what is kept of them while they are open, when they end."""

from __future__ import annotations

from jobs.driver_stats.compiled import inlined, njit
from jobs.driver_stats.emit import emit_event
from jobs.driver_stats.harsh import axis_value
from jobs.driver_stats.layout import AXES, CORNER_AXIS, COUNTED_AXES, CRASH_AXIS, NONE
from jobs.driver_stats.score import counts_for_score

SCORED = AXES
"""Bit of the first axis whose event counts in the score, in what ``events`` returns."""

_counts = njit(counts_for_score)


@inlined
def quiet(p, s, accel_x, accel_y):
    """Whether no harsh event is open and no threshold reached: nothing for ``events`` to do."""
    start = s["event_start"]
    if start[0] != NONE or start[1] != NONE or start[2] != NONE or start[CRASH_AXIS] != NONE:
        return False
    vehicle_class = s["vehicle_class"]
    if (
        accel_x >= p.thresholds[vehicle_class, 0]
        or -accel_x >= p.thresholds[vehicle_class, 1]
        or abs(accel_y) >= p.thresholds[vehicle_class, 2]
    ):
        return False
    # The vector, of derived values too: ``events`` decides exactly.
    x2 = accel_x * accel_x if accel_x == accel_x else 0.0
    y2 = accel_y * accel_y if accel_y == accel_y else 0.0
    return x2 + y2 < p.quiet_vector2


@njit
def events(p, s, key, t, speed, accel_x, accel_y, derived_x, derived_y, lat, lon, gap, rows):
    """Harsh events of the four axes.

    An event starts at the first sample at or over its threshold (with the minimum speed reached, or none asked
    for), ends with the last sample at or over the re-arm level, and is over at a missing value or a gap.

    Args:
        p: Parameters.
        s: the lane; updated in place.
        key: index of the vehicle, for its rows.
        t: epoch ms.
        speed: km/h.
        accel_x: m/s², forward, as measured; NaN where it is missing.
        accel_y: m/s², left.
        derived_x: what takes the place of a missing accel_x; never that of a possible crash.
        derived_y: of a missing accel_y.
        lat: degrees.
        lon: degrees.
        gap: ms since the sample before.
        rows: Rows; gets the events that are over.

    Returns:
        A bit for each axis whose event starts with this sample, and from SCORED on one for each that counts in the
        score.
    """
    started = 0
    for axis in range(AXES):
        derived = 0
        if axis == CRASH_AXIS:
            value = axis_value(axis, accel_x, accel_y)
        else:
            measured = accel_y if axis == CORNER_AXIS else accel_x
            derived = 1 if measured != measured else 0
            x = derived_x if accel_x != accel_x else accel_x
            y = derived_y if accel_y != accel_y else accel_y
            value = axis_value(axis, x, y)
        if s["event_start"][axis] != NONE:
            over = value >= p.rearm_ratio * s["event_threshold"][axis]
            if gap <= p.event_gap_ms and over:
                s["event_end"][axis] = t
                s["event_samples"][axis] += 1
                s["event_dirty"][axis] = 1
                if value > s["event_peak"][axis]:
                    _peak(s, axis, value, lat, lon, speed, derived)
                continue
            close_event(s, key, axis, rows)
        threshold = _threshold(p, s["vehicle_class"], axis, t)
        fast = p.min_speeds_kmh[axis] == 0 or speed >= p.min_speeds_kmh[axis]
        if value >= threshold and fast:
            s["event_start"][axis] = t
            s["event_end"][axis] = t
            s["event_samples"][axis] = 1
            s["event_threshold"][axis] = threshold
            s["event_dirty"][axis] = 1
            _peak(s, axis, value, lat, lon, speed, derived)
            started |= 1 << axis
            if axis < COUNTED_AXES and _counts(t, s["counted_ms"][axis], p.deduplicate_ms):
                s["counted_ms"][axis] = t
                started |= 1 << (SCORED + axis)
    return started


@njit
def _threshold(p, vehicle_class, axis, t):
    """The threshold in force at a time."""
    version = len(p.threshold_starts)
    while version > 0 and t < p.threshold_starts[version - 1]:
        version -= 1
    return p.thresholds_from[version, vehicle_class, axis]


@njit
def _peak(s, axis, value, lat, lon, speed, derived):
    s["event_peak"][axis] = value
    s["event_lat"][axis] = lat
    s["event_lon"][axis] = lon
    s["event_speed_kmh"][axis] = speed
    s["event_derived"][axis] = derived


@njit
def close_event(s, key, axis, rows):
    """The open event of an axis is over."""
    if s["event_dirty"][axis] != 0:
        emit_event(s, key, axis, rows)
    s["event_start"][axis] = NONE
