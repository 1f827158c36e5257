"""State rows of older layouts, brought to the present one. An old layout is frozen here as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats import kernel, order
from jobs.driver_stats.layout import (
    LANE,
    LIVE_HEADING,
    LIVE_PLACE,
    LIVE_SPEED,
    LIVE_TRIP,
    NONE,
    RAW_WORDS,
    STATE,
    WHO_WORDS,
    upgraded_sums,
)
from jobs.driver_stats.tails import BOX_N, HEADER, WHO_N

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


LANE_3 = np.dtype(
    [
        ("last_t", "<i8"),
        ("last_gap_ms", "<i8"),
        *STATE_1.descr[1:23],
        ("trip_start", "<i8"),
        ("trip_end", "<i8"),
        ("trip", *_SUMS),
        ("trip_before_kmh", "<f8"),
        ("trip_max_kmh", "<f8"),
        *STATE_1.descr[27:46],
        ("withdrawn", "<i8"),
        ("corrected_to", "<i8"),
    ],
    align=True,
)

STATE_3 = np.dtype(
    [
        ("lane", LANE_3),
        ("newest_t", "<i8"),
        ("ordered_t", "<i8"),
        ("previewed", "<i8"),
        ("live_t", "<i8"),
        ("live_settled", "<i8"),
        ("live_had", "<i8"),
        ("head_start", "<i8"),
        ("head_gap_ms", "<i8"),
        ("head_samples", "<i8"),
        ("head_calm", "<i8"),
        ("head_settled", "<i8"),
        ("head_minute", "<i8"),
        ("seam_trip", "<i8"),
        ("seam_lost", "<i8"),
        ("seen_first", "<i8", (4,)),
        ("seen_last", "<i8", (4,)),
        ("seen_from_t", "<i8", (4,)),
        ("seen_to_t", "<i8", (4,)),
        (
            "held",
            np.dtype(
                [
                    ("driver", *_WORDS),
                    ("fleet", *_WORDS),
                    ("minute_start", "<i8"),
                    ("sums", *_SUMS),
                    ("max_kmh", "<f8"),
                    ("sent_ms", "<i8"),
                ],
                align=True,
            ),
        ),
    ],
    align=True,
)

STATE_2_BYTES = 1216
"""Version 2 is version 3 without its end: what is held back of the drivers' parts. A tail may follow."""

RAW_3_WORDS = 9
"""Of a waiting sample: without yaw rate and speed limit."""

_SUMS_4 = ("<i8", (21,))
_TIMES_4 = ("<i8", (4,))
_VALUES_4 = ("<f8", (4,))

