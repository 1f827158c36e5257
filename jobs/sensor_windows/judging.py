"""Which readings of a sensor are judged again, and what the verdicts are. Compiled by Numba and the same without it.

Cleansing judges a block of hours as if the series had begun with the block before it, so a verdict depends on a bounded
part of the readings, and on the next one. A quantity without tests that look at other readings is judged by itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jobs.sensor_windows.cleansing import (
    ATTENUATED_MS,
    FAIL,
    FLAT_TOLERANCE,
    JUDGED,
    NOT_EVALUATED,
    RATE_FAIL,
    RATE_SUSPECT,
    SPIKE_FAIL,
    SPIKE_SUSPECT,
    SUSPECT,
    judge_one,
    judge_row,
    release,
)
from jobs.sensor_windows.compiled import njit

_NONE = -(2**63)


def room_of_verdicts() -> Any:
    """What ``judge_changed`` needs as ``pair``: a row gives its own verdict and that of the one before, at most."""
    return np.zeros(2, JUDGED)


@njit
def place_of(t: Any, time: int) -> int:
    """Of ascending times the first place that is not before a time."""
    low, high = 0, len(t)
    while low < high:
        middle = (low + high) // 2
        if t[middle] < time:
            low = middle + 1
        else:
            high = middle
    return low


@njit
def looks_at_others(limits: Any, codes: Any, quantity: int) -> bool:
    """Whether any test of a quantity needs more than the value."""
    for each in range(len(codes)):
        p = limits[codes[each], quantity]
        for limit in (SPIKE_SUSPECT, SPIKE_FAIL, RATE_SUSPECT, RATE_FAIL, FLAT_TOLERANCE, ATTENUATED_MS):
            if not math.isnan(p[limit]):
                return True
    return False


@njit
def judge_changed(
    limits: Any,
    states: Any,
    block_ms: int,
    quantities: Any,
    codes: Any,
    t: Any,
    origin: Any,
    x: Any,
    verdict: Any,
    changed: Any,
    dirty: Any,
    pair: Any,
    told: Any,
) -> int:
    """Judges again what may be judged otherwise now.

    Args:
        limits: Rules.limits.
        states: [1, Q] of Rules.dtype; scratch.
        block_ms: length of a block.
        quantities: [R] index into QUANTITIES of each row of ``x``.
        codes: [O] code of the sensor model of each origin.
        t: [N] ascending; from the block before that of the reading before the first that changed.
        origin: [N] index into ``codes``.
        x: [R, N] values; -inf: not measured, NaN: missing.
        verdict: [R, N] flag and failed tests << 4; changed.
        changed: [N] which readings are new or have changed.
        dirty: [N]; set where a verdict is another one now.
        pair: see ``room_of_verdicts``.
        told: [R * N, 2] row and place of the verdicts on bad readings that are others now, and of those that were bad.

    Returns:
        How many rows of ``told`` were filled.
    """
    count = 0
    for row in range(len(quantities)):
        quantity = quantities[row]
        if not looks_at_others(limits, codes, quantity):
            for i in range(len(t)):
                if changed[i] and x[row, i] != -math.inf:
                    judge_one(limits[codes[origin[i]], quantity], t[i], x[row, i], quantity, pair)
                    count = _take(pair[0], row, i, verdict, dirty, told, count)
            continue
        done = _NONE
        for i in range(len(t)):
            if not changed[i]:
                continue
            # A verdict depends on its block and the one before, and on the next reading, which may be far.
            for block in (t[max(i - 1, 0)] // block_ms, t[i] // block_ms, t[i] // block_ms + 1):
                if block > done:
                    done = block
                    count = _judge_block(
                        limits, states[0, quantity], block_ms, block, row, quantity, codes, t, origin, x, verdict,
                        dirty, pair, told, count,
                    )  # fmt: skip
    return count


@njit
def _judge_block(
    limits: Any,
    s: Any,
    block_ms: int,
    block: int,
    row: int,
    quantity: int,
    codes: Any,
    t: Any,
    origin: Any,
    x: Any,
    verdict: Any,
    dirty: Any,
    pair: Any,
    told: Any,
    count: int,
) -> int:
    """Judges the readings of one block; returns how many rows of ``told`` are filled then."""
    begin, end = place_of(t, block * block_ms), place_of(t, (block + 1) * block_ms)
    while begin < end and x[row, begin] == -math.inf:
        begin += 1
    if begin == end:
        return count
    stop = end
    while stop < len(t) and x[row, stop] == -math.inf:
        stop += 1
    stop = min(stop + 1, len(t))
    s["known"] = 0
    i = place_of(t, (block - 1) * block_ms)
    at = i
    while i < stop:
        # Readings that follow each other with the same model; without any value they are no missing ones.
        code = -1
        measured = False
        after = i
        while after < stop:
            if x[row, after] != -math.inf:
                own = codes[origin[after]]
                if code >= 0 and own != code:
                    break
                code = own
                measured = measured or not math.isnan(x[row, after])
            after += 1
        if measured:
            p = limits[code, quantity]
            for each in range(i, after):
                if x[row, each] == -math.inf:
                    continue
                made = judge_row(p, s, t[each], x[row, each], 0, quantity, pair, 0)
                for verdict_made in range(made):
                    while t[at] != pair[verdict_made]["t"]:
                        at += 1
                    if begin <= at < end:
                        count = _take(pair[verdict_made], row, at, verdict, dirty, told, count)
        i = after
    if s["known"] and s["waiting"]:
        release(s, NOT_EVALUATED, 0, quantity, pair, 0)
        while t[at] != pair[0]["t"]:
            at += 1
        if begin <= at < end:
            count = _take(pair[0], row, at, verdict, dirty, told, count)
    return count


@njit
def _take(judged: Any, row: int, place: int, verdict: Any, dirty: Any, told: Any, count: int) -> int:
    """Takes a verdict; returns how many rows of ``told`` are filled then."""
    now = judged["flag"] | judged["failed"] << 4
    was = verdict[row, place]
    if now == was:
        return count
    verdict[row, place] = now
    dirty[place] = True
    if is_bad(now) or is_bad(was):
        told[count, 0] = row
        told[count, 1] = place
        count += 1
    return count


@njit
def is_bad(verdict: int) -> bool:
    """Whether a verdict says suspect or failed."""
    flag = verdict & 15
    return flag in (SUSPECT, FAIL)
