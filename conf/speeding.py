"""Parameters of speeding: what is over the limit, and for how long before it is an event."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from conf.parameters import Frozen, load
from conf.rule_sets import NotNegative, Positive, RuleSet


class Excess(Frozen):
    """A band: the speed is over the limit by more than both."""

    over_kmh: NotNegative
    over_percent: NotNegative


class SpeedingBands(Frozen):
    """The three bands; each one begins above the one before it."""

    minor: Excess
    major: Excess
    severe: Excess

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for lower, higher in ((self.minor, self.major), (self.major, self.severe)):
            if higher.over_kmh < lower.over_kmh or higher.over_percent < lower.over_percent:
                raise ValueError("the bands must ascend: minor, major, severe")
        return self


class SpeedingRuleSet(RuleSet):
    """Bands, the least length of an episode, and the limit where none is known."""

    bands: SpeedingBands
    min_episode_s: NotNegative
    max_kmh: Positive
    limit_kmh: Annotated[float, Field(gt=0)] | None = None


def speeding(file: str = "speeding_two_conditions_1", overrides: tuple[str, ...] = ()) -> SpeedingRuleSet:
    """Reads a file of speeding rules.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    return load(file, SpeedingRuleSet, overrides)
