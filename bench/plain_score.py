"""A driver's score in plain Python: points lost by events in so many kilometres, and by percents of time speeding."""

from __future__ import annotations

from typing import Any

from bench.plain_state import Sums
from conf.score import AdditiveRules
from jobs.driver_stats.settings import Settings

QUANTUM = 2**20
"""Terms are rounded to so many parts of a point, as the table has them."""


class Scorer:
    """The columns of plain_records.Scored behind those of Metrics."""

    def __init__(self, settings: Settings) -> None:
        rules = settings.score
        if not isinstance(rules, AdditiveRules):
            raise TypeError(f"the peers know the additive formula only, not {rules.id}")
        self._min_um = max(round(rules.min_km * 1e9), 1)
        self._um_per_event = rules.events_per_km * 1e9 * QUANTUM
        self._accel, self._brake, self._corner = (
            rules.event_weights.harsh_accel,
            rules.event_weights.harsh_brake,
            rules.event_weights.harsh_corner,
        )
        self._minor, self._major, self._severe, self._idle = (
            100 * QUANTUM * weight
            for weight in (
                rules.speeding_weights.minor,
                rules.speeding_weights.major,
                rules.speeding_weights.severe,
                rules.idle_weight,
            )
        )
        bands = rules.bands
        self._low, self._mild, self._medium = bands.low, bands.mild, bands.medium
        self._rules = (rules.id, rules.params_hash)
        self._none = (None, None, None, "insufficient_distance", None, None, None, *self._rules)

    def score(self, sums: Sums) -> tuple[Any, ...]:
        """The score of a trip or window."""
        if sums.um < self._min_um:
            return self._none
        per_event = self._um_per_event / sums.um
        events = (
            round(self._accel * sums.scored_accel * per_event)
            + round(self._brake * sums.scored_brake * per_event)
            + round(self._corner * sums.scored_corner * per_event)
        ) / QUANTUM
        speeding = idle = 0.0
        drive_ms = sums.drive_ms
        if drive_ms:
            speeding = (
                round(self._minor * sums.minor_ms / drive_ms)
                + round(self._major * sums.major_ms / drive_ms)
                + round(self._severe * sums.severe_ms / drive_ms)
            ) / QUANTUM
        if sums.idle_ms:
            idle = round(self._idle * sums.idle_ms / (drive_ms + sums.idle_ms)) / QUANTUM
        unclamped = 100 - (events + speeding + idle)
        value = min(max(unclamped, 0.0), 100.0)
        if value >= self._low:
            band = "low"
        elif value >= self._mild:
            band = "mild"
        else:
            band = "medium" if value >= self._medium else "high"
        return (value, unclamped, band, "ok", events, speeding, idle, *self._rules)
