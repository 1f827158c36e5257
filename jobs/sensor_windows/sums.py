"""What the readings of a window come to. Compiled by Numba and the same without it.

Values are added up as integers, in millionths of their unit, so that a sum is exact whatever the order.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from jobs.sensor_windows.cleansing import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT

MILLIONTHS = 1_000_000
P95 = 0.95

SUMS = np.dtype(
    [
        ("start", "<i8"),
        ("n_samples", "<i8"),
        ("n_used", "<i8"),
        ("n_good", "<i8"),
        ("n_suspect", "<i8"),
        ("n_failed", "<i8"),
        ("total", "<i8"),
        ("raw_total", "<i8"),
        ("min", "<f8"),
        ("max", "<f8"),
        ("p95", "<f8"),
        ("qc_flag", "<i4"),
        ("failed", "<i4"),
        ("last", "<i8"),
    ]
)
"""A window of one quantity: ``last``: the place of its last reading; ``failed``: tests that said suspect or fail."""

RANK = np.zeros(16, np.int64)
RANK[[MISSING, NOT_EVALUATED, GOOD, SUSPECT, FAIL]] = 1, 2, 3, 4, 5


def njit(function: Any) -> Any:
    """Compiles on first use."""
    return numba.njit(cache=True, nogil=True)(function)


@njit
def add_up(
    t: Any,
    x: Any,
    verdict: Any,
    rank: Any,
    use_suspect: bool,
    length_ms: int,
    starts: Any,
    scratch: Any,
    rows: Any,
) -> None:
    """Fills one row of SUMS for each window.

    Args:
        t: [N] ascending.
        x: [N] values; -inf: not measured, NaN: missing.
        verdict: [N] flag and failed tests << 4.
        rank: RANK: how bad each flag is.
        use_suspect: whether suspect readings go into the values.
        length_ms: of a window.
        starts: [W] ascending.
        scratch: room for [N] values.
        rows: [W], filled.
    """
    i = 0
    for window in range(len(starts)):
        start = starts[window]
        end = start + length_ms
        low, high = i, len(t)
        while low < high:
            middle = (low + high) // 2
            if t[middle] < start:
                low = middle + 1
            else:
                high = middle
        i = low
        used, samples, good, suspect, failed, mask, worst = 0, 0, 0, 0, 0, 0, 0
        total = 0
        raw = 0
        last = -1
        while i < len(t) and t[i] < end:
            value = x[i]
            if value == value and value != -math.inf:
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
                    scratch[used] = value
                    used += 1
            i += 1
        row = rows[window]
        row["start"] = start
        row["n_samples"] = samples
        row["n_used"] = used
        row["n_good"] = good
        row["n_suspect"] = suspect
        row["n_failed"] = failed
        row["total"] = total
        row["raw_total"] = raw
        row["qc_flag"] = worst
        row["failed"] = mask
        row["last"] = last
        if used:
            values = scratch[:used]
            values.sort()
            row["min"] = values[0] + 0.0
            row["max"] = values[used - 1] + 0.0
            row["p95"] = values[int(P95 * (used - 1))] + 0.0
        else:
            row["min"] = row["max"] = row["p95"] = math.nan
