"""Parameters of drivers' hours: one frozen model per law, one file per version, and the rules of each vehicle class."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from conf.local_time import Zone
from conf.parameters import Frozen, load
from conf.rule_sets import RuleSet

Seconds = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class Continuous(Frozen):
    """Driving without a break."""

    limit_s: Seconds
    break_s: Seconds
    first_part_s: Seconds
    second_part_s: Seconds
    warn_before_s: Seconds

    @model_validator(mode="after")
    def _parts_are_shorter(self) -> Self:
        if not self.first_part_s <= self.second_part_s <= self.break_s:
            raise ValueError("the parts of a break must ascend: first_part_s <= second_part_s <= break_s")
        return self


class DailyDriving(Frozen):
    """Driving between two daily rests."""

    limit_s: Seconds
    extended_s: Seconds
    extensions_a_week: Count
    warn_before_s: Seconds

    @model_validator(mode="after")
    def _extension_is_longer(self) -> Self:
        if self.extended_s < self.limit_s:
            raise ValueError("extended_s is below limit_s")
        return self


class Weeks(Frozen):
    """Driving in a week, and in two that follow one another."""

    limit_s: Seconds
    two_weeks_s: Seconds
    warn_before_s: Seconds


class DailyRest(Frozen):
    """The rest in each period after the last one."""

    within_s: Seconds
    regular_s: Seconds
    reduced_s: Seconds
    split_first_s: Seconds
    reduced_between_weekly: Count
    warn_before_s: Seconds


class WeeklyRest(Frozen):
    """The rest between weeks."""

    regular_s: Seconds
    reduced_s: Seconds
    after_s: Seconds
    compensation_weeks: Count
    warn_before_s: Seconds


class EuRules(RuleSet):
    """Regulation (EC) 561/2006."""

    law: Literal["eu"]
    continuous: Continuous
    daily: DailyDriving
    weekly: Weeks
    daily_rest: DailyRest
    weekly_rest: WeeklyRest


class FmcsaRules(RuleSet):
    """49 CFR 395.3."""

    law: Literal["us"]
    zone: Zone
    driving_s: Seconds
    window_s: Seconds
    off_duty_s: Seconds
    before_break_s: Seconds
    break_s: Seconds
    cycle_s: Seconds
    cycle_days: Annotated[int, Field(ge=2, le=14)]
    restart_s: Seconds
    warn_before_s: Seconds


class HoursClasses(Frozen):
    """Which rule set a vehicle class is under: a file of conf/ without ``hours_`` and ``.yaml``, or ``none``."""

    version: int
    default: str
    classes: dict[str, str]

    def rule_set(self, vehicle_class: str) -> str:
        """The name of the rule set of a class, or ``none``."""
        return self.classes.get(vehicle_class, self.default)

    def rule_sets(self) -> tuple[str, ...]:
        """The names of all that some class is under, in their order."""
        return tuple(sorted({self.default, *self.classes.values()} - {"none"}))

    def rules_of(self, vehicle_class: str) -> EuRules | FmcsaRules | None:
        """The rules of a class; None: nobody watches its drivers' hours."""
        name = self.rule_set(vehicle_class)
        return None if name == "none" else hours(name)


def hours(name: str, overrides: tuple[str, ...] = ()) -> EuRules | FmcsaRules:
    """The rule set of conf/hours_NAME.yaml, such as ``eu_561_2006_1``.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    if name.startswith("us_"):
        return load(f"hours_{name}", FmcsaRules, overrides)
    return load(f"hours_{name}", EuRules, overrides)


def hours_classes(overrides: tuple[str, ...] = ()) -> HoursClasses:
    """The parameters of conf/hours_classes.yaml.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    return load("hours_classes", HoursClasses, overrides)
