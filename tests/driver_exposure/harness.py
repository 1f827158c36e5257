"""Feeds messages through all of driver_exposure without Flink, in any cut, with any watermarks; keeps the tables."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from connectors.columnar_runtime import NO_TIMER
from connectors.in_memory import END, InMemory
from connectors.rows_in_memory import timestamp
from jobs.driver_exposure.cells import Cells
from jobs.driver_exposure.drivers import Drivers, Write
from jobs.driver_exposure.halves import HOURS, WAYS, SensorHours, VehicleWays
from jobs.driver_exposure.hourly import Hourly
from jobs.driver_exposure.job import sensor_operator, vehicle_operator
from jobs.driver_exposure.layout import KEY_PREFIX, sensor_hour_of, way_of
from jobs.driver_exposure.oracle import oracle_tables
from jobs.driver_exposure.records import Record, unpacked
from jobs.driver_exposure.settings import Settings
from jobs.driver_exposure.stages import JOB, row_of
from jobs.driver_exposure.ways import Ways
from schemas.messages import message
from schemas.tables import table
from tests.driver_stats.harness import to_decoded
from tests.keyed_state import MapStore
from tests.sensor_windows.harness import decoded

Row = dict[str, Any]
OWN = ("driver_exposure", "event_weather")
T0 = 1_763_683_200_000
"""2025-11-21T00:00:00Z."""

HOUR_MS = 3_600_000


def drive(
    start_s: int,
    lats: Sequence[float | None],
    *,
    vehicle: str = "v",
    driver: str | None = "d",
    seq: int | None = None,
    brakes: Sequence[int] = (),
    speed: float = 36.0,
    step_s: int = 5,
    lon: float = 13.4,
) -> Row:
    """A message: a sample every ``step_s`` from T0 + start_s on, at these latitudes; hard braking at some samples."""
    times = [T0 + 1000 * (start_s + step_s * each) for each in range(len(lats))]
    samples = {
        "t": times,
        "speed": [speed] * len(lats),
        "accel_x": [-6.0 if each in brakes else 0.0 for each in range(len(lats))],
        "lat": list(lats),
        "lon": [None if lat is None else lon for lat in lats],
    }
    found: Row = {"schema": "telemetry/1", "vehicle_id": vehicle, "samples": samples}
    if driver is not None:
        found["driver_id"] = driver
    if seq is not None:
        found["seq"] = seq
    return found


def readings(
    start_s: int,
    *,
    sensor: str = "s",
    lat: float = 52.5,
    lon: float = 13.4,
    model: str | None = "SDS011",
    step_s: int = 150,
    **values: Sequence[float | None],
) -> Row:
    """A message: a reading every ``step_s`` from T0 + start_s on."""
    count = len(next(iter(values.values())))
    times = [T0 + 1000 * (start_s + step_s * each) for each in range(count)]
    found: Row = {"schema": "observation/1", "sensor_id": sensor, "lat": lat, "lon": lon}
    if model is not None:
        found["sensor_model"] = model
    return {**found, "samples": {"t": times, **values}}


class _Stage:
    """One keyed stage: the state and timers of all its keys."""

    def __init__(self, stage: Hourly[Any, Any]) -> None:
        self._stage = stage
        self._hours: dict[str, MapStore] = defaultdict(MapStore)
        self._changed: dict[str, MapStore] = defaultdict(MapStore)
        self.timers: set[tuple[int, str]] = set()
        self.watermark = NO_TIMER

    def take(self, key: str, record: Record) -> Iterable[Any]:
        return list(
            self._stage.take(
                key,
                record,
                self._hours[key],
                self._changed[key],
                lambda at: self.timers.add((at, key)),
                self.watermark,
            )
        )

    def advance(self, watermark: int) -> Iterable[tuple[str, Any]]:
        self.watermark = watermark
        while due := sorted(each for each in self.timers if each[0] <= watermark):
            at, key = due[0]
            self.timers.discard(due[0])
            for told in list(self._stage.fire(key, at, self._hours[key], self._changed[key], watermark)):
                yield key, told

    @property
    def hours(self) -> int:
        """How many hours are kept."""
        return sum(len(store.content) for store in (*self._hours.values(), *self._changed.values()))


class Harness:
    """Both operators, the three stages, and every row so far."""

    def __init__(self, overrides: Sequence[str] = ()) -> None:
        self.settings = Settings.load(overrides)
        vehicles, sensors = VehicleWays(), SensorHours()
        vehicles.open(vehicle_operator(self.settings).settings_json, 0)
        sensors.open(sensor_operator(self.settings).settings_json, 0)
        self.vehicles = InMemory(vehicles, message("telemetry/1"))
        self.sensors = InMemory(sensors, message("observation/1"))
        keep_ms = self.settings.keep_ms()
        self.ways, self.cells, self.drivers = (
            _Stage(Hourly(logic, keep_ms)) for logic in (Ways(), Cells(), Drivers())
        )
        self.watermark = NO_TIMER
        self.writes: list[tuple[str, int, Row]] = []

    def feed(self, messages: Iterable[Row]) -> None:
        """One mini-batch of each half."""
        given = list(messages)
        driven = [to_decoded(each) for each in given if "vehicle_id" in each]
        measured = [decoded(each) for each in given if "sensor_id" in each]
        if driven:
            self.vehicles.batch(driven, self.watermark)
        if measured:
            self.sensors.batch(measured, self.watermark)
        self._flow()

    def advance(self, watermark: int = END) -> None:
        """Lets the watermark pass, from stage to stage."""
        self.watermark = watermark = max(self.watermark, watermark)
        self.vehicles.advance(watermark)
        self.sensors.advance(watermark)
        self._flow()
        for _, (key, data) in self.ways.advance(watermark):
            self._to_cell(key, unpacked(data))
        for _, (key, data) in self.cells.advance(watermark):
            self._to_driver(key, unpacked(data))
        for key, write in self.drivers.advance(watermark):
            self._written(key, write)

    def _flow(self) -> None:
        for key, row in self.vehicles.rows[WAYS]:
            for cell, data in self.ways.take(KEY_PREFIX + key, way_of(KEY_PREFIX + key, row.tobytes())):
                self._to_cell(cell, unpacked(data))
        for key, row in self.sensors.rows[HOURS]:
            own = row.copy()
            own["sensor"] = key.encode()  # as Java's id_field does
            self._to_cell(own["cell"].decode(), sensor_hour_of(own.tobytes()))
        self.vehicles.rows[WAYS].clear()
        self.sensors.rows[HOURS].clear()

    def _to_cell(self, cell: str, record: Record) -> None:
        for driver, data in self.cells.take(cell, record):
            self._to_driver(driver, unpacked(data))

    def _to_driver(self, driver: str, record: Record) -> None:
        for write in self.drivers.take(driver, record):
            self._written(driver, write)

    def _written(self, driver: str, write: Write) -> None:
        values = row_of(driver, write, self.settings.params_hash)
        columns = table(JOB, write.table).columns
        row = {
            each.name: timestamp(value)
            if each.cql_type == "timestamp" and isinstance(value := values[each.name], int)
            else values[each.name]
            for each in columns
        }
        self.writes.append((write.table, write.write_us, row))

    def tables(self) -> dict[str, dict[tuple[Any, ...], Row]]:
        """Of each key the newest row, which must be the last one written; void ones are left out."""
        found: dict[str, dict[tuple[Any, ...], tuple[int, Row]]] = {name: {} for name in OWN}
        for name, written, row in self.writes:
            key = tuple(row[column] for column in table(JOB, name).primary_key)
            before = found[name].get(key)
            assert before is None or before[0] < written, (before, row)
            same = before is not None and {**before[1], "revision": 0} == {**row, "revision": 0}
            assert row["revision"] == (0 if before is None else before[1]["revision"] + (not same))
            found[name][key] = written, row
        return {
            name: {key: row for key, (_, row) in rows.items() if row["superseded_by"] is None}
            for name, rows in found.items()
        }


def content(found: dict[str, Any]) -> dict[str, Any]:
    """Both tables without the revision."""
    return {name: {key: {**row, "revision": 0} for key, row in found[name].items()} for name in OWN}


def expected(messages: Iterable[Row], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What the oracle says."""
    return content(oracle_tables([json.dumps(each).encode() for each in messages], overrides))


def run(
    log: Sequence[Row],
    cuts: Iterable[int] = (),
    watermarks: Sequence[int] = (),
    overrides: Sequence[str] = (),
    seen: Callable[[Harness], None] = lambda _: None,
) -> Harness:
    """All messages in mini-batches that end at ``cuts``; watermarks in seconds after T0 between them; then the end."""
    harness = Harness(overrides)
    edges = sorted({0, len(log), *(cut for cut in cuts if 0 < cut < len(log))})
    for index, (start, end) in enumerate(pairwise(edges)):
        harness.feed(log[start:end])
        if watermarks:
            harness.advance(T0 + 1000 * watermarks[index % len(watermarks)])
        seen(harness)
    harness.advance()
    return harness
