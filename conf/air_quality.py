"""Standards of air quality: tables of breakpoints, one file per standard, side by side, each with its date."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from conf.parameters import Frozen, load
from conf.rule_sets import RuleSet

Pollutant = Literal["pm2_5", "pm10", "no2", "o3", "o3_1h", "so2", "co"]
Unit = Literal["µg/m³", "ppb", "ppm"]

STANDARDS = ("epa-2012", "epa-2024", "eaqi-2019", "eaqi-2024")
"""Names of the standards, as users write them."""


class Category(Frozen):
    """A named part of the scale."""

    name: str
    colour: Annotated[str, Field(pattern=r"^#[0-9A-F]{6}$")] | None = None


class Dated(RuleSet):
    """What both kinds of standard have.

    Attributes:
        since: the first day on which it was in force.
        until: the last one; None: it is in force.
        categories: from the best to the worst.
    """

    since: date
    until: date | None = None
    categories: tuple[Category, ...]

    def in_force(self, day: date) -> bool:
        """Whether it was the standard of that day."""
        return self.since <= day and (self.until is None or day <= self.until)


class Scale(Frozen):
    """The breakpoints of one pollutant of the US AQI.

    Attributes:
        unit: of the concentrations.
        hours: averaging time.
        decimals: concentrations are cut to so many.
        above: the table begins above this concentration, and this index; None: at 0, with 0.
        upper: the largest concentration of each band, ascending.
        edges: the index at these concentrations.
        open_end: beyond the last breakpoint its segment goes on; else there is no index.
    """

    unit: Unit
    hours: Annotated[int, Field(ge=1)]
    decimals: Annotated[int, Field(ge=0, le=6)]
    above: tuple[Decimal, int] | None = None
    upper: tuple[Decimal, ...]
    edges: tuple[int, ...]
    open_end: bool = True

    @model_validator(mode="after")
    def _table_is_whole(self) -> Self:
        if len(self.upper) != len(self.edges) or not self.upper:
            raise ValueError("upper and edges must have the same length")
        start, index = self.above or (Decimal(0), 0)
        if any(a >= b for a, b in pairwise((start, *self.upper))) or any(
            a >= b for a, b in pairwise((index, *self.edges))
        ):
            raise ValueError("breakpoints must ascend")
        for value in (start, *self.upper):
            if value.scaleb(self.decimals) != int(value.scaleb(self.decimals)):
                raise ValueError(f"{value} has more than {self.decimals} decimals")
        return self


class Epa(Dated):
    """A table of the US AQI.

    Attributes:
        category_edges: the largest index of each category but the last.
    """

    kind: Literal["aqi"]
    category_edges: tuple[int, ...]
    pollutants: dict[Pollutant, Scale]


class Bands(Frozen):
    """Upper edges of the bands of one pollutant, which belong to the band below them; the last band is open."""

    unit: Unit
    hours: Annotated[int, Field(ge=1)]
    upper: tuple[Decimal, ...]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(a >= b for a, b in pairwise(self.upper)):
            raise ValueError("edges must ascend")
        return self


class European(Dated):
    """Bands of the European air quality index."""

    kind: Literal["bands"]
    pollutants: dict[Pollutant, Bands]

    @model_validator(mode="after")
    def _as_many_bands_as_categories(self) -> Self:
        for name, bands in self.pollutants.items():
            if len(bands.upper) + 1 != len(self.categories):
                raise ValueError(f"{name}: {len(self.categories)} categories need one edge less")
        return self


@cache
def standard(name: str) -> Epa | European:
    """The standard of that name, one of STANDARDS.

    Raises:
        KeyError: there is none.
        conf.parameters.ParameterError: its file is refused.
    """
    if name not in STANDARDS:
        raise KeyError(name)
    file = f"aqi_{name.replace('-', '_')}"
    return load(file, Epa) if name.startswith("epa") else load(file, European)


def in_force(day: date) -> tuple[str, ...]:
    """The names of the standards of a day."""
    return tuple(name for name in STANDARDS if standard(name).in_force(day))
