"""The three stages as keyed PyFlink functions: their state, their timers, and the form of what goes in and out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapState, MapStateDescriptor

from connectors.rows import FrameEncoder, Value
from connectors.rows_in_memory import day
from jobs.driver_exposure.cells import Cells
from jobs.driver_exposure.drivers import Drivers, Write
from jobs.driver_exposure.hourly import Hourly
from jobs.driver_exposure.layout import sensor_hour_of, way_of
from jobs.driver_exposure.records import Record, unpacked
from jobs.driver_exposure.settings import Settings
from jobs.driver_exposure.ways import Ways
from schemas.tables import table, tables

JOB = "driver_exposure"

SENT = Types.TUPLE([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])
"""What goes from stage to stage: the key of the next one and a record."""

FRAME = Types.PRIMITIVE_ARRAY(Types.BYTE())


class Stage(KeyedProcessFunction):  # type: ignore[misc]
    """A stage on Flink's state; subclasses say what comes in and goes out."""

    def __init__(self, stage: Hourly[Any, Any]) -> None:
        self._stage = stage

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state of a key."""

        def state(name: str) -> MapState:
            return runtime_context.get_map_state(
                MapStateDescriptor(name, Types.LONG(), Types.PICKLED_BYTE_ARRAY())
            )

        self._hours, self._changed = state("hours"), state("changed")

    def read(self, key: str, data: bytes) -> Record:
        """The record that has come."""
        return unpacked(data)

    def sent(self, key: str, told: Iterable[object]) -> Iterator[object]:
        """What the logic says, as records of the stream."""
        yield from told

    def process_element(
        self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context
    ) -> Iterable[object]:
        """Takes one record in."""
        key, data = value
        service = ctx.timer_service()
        timer: Callable[[int], None] = service.register_event_time_timer
        told = self._stage.take(
            key, self.read(key, data), self._hours, self._changed, timer, service.current_watermark()
        )
        return self.sent(key, told)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterable[object]:
        """Says how hours stand that have ended, and forgets old ones."""
        key = ctx.get_current_key()
        watermark = ctx.timer_service().current_watermark()
        return self.sent(key, self._stage.fire(key, timestamp, self._hours, self._changed, watermark))


class VehicleStage(Stage):
    """Keyed by vehicle: rows of VehicleWays in, minutes and events by cell out."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(Hourly(Ways(), settings.keep_ms()))

    def read(self, key: str, data: bytes) -> Record:
        """A WAY_ROW."""
        return way_of(key, data)


class CellStage(Stage):
    """Keyed by cell: minutes, events and rows of SensorHours in, minutes, events and air by driver out."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(Hourly(Cells(), settings.keep_ms()))

    def read(self, key: str, data: bytes) -> Record:
        """A record of the stage before, which is JSON, or a HOUR_ROW, which begins with a geohash."""
        return unpacked(data) if data[:1] == b"[" else sensor_hour_of(data)


class DriverStage(Stage):
    """Keyed by driver: minutes, events and air in, row frames out."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(Hourly(Drivers(), settings.keep_ms()))
        self._params_hash = settings.params_hash

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state of a driver."""
        super().open(runtime_context)
        self._encoders = {each.name: FrameEncoder(each) for each in tables(JOB) if each.name != "reject"}

    def sent(self, key: str, told: Iterable[object]) -> Iterator[object]:
        """Row frames."""
        now_ms = time.time_ns() // 1_000_000
        for write in told:
            assert isinstance(write, Write)
            values = row_of(key, write, self._params_hash)
            values["updated_at"] = now_ms
            erase = [True] * len(values)  # what is null now may have been written before a crash
            yield self._encoders[write.table].encode(write.write_us, list(values.values()), erase)


def row_of(driver: str, write: Write, params_hash: str) -> dict[str, Value]:
    """All columns of a row in the order of its table; times as epoch ms."""
    columns = write.columns
    start = columns["event_time"] if "event_time" in columns else columns["hour_start"]
    values = {**columns, "driver_id": driver, "day": day(start), "params_hash": params_hash}
    return {column.name: values.get(column.name) for column in table(JOB, write.table).columns}
