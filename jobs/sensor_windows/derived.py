"""Quantities that follow from others of the same reading: dew point, heat index, corrected PM2.5. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.sensor_windows.cleansing import FAIL, GOOD, SUSPECT
from jobs.sensor_windows.comfort import dew_point_c, heat_index_c
from jobs.sensor_windows.corrections import corrected_pm2_5
from jobs.sensor_windows.quantities import HUMIDITY, PM2_5, QUANTITIES, TEMPERATURE, UNITS
from jobs.sensor_windows.series import ABSENT

NAMES = (*QUANTITIES, "dew_point", "heat_index", "pm2_5_corrected")
"""All quantities of windows; the measured ones first."""

ALL_UNITS = (*UNITS, "°C", "°C", "µg/m³")

Array = NDArray[Any]


def derived(
    x: Array, verdict: Array, quantities: Array, origin: Array, corrections: Sequence[str | None]
) -> tuple[Array, Array, Array]:
    """Values and verdicts of the measured quantities, and of the derived ones where there are any.

    A derived value is there where both that it follows from are and neither failed; it is suspect if one of them is.

    Args:
        x: [R, N] values.
        verdict: [R, N] of them.
        quantities: [R] of each row.
        origin: [N] of each reading.
        corrections: of PM2.5, by origin; None: there is none.

    Returns:
        The same with more rows.
    """
    row = {quantity: place for place, quantity in enumerate(quantities.tolist())}
    if HUMIDITY not in row:
        return x, verdict, quantities
    made: list[tuple[int, Array, Array]] = []
    if TEMPERATURE in row:
        t, rh = row[TEMPERATURE], row[HUMIDITY]
        weather = _both(x, verdict, t, rh)
        if weather.any():
            told = _flag(verdict, weather, t, rh)
            for name, formula in (("dew_point", dew_point_c), ("heat_index", heat_index_c)):
                found = formula(x[t, weather], x[rh, weather])
                made.append((NAMES.index(name), *_row(x, weather, found, told)))
    if PM2_5 in row and any(corrections):
        values, flags = np.full(x.shape[1], ABSENT), np.zeros(x.shape[1], np.uint16)
        fine, rh = row[PM2_5], row[HUMIDITY]
        both = _both(x, verdict, fine, rh)
        for number, correction in enumerate(corrections):
            if correction:
                ours = both & (origin == number)
                found = corrected_pm2_5(correction, x[fine, ours], x[rh, ours])
                values[ours] = np.where(np.isnan(found), ABSENT, found)
                flags[ours] = _flag(verdict, ours, fine, rh)
        made.append((NAMES.index("pm2_5_corrected"), values, flags))
    if not made:
        return x, verdict, quantities
    return (
        np.concatenate((x, [values for _, values, _ in made])),
        np.concatenate((verdict, [flags for _, _, flags in made])),
        np.append(quantities, [name for name, _, _ in made]),
    )


def _row(x: Array, which: Array, found: Array, told: Array) -> tuple[Array, Array]:
    """Values and verdicts of all readings, of those of some."""
    values, flags = np.full(x.shape[1], ABSENT), np.zeros(x.shape[1], np.uint16)
    values[which] = np.where(np.isnan(found), ABSENT, found)
    flags[which] = told
    return values, flags


def _both(x: Array, verdict: Array, one: int, other: int) -> Array:
    there = np.isfinite(x[one]) & np.isfinite(x[other])
    found: Array = there & (verdict[one] & 15 != FAIL) & (verdict[other] & 15 != FAIL)
    return found


def _flag(verdict: Array, which: Array, one: int, other: int) -> Array:
    suspect = (verdict[one, which] & 15 == SUSPECT) | (verdict[other, which] & 15 == SUSPECT)
    return np.where(suspect, SUSPECT, GOOD).astype(np.uint16)
