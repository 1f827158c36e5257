"""Indices of air quality for the hours of one sensor, from its hourly means. Pure numpy.

US AQI: particulate matter by NowCast, which makes an index of an hour from up to 12 of them; the other pollutants, and
all of the European index, by the mean of as many hours as the standard's table says, of which three in four must be
there. An hour is there if it is complete enough (``index.min_completeness``).
"""

from __future__ import annotations

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
        own["in_force"] = [name in in_force_on(int(start) // (24 * HOUR_MS)) for start in own["start"]]
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
        worst = np.array(indices)
        best = worst.argmax(axis=0)  # of equal ones the first
        for row, which, column in zip(own, best.tolist(), worst.T, strict=True):
            if column[which] == NO_INDEX:
                row["index_value"] = NO_SUB
                continue
            names = [
                each
                for each, index in zip(rules.pollutants, column.tolist(), strict=True)
                if index != NO_INDEX
            ]
            row["index_value"] = column[which]
            row["category"] = category_of(name, int(column[which])).encode()
            row["responsible"] = names[names.index(tuple(rules.pollutants)[which])].encode()
            row["pollutants"] = ",".join(names).encode()
            only = PM.issuperset(names)
            row["scope"] = b"PM sub-index" if only else b"AQI" if isinstance(rules, Epa) else b"EAQI"


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
