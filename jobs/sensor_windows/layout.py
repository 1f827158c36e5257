"""Layouts of the rows that the sensors' operator makes."""

from __future__ import annotations

import numpy as np

WINDOW_ROW = np.dtype(
    [
        ("key", "<i4"),
        ("write_us", "<i8"),
        ("start", "<i8"),
        ("quantity", "i1"),
        ("mean", "<f8"),
        ("min", "<f8"),
        ("max", "<f8"),
        ("p95", "<f8"),
        ("raw_mean", "<f8"),
        ("n_samples", "<i8"),
        ("n_used", "<i8"),
        ("n_good", "<i8"),
        ("n_suspect", "<i8"),
        ("n_failed", "<i8"),
        ("n_expected", "<i8"),
        ("completeness", "<f8"),
        ("qc_flag", "<i4"),
        ("qc_tests", "S64"),
        ("model", "S64"),
        ("station", "S64"),
        ("geohash", "S12"),
        ("place", "S64"),
        ("region", "S64"),
        ("country", "S64"),
        ("surroundings", "S64"),
        ("operator", "S64"),
        ("final", "i1"),
        ("revision", "<i4"),
        ("nulls", "i1"),
        # of the streams to the neighbours and to the station; version: of hours alone
        ("version", "<i8"),
        ("no_key", "S1"),
        ("event_ms", "<i8"),
        ("sensor", "S64"),
    ]
)

AIR_ROW = np.dtype(
    [
        ("key", "<i4"),
        ("write_us", "<i8"),
        ("start", "<i8"),
        ("standard", "i1"),
        ("in_force", "i1"),
        ("scope", "S16"),
        ("index_value", "<i4"),
        ("category", "S32"),
        ("responsible", "S16"),
        ("pollutants", "S64"),
        ("nowcast_pm2_5", "<f8"),
        ("nowcast_pm10", "<f8"),
        ("sub_pm2_5", "<i4"),
        ("sub_pm10", "<i4"),
        ("sub_o3", "<i4"),
        ("sub_no2", "<i4"),
        ("sub_so2", "<i4"),
        ("sub_co", "<i4"),
        ("geohash", "S12"),
        ("n_samples", "<i8"),
        ("final", "i1"),
        ("revision", "<i4"),
        ("nulls", "i1"),
    ]
)

FLAG_ROW = np.dtype(
    [
        ("key", "<i4"),
        ("write_us", "<i8"),
        ("t", "<i8"),
        ("quantity", "i1"),
        ("value", "<f8"),
        ("qc_flag", "<i4"),
        ("qc_tests", "S64"),
        ("model", "S64"),
    ]
)

LIVE_ROW = np.dtype(
    [
        ("key", "<i4"),
        ("write_us", "<i8"),
        ("t", "<i8"),
        ("area", "S4"),
        ("lat", "<f8"),
        ("lon", "<f8"),
        ("station", "S64"),
        ("model", "S64"),
        ("pm2_5", "<f8"),
        ("pm10", "<f8"),
        ("no2", "<f8"),
        ("o3", "<f8"),
        ("so2", "<f8"),
        ("co", "<f8"),
        ("temperature", "<f8"),
        ("humidity", "<f8"),
        ("pressure", "<f8"),
        ("index_hour", "<i8"),
        ("index_value", "<i4"),
        ("category", "S32"),
        ("responsible", "S16"),
        ("superseded_by", "<i8"),
        ("nulls", "i1"),
    ]
)

ROWS = {
    "sensor_5min": WINDOW_ROW,
    "sensor_hour": WINDOW_ROW,
    "sensor_day": WINDOW_ROW,
    "air_quality": AIR_ROW,
    "sensor_flag": FLAG_ROW,
    "sensor_live": LIVE_ROW,
}
"""By output."""
