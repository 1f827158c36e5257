"""The windows of one sensor that are to be written, and the hours that have an index. Compiled by Numba and the same
without it.

Rows of many sensors are collected in arrays of numbers; what they say in words is put to them at once (windows.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jobs.sensor_windows.compiled import njit
from jobs.sensor_windows.judging import place_of
from jobs.sensor_windows.kernel import DAY_MS, FIVE_MIN_MS, HOUR_MS, NEVER, first_end
from jobs.sensor_windows.sums import MILLIONTHS, SUMS, add_up, p95

LENGTHS = (FIVE_MIN_MS, HOUR_MS, DAY_MS)
"""Of the kinds of windows, in the order of their numbers."""

FINAL_US = 60_000_000
"""Beyond every count of what changed a window while it was open: a final row wins against any that is not."""

VERSION_STEP = 1 << 8
"""By so much a reading, or a value that takes the place of another, makes the version of its hour grow."""

TOLD, CHANGED = 1, 2
HISTORY_HOURS = 24
"""An index uses at most so many hours, its own included."""

MADE = np.dtype(
    [
        ("key", "<i4"),
        ("kind", "i1"),
        ("quantity", "i1"),
        ("final", "i1"),
        ("again", "i1"),  # it was closed and written before
        ("start", "<i8"),
        ("write_us", "<i8"),
        ("sums", SUMS),
        ("p95", "<f8"),
        ("n_expected", "<i8"),
        ("origin", "<i8"),
        ("revision", "<i8"),
        ("version", "<i8"),
    ]
)
"""A window of one quantity; ``kind``: index into LENGTHS.

