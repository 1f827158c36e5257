"""Indices of air quality: US AQI with NowCast, European bands; by the tables of conf/aqi_*.yaml. Pure numpy.

Concentrations are in the standard's own unit (units.py converts). The US index cuts a concentration to the table's
decimals, interpolates within its band, and rounds half up; all of it exact, in integers. A number given as a float
counts as the decimal number that Python prints for it, so 9.1 is in the band from 9.1 on.

Sources: EPA-454/B-24-002 (equation, tables, NowCast), ETC HE Report 2024/17 (European bands).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.air_quality import STANDARDS, Bands, Epa, European, Scale, in_force, standard

__all__ = [
    "NOWCAST_HOURS",
    "STANDARDS",
    "AirQuality",
    "air_quality",
    "category_of",
    "in_force",
    "index_of",
    "indices_of",
    "indices_of_decimals",
    "nowcast",
    "standard",
]

NO_INDEX = -1
"""Stands for no index in arrays."""

NOWCAST_HOURS = 12
RECENT_HOURS, RECENT_NEEDED = 3, 2
LEAST_WEIGHT = 0.5

MOST = 10**9
"""A larger concentration counts as this one, so that all numbers fit; no air holds so much."""

PM = frozenset({"pm2_5", "pm10"})

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AirQuality:
    """The index of a place and time.

    Attributes:
        standard: its name.
        index: the largest sub-index; of a European standard the band, 1 is the best.
        category: its name.
        responsible: the pollutant with that sub-index; of several the first in the standard's table.
        pollutants: those that had a sub-index, in the table's order.
        label: ``AQI`` or ``EAQI``; ``PM sub-index`` where there is particulate matter only.
        beyond: whether it lies beyond the end of the scale.
    """

    standard: str
    index: int
    category: str
    responsible: str
    pollutants: tuple[str, ...]
    label: str
    beyond: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """Bands of one pollutant in units of the last decimal; a band's lows are those after the end of the band before."""

    scale: int
    low: Ints
    high: Ints
    index_low: Ints
    index_high: Ints
    open_end: bool


@cache
def _table(name: str, pollutant: str) -> _Table | None:
    rules = standard(name)
    assert isinstance(rules, Epa)
    scale = rules.pollutants.get(pollutant)  # type: ignore[call-overload]
    return None if scale is None else _table_of(scale)


def _table_of(scale: Scale) -> _Table:
    factor = 10**scale.decimals
    high = np.array([int(value * factor) for value in scale.upper], np.int64)
    index_high = np.array(scale.edges, np.int64)
    start, index = (-1, -1) if scale.above is None else (int(scale.above[0] * factor), scale.above[1])
    low = np.r_[start, high[:-1]] + 1
    index_low = np.r_[index, index_high[:-1]] + 1
    return _Table(factor, low, high, index_low, index_high, scale.open_end)


def index_of(name: str, pollutant: str, concentration: float) -> int | None:
    """The index of one concentration; None: the standard has none for it. See ``indices_of``."""
    index = int(indices_of(name, pollutant, np.array([concentration], np.float64))[0])
    return None if index == NO_INDEX else index


def indices_of(name: str, pollutant: str, concentrations: Floats) -> Ints:
    """The index of each concentration: the US index, or the band from 1 of a European standard.

    Args:
        name: one of STANDARDS.
        pollutant: as in its table.
        concentrations: in the table's unit; NaN: none. Below 0 counts as 0: monitors err around it, and EPA
            publishes 0.

    Returns:
        As many indices; NO_INDEX for NaN, for a pollutant that is not in the table, and where the table says nothing.
        Beyond the end of the US scale the last band goes on, if the table is open.
    """
    values = np.asarray(concentrations, np.float64)
    rules = standard(name)
    if isinstance(rules, European):
        bands = rules.pollutants.get(pollutant)  # type: ignore[call-overload]
        return _no_indices(len(values)) if bands is None else _bands(bands, values)
    table = _table(name, pollutant)
    if table is None:
        return _no_indices(len(values))
    present = np.isfinite(values)
    units = _cut(np.where(present, np.maximum(values, 0), 0), table.scale)
    indices: Ints = np.where(present, _indices(table, units), NO_INDEX)
    return indices


