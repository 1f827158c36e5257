"""Parameters of the quality control of sensor readings: limits by quantity, and what each sensor model differs in."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from conf.parameters import Frozen, load
from conf.rule_sets import NotNegative, Positive, RuleSet

Quantity = Literal["pm2_5", "pm10", "no2", "o3", "so2", "co", "temperature", "humidity", "pressure"]
Span = Annotated[tuple[float, float], Field(description="least and largest value that pass")]


class Thresholds(Frozen):
    """Beyond ``suspect`` a reading is suspect, beyond ``fail`` it has failed; None: never."""

    suspect: NotNegative | None = None
    fail: NotNegative | None = None


class Spike(Thresholds):
    """How far a reading may lie from its neighbours, in the quantity's unit.

    Attributes:
        method: ``average``: distance from their midpoint; ``differential``: the smaller of the two steps where they
            have opposite signs.
    """

    method: Literal["average", "differential"] = "average"


class FlatLine(Frozen):
    """Values that stay within less than ``tolerance`` for so long, seconds; None: never."""

    tolerance: Positive
    suspect_s: Positive | None = None
    fail_s: Positive | None = None


class Attenuated(Frozen):
    """Standard deviation or range over the last ``period_s``; a lower one is suspect, or has failed.

    Attributes:
        min_obs: with fewer readings in the period it is not evaluated.
        max_obs: room for so many readings in the period; with more it is not evaluated.
    """

    period_s: Positive
    suspect: NotNegative
    fail: NotNegative
    check: Literal["std", "range"] = "std"
    min_obs: Annotated[int, Field(ge=1)] = 1
    max_obs: Annotated[int, Field(ge=2, le=4096)] = 256


class Limits(Frozen):
    """The tests of one quantity; a test that is not there is not made."""

    fail: Span | None = None
    suspect: Span | None = None
    spike: Spike | None = None
    rate_per_s: Thresholds | None = None
    flat_line: FlatLine | None = None
    attenuated: Attenuated | None = None

    @model_validator(mode="after")
    def _spans_fit(self) -> Self:
        for span in (self.fail, self.suspect):
            if span is not None and span[0] > span[1]:
                raise ValueError("a span is [least, largest]")
        if (
            self.fail
            and self.suspect
            and not self.fail[0] <= self.suspect[0] <= self.suspect[1] <= self.fail[1]
        ):
            raise ValueError("suspect must lie within fail")
        return self


class Model(Frozen):
    """A sensor model.

    Attributes:
        expected_interval_s: time between two readings, for completeness.
        failure_codes: values that say that the device has failed, by quantity.
        limits: what differs from the limits of all sensors; each test given replaces that test.
        correction: a published correction of this model's readings.
    """

    expected_interval_s: Positive | None = None
    failure_codes: dict[Quantity, tuple[float, ...]] = Field(default_factory=dict)
    limits: dict[Quantity, Limits] = Field(default_factory=dict)
    correction: Literal["purpleair_barkjohn", "purpleair_fasm"] | None = None


class Quality(RuleSet):
    """conf/quality_1.yaml.

    Attributes:
        max_gap_s: a longer silence of a quantity ends its series: nothing is compared across it.
        limits: the tests of each quantity.
        models: by ``sensor_model``; one that is not named here has none of its own.
    """

    max_gap_s: Positive
    expected_interval_s: Positive
    limits: dict[Quantity, Limits]
    models: dict[str, Model]

    def model_names(self) -> tuple[str, ...]:
        """Names of the models; the place of a name + 1 is its code, 0 is any other model."""
        return tuple(self.models)

    def limits_of(self, model: str | None, quantity: Quantity) -> Limits:
        """The tests of one quantity of one model."""
        common = self.limits.get(quantity, Limits())
        own = self.models[model].limits.get(quantity) if model in self.models else None
        return (
            common.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
            if own
            else common
        )

    def interval_of(self, model: str | None) -> float:
        """Expected seconds between two readings."""
        known = self.models.get(model) if model is not None else None
        return (known.expected_interval_s if known else None) or self.expected_interval_s


def quality(file: str = "quality_1", overrides: tuple[str, ...] = ()) -> Quality:
    """Reads a file of quality rules.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    return load(file, Quality, overrides)
