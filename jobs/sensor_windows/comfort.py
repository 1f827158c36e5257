"""Dew point and heat index of temperature and relative humidity. Works on numbers and arrays; NaN gives NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAGNUS_A, MAGNUS_B_C = 17.625, 243.04
"""Magnus formula over water (Alduchov and Eskridge 1996)."""


def dew_point_c(temperature_c: Any, humidity: Any) -> Any:
    """The dew point in °C, valid from -40 to 60 °C.

    Args:
        temperature_c: °C.
        humidity: % relative.

    Returns:
        NaN outside of the valid temperatures, and where the humidity is not above 0 and up to 100 %.
    """
    t, rh = np.asarray(temperature_c, np.float64), np.asarray(humidity, np.float64)
    valid = (t >= -40) & (t <= 60) & (rh / 100 > 0) & (rh <= 100)
    t, rh = np.where(valid, t, 0), np.where(valid, rh, 100)
    g = MAGNUS_A * t / (MAGNUS_B_C + t) + np.log(rh / 100)
    return _result(np.where(valid, MAGNUS_B_C * g / (MAGNUS_A - g), np.nan))


def heat_index_f(temperature_f: Any, humidity: Any) -> Any:
    """The heat index of the US National Weather Service, °F (Rothfusz's regression with its adjustments).

    Args:
        temperature_f: °F.
        humidity: % relative.

    Returns:
        The simple formula's value where that is below 80 °F; NaN where the humidity is not 0 to 100 %.
    """
    t, r = np.asarray(temperature_f, np.float64), np.asarray(humidity, np.float64)
    valid = np.isfinite(t) & (r >= 0) & (r <= 100)
    t, r = np.where(valid, t, 0), np.where(valid, r, 0)
    simple = 0.5 * (t + 61 + (t - 68) * 1.2 + 0.094 * r)  # is the mean with T already
    full = (
        -42.379
        + 2.04901523 * t
        + 10.14333127 * r
        - 0.22475541 * t * r
        - 0.00683783 * t**2
        - 0.05481717 * r**2
        + 0.00122874 * t**2 * r
        + 0.00085282 * t * r**2
        - 0.00000199 * t**2 * r**2
    )
    dry = (r < 13) & (t >= 80) & (t <= 112)
    full = full - np.where(dry, (13 - r) / 4 * np.sqrt(np.maximum(17 - np.abs(t - 95), 0) / 17), 0)
    moist = (r > 85) & (t >= 80) & (t <= 87)
    full = full + np.where(moist, (r - 85) / 10 * ((87 - t) / 5), 0)
    return _result(np.where(valid, np.where(simple < 80, simple, full), np.nan))


def heat_index_c(temperature_c: Any, humidity: Any) -> Any:
    """As ``heat_index_f``, in °C."""
    return _result((np.asarray(heat_index_f(np.asarray(temperature_c) * 1.8 + 32, humidity)) - 32) / 1.8)


def _result(values: Floats) -> Any:
    """A number where a number was given."""
    return float(values) if np.ndim(values) == 0 else values
