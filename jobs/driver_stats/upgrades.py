"""State rows of older layouts, brought to the present one. An old layout is frozen here as it was."""

from __future__ import annotations

import numpy as np

from jobs.driver_stats import order
from jobs.driver_stats.layout import LANE, LIVE_HEADING, LIVE_PLACE, LIVE_SPEED, LIVE_TRIP, STATE

_WORDS = ("<i8", (8,))
_SUMS = ("<i8", (9,))
_TIMES = ("<i8", (3,))
_VALUES = ("<f8", (3,))

STATE_1 = np.dtype(
    [
        ("last_t", "<i8"),
        ("last_lat", "<f8"),
        ("last_lon", "<f8"),
        ("last_odometer_m", "<f8"),
        ("last_heading", "<f8"),
        ("last_speed_kmh", "<f8"),
        ("last_standing", "i1"),
        ("last_ignition", "i1"),
        ("known", "i1"),
        ("vehicle_class", "<i4"),
        ("driver", *_WORDS),
        ("fleet", *_WORDS),
        ("minute_start", "<i8"),
        ("minute_driver", *_WORDS),
        ("minute_fleet", *_WORDS),
        ("minute", *_SUMS),
        ("minute_max_kmh", "<f8"),
        ("minute_lat", "<f8"),
        ("minute_lon", "<f8"),
        ("minute_emissions", "<i4"),
        ("minute_dirty", "i1"),
        ("part", *_SUMS),
        ("part_max_kmh", "<f8"),
        ("trip_start", "<i8"),
        ("trip_end", "<i8"),
        ("trip", *_SUMS),
        ("trip_max_kmh", "<f8"),
        ("trip_start_lat", "<f8"),
        ("trip_start_lon", "<f8"),
        ("trip_end_lat", "<f8"),
        ("trip_end_lon", "<f8"),
        ("trip_emissions", "<i4"),
        ("trip_emitted_folds", "<i8"),
        ("tail", *_SUMS),
        ("tail_end", "<i8"),
        ("tail_lat", "<f8"),
        ("tail_lon", "<f8"),
        ("event_start", *_TIMES),
        ("event_end", *_TIMES),
        ("event_samples", *_TIMES),
        ("event_peak", *_VALUES),
        ("event_threshold", *_VALUES),
        ("event_lat", *_VALUES),
        ("event_lon", *_VALUES),
        ("event_speed_kmh", *_VALUES),
        ("event_dirty", "i1", (3,)),
        ("live_t", "<i8"),
    ]
)


STATE_2_BYTES = 1216
"""Version 2 is version 3 without its end: what is held back of the drivers' parts. A tail may follow."""
STATE_3_BYTES = 1440


def upgraded(version: int, row: bytes) -> bytes:
    """A state row of an older version as a STATE record, and behind it the tail if there is one.

    Version 1 had no order buffer: its vehicles begin with nothing waiting and no seam, so a backlog from before the
    savepoint can't be placed. Version 2 held no parts back.

    Raises:
        ValueError: the version is not known here.
    """
    if version == 1 and len(row) == STATE_1.itemsize:
        return _of_1(row)
    if version == 2 and len(row) >= STATE_2_BYTES:
        return row[:STATE_2_BYTES] + bytes(STATE_3_BYTES - STATE_2_BYTES) + row[STATE_2_BYTES:]
    raise ValueError(
        f"the savepoint holds vehicle states of layout version {version} with {len(row)} bytes, which this job "
        "does not know"
    )


def _of_1(row: bytes) -> bytes:
    old = np.frombuffer(row, STATE_1)[0]
    state = np.zeros(1, STATE)
    v, lane = state[0], state["lane"][0]
    order.blank(v, lane)
    for name in STATE_1.names or ():
        if name in (LANE.names or ()):
            lane[name] = old[name]
    lane["trip_before_kmh"] = np.nan
    v["newest_t"] = v["ordered_t"] = old["last_t"]
    v["live_t"] = old["live_t"]
    v["live_had"] = LIVE_PLACE | LIVE_HEADING | LIVE_SPEED | LIVE_TRIP  # it is not known
    return state.tobytes()
