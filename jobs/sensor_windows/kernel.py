"""Readings as they come, one after the other: they wait in the tail of their sensor's state until a window closes.

Compiled by Numba and the same without it. Nothing is judged or added up here: that takes the readings in the order of
their times (windows.py), and it is why neither their order nor copies nor the cut into mini-batches matter.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jobs.sensor_windows.compiled import njit
from jobs.sensor_windows.quantities import QUANTITIES

COUNT = len(QUANTITIES)
FIVE_MIN_MS, HOUR_MS, DAY_MS = 300_000, 3_600_000, 86_400_000
NONE = -(2**63)
NEVER = 2**63 - 1

STATE = np.dtype(
    [
        ("known", "<i8"),
        ("closed", "<i8"),  # watermark up to which windows have been written
        ("due", "<i8"),  # the timer; NEVER: none
        ("changes", "<i8"),  # readings that changed something, ever
        ("forgotten", "<i8"),  # readings before this time are no longer kept
        ("stored", "<i8"),  # readings in the store
        # the newest values, for the map
        ("newest_t", "<i8"),
        ("late", "<i8"),  # readings taken since then that were not newer, copies too
        ("told_t", "<i8"),  # event time of the last live row
        ("area", "S8"),  # and the area that it is in
        ("value_t", "<i8", (COUNT,)),
        ("value", "<f8", (COUNT,)),
        ("place_t", "<i8"),
        ("lat", "<f8"),
        ("lon", "<f8"),
        # the origin of the newest message
        ("origin", "<i8"),
        ("origin_lat", "<f8"),
        ("origin_lon", "<f8"),
        ("model", "S64"),
        ("station", "S64"),
        # the index of the last closed hour
        ("index_hour", "<i8"),
        ("index_value", "<i8"),
        ("category", "S32"),
        ("responsible", "S16"),
    ]
)
STATE_VERSION = 1


@njit
def first_end(t: int, past_ms: int) -> int:
    """When the first window that a reading is in is to be written: its five minutes, or all of an hour of the past.

    Args:
        t: epoch ms.
        past_ms: who looks at the tables now does not wait for what ended before.
    """
    hour_end = t - t % HOUR_MS + HOUR_MS - 1
    return hour_end if hour_end < past_ms else t - t % FIVE_MIN_MS + FIVE_MIN_MS - 1


@njit
def take(
    t: Any,
    x: Any,
    lengths: Any,
    key_index: Any,
    origins: Any,
    lat: Any,
    lon: Any,
    past_ms: int,
    states: Any,
    words: Any,
    word_values: Any,
    start: Any,
    length: Any,
) -> int:
    """Puts the readings of a mini-batch into the tails of their sensors.

    Args:
        t: [N] epoch ms.
        x: [Q, N]; NaN: missing.
        lengths: [M] readings of each message.
        key_index: [M].
        origins: [M] number of each message's origin.
        lat: [M] of each message; NaN: it says nothing.
        lon: [M].
        past_ms: see ``first_end``.
        states: [K] of STATE.
        words: int64 words of all tails.
        word_values: the same memory as float64.
        start: [K] first word of each tail.
        length: [K] words in use, changed.

    Returns:
        How many readings are older than what is kept, and were left out.
    """
    too_old = 0
    first = 0
    for message in range(len(lengths)):
        end = first + lengths[message]
        key = key_index[message]
        s = states[key]
        at = start[key] + length[key]
        begin = at
        before = s["newest_t"]
        for i in range(first, end):
            time = t[i]
            if time < s["forgotten"]:
                too_old += 1
                continue
            words[at] = time
            words[at + 1] = origins[message]
            s["due"] = min(s["due"], first_end(time, past_ms))
            if time <= before:
                s["late"] += 1
            if time > s["newest_t"]:
                s["newest_t"] = time
                s["late"] = 0
            if time > s["place_t"] and lat[message] == lat[message] and lon[message] == lon[message]:
                s["place_t"] = time
                s["lat"] = lat[message]
                s["lon"] = lon[message]
            at += 2 + COUNT
        count = (at - begin) // (2 + COUNT)
        length[key] += at - begin
        for quantity in range(COUNT):
            measured = False
            for i in range(first, end):
                if not math.isnan(x[quantity, i]):
                    measured = True
                    break
            into = begin + 2 + quantity
            if not measured:
                for _ in range(count):
                    word_values[into] = -math.inf
                    into += 2 + COUNT
                continue
            for i in range(first, end):
                if t[i] < s["forgotten"]:
                    continue
                value = x[quantity, i]
                word_values[into] = value
                into += 2 + COUNT
                if math.isnan(value):
                    continue
                if t[i] > s["value_t"][quantity] or (
                    t[i] == s["value_t"][quantity] and value < s["value"][quantity]
                ):
                    s["value_t"][quantity] = t[i]
                    s["value"][quantity] = value
        first = end
    return too_old
