"""Idling: an episode is the time that a vehicle stands with its engine on or unknown; long enough, it is an event.

Driving, an ignition that is off, a gap that does not count as standing, and another driver end one; the end of a trip
does not. How long is long enough is the fleet's choice: White Label Tracking advises 3 to 10 minutes, Azuga has 10.
"""

from __future__ import annotations

import math
from typing import Any

from jobs.driver_stats.compiled import njit
from jobs.driver_stats.layout import NONE


@njit
def is_idling_event(event_ms: int, s: Any) -> bool:
    """Whether the open episode is long enough to be an event; an ``event_ms`` of 0: none ever is."""
    return bool(s["idle_start"] != NONE and event_ms > 0 and s["last_t"] - s["idle_start"] >= event_ms)


@njit
def extend_idling(s: Any, t: int, ms: int, lat: float, lon: float) -> None:
    """Folds an idling sample that covers (t - ms, t] into the episode, or begins one with it."""
    if s["idle_start"] == NONE:
        s["idle_start"] = t - ms
    s["idle_samples"] += 1
    if s["idle_lat"] != s["idle_lat"] and lat == lat and lon == lon:
        s["idle_lat"] = lat
        s["idle_lon"] = lon


@njit
def clear_idling(s: Any) -> None:
    """No episode is open."""
    s["idle_start"] = NONE
    s["idle_samples"] = 0
    s["idle_emitted"] = 0
    s["idle_lat"] = math.nan
    s["idle_lon"] = math.nan
