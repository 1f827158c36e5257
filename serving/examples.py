"""Rows for the API's description: of the demo's trips where there are some (``examples.json``, of ``data/demo``)."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from schemas.tables import Column, Table

_IDS: dict[str, str] = {
    "driver_id": "nds-driver-15",
    "vehicle_id": "nds-drive-15",
    "fleet_id": "driveplotr-nds",
    "day": "2019-05-27",
    "month": "2019-05",
    "year": "2019",
    "week": "2019-05-27",
    "source": "telemetry-0",
    "area": "u33d",
    "sensor_id": "3659",
    "station_id": "sensor:3659",
    "cell": "u33db",
    "metric": "heart_rate",
}
_VALUES: dict[str, Any] = {
    "timestamp": "2019-05-27T20:00:00.000Z",
    "double": 13.7,
    "int": 1,
    "bigint": 3600,
    "boolean": True,
    "blob": "eyJzY2hlbWEiOiJ0ZWxlbWV0cnkvMSJ9",
}


def example_id(column: str) -> str:
    """An id for a path."""
    return _IDS.get(column, column)


def example_row(table: Table) -> dict[str, Any]:
    """A row of the table: a real one, else one with a value of the right type in each column."""
    real = _rows().get(table.name)
    if real is not None:
        return {column.name: real.get(column.name) for column in table.columns}
    return {column.name: _value(column) for column in table.columns}


@cache
def _rows() -> dict[str, dict[str, Any]]:
    text = (resources.files(__package__) / "examples.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def _value(column: Column) -> Any:
    if column.name in _IDS:
        return _IDS[column.name]
    return None if column.name == "superseded_by" else _VALUES.get(column.cql_type, "ok")
