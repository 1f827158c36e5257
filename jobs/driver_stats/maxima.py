"""Top speeds that log-ins gave a driver: kept by window, fleet and vehicle, so that they can be taken away again."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass, field

from pyflink.datastream.state import MapState

from jobs.driver_stats.unnamed import Attributed, top


@dataclass(frozen=True, slots=True)
class OfWindow:
    """The top speeds in one window, by fleet and vehicle."""

    by_vehicle: dict[tuple[str, str], float] = field(default_factory=dict)

    def over(self, max_kmh: float, fleet_id: str | None = None) -> float:
        """The largest of them, of one fleet or of all, and of ``max_kmh``; NaN without any."""
        mine = (kmh for (fleet, _), kmh in self.by_vehicle.items() if fleet_id is None or fleet == fleet_id)
        return top(max_kmh, *mine)


class Maxima:
    """The top speeds of the current driver's windows."""

    def __init__(self, state: MapState, used: bool) -> None:
        """Takes the state; unless it is ``used``, there are none, and it is never asked."""
        self._state = state
        self._used = used

    def of(self, window: str) -> OfWindow:
        """Those of a window."""
        stored = self._state.get(window) if self._used else None
        return OfWindow() if stored is None else OfWindow(pickle.loads(stored))

    def put(self, window: str, fleet_id: str, given: Attributed, kmh: float) -> None:
        """Raises a vehicle's, or sets it anew."""
        by_vehicle = self.of(window).by_vehicle
        place = (fleet_id, given.vehicle)
        now = kmh if given.anew else top(kmh, by_vehicle.get(place, math.nan))
        if now == now:
            by_vehicle[place] = now
        else:
            by_vehicle.pop(place, None)
        self._state.put(window, pickle.dumps(by_vehicle))

    def remove(self, window: str) -> None:
        """Forgets a window."""
        if self._used:
            self._state.remove(window)
