"""Parameters of the driver score: one frozen model per published shape, one file per formula and version."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from conf.parameters import Frozen, load
from conf.rule_sets import NotNegative, Positive, RuleSet

Share = Annotated[float, Field(ge=0, le=100)]


class EventWeights(Frozen):
    """Points for one event of each type in ``events_per_km`` kilometres."""

    harsh_accel: NotNegative
    harsh_brake: NotNegative
    harsh_corner: NotNegative


class SpeedingWeights(Frozen):
    """Points for each percent of driving time in a band."""

    minor: NotNegative
    major: NotNegative
    severe: NotNegative


class Bands(Frozen):
    """The least score of each risk band; what is below medium is high risk."""

    low: Share
    mild: Share
    medium: Share

    @model_validator(mode="after")
    def _descending(self) -> Self:
        if not self.low > self.mild > self.medium:
            raise ValueError("the edges must descend: low > mild > medium")
        return self


class ScoreRules(RuleSet):
    """What both formulas have."""

    min_km: NotNegative
    deduplicate_s: NotNegative
    events_per_km: Positive
    bands: Bands


class AdditiveRules(ScoreRules):
    """Parameters of the additive formula."""

    event_weights: EventWeights
    speeding_weights: SpeedingWeights
    idle_weight: NotNegative


class PercentWeights(Frozen):
    """Share of each rule in the score; they add up to 100."""

    harsh_accel: Share
    harsh_brake: Share
    harsh_corner: Share
    seatbelt: Share
    speeding: Share
    excessive_speeding: Share

    @model_validator(mode="after")
    def _sum_is_100(self) -> Self:
        total = math.fsum(self.model_dump().values())
        if not math.isclose(total, 100, abs_tol=1e-9):
            raise ValueError(f"the weights add up to {total:g}; they have to add up to 100")
        if self.seatbelt >= 100:
            raise ValueError("nothing is left to judge: the seat belt is not measured")
        return self


class PercentRules(ScoreRules):
    """Parameters of the weighted formula."""

    weights: PercentWeights
    speeding_multiplier: Positive


def additive(file: str = "score_additive_per_100km_1", overrides: tuple[str, ...] = ()) -> AdditiveRules:
    """Reads a file of the additive formula.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    return load(file, AdditiveRules, overrides)


def weighted(file: str = "score_weighted_percent_1", overrides: tuple[str, ...] = ()) -> PercentRules:
    """Reads a file of the weighted formula.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    return load(file, PercentRules, overrides)
