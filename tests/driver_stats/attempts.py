"""A live job that is killed and goes on, without Flink: two streams in any order, checkpoints, and what tables keep.

The vehicles' kernel, who drove, and the drivers' windows are the job's own; what is modelled is what Flink does with
them (states and timers by key, a checkpoint of all of them, a new attempt that goes on from the last one) and what
Cassandra does with rows: each cell keeps the value of the latest write time. ``Held`` does what
``io.kappafleet.checkpoint.HeldUntilCheckpoint`` promises.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from pyflink.common import Row
from pyflink.datastream.time_domain import TimeDomain

from connectors.rows_in_memory import stream_key, timestamp
from jobs.driver_stats.assignments import EVENTS, Attribution
from jobs.driver_stats.driver_windows import DriverWindows
from jobs.driver_stats.layout import NONE
from jobs.driver_stats.oracle import oracle_tables
from jobs.driver_stats.outputs import event_rules, outputs
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.unnamed_trips import TripRules
from schemas.tables import Table, tables
from tests.driver_stats.harness import VehicleHarness
from tests.driver_stats.test_driver_windows import decoded

END = 2**62
TABLES = {spec.index: spec for spec in tables("driver_stats")}
OF_DRIVERS = (
    "driver_hour", "driver_day", "fleet_day", "driver_week", "driver_rolling", "driver_event", "trip",
)  # fmt: skip
MAY_DIFFER = frozenset({"revision", "updated_at"})
VOID = "superseded_by"

Message = dict[str, Any]
Waiting = int | bytes | tuple[str, bytes]
"""A watermark, a row, or a record for a driver."""

Found = dict[tuple[Any, ...], dict[str, Any]]


class Cassandra:
    """Tables that outlive every attempt: each cell has the value of its latest write time."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, tuple[Any, ...]], dict[str, tuple[int, Any]]] = {}

    def upsert(self, frame: bytes) -> None:
        spec = TABLES[int.from_bytes(frame[:4], "big")]
        row = decoded(frame, spec)
        write_us = row.pop("write_us")
        cells = self._cells.setdefault((spec.index, tuple(row[name] for name in spec.primary_key)), {})
        for name, value in row.items():
            before = cells.get(name)
            if before is not None and before[0] == write_us and name not in MAY_DIFFER:
                assert before[1] == value, f"which {name} of {spec.name} wins would be chance: {row}"
            if before is None or before[0] <= write_us:
                cells[name] = (write_us, value)

    def tables(self) -> dict[str, Found]:
        """The rows that a reader finds, in the form of files."""
        found: dict[str, Found] = {name: {} for name in OF_DRIVERS}
        for (index, _), cells in self._cells.items():
            spec = TABLES[index]
            row = {each.name: _text(spec, each.name, cells) for each in spec.columns}
            if row.get(VOID) is None:
                key = tuple(row[name] for name in spec.primary_key)
                found[spec.name][key] = _content(row)
        return found


def _text(spec: Table, name: str, cells: dict[str, tuple[int, Any]]) -> Any:
    value = cells.get(name, (0, None))[1]
    kind = next(each.cql_type for each in spec.columns if each.name == name)
    return timestamp(value) if kind == "timestamp" and value is not None else value


def _content(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in MAY_DIFFER}


class _State:
    """A map state: that of the current key."""

    def __init__(self, of: Keyed, name: str) -> None:
        self._of = of
        self._name = name

    def _mine(self) -> dict[Any, Any]:
        return self._of.states.setdefault((self._name, self._of.key), {})

    def get(self, key: Any) -> Any:
        return self._mine().get(key)

    def put(self, key: Any, value: Any) -> None:
        self._mine()[key] = value

    def contains(self, key: Any) -> bool:
        return key in self._mine()

    def remove(self, key: Any) -> None:
        self._mine().pop(key, None)

    def clear(self) -> None:
        self._mine().clear()

    def keys(self) -> list[Any]:
        return list(self._mine())

    def items(self) -> list[tuple[Any, Any]]:
        return list(self._mine().items())