LANE_4 = np.dtype(
    [
        ("derive_t", "<i8"),
        ("derive_kmh", "<f8"),
        ("derive_heading", "<f8"),
        ("derive_lat", "<f8"),
        ("derive_lon", "<f8"),
        ("derive_x", "<f8"),
        ("derive_y", "<f8"),
        ("minute_driver", *_WORDS),
        ("minute_fleet", *_WORDS),
        ("minute", *_SUMS_4),
        ("minute_max_kmh", "<f8"),
        ("minute_emissions", "<i4"),
        ("trip_emissions", "<i4"),
        ("trip_emitted_folds", "<i8"),
        ("trip_before_kmh", "<f8"),
        ("trip_start_lat", "<f8"),
        ("trip_start_lon", "<f8"),
        ("event_end", *_TIMES_4),
        ("event_samples", *_TIMES_4),
        ("event_peak", *_VALUES_4),
        ("event_threshold", *_VALUES_4),
        ("event_lat", *_VALUES_4),
        ("event_lon", *_VALUES_4),
        ("event_speed_kmh", *_VALUES_4),
        ("event_dirty", "i1", (4,)),
        ("event_derived", "i1", (4,)),
        ("counted_ms", *_TIMES),
        ("withdrawn", "<i8"),
        ("corrected_to", "<i8"),
        ("speeding_end", "<i8"),
        ("speeding_ms", *_TIMES),
        ("speeding_um", "<i8"),
        ("speeding_samples", "<i8"),
        ("speeding_over_kmh", "<f8"),
        ("speeding_limit_kmh", "<f8"),
        ("speeding_kmh", "<f8"),
        ("speeding_lat", "<f8"),
        ("speeding_lon", "<f8"),
        ("speeding_dirty", "i1"),
        ("tail_end", "<i8"),
        ("tail_lat", "<f8"),
        ("tail_lon", "<f8"),
        ("tail", *_SUMS_4),
        ("part", *_SUMS_4),
        ("part_max_kmh", "<f8"),
        ("minute_start", "<i8"),
        ("minute_lat", "<f8"),
        ("minute_lon", "<f8"),
        ("trip", *_SUMS_4),
        ("trip_max_kmh", "<f8"),
        ("trip_start", "<i8"),
        ("trip_end", "<i8"),
        ("trip_end_lat", "<f8"),
        ("trip_end_lon", "<f8"),
        ("event_start", *_TIMES_4),
        ("speeding_start", "<i8"),
        ("credible_t", "<i8"),
        ("credible_kmh", "<f8"),
        ("credible_lat", "<f8"),
        ("credible_lon", "<f8"),
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
        ("vehicle_class", "<i4"),
        ("known", "<i8"),
        ("driver", *_WORDS),
        ("fleet", *_WORDS),
    ],
    align=True,
)

STATE_4 = np.dtype(
    [
        ("lane", LANE_4),
        ("newest_t", "<i8"),
        ("ordered_t", "<i8"),
        ("previewed", "<i8"),
        ("live_t", "<i8"),
        ("live_settled", "<i8"),
        ("live_had", "<i8"),
        ("head_start", "<i8"),
        ("seam_trip", "<i8"),
        ("seen_first", *_TIMES_4),
        ("seen_last", *_TIMES_4),
        ("seen_from_t", *_TIMES_4),
        ("seen_to_t", *_TIMES_4),
        (
            "held",
            np.dtype(
                [
                    ("sums", *_SUMS_4),
                    ("driver", *_WORDS),
                    ("fleet", *_WORDS),
                    ("minute_start", "<i8"),
                    ("max_kmh", "<f8"),
                    ("sent_ms", "<i8"),
                ],
                align=True,
            ),
        ),
        ("head_gap_ms", "<i8"),
        ("head_samples", "<i8"),
        ("head_calm", "<i8"),
        ("head_since", "<i8"),
        ("head_fix", "<i8"),
        ("head_quiet", "<i8"),
        ("head_settled", "<i8"),
        ("head_minute", "<i8"),
        ("seam_lost", "<i8"),
    ],
    align=True,
)


def upgraded(version: int, row: bytes) -> bytes:
    """A state row of an older version as a STATE record, and behind it the tail if there is one.

    Version 1 had no order buffer: its vehicles begin with nothing waiting and no seam, so a backlog from before the
    savepoint can't be placed. Version 2 held no parts back. Version 3 knew no speed limits, no scores, and nothing that
    is derived: its driving is of unknown limit, and each of its harsh events counts in the score. Version 4 knew no
    idling: an episode that was open begins with the first sample after the savepoint.

    Raises:
        ValueError: the version is not known here.
    """
    if version == 1 and len(row) == STATE_1.itemsize:
        return _of_1(row)
    if version == 2 and len(row) >= STATE_2_BYTES:
        version = 3
        row = row[:STATE_2_BYTES] + bytes(STATE_3.itemsize - STATE_2_BYTES) + row[STATE_2_BYTES:]
    if version == 3 and len(row) >= STATE_3.itemsize:
        return _of_3(row)
    if version == 4 and len(row) >= STATE_4.itemsize:
        return _of_4(row)
    raise ValueError(
        f"the savepoint holds vehicle states of layout version {version} with {len(row)} bytes, which this job "
        "does not know"
    )


