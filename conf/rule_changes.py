"""Which parameters may change while driver_stats runs, and rules with some of them changed.

The names are those of schemas/rules-1.schema.json. A change holds from a time on (connectors/reference.py); what it
does not say is as the files of conf/ and ``--set`` have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conf.hours import HoursClasses, hours_classes
from conf.parameters import Frozen, load
from conf.score import AdditiveRules, PercentRules

HARSH, SCORE = "harsh", "score"
THRESHOLDS = ("accel_ms2", "brake_ms2", "corner_ms2")
_EVENTS = ("harsh_accel", "harsh_brake", "harsh_corner")
_BANDS = ("minor", "major", "severe")


class Thresholds(Frozen):
    """Thresholds of one vehicle class in m/s²."""

    accel_ms2: Annotated[float, Field(gt=0)]
    brake_ms2: Annotated[float, Field(gt=0)]
    corner_ms2: Annotated[float, Field(gt=0)]


class HarshThresholds(BaseModel):
    """The section ``harsh`` of conf/driver_stats.yaml as far as it can change."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    default_class: str
    classes: dict[str, Thresholds]
    accel_ms2: float | None = None
    brake_ms2: float | None = None
    corner_ms2: float | None = None


class Changeable(BaseModel):
    """conf/driver_stats.yaml as far as it can change while the job runs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    harsh: HarshThresholds
    score: AdditiveRules | PercentRules

    def thresholds(self, hours: HoursClasses) -> dict[str, dict[str, float]]:
        """By vehicle class; a class that only the rules of drivers' hours know has the default's."""
        names = dict.fromkeys((self.harsh.default_class, *self.harsh.classes, *hours.classes))
        default = self.harsh.classes[self.harsh.default_class]
        fixed = {name: getattr(self.harsh, name) for name in THRESHOLDS}
        return {
            each: {
                name: fixed[name] or getattr(self.harsh.classes.get(each, default), name)
                for name in THRESHOLDS
            }
            for each in names
        }


def changeable() -> tuple[Changeable, HoursClasses]:
    """What conf/ says.

    Raises:
        conf.parameters.ParameterError: a file is wrong.
    """
    return load("driver_stats", Changeable), hours_classes()


def weights_of(rules: AdditiveRules | PercentRules) -> dict[str, float]:
    """The weights of a formula by their names in rules/1."""
    if isinstance(rules, PercentRules):
        return {name: float(value) for name, value in rules.weights.model_dump().items()}
    events = {name: getattr(rules.event_weights, name) for name in _EVENTS}
    bands = {f"speeding_{name}": getattr(rules.speeding_weights, name) for name in _BANDS}
    return {name: float(value) for name, value in {**events, **bands, "idle": rules.idle_weight}.items()}


def with_weights(
    rules: AdditiveRules | PercentRules, changed: Mapping[str, float | None]
) -> AdditiveRules | PercentRules:
    """The rules with other weights; None, or a name that the formula does not have, changes nothing.

    Raises:
        ValueError: together they are none that the formula takes; the text is for people.
    """
    weights = weights_of(rules)
    wanted = {name: changed.get(name) for name in weights}
    given = {name: float(value) for name, value in wanted.items() if value is not None}
    if not given:
        return rules
    weights |= given
    parts: dict[str, object] = rules.model_dump()
    if isinstance(rules, PercentRules):
        parts["weights"] = weights
    else:
        parts["event_weights"] = {name: weights[name] for name in _EVENTS}
        parts["speeding_weights"] = {name: weights[f"speeding_{name}"] for name in _BANDS}
        parts["idle_weight"] = weights["idle"]
    try:
        return type(rules).model_validate(parts)
    except ValidationError as error:
        raise ValueError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None