class Keyed:
    """A keyed function with its states and timers; a restored one has a watermark that begins anew."""

    def __init__(self, function: Any, before: Any = None) -> None:
        self.states: dict[tuple[str, str], dict[Any, Any]] = before[0] if before else {}
        self.timers: set[tuple[int, str]] = before[1] if before else set()
        self.clocks: set[str] = before[2] if before else set()
        self.key = ""
        self.watermark = -(2**63)
        self._function = function
        counter = SimpleNamespace(inc=lambda: None)
        function.open(
            SimpleNamespace(
                get_map_state=lambda descriptor: _State(self, descriptor.name),
                get_metrics_group=lambda: SimpleNamespace(counter=lambda name: counter),
            )
        )

    def take(self, key: str, record: bytes) -> Iterator[Any]:
        self.key = key
        yield from self._function.process_element((key, record), self._context(None))

    def advance(self, watermark: int) -> Iterator[Any]:
        self.watermark = max(self.watermark, watermark)
        while self.timers and (due := min(self.timers))[0] <= self.watermark:
            self.timers.discard(due)
            self.key = due[1]
            yield from self._function.on_timer(due[0], self._context(TimeDomain.EVENT_TIME))

    def clock(self) -> Iterator[Any]:
        for key in sorted(self.clocks):
            self.clocks.discard(key)
            self.key = key
            yield from self._function.on_timer(0, self._context(TimeDomain.PROCESSING_TIME))

    def snapshot(self) -> Any:
        return copy.deepcopy((self.states, self.timers, self.clocks))

    def _context(self, domain: TimeDomain | None) -> Any:
        service = SimpleNamespace(
            current_watermark=lambda: self.watermark,
            register_event_time_timer=lambda at: self.timers.add((at, self.key)),
            register_processing_time_timer=lambda _: self.clocks.add(self.key),
        )
        return SimpleNamespace(
            timer_service=lambda: service, get_current_key=lambda: self.key, time_domain=lambda: domain
        )


class Log:
    """Both streams as they are published; they outlive every attempt."""

    def __init__(self, telemetry: Sequence[Message], logins: Sequence[Message], *overrides: str) -> None:
        self.overrides = ["assignments.enabled=true", "window.allowed_lateness_s=0", *overrides]
        self.telemetry = list(telemetry)
        self.logins = [json.dumps(each).encode() for each in logins]

    def expected(self) -> dict[str, Found]:
        """The oracle's tables, without what the kernel itself writes of vehicles that name a driver."""
        lines = [*self.logins, *(json.dumps(each).encode() for each in self.telemetry)]
        found = oracle_tables(lines, self.overrides)
        named = {each["vehicle_id"] for each in self.telemetry if "driver_id" in each}
        return {
            name: {
                key: _content(row) for key, row in found[name].items() if row.get("vehicle_id") not in named
            }
            for name in OF_DRIVERS
        }


