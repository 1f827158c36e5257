"""What the readings of a window come to. Compiled by Numba and the same without it.

Values are added up as integers, in millionths of their unit, so that a sum is exact whatever the order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jobs.sensor_windows.cleansing import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT
from jobs.sensor_windows.compiled import njit

MILLIONTHS = 1_000_000
P95 = 0.95

SUMS = np.dtype(
    [
        ("n_samples", "<i8"),
        ("n_used", "<i8"),
        ("n_good", "<i8"),
        ("n_suspect", "<i8"),
        ("n_failed", "<i8"),
        ("total", "<i8"),
        ("raw_total", "<i8"),
        ("min", "<f8"),
        ("max", "<f8"),
        ("qc_flag", "<i4"),
        ("failed", "<i4"),
        ("last", "<i8"),
    ]
)
"""A window of one quantity: ``last``: the place of its last reading; ``failed``: tests that said suspect or fail."""

RANK = np.zeros(16, np.int64)
RANK[[MISSING, NOT_EVALUATED, GOOD, SUSPECT, FAIL]] = 1, 2, 3, 4, 5


@njit
def add_up(
    x: Any, verdict: Any, rank: Any, use_suspect: bool, begin: int, end: int, used: Any, into: Any
) -> None:
    """Adds up the readings of one window.

    Args:
        x: [N] values; -inf: not measured, NaN: missing.
        verdict: [N] flag and failed tests << 4.
        rank: RANK: how bad each flag is.
        use_suspect: whether suspect readings go into the values.
        begin: the window's first reading.
        end: the one after its last.
        used: gets the ``n_used`` values that count.
        into: of SUMS.
    """
    count, samples, good, suspect, failed, mask, worst = 0, 0, 0, 0, 0, 0, 0
    total = 0
    raw = 0
    last = -1
    low, high = math.inf, -math.inf
    for i in range(begin, end):
        value = x[i]
        if value != value or value == -math.inf:
            continue
        flag = verdict[i] & 15
        samples += 1
        units = int(np.rint(value * MILLIONTHS))
        raw += units
        last = i
        mask |= verdict[i] >> 4
        if rank[flag] > rank[worst]:
            worst = flag
        if flag == FAIL:
            failed += 1
        elif flag == SUSPECT:
            suspect += 1
        elif flag == GOOD:
            good += 1
        if flag != FAIL and (use_suspect or flag != SUSPECT):
            total += units
            used[count] = value
            count += 1
            low = min(low, value)
            high = max(high, value)
    into["n_samples"] = samples
    into["n_used"] = count
    into["n_good"] = good
    into["n_suspect"] = suspect
    into["n_failed"] = failed
    into["total"] = total
    into["raw_total"] = raw
    into["min"] = low + 0.0 if count else math.nan
    into["max"] = high + 0.0 if count else math.nan
    into["qc_flag"] = worst
    into["failed"] = mask
    into["last"] = last


@njit
def p95(values: Any, count: int) -> Any:
    """The smallest of the first ``count`` values that a share P95 of the others does not exceed; their order changes.

    By selection (Hoare's), which takes a time that grows with the count; NaN of no values.
    """
    if count == 0:
        return math.nan
    wanted = int(P95 * (count - 1))
    low, high = 0, count - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    return values[wanted] + 0.0
