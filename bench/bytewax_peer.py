"""The same statistics as a bytewax dataflow: ``python -m bench.bytewax_peer INPUT FOLDER``.

One worker, no recovery store. Messages are read and decoded in batches, and the keyed step is ``stateful_batch``,
bytewax's fastest: Rust calls Python once for each vehicle of a batch, not once for each message.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import run_main

from bench.plain_records import Telemetry
from bench.plain_state import Part, Vehicle, Windows
from bench.plain_stats import VehicleStatistics
from bench.plain_windows import DriverStatistics
from jobs.driver_stats.settings import Settings

BATCH = 1000


class _Lines(StatefulSourcePartition[bytes, None]):
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=1 << 18)

    def next_batch(self) -> list[bytes]:
        lines = list(islice(self._file, BATCH))
        if not lines:
            raise StopIteration
        return lines

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        self._file.close()


class _LinesSource(FixedPartitionedSource[bytes, None]):
    def __init__(self, path: Path) -> None:
        self._path = path

    def list_parts(self) -> list[str]:
        return [self._path.name]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Lines:
        return _Lines(self._path)


class _Rows(StatefulSinkPartition[Any, None]):
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=1 << 16)
        self._encode = msgspec.json.Encoder().encode_lines

    def write_batch(self, values: list[Any]) -> None:
        self._file.write(self._encode(values))

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        self._file.close()


class _RowsSink(FixedPartitionedSink[Any, None]):
    def __init__(self, path: Path) -> None:
        self._path = path

    def list_parts(self) -> list[str]:
        return ["rows"]

    def part_fn(self, item_key: str) -> int:
        return 0

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Rows:
        return _Rows(self._path)


class _VehicleLogic(StatefulBatchLogic[Telemetry, Any, None]):
    def __init__(self, statistics: VehicleStatistics) -> None:
        self._statistics = statistics
        self._vehicle = Vehicle()
        self._vehicle_id = ""

    def on_batch(self, values: list[Telemetry]) -> tuple[Iterable[Any], bool]:
        out: list[Any] = []
        self._vehicle_id = values[0].vehicle_id
        for message in values:
            self._statistics.fold(self._vehicle, message, out)
        return out, False

    def on_eof(self) -> tuple[Iterable[Any], bool]:
        out: list[Any] = []
        self._statistics.finish(self._vehicle, self._vehicle_id, out)
        return out, True

    def snapshot(self) -> None:
        return None


class _DriverLogic(StatefulBatchLogic[Part, Any, None]):
    def __init__(self, statistics: DriverStatistics) -> None:
        self._statistics = statistics
        self._windows = Windows({}, {})
        self._driver_id = ""

    def on_batch(self, values: list[Part]) -> tuple[Iterable[Any], bool]:
        self._driver_id = values[0].driver_id
        for part in values:
            self._statistics.add(self._windows, part)
        return (), False

    def on_eof(self) -> tuple[Iterable[Any], bool]:
        out: list[Any] = []
        self._statistics.finish(self._windows, self._driver_id, out)
        return out, True

    def snapshot(self) -> None:
        return None


def dataflow(source: Path, target: Path) -> Dataflow:
    """The whole dataflow."""
    settings = Settings.load()
    of_vehicles, of_drivers = VehicleStatistics(settings), DriverStatistics(settings)
    decode = msgspec.json.Decoder(Telemetry).decode

    def decoded(lines: list[bytes]) -> list[tuple[str, Telemetry]]:
        return [(message.vehicle_id, message) for message in map(decode, lines)]

    flow = Dataflow("driver_stats")
    lines = op.input("lines", flow, _LinesSource(source))
    messages = op.flat_map_batch("decode", lines, decoded)
    vehicles = op.stateful_batch("vehicles", messages, lambda _: _VehicleLogic(of_vehicles))
    split = op.branch("parts", vehicles, lambda item: type(item[1]) is Part)
    parts = op.map("by_driver", split.trues, lambda item: (item[1].driver_id, item[1]))
    drivers = op.stateful_batch("drivers", parts, lambda _: _DriverLogic(of_drivers))
    op.output("rows", op.merge("tables", split.falses, drivers), _RowsSink(target))
    return flow


def main(source: Path, folder: Path) -> None:
    """Runs the dataflow to the end of its input."""
    folder.mkdir(parents=True, exist_ok=True)
    run_main(dataflow(source, folder / "rows.jsonl"))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
