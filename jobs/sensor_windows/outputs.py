"""Where the operator's rows go: the columns of each table from the fields of its row layout."""

from __future__ import annotations

from connectors.columnar import Column, OutputSpec
from jobs.sensor_windows.air_quality import STANDARDS
from jobs.sensor_windows.derived import ALL_UNITS, NAMES
from jobs.sensor_windows.hours import SUB_INDICES
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.settings import Settings
from schemas.tables import table

JOB = "sensor_windows"
HOURS = "hours"
"""The stream of closed hours, for the neighbours."""

STATION_HOURS = "station_hours"
"""The same ones, for their stations."""

KEY_PREFIX = "key:"
"""Stands before the sensor's id, the key of the stream for the neighbours."""

SENSOR_PREFIX = "sensor:"
"""Stands before the sensor's id where that is its station's, too: it names none."""

_QUANTITY = {
    "quantity": Column("enum", "quantity", names=NAMES),
    "unit": Column("enum", "quantity", names=ALL_UNITS),
}
_NOW = {"updated_at": Column("now")}


def _table(name: str, columns: dict[str, Column], nulls: str = "") -> OutputSpec:
    spec = table(JOB, name)
    names = {column.name for column in spec.columns}
    if names != columns.keys() | {"sensor_id"}:
        raise ValueError(f"table {name}: {sorted(names ^ (columns.keys() | {'sensor_id'}))} differ")
    whole = {"sensor_id": Column("key"), **columns}
    return OutputSpec(
        kind="table",
        name=name,
        table=spec.index,
        write_us="write_us",
        nulls=nulls,
        columns=tuple(whole[column.name] for column in spec.columns),
    )


def _window(name: str, start: dict[str, Column], settings: Settings) -> OutputSpec:
    columns = _QUANTITY | _NOW | start
    columns |= {
        each: Column("double", each) for each in ("mean", "min", "max", "p95", "raw_mean", "completeness")
    }
    columns |= {
        each: Column("bigint", each)
        for each in ("n_samples", "n_used", "n_good", "n_suspect", "n_failed", "n_expected")
    }
    columns |= {
        "qc_flag": Column("int", "qc_flag"),
        "qc_tests": Column("text", "qc_tests"),
        "used": Column("const", constant=settings.window.use),
        "sensor_model": Column("text", "model"),
        "station_id": Column("text", "station"),
        "params_hash": Column("const", constant=settings.params_hash),
        "final": Column("boolean", "final"),
        "revision": Column("int", "revision"),
    }
    columns |= {
        each: Column("text", each)
        for each in ("geohash", "place", "region", "country", "surroundings", "operator")
    }
    return _table(name, columns, "nulls")


def outputs(settings: Settings) -> tuple[OutputSpec, ...]:
    """The tables that the operator fills, and the stream of hours for the neighbours."""
    month = {"month": Column("month", "start"), "hour_start": Column("timestamp", "start")}
    params = {"params_hash": Column("const", constant=settings.params_hash)}
    return (
        _window(
            "sensor_5min",
            {"day": Column("day", "start"), "window_start": Column("timestamp", "start")},
            settings,
        ),
        _window("sensor_hour", month, settings),
        _window("sensor_day", {"year": Column("year", "start"), "day": Column("day", "start")}, settings),
        _table(
            "air_quality",
            month
            | params
            | _NOW
            | {
                "standard": Column("enum", "standard", names=STANDARDS),
                "in_force": Column("boolean", "in_force"),
                "index_value": Column("int", "index_value"),
                "nowcast_pm2_5": Column("double", "nowcast_pm2_5"),
                "nowcast_pm10": Column("double", "nowcast_pm10"),
                "n_samples": Column("bigint", "n_samples"),
                "final": Column("boolean", "final"),
                "revision": Column("int", "revision"),
            }
            | {f"sub_{name}": Column("int", f"sub_{name}") for name in SUB_INDICES}
            | {
                name: Column("text", name)
                for name in ("scope", "category", "responsible", "pollutants", "geohash")
            },
            "nulls",
        ),
        _table(
            "sensor_flag",
            _QUANTITY
            | params
            | _NOW
            | {
                "day": Column("day", "t"),
                "time": Column("timestamp", "t"),
                "value": Column("double", "value"),
                "qc_flag": Column("int", "qc_flag"),
                "qc_tests": Column("text", "qc_tests"),
                "sensor_model": Column("text", "model"),
            },
        ),
        _table(
            "sensor_live",
            _NOW
            | {
                "area": Column("text", "area"),
                "event_time": Column("timestamp", "t"),
                "station_id": Column("text", "station"),
                "sensor_model": Column("text", "model"),
                "index_hour": Column("timestamp", "index_hour"),
                "standard": Column("const", constant=settings.index.standard),
                "index_value": Column("int", "index_value"),
                "category": Column("text", "category"),
                "responsible": Column("text", "responsible"),
                "superseded_by": Column("timestamp", "superseded_by"),
            }
            | {name: Column("double", name) for name in ("lat", "lon", *QUANTITIES)},
            "nulls",
        ),
        OutputSpec(
            kind="stream",
            name=HOURS,
            rows="sensor_hour",
            key_field="no_key",
            key_prefix=KEY_PREFIX,
            event_ms="event_ms",
        ),
        OutputSpec(
            kind="stream",
            name=STATION_HOURS,
            rows="sensor_hour",
            key_field="station",
            key_prefix=SENSOR_PREFIX,
            event_ms="event_ms",
            id_field="sensor",
        ),
    )