``version`` grows with what the window holds, whatever that measures, and depends on nothing else: VERSION_STEP for each
reading. To those of hours is added what their sensor's series counts of them (windows.py).
"""

HOUR = np.dtype(
    [
        ("key", "<i4"),
        ("again", "i1"),
        ("start", "<i8"),
        ("write_us", "<i8"),
        ("at", "<i8"),  # its place among the means
        ("n_samples", "<i8"),
        ("origin", "<i8"),
        ("revision", "<i8"),
    ]
)
"""An hour that has an index."""


@njit
def _begins(t: Any, length_ms: int, closed_before: int, first_dirty: int) -> int:
    """The first reading of the windows that may have to be written."""
    from_ms = closed_before + 1 - (closed_before + 1) % length_ms if closed_before > 0 else 0
    if first_dirty < len(t):
        from_ms = min(from_ms, t[first_dirty] - t[first_dirty] % length_ms)
    place: int = place_of(t, from_ms)
    return place


@njit
def _expected(length_ms: int, interval_s: float) -> int:
    return int(np.rint(length_ms / (interval_s * 1000)))


@njit
def close_windows(
    key: int,
    t: Any,
    origin: Any,
    mark: Any,
    dirty: Any,
    quantities: Any,
    x: Any,
    verdict: Any,
    rank: Any,
    use_suspect: bool,
    open_too: bool,
    closed_before: int,
    watermark: int,
    changes: int,
    first_origin: int,
    intervals: Any,
    scratch: Any,
    made: Any,
    count: int,
) -> int:
    """Adds a row for each quantity of the windows that have closed, or changed, since they were written.

    Args:
        key: for the rows.
        t: [N] ascending.
        origin: [N] index into ``intervals``.
        mark: [N] TOLD: the reading was there when its windows were written last.
        dirty: [N] which readings, or verdicts on them, have changed since.
        quantities: [R] index into NAMES of each row of ``x``.
        x: [R, N] values; -inf: not measured, NaN: missing.
        verdict: [R, N] flag and failed tests << 4.
        rank: RANK.
        use_suspect: whether suspect readings go into the values.
        open_too: hours and days are also written while they are open.
        closed_before: windows that end up to it have been written.
        watermark: windows that end up to it are final.
        changes: grows with what the windows hold.
        first_origin: is added to the number of an origin.
        intervals: [O] seconds between readings.
        scratch: room for N values.
        made: of MADE, filled from ``count`` on.
        count: rows that are there.

    Returns:
        How many rows are there then; -1: there is no room for them.
    """
    first_dirty = 0
    while first_dirty < len(t) and not dirty[first_dirty]:
        first_dirty += 1
    for kind in range(len(LENGTHS)):
        length_ms = LENGTHS[kind]
        i = _begins(t, length_ms, closed_before, first_dirty)
        while i < len(t):
            begin = i
            start = t[i] - t[i] % length_ms
            end = start + length_ms - 1
            is_dirty, is_told = False, False
            while i < len(t) and t[i] <= end:
                is_dirty |= dirty[i]
                is_told |= mark[i] & TOLD != 0
                i += 1
            final = end <= watermark
            if not (is_dirty or (final and end > closed_before)):
                continue
            if not final and not (open_too and length_ms > FIVE_MIN_MS):
                continue
            if count + len(quantities) > len(made):
                return -1
            for row in range(len(quantities)):
                m = made[count]
                sums = m["sums"]
                add_up(x[row], verdict[row], rank, use_suspect, begin, i, scratch, sums)
                if sums["n_samples"] == 0:
                    continue
                m["key"] = key
                m["kind"] = kind
                m["quantity"] = quantities[row]
                m["final"] = final
                m["again"] = is_told and end <= closed_before
                m["start"] = start
                m["write_us"] = (start + length_ms) * 1000 + changes + (FINAL_US if final else 0)
                m["p95"] = p95(scratch, sums["n_used"])
                who = origin[sums["last"]]
                m["n_expected"] = _expected(length_ms, intervals[who])
                m["origin"] = first_origin + who
                m["revision"] = 0
                m["version"] = (i - begin) * VERSION_STEP
                count += 1
    return count


@njit
def close_hours(
    key: int,
    t: Any,
    origin: Any,
    mark: Any,
    dirty: Any,
    pollutants: Any,
    corrected: int,
    x: Any,
    verdict: Any,
    rank: Any,
    use_suspect: bool,
    min_completeness: float,
    closed_before: int,
    watermark: int,
    changes: int,
    first_origin: int,
    intervals: Any,
    scratch: Any,
    sums: Any,
    samples: Any,
    made: Any,
    count: int,
    means: Any,
    used: int,
) -> Any:
    """Adds the hours that have closed, and those that use an hour that changed; and the means that they use.

    An hour changes with its pollutants, and with its last reading of whatever: that says where the sensor stood.

    Args:
        key: for the rows, and as in ``close_windows`` those that follow.
        t: [N] ascending.
        origin: [N] index into ``intervals``.
        mark: [N] TOLD, CHANGED.
        dirty: [N] what has changed.
        pollutants: [P] row of ``x`` of each pollutant; -1: it is not measured.
        corrected: row of ``x`` of the corrected PM2.5, which counts where it is there; -1: there is none.
        x: [R, N] values.
        verdict: [R, N] of them.
        rank: RANK.
        use_suspect: whether suspect readings go into the values.
        min_completeness: an hour with a smaller share of its readings has no mean.
        closed_before: hours that end up to it have been written.
        watermark: hours that end up to it are final.
        changes: grows with what the hours hold.
        first_origin: is added to the number of an origin.
        intervals: [O] seconds between readings.
        scratch: room for N values.
        sums: of SUMS, scratch.
        samples: room for as many numbers as ``means`` has columns.
        made: of HOUR, filled from ``count`` on.
        count: rows that are there.
        means: [P, T], filled from column ``used`` on, one hour after the other; NaN: there is none.
        used: columns that are there.

    Returns:
        How many rows and columns are there then; -1, -1: there is no room for them.
    """
    first_dirty = 0
    while first_dirty < len(t) and not dirty[first_dirty]:
        first_dirty += 1
    first, last, hours = NEVER, 0, 0
    for write in (False, True):
        changed = -HISTORY_HOURS
        i = _begins(t, HOUR_MS, closed_before, first_dirty)
        while i < len(t):
            hour = t[i] // HOUR_MS
            end = (hour + 1) * HOUR_MS - 1
            is_there, is_dirty, is_told = False, False, False
            while i < len(t) and t[i] <= end:
                for p in range(len(pollutants)):
                    row = pollutants[p]
                    if row >= 0 and not math.isnan(x[row, i]) and x[row, i] != -math.inf:
                        is_there = True
                        is_dirty |= dirty[i]
                        is_told |= mark[i] & TOLD != 0
                        break
                i += 1
            if is_dirty:
                changed = hour
            if not is_there or end > watermark:
                continue
            other_place = mark[i - 1] & CHANGED != 0
            if hour - changed >= HISTORY_HOURS and end <= closed_before and not other_place:
                continue
            if not write:
                first = min(first, hour - HISTORY_HOURS + 1)
                last = hour
                hours += 1
                continue
            m = made[count]
            at = used + hour - first
            m["key"] = key
            m["again"] = is_told and end <= closed_before
            m["start"] = hour * HOUR_MS
            m["write_us"] = (hour + 1) * HOUR_MS * 1000 + changes + FINAL_US
            m["at"] = at
            n_samples = 0
            for back in range(HISTORY_HOURS):
                n_samples += samples[at - back]
            m["n_samples"] = n_samples
            m["origin"] = first_origin + origin[i - 1]
            m["revision"] = 0
            count += 1
        if not write:
            if hours == 0:
                return count, used
            columns = last - first + 1
            if count + hours > len(made) or used + columns > means.shape[1]:
                return -1, -1
            _fill_means(
                t, origin, pollutants, corrected, x, verdict, rank, use_suspect, min_completeness, intervals, scratch,
                sums, samples, means, used, first, last,
            )  # fmt: skip
    return count, used + last - first + 1


@njit
def _fill_means(
    t: Any,
    origin: Any,
    pollutants: Any,
    corrected: int,
    x: Any,
    verdict: Any,
    rank: Any,
    use_suspect: bool,
    min_completeness: float,
    intervals: Any,
    scratch: Any,
    sums: Any,
    samples: Any,
    means: Any,
    used: int,
    first: int,
    last: int,
) -> None:
    """Fills means and numbers of readings of the hours from ``first`` to ``last``."""
    for column in range(used, used + last - first + 1):
        samples[column] = 0
        for p in range(len(pollutants)):
            means[p, column] = math.nan
    i = place_of(t, first * HOUR_MS)
    while i < len(t) and t[i] // HOUR_MS <= last:
        begin = i
        hour = t[i] // HOUR_MS
        while i < len(t) and t[i] < (hour + 1) * HOUR_MS:
            i += 1
        column = used + hour - first
        for p in range(len(pollutants)):
            row = pollutants[p]
            if row < 0:
                continue
            add_up(x[row], verdict[row], rank, use_suspect, begin, i, scratch, sums)
            samples[column] += sums["n_samples"]
            n_used = sums["n_used"]
            if n_used == 0 or n_used < min_completeness * _expected(HOUR_MS, intervals[origin[sums["last"]]]):
                continue
            mean = sums["total"] / (n_used * float(MILLIONTHS))
            if p == 0 and corrected >= 0:
                add_up(x[corrected], verdict[corrected], rank, True, begin, i, scratch, sums)
                if sums["n_used"]:
                    mean = sums["total"] / (sums["n_used"] * float(MILLIONTHS))
            means[p, column] = mean


@njit
def next_end(t: Any, watermark: int, past_ms: int) -> int:
    """The next time at which a window that has readings is to be written; NEVER: none is open.

    Five minutes of an hour that ended before ``past_ms`` are written with their hour.

    Args:
        t: ascending; from the day of the watermark on at least.
        watermark: what ends up to it has been written.
        past_ms: see ``first_end``.
    """
    found = NEVER
    for kind in range(len(LENGTHS)):
        length_ms = LENGTHS[kind]
        place = 0
        if watermark >= NEVER - DAY_MS:
            place = len(t)
        elif watermark >= 0:
            place = place_of(t, watermark + 1 - (watermark + 1) % length_ms)
        if place < len(t):
            end = t[place] - t[place] % length_ms + length_ms - 1
            found = min(found, first_end(t[place], past_ms) if kind == 0 else end)
    return found
