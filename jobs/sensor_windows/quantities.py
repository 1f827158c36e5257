"""What sensors measure: the arrays of an observation message, in one fixed order. Pure data."""

from __future__ import annotations

from conf.quality import Quantity

QUANTITIES: tuple[Quantity, ...] = (
    "pm2_5",
    "pm10",
    "no2",
    "o3",
    "so2",
    "co",
    "temperature",
    "humidity",
    "pressure",
)
"""Names as in the message; the place of a name is its index everywhere (``QUANTITIES.index``)."""

UNITS = ("µg/m³", "µg/m³", "µg/m³", "µg/m³", "µg/m³", "mg/m³", "°C", "%", "hPa")
"""Unit of each quantity."""

PM2_5, PM10, NO2, O3, SO2, CO, TEMPERATURE, HUMIDITY, PRESSURE = range(len(QUANTITIES))
