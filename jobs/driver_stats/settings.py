"""The frozen settings of driver_stats, read from conf/driver_stats.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from conf.attribution import AttributionRules, attribution
from conf.harsh import HarshRuleSet
from conf.hours import EuRules, FmcsaRules, HoursClasses, hours_classes
from conf.local_time import LocalTime, local_time
from conf.parameters import Frozen, load
from conf.results import Results
from conf.score import AdditiveRules, PercentRules
from conf.speeding import SpeedingRuleSet

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
KEEP_MARGIN_S = 86_400


class Watermark(Frozen):
    """How far the watermark stays behind the newest event time."""

    delay_s: NotNegative
    idle_s: Positive


class Window(Frozen):
    """How late a message may be."""

    allowed_lateness_s: NotNegative


class Order(Frozen):
    """How far a vehicle's samples may be out of order."""

    buffer_s: NotNegative
    backlog_gap_s: Positive
    max_head: Annotated[int, Field(ge=2, le=100_000)]
    max_waiting: Annotated[int, Field(ge=1, le=1_000_000)]


class Clock(Frozen):
    """How far ahead of its arrival a message may be."""

    max_ahead_s: NotNegative


class Sample(Frozen):
    """Up to which gap a sample covers the time since the one before it."""

    max_gap_s: Annotated[float, Field(gt=0, le=3600)]


class Standing(Frozen):
    """Below which speed a vehicle stands."""

    speed_kmh: NotNegative


class Idle(Frozen):
    """Up to which gap the time between two standing samples counts as standing, and from when on idling is an event."""

    max_gap_s: Annotated[float, Field(ge=0, le=3600)]
    event_s: NotNegative

    @property
    def id(self) -> str:
        """What its events name as their rule."""
        return f"idle_{self.event_s:g}s"


class Trip(Frozen):
    """What ends a trip."""

    gap_s: Positive
    stop_s: NotNegative


class Gps(Frozen):
    """What is plausible for a distance from positions or from the odometer."""

    max_speed_kmh: Positive


class HarshClass(Frozen):
    """Thresholds of one vehicle class in m/s²."""

    accel_ms2: Positive
    brake_ms2: Positive
    corner_ms2: Positive


class Harsh(Frozen):
    """Harsh events: thresholds by vehicle class; accel_ms2, brake_ms2 and corner_ms2 override every class."""

    rearm_ratio: Annotated[float, Field(gt=0, le=1)]
    min_speed_kmh: NotNegative
    corner_min_speed_kmh: NotNegative
    max_gap_s: Positive
    default_class: str
    classes: dict[str, HarshClass]
    accel_ms2: Positive | None = None
    brake_ms2: Positive | None = None
    corner_ms2: Positive | None = None

    @model_validator(mode="after")
    def _default_class_exists(self) -> Self:
        if self.default_class not in self.classes:
            raise ValueError(f"default_class {self.default_class} is none of {', '.join(self.classes)}")
        return self


class Live(Frozen):
    """How often open results are written."""

    interval_s: NotNegative
    emit_s: Positive
    emit_long_s: Positive
    backlog_s: Positive


class Assignments(Frozen):
    """Whether log-ins are read."""

    enabled: bool


class RoadLimits(Frozen):
    """Whether limits of roads are read."""

    enabled: bool


class Message(Frozen):
    """Bounds of a message."""

    max_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)]


class Batch(Frozen):
    """Mini-batches of the columnar operator."""

    max_messages: Annotated[int, Field(ge=1, le=1_000_000)]
    max_bytes: Annotated[int, Field(ge=1024)]
    max_delay_ms: Annotated[int, Field(ge=1)]


class Rules(Frozen):
    """Which files the rule sets are read from."""

    harsh_rules: str
    speeding: str
    score: str


class Settings(Frozen):
    """Every parameter of driver_stats."""

    version: int
    rules: Rules
    harsh_rules: HarshRuleSet
    speeding: SpeedingRuleSet
    score: AdditiveRules | PercentRules
    watermark: Watermark
    window: Window
    order: Order
    clock: Clock
    sample: Sample
    standing: Standing
    idle: Idle
    trip: Trip
    gps: Gps
    harsh: Harsh
    live: Live
    message: Message
    batch: Batch
    assignments: Assignments
    road_limits: RoadLimits
    results: Results
    attribution: AttributionRules = Field(default_factory=attribution)
    local_time: LocalTime = Field(default_factory=local_time)
    hours: HoursClasses = Field(default_factory=hours_classes)
    hours_rules: dict[str, EuRules | FmcsaRules] = Field(default_factory=dict)

    @classmethod
    def load(cls, overrides: Sequence[str] = ()) -> Settings:
        """The parameters of conf/driver_stats.yaml with ``name=value`` overrides.

        ``local_time.NAME`` is a parameter of conf/local_time.yaml, ``hours.NAME`` one of conf/hours_classes.yaml, and
        ``hours_eu_561_2006_1.NAME`` one of that rule set's file; ``attribution.NAME`` one of conf/attribution_1.yaml.

        Raises:
            conf.parameters.ParameterError: an unknown name or a refused value.
        """
        by_section: dict[str, list[str]] = {}
        for each in overrides:
            by_section.setdefault(_section(each), []).append(each)
        zones = load("local_time", LocalTime, by_section.pop("local_time", ()), "local_time")
        classes = load("hours_classes", HoursClasses, by_section.pop("hours", ()), "hours")
        rules = {}
        for name in classes.rule_sets():
            law: type[EuRules] | type[FmcsaRules] = FmcsaRules if name.startswith("us_") else EuRules
            file = f"hours_{name}"
            rules[name] = load(file, law, by_section.pop(file, ()), file)
        logins = load("attribution_1", AttributionRules, by_section.pop("attribution", ()), "attribution")
        settings = load("driver_stats", cls, [each for own in by_section.values() for each in own])
        return settings.model_copy(
            update={"local_time": zones, "hours": classes, "hours_rules": rules, "attribution": logins}
        )

    def vehicle_classes(self) -> tuple[str, ...]:
        """The vehicle classes in the order of the kernel's threshold rows; the default class is the first.

        Those that only the rules of drivers' hours know come last; they have the thresholds of the default class.
        """
        known = dict.fromkeys((self.harsh.default_class, *self.harsh.classes, *self.hours.classes))
        return tuple(known)

    def keep_ms(self) -> int | None:
        """How long, in event time, a silent vehicle and a closed window are kept for late samples; None: for ever.

        A day more than a message may be late: whatever is accepted still finds its state.
        """
        lateness_s = self.window.allowed_lateness_s
        return round((lateness_s + KEEP_MARGIN_S) * 1000) if lateness_s else None


def _section(override: str) -> str:
    """The first part of an override's name."""
    return override.partition("=")[0].strip().partition(".")[0]
