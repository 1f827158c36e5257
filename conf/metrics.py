"""Definitions of the job ``metrics``: what a stream of other samples looks like and what is worked out of it.

A definition is one YAML file; jobs/metrics/README.md is its reference.
"""

from __future__ import annotations

import math
import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from conf.parameters import Frozen, ParameterError
from conf.rule_sets import RuleSet

PERCENTILES = {
    1.0: "p1",
    5.0: "p5",
    10.0: "p10",
    25.0: "p25",
    50.0: "p50",
    75.0: "p75",
    90.0: "p90",
    95.0: "p95",
    99.0: "p99",
    99.9: "p99_9",
}
"""The percentiles that the table has columns for."""

MAX_EXACT_VALUES = 4096
"""Up to so many different values a field may have for exact percentiles."""

MAX_SUMMED = 2**63 // 2**21
"""Of a value in units of its last decimal: two million of them, more than a mini-batch holds, add up in 64 bits."""

MAX_PANES = 1440
"""So many slides may be in a window."""

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}[smhd]$")]
Aggregate = Literal["rate", "sum", "mean", "min", "max"]


class MetricField(Frozen):
    """A value of each sample, and what is worked out of it; its values are always counted.

    Attributes:
        type: of a boolean, true counts as 1 and false as 0.
        min, max: a message with a value beyond them is a reject.
        decimals: values are added up in units of the last one, so that sums do not depend on their order.
        accuracy: of percentiles, relative; 0: exact.
        unit: is written with the rows.
    """

    type: Literal["number", "boolean"] = "number"
    min: float = -1e9
    max: float = 1e9
    decimals: Annotated[int, Field(ge=0, le=9)] = 3
    aggregates: tuple[Aggregate, ...] = ("mean", "min", "max")
    percentiles: tuple[float, ...] = ()
    accuracy: Annotated[float, Field(ge=0, le=0.2)] = 0.01
    unit: str | None = None

    @model_validator(mode="after")
    def _can_be_added_up(self) -> Self:
        if self.type == "boolean" and not self.model_fields_set.isdisjoint({"min", "max", "decimals"}):
            raise ValueError("a boolean has no min, max or decimals")
        if self.min > self.max:
            raise ValueError("min is above max")
        if max(abs(self.min), abs(self.max)) * self.scale > MAX_SUMMED:
            raise ValueError(
                f"values up to {max(abs(self.min), abs(self.max)):g} leave no room for so many decimals"
            )
        if unknown := [p for p in self.percentiles if p not in PERCENTILES]:
            raise ValueError(
                f"percentile {unknown[0]:g} is none of {', '.join(f'{p:g}' for p in PERCENTILES)}"
            )
        if 0 < self.accuracy < 0.001:
            raise ValueError("accuracy is 0 for exact, or at least 0.001")
        values = (self.max - self.min) * self.scale + 1
        if self.percentiles and self.is_exact and values > MAX_EXACT_VALUES:
            raise ValueError(
                f"exact percentiles (accuracy 0) of {values:,.0f} values: at most {MAX_EXACT_VALUES}; narrow min "
                "and max, take fewer decimals, or give an accuracy such as 0.01"
            )
        return self

    @property
    def scale(self) -> int:
        """Units of the last decimal in 1."""
        return 1 if self.type == "boolean" else int(10**self.decimals)

    @property
    def is_exact(self) -> bool:
        """Whether percentiles are exact to the decimals."""
        return self.type == "boolean" or self.accuracy == 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its rows fill beside the count."""
        names: tuple[str, ...] = tuple("rate_per_s" if name == "rate" else name for name in self.aggregates)
        return names + tuple(PERCENTILES[p] for p in self.percentiles)


class Window(Frozen):
    """Windows of one length, one every ``slide``; without a slide each begins where the one before ends."""

    length: Duration
    slide: Duration | None = None

    @model_validator(mode="after")
    def _slides_fit(self) -> Self:
        if self.length_ms > 7 * _UNITS_MS["d"]:
            raise ValueError("a window is at most 7d long")
        if self.length_ms % self.slide_ms:
            raise ValueError(f"length {self.length} is no multiple of slide {self.slide}")
        if self.length_ms // self.slide_ms > MAX_PANES:
            raise ValueError(f"more than {MAX_PANES} slides in a window")
        return self

    @property
    def length_ms(self) -> int:
        """Length in ms."""
        return _ms(self.length)

    @property
    def slide_ms(self) -> int:
        """From one window's start to the next one's."""
        return _ms(self.slide or self.length)

    @property
    def label(self) -> str:
        """``1m``, or ``5m/1m`` for 5 minutes every minute."""
        return self.length if self.slide_ms == self.length_ms else f"{self.length}/{self.slide}"


class Threshold(Frozen):
    """A bound of an aggregate; a row beyond it carries the name, and is an event as well if wanted.

    Attributes:
        aggregate: a column of the table: count, rate_per_s, sum, mean, min, max, p50, …
        above, below: one of them; the bound itself is not beyond it.
        window: label of the window; None: each of them.
        min_count: with fewer values nothing is said.
    """

    name: Name
    field: Name
    aggregate: str
    above: float | None = None
    below: float | None = None
    window: str | None = None
    min_count: Annotated[int, Field(ge=1)] = 1
    severity: Literal["info", "warning", "alarm"] = "warning"
    event: bool = False

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below")
        return self

    def is_crossed(self, value: float | None, count: int) -> bool:
        """Whether a row with this value, of so many values, is beyond the bound."""
        if value is None or count < self.min_count:
            return False
        return value > self.above if self.above is not None else value < (self.below or 0.0)


class Definition(RuleSet):
    """A metric: where its samples come from, and its windows.

    Attributes:
        stream: the exchange that they are published to.
        key: the message's field with the id that windows are kept for.
        seq: the message's field with its number, by which copies are recognised; None: there is none.
        time: always ``t``, the array of event times that every message of this project has in ``samples``.
        message_schema: the only value accepted in the message's ``schema``, if it has one.
    """

    stream: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,99}$")]
    key: Name
    seq: Name | None
    time: Literal["t"] = "t"
    message_schema: str | None = None
    fields: Annotated[dict[Name, MetricField], Field(min_length=1, max_length=32)]
    windows: Annotated[tuple[Window, ...], Field(min_length=1, max_length=8)]
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=32)] = ()

    @model_validator(mode="after")
    def _names_fit_each_other(self) -> Self:
        top = [name for name in (self.key, self.seq) if name is not None]
        for name in top:
            if name in ("schema", "samples") or top.count(name) > 1:
                raise ValueError(
                    f"key and seq are two fields of the message, none called schema or samples: {name}"
                )
        if "t" in self.fields:
            raise ValueError("fields: t is the time of the samples, not a value")
        labels = [window.label for window in self.windows]
        if repeated := _repeated([str(w.length_ms) + "/" + str(w.slide_ms) for w in self.windows]):
            raise ValueError(f"windows: {labels[repeated]} is there twice")
        names = [threshold.name for threshold in self.thresholds]
        if repeated := _repeated(names):
            raise ValueError(f"thresholds: {names[repeated]} is there twice")
        for threshold in self.thresholds:
            self._check(threshold, labels)
        return self

    def _check(self, threshold: Threshold, labels: list[str]) -> None:
        where = f"thresholds: {threshold.name}"
        field = self.fields.get(threshold.field)
        if field is None:
            raise ValueError(f"{where}: there is no field {threshold.field}, only {', '.join(self.fields)}")
        known = ("count", *field.columns)
        if threshold.aggregate not in known:
            raise ValueError(
                f"{where}: {threshold.field} has no aggregate {threshold.aggregate}, only {', '.join(known)}"
            )
        if threshold.window is not None and threshold.window not in labels:
            raise ValueError(f"{where}: there is no window {threshold.window}, only {', '.join(labels)}")

    @property
    def schema_id(self) -> str:
        """What ``schema`` says in a message that has one."""
        return self.message_schema or f"{self.name}/{self.version}"

    @property
    def pane_ms(self) -> int:
        """The longest span of which every window is made up."""
        return math.gcd(*(window.slide_ms for window in self.windows))


def definition(where: str) -> Definition:
    """Reads a definition.

    Args:
        where: path of a file, or name of one in conf/ (``metrics_heart_rate``).

    Raises:
        ParameterError: there is none, or something in it is refused; one line says what.
    """
    if not where:
        raise ParameterError(
            "metrics needs a definition: --set definition=conf/metrics_heart_rate.yaml (or your own)"
        )
    try:
        values = yaml.safe_load(_text(where))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a date and is none
        raise ParameterError(f"{where} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ParameterError(
            f"{where}: a definition is a mapping with name, version, stream, key, seq, fields, windows"
        )
    try:
        return Definition.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"] if part != "[key]")
        told = first["msg"].removeprefix("Value error, ")
        shown = repr(first["input"])
        got = f" (got {shown})" if len(shown) <= 80 and first["type"] != "missing" else ""
        raise ParameterError(f"{where}: {name + ': ' if name else ''}{told}{got}") from None


def _text(where: str) -> str:
    path = Path(where)
    packaged = resources.files(__package__) / f"{path.name.removesuffix('.yaml')}.yaml"
    try:
        if not path.is_file() and re.fullmatch(r"(conf/)?metrics_\w+(\.yaml)?", where) and packaged.is_file():
            return packaged.read_text(encoding="utf-8")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"definition {where} can't be read: {error}") from None


def _ms(duration: str) -> int:
    return int(duration[:-1]) * _UNITS_MS[duration[-1]]


def _repeated(items: list[str]) -> int:
    """Index of the first item that stood before; 0: there is none."""
    return next((index for index, item in enumerate(items) if item in items[:index]), 0)
