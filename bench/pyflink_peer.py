"""The same statistics in plain PyFlink: ``python -m bench.pyflink_peer INPUT FOLDER``.

Flink's own file source and sink, KeyedProcessFunction in thread mode, heap state, no checkpoints. The key is cut out of
the text rather than decoded, a message is decoded once, and a vehicle's state is stored as msgpack of a struct, which
takes a third of the time of pickle.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from pyflink.common import Configuration, Encoder, Types, WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import FileSink, FileSource, StreamFormat
from pyflink.datastream.state import ValueStateDescriptor

from bench import flink
from bench.plain_records import Telemetry
from bench.plain_state import Part, Vehicle, Windows
from bench.plain_stats import VehicleStatistics
from bench.plain_windows import DriverStatistics
from bench.vehicle_key import vehicle_of
from jobs.driver_stats.settings import Settings

END_MS = 4_102_444_800_000  # a timer there fires when the input ends, which moves the watermark beyond it


class Vehicles(KeyedProcessFunction):  # type: ignore[misc]
    """Statistics by vehicle: rows as JSON, and the drivers' parts as (driver, part)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state."""
        self._state = runtime_context.get_state(ValueStateDescriptor("vehicle", Types.PICKLED_BYTE_ARRAY()))
        self._statistics = VehicleStatistics(self._settings)
        self._message = msgspec.json.Decoder(Telemetry).decode
        self._load = msgspec.msgpack.Decoder(Vehicle).decode
        self._dump = msgspec.msgpack.Encoder().encode
        self._row = msgspec.json.Encoder().encode

    def process_element(self, value: str, ctx: KeyedProcessFunction.Context) -> Iterator[tuple[str, str]]:
        """Folds one message in."""
        stored = self._state.value()
        if stored is None:
            vehicle = Vehicle()
            ctx.timer_service().register_event_time_timer(END_MS)
        else:
            vehicle = self._load(stored)
        out: list[Any] = []
        self._statistics.fold(vehicle, self._message(value), out)
        self._state.update(self._dump(vehicle))
        if out:
            yield from self._told(out)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[tuple[str, str]]:
        """The end of input."""
        out: list[Any] = []
        self._statistics.finish(self._load(self._state.value()), ctx.get_current_key(), out)
        yield from self._told(out)

    def _told(self, out: list[Any]) -> Iterator[tuple[str, str]]:
        for item in out:
            yield (item.driver_id if type(item) is Part else "", self._row(item).decode())


class Drivers(KeyedProcessFunction):  # type: ignore[misc]
    """Hours, days and weeks by driver."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Opens the state."""
        self._state = runtime_context.get_state(ValueStateDescriptor("windows", Types.PICKLED_BYTE_ARRAY()))
        self._statistics = DriverStatistics(self._settings)
        self._part = msgspec.json.Decoder(Part).decode
        self._load = msgspec.msgpack.Decoder(Windows, strict=False).decode
        self._dump = msgspec.msgpack.Encoder().encode
        self._row = msgspec.json.Encoder().encode

    def process_element(self, value: tuple[str, str], ctx: KeyedProcessFunction.Context) -> None:
        """Adds one part."""
        stored = self._state.value()
        if stored is None:
            windows = Windows({}, {})
            ctx.timer_service().register_event_time_timer(END_MS)
        else:
            windows = self._load(stored)
        self._statistics.add(windows, self._part(value[1]))
        self._state.update(self._dump(windows))

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[str]:
        """The end of input."""
        out: list[Any] = []
        self._statistics.finish(self._load(self._state.value()), ctx.get_current_key(), out)
        for row in out:
            yield self._row(row).decode()


def build(env: StreamExecutionEnvironment, source: Path, folder: Path) -> None:
    """The whole job."""
    pair = Types.TUPLE([Types.STRING(), Types.STRING()])
    files = FileSource.for_record_stream_format(StreamFormat.text_line_format(), str(source)).build()
    lines = env.from_source(files, WatermarkStrategy.no_watermarks(), "lines")
    settings = Settings.load()
    vehicles = lines.key_by(vehicle_of, key_type=Types.STRING()).process(Vehicles(settings), output_type=pair)
    rows = vehicles.filter(lambda item: not item[0]).map(lambda item: item[1], output_type=Types.STRING())
    parts = vehicles.filter(lambda item: bool(item[0]))
    drivers = parts.key_by(lambda item: item[0], key_type=Types.STRING()).process(
        Drivers(settings), output_type=Types.STRING()
    )
    sink = FileSink.for_row_format(str(folder), Encoder.simple_string_encoder()).build()
    rows.union(drivers).sink_to(sink)


def main(source: Path, folder: Path) -> None:
    """Runs the job to the end of its input."""
    flink.use_own_flink()
    configuration = Configuration()
    for name, value in flink.settings(parallelism__default="1").items():
        configuration.set_string(name, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    build(env, source.absolute(), folder.absolute())
    env.execute("plain PyFlink")


if __name__ == "__main__":
    # By its own name: what is defined in __main__ is pickled by value, and msgspec's decoders cannot be.
    from bench import pyflink_peer

    pyflink_peer.main(Path(sys.argv[1]), Path(sys.argv[2]))