def _of_1(row: bytes) -> bytes:
    old = np.frombuffer(row, STATE_1)[0]
    state = np.zeros(1, STATE)
    v, lane = state[0], state["lane"][0]
    order.blank(v, lane)
    _copy(old, lane)
    lane["trip_before_kmh"] = np.nan
    v["newest_t"] = v["ordered_t"] = old["last_t"]
    v["live_t"] = old["live_t"]
    v["live_had"] = LIVE_PLACE | LIVE_HEADING | LIVE_SPEED | LIVE_TRIP  # it is not known
    return state.tobytes()


def _of_3(row: bytes) -> bytes:
    old, state = _state_of(row, STATE_3)
    v = state[0]
    # What is behind a gap has to become independent of it by the present rules, from here on.
    v["head_calm"] = v["head_settled"] = 0
    v["head_minute"] = NONE
    v["head_since"] = v["head_quiet"] = old["ordered_t"]
    return state.tobytes() + _tail_of(row[STATE_3.itemsize :], LANE_3, samples_of_3)


def _of_4(row: bytes) -> bytes:
    _, state = _state_of(row, STATE_4)
    return state.tobytes() + _tail_of(row[STATE_4.itemsize :], LANE_4, lambda words: words)


def _state_of(row: bytes, layout: np.dtype[np.void]) -> tuple[Any, NDArray[np.void]]:
    """The record of an older layout, and a STATE record with what they have in common."""
    old = np.frombuffer(row[: layout.itemsize], layout)[0]
    state = np.zeros(1, STATE)
    v = state[0]
    order.blank(v, v["lane"])
    _copy(old, v)
    _copy(old["lane"], v["lane"])
    _copy(old["held"], v["held"])
    return old, state


def _tail_of(
    row: bytes, lane_layout: np.dtype[np.void], samples_of: Callable[[NDArray[np.int64]], NDArray[np.int64]]
) -> bytes:
    """The words of a tail: its kept lanes, and in layout 3 its samples, were shorter."""
    old = np.frombuffer(row, np.int64)
    if not len(old):
        return b""
    lane_words = lane_layout.itemsize // 8
    boxes, at = [], HEADER
    for _ in range(old[BOX_N]):
        lane = old[at + 2 : at + 2 + lane_words]
        boxes += [old[at : at + 2], lane_of(lane, lane_layout).view(np.int64)]
        at += 2 + lane_words
    who_end = at + int(old[WHO_N]) * WHO_WORDS
    samples = samples_of(old[who_end:])
    return b"".join(each.tobytes() for each in (old[:HEADER], *boxes, old[at:who_end], samples))


def lane_of(words: NDArray[np.int64], layout: np.dtype[np.void]) -> NDArray[np.void]:
    """A lane of an older layout (LANE_3 for version 2, too), given as words, as a LANE record."""
    lane = np.zeros(1, LANE)
    kernel.clear(lane[0])
    _copy(np.frombuffer(words.tobytes(), layout)[0], lane[0])
    return lane


def samples_of_3(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Waiting or kept samples of layout version 3, or of version 2."""
    old = words.reshape(-1, RAW_3_WORDS)
    new: NDArray[np.int64] = np.empty((len(old), RAW_WORDS), np.int64)
    new.view(np.float64)[:] = np.nan
    new[:, : RAW_3_WORDS - 1] = old[:, :-1]
    new[:, -1] = old[:, -1]
    return new


def _copy(old: Any, new: Any) -> None:
    """Takes over the fields of the same name; accumulators that were not there are filled, further axes stay."""
    for name in old.dtype.names:
        if name not in new.dtype.names or old.dtype[name].names:
            continue
        if old.dtype[name] == np.dtype(_SUMS):
            new[name] = upgraded_sums(old[name].tolist())
        elif old.dtype[name].shape:
            new[name][: len(old[name])] = old[name]
        else:
            new[name] = old[name]
