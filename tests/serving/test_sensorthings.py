"""Hours under SensorThings' names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from serving.sensorthings import datastream, observation

ROW: dict[str, Any] = {
    "sensor_id": "3659",
    "hour_start": datetime(2026, 11, 21, 5),
    "quantity": "pm2_5",
    "unit": "µg/m³",
    "mean": 8.25,
    "min": 7.0,
    "max": 12.5,
    "p95": 12.0,
    "qc_flag": 3,
    "qc_tests": "spike",
    "completeness": 0.9,
    "sensor_model": "SDS011",
    "station_id": "1845",
    "final": True,
    "revision": 1,
    "updated_at": datetime(2026, 11, 21, 6, 1, 2, 345678),
}


def test_an_hour_is_an_observation_with_its_quality() -> None:
    assert observation(ROW) == {
        "phenomenonTime": "2026-11-21T05:00:00.000Z/2026-11-21T06:00:00.000Z",
        "resultTime": "2026-11-21T06:01:02.345Z",
        "result": 8.25,
        "resultQuality": {"flag": 3, "meaning": "suspect", "tests": "spike", "completeness": 0.9},
        "parameters": {"min": 7.0, "max": 12.5, "p95": 12.0, "final": True, "revision": 1},
    }


def test_a_quantity_is_a_datastream_with_its_unit() -> None:
    found = datastream(ROW)
    assert found["@iot.id"] == "3659/pm2_5"
    assert found["unitOfMeasurement"] == {"name": "µg/m³", "symbol": "µg/m³", "definition": "ucum:ug/m3"}
    assert found["ObservedProperty"] == {"name": "pm2_5"}
    assert found["Thing"]["properties"] == {"station_id": "1845"}


def test_what_a_row_does_not_have_is_null() -> None:
    found = observation({"sensor_id": "x", "quantity": "pm10", "hour_start": datetime(2026, 11, 21, 5)})
    assert found["result"] is None
    assert found["resultQuality"]["meaning"] is None
