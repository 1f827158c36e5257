"""Quantities that follow from others of the same reading: dew point, heat index, corrected PM2.5. Pure numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.quality import Quality
from jobs.sensor_windows.cleansing import FAIL, GOOD, SUSPECT
from jobs.sensor_windows.comfort import dew_point_c, heat_index_c
from jobs.sensor_windows.corrections import corrected_pm2_5
from jobs.sensor_windows.quantities import HUMIDITY, PM2_5, QUANTITIES, TEMPERATURE, UNITS
from jobs.sensor_windows.series import ABSENT, Series

NAMES = (*QUANTITIES, "dew_point", "heat_index", "pm2_5_corrected")
"""All quantities of windows; the measured ones first."""

ALL_UNITS = (*UNITS, "°C", "°C", "µg/m³")

Array = NDArray[Any]


def derived(s: Series, which: slice, quality: Quality) -> tuple[Array, Array]:
    """Values and verdicts of the measured quantities, and of the derived ones where there are any.

    A derived value is there where both that it follows from are and neither failed; it is suspect if one of them is.
    """
    x, verdict = s.x[:, which], s.verdict[:, which]
    weather = _both(x, verdict, TEMPERATURE, HUMIDITY)
    corrections = [
        quality.models[each.model].correction if each.model in quality.models else None for each in s.origins
    ]
    corrects = any(corrections)
    if not weather.any() and not corrects:
        return x, verdict
    values = np.full((len(NAMES) - len(QUANTITIES), x.shape[1]), ABSENT)
    flags = np.zeros(values.shape, np.uint16)
    if weather.any():
        told = _flag(verdict, weather, TEMPERATURE, HUMIDITY)
        for row, formula in enumerate((dew_point_c, heat_index_c)):
            found = formula(x[TEMPERATURE, weather], x[HUMIDITY, weather])
            values[row, weather] = np.where(np.isnan(found), ABSENT, found)
            flags[row, weather] = told
    if corrects:
        origin = s.origin[which]
        for number, correction in enumerate(corrections):
            if correction:
                ours = _both(x, verdict, PM2_5, HUMIDITY) & (origin == number)
                found = corrected_pm2_5(correction, x[PM2_5, ours], x[HUMIDITY, ours])
                values[2, ours] = np.where(np.isnan(found), ABSENT, found)
                flags[2, ours] = _flag(verdict, ours, PM2_5, HUMIDITY)
    return np.concatenate((x, values)), np.concatenate((verdict, flags))


def _both(x: Array, verdict: Array, one: int, other: int) -> Array:
    there = np.isfinite(x[one]) & np.isfinite(x[other])
    found: Array = there & (verdict[one] & 15 != FAIL) & (verdict[other] & 15 != FAIL)
    return found


def _flag(verdict: Array, which: Array, one: int, other: int) -> Array:
    suspect = (verdict[one, which] & 15 == SUSPECT) | (verdict[other, which] & 15 == SUSPECT)
    return np.where(suspect, SUSPECT, GOOD).astype(np.uint16)