class Attempt:
    """The job from its start, or from a checkpoint, to a kill.

    Attributes:
        telemetry, logins: how many messages of either stream were read.
    """

    def __init__(
        self, log: Log, into: Cassandra, before: Attempt | None = None, *, holds: bool = True
    ) -> None:
        """Goes on from the last completed checkpoint of ``before``; without one, from the beginning."""
        self.log = log
        self.telemetry = self.logins = 0
        self.completed: Any = None if before is None else before.completed
        self._into = into
        self._holds = holds
        self._sent: dict[str, int] = {}
        self._waiting: list[Waiting] = []
        settings = Settings.load(log.overrides)
        self._specs = {each.name: each for each in outputs(settings) if each.kind == "stream"}
        self._kernel = VehicleHarness(log.overrides, live=True)
        steps, who, drivers, waiting = copy.deepcopy(self.completed) or ([], None, None, [])
        self._steps: list[Message | int] = []
        for step in steps:
            self._read(step)  # the kernel's state is what it makes of the messages before the checkpoint
        self._sent = {name: len(rows) for name, rows in self._kernel.keys.rows.items()}
        self._who = Keyed(
            Attribution(
                settings.attribution, settings.local_time, settings.keep_ms(), 0, 300_000,
                event_rules(settings), TripRules(settings.score, settings.vehicle_classes()),
            ),
            who,
        )  # fmt: skip
        self._drivers = Keyed(
            DriverWindows(
                1000, settings.keep_ms(), settings.score, settings.local_time, settings.hours_rules, True
            ),
            drivers,
        )
        if before is not None and before.completed is not None:
            self.telemetry, self.logins = before.completed_at
        self.completed_at = (self.telemetry, self.logins)
        self._send(waiting)

    def drive(self) -> None:
        """Reads the next message of the telemetry."""
        message = self.log.telemetry[self.telemetry]
        self.telemetry += 1
        self._read(message)
        self._forward()

    def login(self) -> None:
        """Reads the next log-in."""
        body = self.log.logins[self.logins]
        self.logins += 1
        key = f"unknown:{json.loads(body)['vehicle_id']}"
        head = (-1).to_bytes(4, "big", signed=True) + self.logins.to_bytes(8, "big")
        self._attributed(self._who.take(key, head + bytes(8) + (1).to_bytes(4, "big") + b"s" + body))

    def advance(self, watermark: int) -> None:
        """The watermark comes, to each operator behind what the one before made of it."""
        self._read(watermark)
        self._forward()
        self._attributed(self._who.advance(watermark))
        self._hold(watermark)

    def clock(self) -> None:
        """Open windows that changed are written."""
        self._write(self._drivers.clock())

    def checkpoint(self, *, complete: bool = True) -> None:
        """All states at once; what waits is sent on when it is complete."""
        records = [each for each in self._waiting if not isinstance(each, int)]
        found = (list(self._steps), self._who.snapshot(), self._drivers.snapshot(), list(records))
        if complete:
            self.completed, self.completed_at = copy.deepcopy(found), (self.telemetry, self.logins)
            waiting, self._waiting = self._waiting, []
            self._send(waiting)

    def finish(self) -> dict[str, Found]:
        """Reads all that there is, closes all windows, and returns the tables."""
        while self.logins < len(self.log.logins):
            self.login()
        while self.telemetry < len(self.log.telemetry):
            self.drive()
        self.advance(END)
        self.checkpoint()
        self.clock()
        return self._into.tables()

    def _read(self, step: Message | int) -> None:
        self._steps.append(step)
        if isinstance(step, int):
            self._kernel.advance(step)
        else:
            self._kernel.feed([step], NONE)

    def _forward(self) -> None:
        for name, spec in self._specs.items():
            rows = self._kernel.keys.rows[spec.rows or name]
            for key, row in rows[self._sent.get(name, 0) :]:
                to, record = stream_key(spec, key, row), row.tobytes()
                if name in ("part", "drive"):
                    self._write(self._drivers.take(to, record))
                else:
                    self._attributed(self._who.take(to, record))
            self._sent[name] = len(rows)

    def _attributed(self, made: Iterator[Any]) -> None:
        for each in made:
            if isinstance(each, Row):
                self._hold((each[0], each[1][1]))
            else:
                assert each[0] is EVENTS
                self._hold(each[1])

    def _hold(self, each: Waiting) -> None:
        if self._holds:
            self._waiting.append(each)
        else:
            self._send([each])

    def _send(self, waiting: Sequence[Waiting]) -> None:
        for each in waiting:
            if isinstance(each, int):
                self._write(self._drivers.advance(each))
            elif isinstance(each, bytes):
                self._into.upsert(each)
            else:
                self._write(self._drivers.take(*each))

    def _write(self, frames: Iterator[bytes]) -> None:
        for frame in frames:
            self._into.upsert(frame)
