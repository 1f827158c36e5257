"""Published corrections of low-cost sensors: for the model they were made for, and no other.

PurpleAir, PM2.5 of the channels' cf_1 values, with the relative humidity that the device itself reports, %:

* ``purpleair_barkjohn``: Barkjohn et al. 2021 (US EPA), below 570 µg/m³.
* ``purpleair_fasm``: US EPA's Fire and Smoke Map 2021 (AirSensor2's "EPA_FASM"), another formula above 343 µg/m³.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BARKJOHN_END = 570.0
FASM_EDGE = 343.0
PURPLEAIR_MIN_COMPLETENESS = 0.9
"""Share of an hour's readings without which PurpleAir's hour is not used."""


def corrected_pm2_5(correction: str | None, pm2_5: Any, humidity: Any) -> Any:
    """PM2.5 in µg/m³ after a sensor model's correction.

    Args:
        correction: ``Model.correction`` of conf/quality; None: the values as they are.
        pm2_5: number or array.
        humidity: the same, the device's own.

    Returns:
        Number or array; NaN where the correction has no answer: no humidity where its formula takes it, beyond its
        range. Never below 0.

    Raises:
        ValueError: there is no such correction.
    """
    x, rh = np.asarray(pm2_5, np.float64), np.asarray(humidity, np.float64)
    if correction is None:
        values = x
    elif correction == "purpleair_barkjohn":
        values = np.where(x < BARKJOHN_END, np.maximum(0.524 * x - 0.0862 * rh + 5.75, 0), np.nan)
    elif correction == "purpleair_fasm":
        low, high = 0.52 * x - 0.086 * rh + 5.75, 0.46 * x + 3.93e-4 * x**2 + 2.97
        values = np.maximum(np.where(x <= FASM_EDGE, low, high), 0)
    else:
        raise ValueError(f"there is no correction {correction}; known: purpleair_barkjohn, purpleair_fasm")
    return float(values) if np.ndim(values) == 0 else values


def channels_agree(a: Any, b: Any) -> Any:
    """Whether PurpleAir's channels may be used: they differ by no more than 5 µg/m³ or no more than 70 %.

    The difference is relative to the mean of both.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    difference = np.abs(a - b)
    agree = (difference <= 5) | (difference <= 0.7 * (a + b) / 2)
    return bool(agree) if np.ndim(agree) == 0 else agree
