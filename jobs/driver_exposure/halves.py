"""Both halves as columnar functions: what driver_stats and sensor_windows make, in the form that the join takes.

Minutes, harsh events and hourly means are those of the two jobs' tables, because they are made by the same operators.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.columnar_runtime import Batch, Result, TimerBatch
from jobs.driver_exposure.layout import EVENT, HOUR_ROW, MINUTE, NO_INTEGER, WAY_ROW
from jobs.driver_exposure.records import HARSH_TYPES, MINUTE_MS, QUANTITIES
from jobs.driver_stats.layout import EVENT_TYPES
from jobs.driver_stats.vehicle_operator import VehicleOperator
from jobs.sensor_windows.derived import NAMES
from jobs.sensor_windows.places import geohash
from jobs.sensor_windows.sensor_operator import SensorOperator

Array = NDArray[Any]
WAYS, HOURS = "way", "hour"
_HARSH = np.array([EVENT_TYPES.index(name) for name in HARSH_TYPES])
_NEEDS_MOST = np.array([name.startswith("pm2_5") for name in QUANTITIES])
_QUANTITY = np.array([QUANTITIES.index(name) if name in QUANTITIES else -1 for name in NAMES], np.int8)


class VehicleWays:
    """Keyed by vehicle_id: telemetry in; minutes and harsh events out."""

    state_dtype = VehicleOperator.state_dtype
    state_version = VehicleOperator.state_version
    tail_growth = VehicleOperator.tail_growth
    uses_store = VehicleOperator.uses_store
    counters = VehicleOperator.counters
    outputs: Mapping[str, np.dtype[Any]] = {WAYS: WAY_ROW}

    def __init__(self) -> None:
        self._vehicles = VehicleOperator()

    def open(self, settings_json: str, subtask: int) -> None:
        """Takes the settings: ``{"settings": those of driver_stats as JSON, "cell": characters of a geohash}``."""
        given = json.loads(settings_json)
        self._characters = int(given["cell"])
        # Nobody sees live rows and open hours of this job, so none are made.
        self._vehicles.open(json.dumps({"settings": given["settings"], "live": False}), subtask)

    def upgrade(self, version: int, row: bytes) -> bytes:
        """A state row of an older layout in the present one; see VehicleOperator."""
        return self._vehicles.upgrade(version, row)

    def batch(self, b: Batch) -> Result:
        """Folds a mini-batch into the vehicles' states."""
        return self._ways(self._vehicles.batch(b))

    def timers(self, b: TimerBatch) -> Result:
        """Publishes what the watermark closed."""
        return self._ways(self._vehicles.timers(b))

    def _ways(self, result: Result) -> Result:
        parts = []
        if "vehicle_minute" in result.outputs:
            keys, minutes = result.outputs["vehicle_minute"]
            rows = self._rows(minutes, minutes["minute_start"], MINUTE)
            there = minutes["superseded_by"] == NO_INTEGER
            rows["road_ms"] = np.where(there, np.rint(1000 * (minutes["drive_s"] + minutes["idle_s"])), 0)
            rows["samples"] = np.where(there, minutes["n_samples"], 0)
            rows["version"] = minutes["write_us"] - 1000 * (minutes["minute_start"] + MINUTE_MS)
            parts.append((keys, rows))
        if "driver_event" in result.outputs:
            keys, events = result.outputs["driver_event"]
            harsh = np.isin(events["type"], _HARSH)
            keys, events = keys[harsh], events[harsh]
            rows = self._rows(events, events["start_ms"], EVENT)
            rows["type"] = np.searchsorted(_HARSH, events["type"])
            rows["void"] = events["superseded_by"]
            rows["version"] = events["write_us"] - 1000 * events["start_ms"]
            parts.append((keys, rows))
        if not parts:
            return replace(result, outputs={})
        keys, rows = (np.concatenate(each) for each in zip(*parts, strict=True))
        return replace(result, outputs={WAYS: (keys, rows)})

    def _rows(self, of: Array, start: Array, kind: int) -> Array:
        rows = np.zeros(len(of), WAY_ROW)
        rows["kind"], rows["start"], rows["driver"] = kind, start, of["driver"]
        rows["cell"] = [
            geohash(lat, lon, self._characters).encode()
            for lat, lon in zip(of["lat"].tolist(), of["lon"].tolist(), strict=True)
        ]
        return rows


class SensorHours:
    """Keyed by sensor_id: observations in; closed hours of sensors whose place is known out."""

    state_dtype = SensorOperator.state_dtype
    state_version = SensorOperator.state_version
    tail_growth = SensorOperator.tail_growth
    uses_store = SensorOperator.uses_store
    counters = SensorOperator.counters
    outputs: Mapping[str, np.dtype[Any]] = {HOURS: HOUR_ROW}

    def __init__(self) -> None:
        self._sensors = SensorOperator()

    def open(self, settings_json: str, subtask: int) -> None:
        """Takes the settings: ``{"settings": those of sensor_windows as JSON, "cell": …, "min_completeness": …}``."""
        given = json.loads(settings_json)
        self._characters = int(given["cell"])
        self._min_completeness = float(given["min_completeness"])
        self._sensors.open(json.dumps({"settings": given["settings"], "live": False}), subtask)

    def upgrade(self, version: int, row: bytes) -> bytes:
        """There is no older layout; see SensorOperator."""
        return self._sensors.upgrade(version, row)

    def batch(self, b: Batch) -> Result:
        """Takes a mini-batch: readings wait."""
        return self._hours(self._sensors.batch(b))

    def timers(self, fired: TimerBatch) -> Result:
        """Closes hours."""
        return self._hours(self._sensors.timers(fired))

    def _hours(self, result: Result) -> Result:
        if "sensor_hour" not in result.outputs:
            return replace(result, outputs={})
        keys, hours = result.outputs["sensor_hour"]
        wanted = (hours["final"] > 0) & (hours["geohash"] != b"") & (_QUANTITY[hours["quantity"]] >= 0)
        keys, hours = keys[wanted], hours[wanted]
        rows = np.zeros(len(hours), HOUR_ROW)
        rows["cell"] = [each[: self._characters] for each in hours["geohash"].tolist()]
        rows["start"], rows["quantity"] = hours["start"], _QUANTITY[hours["quantity"]]
        # Of a model whose interval is not known nothing is known to be missing.
        too_few = _NEEDS_MOST[rows["quantity"]] & (hours["completeness"] < self._min_completeness)
        rows["mean"] = np.where(too_few, np.nan, hours["mean"])
        rows["version"] = hours["version"]
        return replace(result, outputs={HOURS: (keys, rows)})
