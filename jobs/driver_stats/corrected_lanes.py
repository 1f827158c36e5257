"""How a lane changes that a correction has gone over: what it sends again, and what it goes on from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats import emit
from jobs.driver_stats.layout import NONE
from jobs.driver_stats.seams import Lane


def settled(lane: Lane) -> Lane:
    """A copy whose open part counts as sent."""
    copy = lane.copy()
    s = copy[0]
    s["minute"] += s["part"]
    s["part"] = 0
    if not s["minute_max_kmh"] >= s["part_max_kmh"] and s["part_max_kmh"] == s["part_max_kmh"]:
        s["minute_max_kmh"] = s["part_max_kmh"]
    s["part_max_kmh"] = np.nan
    return copy


def publish_again(s: Any) -> None:
    """What is open goes out once more: its row may be another lane's by now."""
    if s["minute_start"] != NONE and s["known"] != 0:
        s["minute_dirty"] = 1
    for axis in range(len(s["event_start"])):
        if s["event_start"][axis] != NONE:
            s["event_dirty"][axis] = 1
    if s["speeding_start"] != NONE:
        s["speeding_dirty"] = 1
    s["idle_emitted"] = 0
    s["trip_emitted_folds"] = -1


def carry_emissions(to: Any, of: Any) -> None:
    """A row that is written again gets the next revision, whichever lane writes it."""
    if to["minute_start"] == of["minute_start"]:
        to["minute_emissions"] = max(int(to["minute_emissions"]), int(of["minute_emissions"]))
    if to["trip_start"] == of["trip_start"]:
        to["trip_emissions"] = max(int(to["trip_emissions"]), int(of["trip_emissions"]))


def change_trip(s: Any, now: Any, sums: NDArray[np.int64], passed_kmh: float) -> None:
    """Moves the open trip by ``sums``, to the start that it has in ``now``; it was as fast as ``passed_kmh`` before."""
    s["trip"] += sums
    s["trip_start"] = now["trip_start"]
    s["trip_start_lat"] = now["trip_start_lat"]
    s["trip_start_lon"] = now["trip_start_lon"]
    before = emit.trip_max_kmh(now)
    s["trip_before_kmh"] = (
        passed_kmh if passed_kmh > before or (before != before and passed_kmh >= 0) else before
    )
    s["trip_emitted_folds"] = -1
    s["trip_emissions"] = max(int(s["trip_emissions"]), 1)
