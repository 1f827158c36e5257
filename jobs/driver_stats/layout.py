"""Record layouts of the vehicle kernel: the state of a vehicle and the rows it produces.

Texts are 64 bytes, zero padded, seen as 8 words (``i8``): Numba compares and copies them as numbers, and a view
as ``S64`` gives the text back. Times are epoch milliseconds UTC; NONE stands for "no time".

A **lane** is what the rules keep of a vehicle after its samples up to some time. The state of a vehicle is the lane
of its samples in order, and what is kept to put them in order (order.py): the newest ones wait in the state's tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

NONE = -(2**63)
TEXT_WORDS = 8

# Columns of a live row that a sample may lack.
LIVE_PLACE, LIVE_HEADING, LIVE_SPEED, LIVE_TRIP = 1, 2, 4, 8

# What is accumulated, as integers, so that sums do not depend on their order.
N, FOLDS, DRIVE_MS, IDLE_MS, STOPPED_MS, DISTANCE_UM, ACCEL, BRAKE, CORNER = range(9)
# Driving time and micrometres without a known limit, and by speeding band, in the order of the bands from minor on.
UNKNOWN_MS, UNKNOWN_UM = range(9, 11)
MINOR_MS, MAJOR_MS, SEVERE_MS = range(11, 14)
MINOR_UM, MAJOR_UM, SEVERE_UM = range(14, 17)
# Severe episodes, and harsh events that count in the score, in the order of the axes.
EXCESSIVE, SCORED_ACCEL, SCORED_BRAKE, SCORED_CORNER = range(17, 21)
ACCUMULATORS = 21

# Axes of harsh events: forward, backward, sideways, and the vector of both. The first three are counted.
ACCEL_AXIS, BRAKE_AXIS, CORNER_AXIS, CRASH_AXIS = range(4)
AXES = 4
COUNTED_AXES = 3
# Types of driver_event: by axis, and behind them the others that the vehicle kernel finds.
SPEEDING_EVENT = AXES
IDLING_EVENT = AXES + 1
EVENT_TYPES = ("harsh_accel", "harsh_brake", "harsh_corner", "possible_crash", "speeding", "idling")
EVENT_UNITS = ("m/s2", "m/s2", "m/s2", "m/s2", "km/h", "s")
# Of harsh events, and behind them those of speeding.
SEVERITIES = ("low", "medium", "high", "minor", "major", "severe")
SPEEDING_SEVERITY = 3
LIVE_STATES = ("driving", "idle", "stopped")
SCORE_STATES = ("ok", "insufficient_distance")
SCORE_BANDS = ("low", "mild", "medium", "high")

EPISODE_BANDS = 3
SPEEDING_FIELDS: list[Any] = [
    ("speeding_end", "<i8"),
    # time in or above minor, major, severe
    ("speeding_ms", "<i8", (EPISODE_BANDS,)),
    ("speeding_um", "<i8"),
    ("speeding_samples", "<i8"),
    # where the speed was furthest above the limit
    ("speeding_over_kmh", "<f8"),
    ("speeding_limit_kmh", "<f8"),
    ("speeding_kmh", "<f8"),
    ("speeding_lat", "<f8"),
    ("speeding_lon", "<f8"),
    ("speeding_dirty", "i1"),
]
"""An open episode of speeding, as fields of a lane; ``speeding_start`` is NONE where there is none."""

IDLE_FIELDS: list[Any] = [
    ("idle_start", "<i8"),
    ("idle_samples", "<i8"),
    # with how many samples it was written; where it began
    ("idle_emitted", "<i8"),
    ("idle_lat", "<f8"),
    ("idle_lon", "<f8"),
]
"""An open episode of idling, as fields of a lane; ``idle_start`` is NONE where there is none. It ends at ``last_t``."""

DERIVE_FIELDS: list[Any] = [
    # the fix that the next one is compared with
    ("derive_t", "<i8"),
    ("derive_kmh", "<f8"),
    ("derive_heading", "<f8"),
    ("derive_lat", "<f8"),
    ("derive_lon", "<f8"),
    # what was derived last; it holds for samples that come too soon after it
    ("derive_x", "<f8"),
    ("derive_y", "<f8"),
]
"""What is remembered to derive accelerations, as fields of a lane."""

CREDIBLE_FIELDS: list[Any] = [
    ("credible_t", "<i8"),
    ("credible_kmh", "<f8"),
    ("credible_lat", "<f8"),
    ("credible_lon", "<f8"),
]
"""The newest credible speed, and where it was, as fields of a lane."""

LANE = np.dtype(
    [
        # What few samples touch comes first, so that all that every sample touches lies together (see STATE).
        *DERIVE_FIELDS,
        ("minute_driver", "<i8", (TEXT_WORDS,)),
        ("minute_fleet", "<i8", (TEXT_WORDS,)),
        ("minute", "<i8", (ACCUMULATORS,)),
        ("minute_max_kmh", "<f8"),
        ("minute_emissions", "<i4"),
        ("trip_emissions", "<i4"),
        ("trip_emitted_folds", "<i8"),
        ("trip_before_kmh", "<f8"),
        ("trip_start_lat", "<f8"),
        ("trip_start_lon", "<f8"),
        # open harsh events by axis; a start of NONE means that there is none
        ("event_end", "<i8", (AXES,)),
        ("event_samples", "<i8", (AXES,)),
        ("event_peak", "<f8", (AXES,)),
        ("event_threshold", "<f8", (AXES,)),
        ("event_lat", "<f8", (AXES,)),
        ("event_lon", "<f8", (AXES,)),
        ("event_speed_kmh", "<f8", (AXES,)),
        ("event_dirty", "i1", (AXES,)),
        # whether the value at the peak was derived
        ("event_derived", "i1", (AXES,)),
        # start of the last event that counts in the score
        ("counted_ms", "<i8", (COUNTED_AXES,)),
        # corrections: folds taken back so far, which count in write times; rows up to corrected_to were corrected
        ("withdrawn", "<i8"),
        ("corrected_to", "<i8"),
        *SPEEDING_FIELDS,
        # the standing at the end of the open trip, which belongs to it only if it moves on
        ("tail_end", "<i8"),
        ("tail_lat", "<f8"),
        ("tail_lon", "<f8"),
        ("tail", "<i8", (ACCUMULATORS,)),
        # From here on all that every sample touches. The open minute's total is minute + part; part is what the
        # driver's windows have not been told yet.
        ("part", "<i8", (ACCUMULATORS,)),
        ("part_max_kmh", "<f8"),
        ("minute_start", "<i8"),
        ("minute_lat", "<f8"),
        ("minute_lon", "<f8"),
        # start of the newest trip that began in the open minute
        ("minute_trip", "<i8"),
        # the open trip, and its maximum since the newest seal: that may have to be taken out again
        ("trip", "<i8", (ACCUMULATORS,)),
        ("trip_max_kmh", "<f8"),
        ("trip_start", "<i8"),
        ("trip_end", "<i8"),
        ("trip_end_lat", "<f8"),
        ("trip_end_lon", "<f8"),
        ("event_start", "<i8", (AXES,)),
        ("speeding_start", "<i8"),
        *IDLE_FIELDS,
        *CREDIBLE_FIELDS,
        # the sample before
        ("last_t", "<i8"),
        ("last_gap_ms", "<i8"),
        ("last_lat", "<f8"),
        ("last_lon", "<f8"),
        ("last_odometer_m", "<f8"),
        ("last_heading", "<f8"),
        ("last_speed_kmh", "<f8"),
        ("last_standing", "i1"),
        ("last_ignition", "i1"),
        ("last_speeding", "i1"),
        ("minute_dirty", "i1"),
        # who drives what
        ("vehicle_class", "<i4"),
        ("known", "<i8"),
        ("driver", "<i8", (TEXT_WORDS,)),
        ("fleet", "<i8", (TEXT_WORDS,)),
    ],
    align=True,
)
LANE_WORDS = LANE.itemsize // 8

STATE_VERSION = 5

# What the drivers' windows have not been told yet of past minutes (parts.py); sums without folds are none.
HELD = np.dtype(
    [
        ("sums", "<i8", (ACCUMULATORS,)),
        ("driver", "<i8", (TEXT_WORDS,)),
        ("fleet", "<i8", (TEXT_WORDS,)),
        # the newest minute in it; all lie in one hour
        ("minute_start", "<i8"),
        ("max_kmh", "<f8"),
        # when a part was sent last, by the clock
        ("sent_ms", "<i8"),
    ],
    align=True,
)

# Stretches of batches that were seen without a gap: [first seq, last seq] with t[0] in [from_t, to_t].
STRETCHES = 4

STATE = np.dtype(
    [
        # first: its end and what follows are what every message touches
        ("lane", LANE),
        # the newest sample there is, and the last one in the lane for good (a preview may be ahead of it)
        ("newest_t", "<i8"),
        ("ordered_t", "<i8"),
        # how many of the waiting samples the lane has as a preview
        ("previewed", "<i8"),
        # the newest live row; settled: how often it was written with everything known, negative: once more
        ("live_t", "<i8"),
        ("live_settled", "<i8"),
        # which columns a live row may have had a value in (LIVE_*): without one now, it has to be erased
        ("live_had", "<i8"),
        # the newest seam (a gap that a backlog may fill) while its head is kept, see order.py
        ("head_start", "<i8"),
        # start of the trip that was open when the newest seam was sealed
        ("seam_trip", "<i8"),
        ("seen_first", "<i8", (STRETCHES,)),
        ("seen_last", "<i8", (STRETCHES,)),
        ("seen_from_t", "<i8", (STRETCHES,)),
        ("seen_to_t", "<i8", (STRETCHES,)),
        ("held", HELD),
        ("head_gap_ms", "<i8"),
        ("head_samples", "<i8"),
        # what no longer depends on what was before the gap (bits, heads.py); since when speeds don't; the newest fix
        # that doesn't; since when all that is so and no harsh event started
        ("head_calm", "<i8"),
        ("head_since", "<i8"),
        ("head_fix", "<i8"),
        ("head_quiet", "<i8"),
        ("head_settled", "<i8"),
        ("head_minute", "<i8"),
        # the newest head grew too long: its seam is not kept, and those before it that need it are to go
        ("seam_lost", "<i8"),
    ],
    align=True,
)

# A sample that waits, as words: t, 9 numbers (the order of RAW_NUMBERS), and who, class and ignition in one.
RAW_NUMBERS = (
    "speed",
    "accel_x",
    "accel_y",
    "lat",
    "lon",
    "heading",
    "odometer",
    "yaw_rate",
    "speed_limit",
)
RAW_WORDS = 2 + len(RAW_NUMBERS)
# Of the last word: the index of who drove, from this bit on.
WHO_SHIFT = 40
# Who drove: driver and fleet.
WHO_WORDS = 2 * TEXT_WORDS

_METRICS = [
    ("n_samples", "<i8"),
    ("folds", "<i8"),
    ("distance_km", "<f8"),
    ("drive_s", "<f8"),
    ("idle_s", "<f8"),
    ("stopped_s", "<f8"),
    ("max_speed_kmh", "<f8"),
    ("mean_speed_kmh", "<f8"),
    ("harsh_accel", "<i8"),
    ("harsh_brake", "<i8"),
    ("harsh_corner", "<i8"),
    ("speeding_minor_s", "<f8"),
    ("speeding_major_s", "<f8"),
    ("speeding_severe_s", "<f8"),
    ("speed_limit_unknown_s", "<f8"),
    ("speeding_minor_km", "<f8"),
    ("speeding_major_km", "<f8"),
    ("speeding_severe_km", "<f8"),
    ("speed_limit_unknown_km", "<f8"),
]
_WHO = [("driver", "<i8", (TEXT_WORDS,)), ("fleet", "<i8", (TEXT_WORDS,))]

MINUTE_ROW = np.dtype(
    [
        ("key", "<i4"),
        *_WHO,
        ("minute_start", "<i8"),
        ("lat", "<f8"),
        ("lon", "<f8"),
        *_METRICS,
        ("final", "i1"),
        ("revision", "<i8"),
        ("superseded_by", "<i8"),
        ("nulls", "i1"),
        ("write_us", "<i8"),
    ]
)

TRIP_ROW = np.dtype(
    [
        ("key", "<i4"),
        *_WHO,
        ("vehicle_class", "<i4"),
        ("start_ms", "<i8"),
        ("end_ms", "<i8"),
        ("start_lat", "<f8"),
        ("start_lon", "<f8"),
        ("end_lat", "<f8"),
        ("end_lon", "<f8"),
        *_METRICS,
        # the score is worked out of the sums when the rows are sent; folds are left out of these
        ("sums", "<i8", (ACCUMULATORS,)),
        ("score", "<f8"),
        ("score_unclamped", "<f8"),
        ("score_state", "<i4"),
        ("score_band", "<i4"),
        ("penalty_events", "<f8"),
        ("penalty_speeding", "<f8"),
        ("penalty_idle", "<f8"),
        ("final", "i1"),
        ("revision", "<i8"),
        ("superseded_by", "<i8"),
        ("nulls", "i1"),
        ("write_us", "<i8"),
    ]
)

EVENT_ROW = np.dtype(
    [
        ("key", "<i4"),
        *_WHO,
        ("type", "<i4"),
        ("severity", "<i4"),
        ("start_ms", "<i8"),
        ("end_ms", "<i8"),
        ("duration_s", "<f8"),
        ("peak", "<f8"),
        ("lat", "<f8"),
        ("lon", "<f8"),
        ("speed_kmh", "<f8"),
        ("limit_kmh", "<f8"),
        ("derived", "i1"),
        ("n_samples", "<i8"),
        ("superseded_by", "<i8"),
        ("nulls", "i1"),
        ("write_us", "<i8"),
    ]
)

LIVE_ROW = np.dtype(
    [
        ("key", "<i4"),
        *_WHO,
        ("event_ms", "<i8"),
        ("state", "<i4"),
        ("trip_start", "<i8"),
        ("lat", "<f8"),
        ("lon", "<f8"),
        ("heading", "<f8"),
        ("speed_kmh", "<f8"),
        ("nulls", "i1"),
        ("write_us", "<i8"),
    ]
)

# A driver's share of a vehicle's minutes in one hour since the last one sent: deltas; the driver's windows add them up.
PART_ROW = np.dtype(
    [
        ("key", "<i4"),
        *_WHO,
        ("minute_start", "<i8"),
        ("event_ms", "<i8"),
        # since which trip of those that began in this minute; NONE: before the first of them. Where it was last
        ("trip_ms", "<i8"),
        ("lat", "<f8"),
        ("lon", "<f8"),
        ("sums", "<i8", (ACCUMULATORS,)),
        ("max_kmh", "<f8"),
    ]
)


def upgraded_sums(sums: Sequence[int]) -> list[int]:
    """Accumulators of before there were speeding and scores: no limit was known, and every harsh event counts."""
    unknown_ms, unknown_um = sums[DRIVE_MS], sums[DISTANCE_UM]
    return [*sums, unknown_ms, unknown_um, 0, 0, 0, 0, 0, 0, 0, sums[ACCEL], sums[BRAKE], sums[CORNER]]


def with_texts(dtype: np.dtype[np.void]) -> np.dtype[np.void]:
    """The same layout with texts as ``S64`` in place of words, for whoever reads the rows."""
    fields: dict[str, Any] = dict(dtype.fields or {})
    words = np.dtype(("<i8", (TEXT_WORDS,)))
    formats = ["S64" if fields[name][0] == words else fields[name][0] for name in dtype.names or ()]
    return np.dtype(
        {"names": list(dtype.names or ()), "formats": formats, "offsets": [f[1] for f in fields.values()]}
    )