def indices_of_decimals(name: str, pollutant: str, concentrations: list[Decimal]) -> Ints:
    """As ``indices_of``, of decimal numbers of up to 1000 digits, each taken exactly."""
    rules = standard(name)
    if isinstance(rules, European):
        bands = rules.pollutants.get(pollutant)  # type: ignore[call-overload]
        if bands is None:
            return _no_indices(len(concentrations))
        return np.array([1 + sum(value > edge for edge in bands.upper) for value in concentrations], np.int64)
    table = _table(name, pollutant)
    if table is None:
        return _no_indices(len(concentrations))
    top, zero = Decimal(MOST), Decimal(0)
    with localcontext(prec=1000):  # else a product would be rounded to 28 digits before it is cut
        units = [
            int((min(max(value, zero), top) * table.scale).to_integral_value(ROUND_FLOOR))
            for value in concentrations
        ]
    return _indices(table, np.array(units, np.int64))


def _no_indices(n: int) -> Ints:
    return np.full(n, NO_INDEX, np.int64)


def _cut(values: Floats, scale: int) -> Ints:
    """Whole units in decimal numbers that were given as floats, which lie at or next to them."""
    values = np.minimum(values, float(MOST))
    units: Floats = np.floor(values * scale)
    units += (units + 1) / scale <= values
    units -= units / scale > values
    whole: Ints = units.astype(np.int64)
    return whole


def _indices(table: _Table, units: Ints) -> Ints:
    band = np.searchsorted(table.high, units)
    beyond = band == len(table.high)
    band = np.minimum(band, len(table.high) - 1)
    low, index_low = table.low[band], table.index_low[band]
    rise, run = table.index_high[band] - index_low, table.high[band] - low
    index = index_low + (2 * rise * (units - low) + run) // (2 * run)
    undefined = units < table.low[0]
    if not table.open_end:
        undefined = undefined | beyond
    indices: Ints = np.where(undefined, NO_INDEX, index)
    return indices


def _bands(bands: Bands, values: Floats) -> Ints:
    edges = np.array([float(edge) for edge in bands.upper])
    indices: Ints = np.where(np.isfinite(values), 1 + np.searchsorted(edges, values), NO_INDEX)
    return indices


def category_of(name: str, index: int) -> str:
    """The name of the category that an index lies in."""
    rules = standard(name)
    if isinstance(rules, European):
        return rules.categories[index - 1].name
    return rules.categories[sum(index > edge for edge in rules.category_edges)].name


def air_quality(name: str, concentrations: Mapping[str, float]) -> AirQuality | None:
    """The index of what was measured at a place; None: nothing of it has an index.

    Args:
        name: one of STANDARDS.
        concentrations: by pollutant, in the standard's unit; NaN: none. For the US index those of their averaging
            times, NowCast for an hour's index. Of ``o3`` and ``o3_1h`` the larger sub-index counts.
    """
    rules = standard(name)
    found: dict[str, int] = {}
    for pollutant in rules.pollutants:
        if pollutant in concentrations:
            index = index_of(name, pollutant, concentrations[pollutant])
            if index is not None:
                found[pollutant] = index
    if not found:
        return None
    responsible = max(found, key=lambda pollutant: found[pollutant])  # of equal ones the first
    index = found[responsible]
    label = "PM sub-index" if PM.issuperset(found) else "AQI" if isinstance(rules, Epa) else "EAQI"
    end = 500 if isinstance(rules, Epa) else len(rules.categories)
    return AirQuality(name, index, category_of(name, index), responsible, tuple(found), label, index > end)


def nowcast(hours: Any) -> Floats:
    """NowCast of PM2.5 and PM10: a weighted mean of the last 12 hours, that follows the newest when they change fast.

    Args:
        hours: [..., 12] hourly means, the newest first; NaN: none.

    Returns:
        [...] concentrations, not cut; NaN where fewer than 2 of the 3 newest hours are there.
    """
    values = np.asarray(hours, np.float64)
    if values.shape[-1] != NOWCAST_HOURS:
        raise ValueError(f"NowCast takes {NOWCAST_HOURS} hours, not {values.shape[-1]}")
    present = np.isfinite(values)
    values = np.where(present, np.maximum(values, 0), 0.0)
    most = values.max(axis=-1)
    least = np.where(present, values, np.inf).min(axis=-1)
    some = present.any(axis=-1) & (most > 0)
    weight = np.where(some, np.maximum(least / np.where(some, most, 1), LEAST_WEIGHT), 1.0)
    total, weights, power = np.zeros_like(most), np.zeros_like(most), np.ones_like(most)
    for hour in range(NOWCAST_HOURS):  # in this order: a sum of floats depends on it
        here = present[..., hour]
        total = total + np.where(here, power * values[..., hour], 0)
        weights = weights + np.where(here, power, 0)
        power = power * weight
    enough = present[..., :RECENT_HOURS].sum(axis=-1) >= RECENT_NEEDED
    result: Floats = np.where(enough, total / np.where(weights > 0, weights, 1), np.nan)
    return result
