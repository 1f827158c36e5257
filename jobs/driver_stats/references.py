"""Which reference data the job has."""

from __future__ import annotations

from jobs.driver_stats.road_limits import ROAD_LIMITS
from jobs.driver_stats.rule_changes import RULES
from jobs.driver_stats.settings import Settings
from schemas.references import Reference


def references_of(settings: Settings) -> tuple[Reference, ...]:
    """The reference data that the vehicles' operator has."""
    wanted = ((ROAD_LIMITS, settings.road_limits.enabled), (RULES, settings.rule_changes.enabled))
    return tuple(each for each, enabled in wanted if enabled)
