"""State rows of older layouts, brought to the present one. An old layout is frozen here as it was."""

from __future__ import annotations

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
LANE_3_WORDS = LANE_3.itemsize // 8

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


def upgraded(version: int, row: bytes) -> bytes:
    """A state row of an older version as a STATE record, and behind it the tail if there is one.

    Version 1 had no order buffer: its vehicles begin with nothing waiting and no seam, so a backlog from before the
    savepoint can't be placed. Version 2 held no parts back. Version 3 knew no speed limits, no scores, and nothing that
    is derived: its driving is of unknown limit, and each of its harsh events counts in the score.

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
    old = np.frombuffer(row[: STATE_3.itemsize], STATE_3)[0]
    state = np.zeros(1, STATE)
    v = state[0]
    order.blank(v, v["lane"])
    _copy(old, v)
    _copy(old["lane"], v["lane"])
    _copy(old["held"], v["held"])
    # What is behind a gap has to become independent of it by the present rules, from here on.
    v["head_calm"] = v["head_settled"] = 0
    v["head_minute"] = NONE
    v["head_since"] = v["head_quiet"] = old["ordered_t"]
    return state.tobytes() + _tail_of_3(np.frombuffer(row[STATE_3.itemsize :], np.int64))


def _tail_of_3(old: NDArray[np.int64]) -> bytes:
    """The words of a tail: its kept lanes and its samples were shorter."""
    if not len(old):
        return b""
    boxes, at = [], HEADER
    for _ in range(old[BOX_N]):
        lane = old[at + 2 : at + 2 + LANE_3_WORDS]
        boxes += [old[at : at + 2], lane_of_3(lane).view(np.int64)]
        at += 2 + LANE_3_WORDS
    who_end = at + int(old[WHO_N]) * WHO_WORDS
    samples = samples_of_3(old[who_end:])
    return b"".join(each.tobytes() for each in (old[:HEADER], *boxes, old[at:who_end], samples))


def lane_of_3(words: NDArray[np.int64]) -> NDArray[np.void]:
    """A lane of layout version 3, or of version 2, given as words, as a LANE record."""
    lane = np.zeros(1, LANE)
    kernel.clear(lane[0])
    _copy(np.frombuffer(words.tobytes(), LANE_3)[0], lane[0])
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
