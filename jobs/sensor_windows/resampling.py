"""Series of even steps made of readings that come when they come. Pure numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def last_in_steps(
    t: NDArray[np.int64], x: NDArray[np.float64], step_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The last value in each step [start, start + step), of those that have one.

    Args:
        t: epoch ms, in any order; of equal times the last in the array counts as the last.
        x: as many values; NaN: none.
        step_ms: length of a step; the steps begin at multiples of it.

    Returns:
        The steps' starts, ascending, and their values.
    """
    present = ~np.isnan(x)
    order = np.argsort(t[present], kind="stable")
    times, values = t[present][order], x[present][order]
    starts = times - times % step_ms
    last = np.flatnonzero(np.r_[starts[1:] != starts[:-1], np.ones(min(1, len(starts)), np.bool_)])
    return starts[last], values[last]
