"""What a driver's windows are told of score weights, kept with the driver."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from jobs.driver_stats.rule_changes import Rules, Scores, Step, Told, Weights, read_step, step_bytes

if TYPE_CHECKING:
    from pyflink.datastream.state import MapState

OWN = "\0"


class ToldRules:
    """The rules of the driver whose key is current."""

    def __init__(self, rules: Rules, state: MapState | None) -> None:
        """Takes the rules of the settings, and where what is told is kept; None: nothing ever changes."""
        self._state = state
        self._told = Told(rules)

    def take(self, row: bytes) -> bool:
        """Takes a STEP_ROW; returns whether it says anything new."""
        assert self._state is not None
        step = read_step(row)
        newest, kept = self._kept(self._state)
        if step.newest < newest or (step.newest == newest and kept.get(step.from_ms) == step.weights):
            return False
        kept = {**(kept if step.newest == newest else {}), step.from_ms: step.weights}
        self._state.put(OWN, pickle.dumps((step.newest, kept)))
        return True

    def scores(self) -> Scores:
        """The rules of the score by time."""
        newest, kept = self.kept()
        return self._told.scores(kept, newest)

    def kept(self) -> tuple[int, dict[int, Weights]]:
        """How far the log was read, and the weights by start; 0: nothing was told."""
        return (0, {}) if self._state is None else self._kept(self._state)

    def forget(self) -> None:
        """Drops what is kept of a driver who is forgotten."""
        if self._state is not None:
            self._state.remove(OWN)

    @staticmethod
    def _kept(state: MapState) -> tuple[int, dict[int, Weights]]:
        stored = state.get(OWN)
        return (0, {}) if stored is None else pickle.loads(stored)


class Passing:
    """What is told of a vehicle, passed on to whoever drives it, who has other operators' word of it or none."""

    def __init__(self, told: ToldRules, drivers: MapState) -> None:
        """Takes what was told of the vehicle, and where it is kept which of it which driver has."""
        self._told = told
        self._drivers = drivers

    def to(self, driver_id: str) -> list[bytes]:
        """The STEP_ROWs that a driver does not have yet."""
        newest, kept = self._told.kept()
        if not newest:
            return []
        known = f"{newest}:{len(kept)}"
        if self._drivers.get(driver_id) == known:
            return []
        self._drivers.put(driver_id, known)
        return [step_bytes(Step(newest, ms, weights)) for ms, weights in sorted(kept.items())]
