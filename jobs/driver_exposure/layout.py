"""The rows that come out of the columnar operators, and the records that they are."""

from __future__ import annotations

import math

import numpy as np

from jobs.driver_exposure.records import Harsh, SensorHour, Way

NO_INTEGER = -(2**63)
KEY_PREFIX = "key:"
"""The columnar operator writes it before each vehicle."""

UNKNOWN_DRIVER = "unknown:"

MINUTE, EVENT = 0, 1

WAY_ROW = np.dtype(
    [
        ("no_key", "S1"),
        ("driver", "S64"),
        ("start", "<i8"),
        ("cell", "S12"),
        ("kind", "i1"),  # MINUTE or EVENT
        ("road_ms", "<i8"),
        ("samples", "<i8"),
        ("type", "i1"),
        ("void", "<i8"),
        ("version", "<i8"),
    ]
)
"""A minute or a harsh event of a vehicle."""

HOUR_ROW = np.dtype(
    [
        ("cell", "S12"),
        ("sensor", "S64"),
        ("start", "<i8"),
        ("quantity", "i1"),
        ("mean", "<f8"),
        ("version", "<i8"),
    ]
)
"""A closed hour of a sensor and quantity."""


def way_of(key: str, data: bytes) -> Way | Harsh:
    """The record of a WAY_ROW."""
    (row,) = np.frombuffer(data, WAY_ROW)
    vehicle = key.removeprefix(KEY_PREFIX)
    driver = row["driver"].decode() or UNKNOWN_DRIVER + vehicle
    start, cell, version = int(row["start"]), row["cell"].decode(), int(row["version"])
    if row["kind"] == EVENT:
        void = int(row["void"])
        return Harsh(
            driver, vehicle, start, cell, int(row["type"]), None if void == NO_INTEGER else void, version
        )
    return Way(driver, vehicle, start, cell, int(row["road_ms"]), int(row["samples"]), version)


def sensor_hour_of(data: bytes) -> SensorHour:
    """The record of a HOUR_ROW."""
    (row,) = np.frombuffer(data, HOUR_ROW)
    mean = float(row["mean"])
    return SensorHour(
        row["sensor"].decode(),
        int(row["start"]),
        int(row["quantity"]),
        None if math.isnan(mean) else mean,
        int(row["version"]),
    )
