"""Indices of air quality for the hours of one sensor, from its hourly means. Pure numpy.

US AQI: particulate matter by NowCast, which makes an index of an hour from up to 12 of them; the other pollutants, and
all of the European index, by the mean of as many hours as the standard's table says, of which three in four must be
there. An hour is there if it is complete enough (``index.min_completeness``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.air_quality import Epa
from jobs.sensor_windows.air_quality import (
    NO_INDEX,
    NOWCAST_HOURS,
    PM,
    STANDARDS,
    category_of,
    in_force,
    indices_of,
    nowcast,
    standard,
)
from jobs.sensor_windows.units import in_unit_of_standard

HOUR_MS = 3_600_000
HISTORY_HOURS = 24
"""An index uses at most so many hours, its own included."""

SUFFICIENT = 0.75
SUB_INDICES = ("pm2_5", "pm10", "o3", "no2", "so2", "co")
POLLUTANTS = ("pm2_5", "pm10", "no2", "o3", "so2", "co")
"""Of QUANTITIES, the first ones."""

Floats = NDArray[np.float64]


@lru_cache(maxsize=4096)
def in_force_on(day_number: int) -> frozenset[str]:
    """Standards in force on a day, counted from 1970-01-01."""
    return frozenset(in_force(datetime.fromtimestamp(day_number * 86400, UTC).date()))


def fill_hours(rows: Any, at: NDArray[np.int64], means: Floats) -> None:
    """Fills what an air_quality row says of the index.

    Args:
        rows: [H * S] of AIR_ROW: for each hour one row of each standard, in the order of STANDARDS.
        at: [H] places of the hours in ``means``, each at least HISTORY_HOURS - 1.
        means: [P, T] hourly means of POLLUTANTS, one hour after the other; NaN: not there.
    """
    history = at[:, None] - np.arange(HISTORY_HOURS)[None, :]
    of_hours: Floats = means[:, history]  # [P, H, 24], newest first
    cast = {name: nowcast(of_hours[POLLUTANTS.index(name), :, :NOWCAST_HOURS]) for name in sorted(PM)}
    for place, name in enumerate(STANDARDS):
        rules = standard(name)
        own = rows[place :: len(STANDARDS)]
        own["standard"] = place
        days, which = np.unique(own["start"] // (24 * HOUR_MS), return_inverse=True)
        own["in_force"] = np.array([name in in_force_on(day) for day in days.tolist()])[which]
        own["nowcast_pm2_5"], own["nowcast_pm10"] = np.nan, np.nan
        for column in SUB_INDICES:
            own[f"sub_{column}"] = NO_SUB
        indices = []
        for pollutant, table in rules.pollutants.items():
            quantity = pollutant.removesuffix("_1h")
            if isinstance(rules, Epa) and quantity in PM:
                value = cast[quantity]
                own[f"nowcast_{quantity}"] = value
            else:
                value = _mean(of_hours[POLLUTANTS.index(quantity), :, : table.hours])
            found = indices_of(name, pollutant, in_unit_of_standard(quantity, value, table.unit))
            indices.append(found)
            column = f"sub_{quantity}"
            own[column] = np.maximum(own[column], np.where(found == NO_INDEX, NO_SUB, found))
        _say(own, name, tuple(rules.pollutants), np.array(indices))


def _say(rows: Any, name: str, pollutants: Sequence[str], indices: NDArray[np.int64]) -> None:
    """Fills what rows say of their index in words.

    Args:
        rows: [H] of AIR_ROW, of one standard.
        name: of the standard.
        pollutants: [P] of it.
        indices: [P, H] of them; NO_INDEX: none.
    """
    worst, best = indices.max(axis=0), indices.argmax(axis=0)  # of equal ones the first
    there = worst != NO_INDEX
    rows["index_value"] = np.where(there, worst, NO_SUB)
    rows["responsible"][there] = np.array([each.encode() for each in pollutants])[best[there]]
    values, which = np.unique(worst[there], return_inverse=True)
    if len(values):
        rows["category"][there] = np.array([category_of(name, value).encode() for value in values.tolist()])[
            which
        ]
    present = (indices[:, there] != NO_INDEX).T
    texts = {bits.tobytes(): _present(bits, name, pollutants) for bits in np.unique(present, axis=0)}
    if texts:
        told = [texts[bits.tobytes()] for bits in present]
        rows["pollutants"][there], rows["scope"][there] = zip(*told, strict=True)


def _present(bits: Any, name: str, pollutants: Sequence[str]) -> tuple[bytes, bytes]:
    names = [each for each, there in zip(pollutants, bits.tolist(), strict=True) if there]
    full = b"AQI" if isinstance(standard(name), Epa) else b"EAQI"
    return ",".join(names).encode(), b"PM sub-index" if PM.issuperset(names) else full


NO_SUB = -(2**31)
"""No index, in a row."""


def _mean(hours: Floats) -> Floats:
    """Mean of each row's hours, if three in four are there; else NaN."""
    present = np.isfinite(hours)
    count = present.sum(axis=1)
    total = np.zeros(len(hours))
    for back in range(hours.shape[1]):  # in this order: a sum of floats depends on it
        total = total + np.where(present[:, back], hours[:, back], 0.0)
    enough = count >= max(1, SUFFICIENT * hours.shape[1])
    result: Floats = np.where(enough, total / np.maximum(count, 1), np.nan)
    return result
