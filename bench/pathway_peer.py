"""The same statistics in Pathway: ``python -m bench.pathway_peer INPUT FOLDER``.

One worker, no persistence, and Pathway's batch mode (``static``), which suits it best: the whole input is one step of
its time, so all messages of a vehicle come to Python in one call of a stateful reducer, no state is stored, and nothing
is computed twice. Pathway promises no order within a step: a vehicle's messages are sorted by their first time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pathway as pw  # type: ignore[import-not-found, unused-ignore]

from bench.plain_records import STARTED, Telemetry
from bench.plain_state import Part, Vehicle, Windows
from bench.plain_stats import VehicleStatistics
from bench.plain_windows import DriverStatistics
from bench.vehicle_key import vehicle_of
from jobs.driver_stats.settings import Settings

Rows = list[tuple[list[Any], int]]
"""What a reducer is given: the values of the columns, and how often that row was added."""

Told = tuple[tuple[str, str], ...]
"""Rows as JSON behind an empty text, and drivers' parts behind the driver."""


class Reducers:
    """What Python does: once for each vehicle, and once for each driver."""

    def __init__(self) -> None:
        settings = Settings.load()
        self._vehicles, self._drivers = VehicleStatistics(settings), DriverStatistics(settings)
        self._message = msgspec.json.Decoder(Telemetry).decode
        self._part = msgspec.json.Decoder(Part).decode
        self._encode = msgspec.json.Encoder().encode

    def vehicle(self, state: Told | None, rows: Rows) -> Told:
        """All messages of a vehicle."""
        _once(state)
        messages = sorted((self._message(values[0]) for values, _ in rows), key=_first_time)
        vehicle = Vehicle()
        out: list[Any] = []
        for message in messages:
            self._vehicles.fold(vehicle, message, out)
        self._vehicles.finish(vehicle, messages[0].vehicle_id, out)
        return tuple(
            (item.driver_id if type(item) is Part else "", self._encode(item).decode()) for item in out
        )

    def driver(self, state: Told | None, rows: Rows) -> Told:
        """All parts of a driver."""
        _once(state)
        parts = [self._part(values[0]) for values, _ in rows]
        windows = Windows({}, {})
        for part in parts:
            self._drivers.add(windows, part)
        out: list[Any] = []
        self._drivers.finish(windows, parts[0].driver_id, out)
        return tuple(("", self._encode(row).decode()) for row in out)


def _once(state: Told | None) -> None:
    if state is not None:
        raise RuntimeError("Pathway cut the input into several steps: this peer needs it in one")


def _first_time(message: Telemetry) -> int:
    return message.samples.t[0]


def _rows(grouped: Any) -> Any:
    """One row for each of the reducer's results."""
    flat = grouped.flatten(pw.this.out)
    return flat.select(
        driver=pw.apply_with_type(lambda told: told[0], str, pw.this.out),
        data=pw.apply_with_type(lambda told: told[1], str, pw.this.out),
    )


def build(source: Path, target: BinaryIO) -> None:
    """The whole dataflow."""
    reducers = Reducers()
    by_vehicle = pw.reducers.stateful_many(reducers.vehicle)
    by_driver = pw.reducers.stateful_many(reducers.driver)
    lines = pw.io.fs.read(source, format="plaintext", mode="static")
    messages = lines.select(data=pw.this.data, vehicle=pw.apply_with_type(vehicle_of, str, pw.this.data))
    vehicles = _rows(messages.groupby(pw.this.vehicle).reduce(out=by_vehicle(pw.this.data)))
    parts = vehicles.filter(pw.this.driver != "")
    drivers = _rows(parts.groupby(pw.this.driver).reduce(out=by_driver(pw.this.data)))

    def write(row: dict[str, Any], **_: object) -> None:
        target.write(row["data"].encode())
        target.write(b"\n")

    for rows in (vehicles.filter(pw.this.driver == ""), drivers):
        pw.io.subscribe(rows, on_change=write)


def main(source: Path, folder: Path) -> None:
    """Runs the dataflow to the end of its input."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rows.jsonl").open("wb", buffering=1 << 16) as target:
        build(source, target)
        (folder / STARTED).touch()
        pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
