"""Parameters of harsh events beyond the thresholds of conf/driver_stats.yaml: derived ones, jumps, possible crashes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from conf.parameters import Frozen, load
from conf.rule_sets import NotNegative, Positive, RuleSet


class Derived(Frozen):
    """When an acceleration is derived from speed and heading, and up to which size it is believed."""

    min_gap_s: NotNegative
    max_gap_s: Positive
    max_accel_ms2: Positive
    max_brake_ms2: Positive
    max_corner_ms2: Positive

    @model_validator(mode="after")
    def _gaps_ascend(self) -> Self:
        if self.min_gap_s > self.max_gap_s:
            raise ValueError("min_gap_s is above max_gap_s: nothing would be derived")
        return self


class Jump(Frozen):
    """What is a jump of the GPS, not a movement."""

    max_kmh: Positive
    distance_ratio: Annotated[float, Field(ge=1)]
    slack_m: NotNegative
    slack_kmh: NotNegative


class Crash(Frozen):
    """The horizontal acceleration of a possible crash."""

    vector_ms2: Positive


class HarshRuleSet(RuleSet):
    """Parameters of jobs/driver_stats/harsh.py."""

    derived: Derived
    jump: Jump
    crash: Crash


def harsh(file: str = "harsh_1", overrides: tuple[str, ...] = ()) -> HarshRuleSet:
    """Reads a file of harsh rules.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    return load(file, HarshRuleSet, overrides)
