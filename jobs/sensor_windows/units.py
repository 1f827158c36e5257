"""Concentrations of gases by mass and by volume, at stated conditions. Works on numbers and arrays alike.

An ideal gas of molar mass M has a volume of R T / p per mole: ppb = µg/m³ * R T / (p M). The default conditions are
those of US EPA's reporting, 25 °C and 1013.25 hPa; Europe reports at 20 °C.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", float, NDArray[np.float64])

GAS_CONSTANT = 8.314462618
"""J / (mol K), exact to its digits (SI 2019)."""

MOLAR_MASS = {"no2": 46.0055, "o3": 47.9982, "so2": 64.0638, "co": 28.0101}
"""g/mol, from the standard atomic weights (IUPAC)."""

KELVIN = 273.15


def litres_per_mole(temperature_c: float = 25.0, pressure_hpa: float = 1013.25) -> float:
    """The volume of a mole: 24.465 l at the default conditions."""
    return GAS_CONSTANT * (temperature_c + KELVIN) / (pressure_hpa * 100) * 1000


def to_ppb(gas: str, ug_m3: Number, temperature_c: float = 25.0, pressure_hpa: float = 1013.25) -> Number:
    """Parts per billion of µg/m³ of ``no2``, ``o3``, ``so2`` or ``co``."""
    return ug_m3 * (litres_per_mole(temperature_c, pressure_hpa) / MOLAR_MASS[gas])


def to_ppm(gas: str, mg_m3: Number, temperature_c: float = 25.0, pressure_hpa: float = 1013.25) -> Number:
    """Parts per million of mg/m³; of µg/m³ divide the result by 1000."""
    return to_ppb(gas, mg_m3, temperature_c, pressure_hpa)


def to_ug_m3(gas: str, ppb: Number, temperature_c: float = 25.0, pressure_hpa: float = 1013.25) -> Number:
    """µg/m³ of parts per billion; of parts per million it is mg/m³."""
    return ppb * (MOLAR_MASS[gas] / litres_per_mole(temperature_c, pressure_hpa))


def in_unit_of_standard(
    quantity: str, value: Number, unit: str, temperature_c: float = 25.0, pressure_hpa: float = 1013.25
) -> Number:
    """A message's concentration (µg/m³, of ``co`` mg/m³) in the unit of a standard's table.

    Args:
        quantity: as in the message; ``o3`` for ``o3_1h`` too.
        value: the concentration.
        unit: ``µg/m³``, ``ppb`` or ``ppm``.
        temperature_c: conditions that the concentration by mass is stated at.
        pressure_hpa: the same.
    """
    micrograms = value * 1000.0 if quantity == "co" else value
    if unit == "µg/m³":
        return micrograms
    ppb = to_ppb(quantity, micrograms, temperature_c, pressure_hpa)
    return ppb if unit == "ppb" else ppb / 1000.0
