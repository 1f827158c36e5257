"""What the tables of driver_stats must be: message lines read in plain Python, without Flink and without Java.

The oracle is the ideal that the job is compared with. It sees all of the input before it begins: copies are dropped,
each vehicle's samples are put in the order of their times, and every window is written once, as final. The samples go
through the job's own kernel and window sums, so what it judges is everything around them: reading, decoding, order,
state, timers, recovery and the way to the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from connectors.columnar_runtime import ColumnarFunction
from connectors.in_memory import Decoded, InMemory
from connectors.message_decoder import KeyScan, MessageDecoder, Reject
from connectors.reference import ReferenceTable
from connectors.rows import Value
from connectors.rows_in_memory import Newest, Row, TableRows, stream_key, timestamp
from jobs.driver_stats import unnamed, unnamed_events, unnamed_trips
from jobs.driver_stats.attribution import Logins, driver_of, stretches, with_login
from jobs.driver_stats.inputs import SCHEMA, message_spec
from jobs.driver_stats.oracle_drivers import DriverWindows
from jobs.driver_stats.outputs import event_rules, outputs
from jobs.driver_stats.road_limits import references_of
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.vehicle_operator import VehicleOperator
from jobs.log_lines import Line, ReferenceLines, log_lines, reject_row
from schemas.messages import message
from schemas.tables import Table, tables

JOB = "driver_stats"
BATCH_MESSAGES = 1000

Tables: TypeAlias = dict[str, dict[tuple[Any, ...], Row]]
Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Is told what is being counted, how many there have been, and how many there will be if that is known."""


@dataclass(slots=True)
class Log:
    """What the lines hold.

    Attributes:
        vehicles: the accepted messages of each vehicle in the order of the log, without copies.
        rejects: the rows of refused messages.
        messages, copies: how many there were in all, and how many of these were copies.
        samples: of the accepted messages without copies.
        logins: of each vehicle, where log-ins are read.
        references: the tables of reference data, by name.
    """

    vehicles: dict[str, list[Decoded]] = field(default_factory=dict)
    rejects: list[Row] = field(default_factory=list)
    messages: int = 0
    copies: int = 0
    samples: int = 0
    logins: dict[str, Logins] = field(default_factory=dict)
    references: dict[str, ReferenceTable] = field(default_factory=dict)


def oracle_tables(
    log: Path | Iterable[Path | bytes], overrides: Sequence[str] = (), progress: Progress | None = None
) -> Tables:
    """The final tables.

    Args:
        log: a file or folder of message lines, several of them, or the lines themselves.
        overrides: ``name=value`` over the job's parameters.
        progress: is called now and then.

    Returns:
        By table, the rows by primary key, in the form of the table files (that of ``read_tables`` in
        tests/driver_stats/jobs.py): every column, times as texts. ``updated_at`` is None, ``revision`` 0. No row is
        superseded: in a table that is compared with these, skip the rows that have ``superseded_by``.

    Raises:
        conf.parameters.ParameterError: an override is refused.
        UserError: a file cannot be read.
    """
    settings = oracle_settings(overrides)
    return tables_of(read(log_lines(log), settings, progress), settings, progress)


def oracle_settings(overrides: Sequence[str]) -> Settings:
    """The job's settings; samples come in order, so nothing has to wait for its turn."""
    in_order = ["order.buffer_s=0"] if "order" in Settings.model_fields else []
    return Settings.load([*overrides, *in_order])


def read(lines: Iterable[Line], settings: Settings, progress: Progress | None = None) -> Log:
    """Decodes the messages; of those with the same vehicle, seq and first time only the first one counts."""
    spec = message_spec(settings)
    decoder, scan = MessageDecoder(spec), KeyScan(spec.id_field)
    seen: set[tuple[str, int, int]] = set()
    references = ReferenceLines(references_of(settings))
    log = Log(references=references.tables)
    for line in lines:
        log.messages += 1
        if progress and log.messages % 1000 == 0:
            progress("messages", log.messages, None)
        if settings.assignments.enabled and KeyScan("schema").key(line.body) == unnamed.SCHEMA:
            _log_in(log, line, scan.key(line.body))
            continue
        if references.take(line, log.rejects.append):
            continue
        try:
            decoded = decoder.decode(line.body, scan.key(line.body), offset=line.number)
        except Reject as reject:
            log.rejects.append(reject_row(line, str(reject)))
            continue
        seq = decoded.integers.get("seq")
        if seq is not None:
            identity = (decoded.key, seq, decoded.times[0])
            if identity in seen:
                log.copies += 1
                continue
            seen.add(identity)
        log.samples += len(decoded.times)
        log.vehicles.setdefault(decoded.key, []).append(decoded)
    if progress:
        progress("messages", log.messages, log.messages)
    return log


def _log_in(log: Log, line: Line, vehicle_id: str) -> None:
    sent = unnamed.LoginMessage(line.body, line.source, line.number, 0)
    try:
        found = unnamed.login(sent, vehicle_id)
    except unnamed.RefusedLogin as refused:
        log.rejects.append(reject_row(line, str(refused)))
    else:
        log.logins[vehicle_id] = with_login(log.logins.get(vehicle_id, ()), found)


def in_order(messages: Sequence[Decoded]) -> list[Decoded]:
    """One vehicle's messages cut anew, so that sample follows sample in the order of time.

    Every message that comes out holds samples of one that went in, so each sample keeps its driver, fleet and class.
    Of several samples of one time the first in the log counts, the others are left out. Times then grow throughout.
    """
    found: list[Decoded] = []
    overlapping: list[tuple[int, Decoded]] = []
    end = -1
    for place, each in sorted(enumerate(messages), key=lambda item: (item[1].times[0], item[0])):
        if overlapping and each.times[0] > end:
            found += _cut(overlapping)
            overlapping = []
        overlapping.append((place, each))
        end = max(end, each.times[-1])
    if overlapping:
        found += _cut(overlapping)
    return found


def _cut(messages: Sequence[tuple[int, Decoded]]) -> Iterator[Decoded]:
    """Messages whose spans overlap, each with its place in the log."""
    _, first = messages[0]
    if len(messages) == 1 and all(a < b for a, b in zip(first.times, first.times[1:], strict=False)):
        yield replace(first, integers={})
        return
    samples = sorted(
        (time, place, index, each) for place, each in messages for index, time in enumerate(each.times)
    )
    taken: list[int] = []
    source: Decoded | None = None
    before = None
    for time, _, index, each in samples:
        if time == before:
            continue
        before = time
        if each is not source and source is not None:
            yield _part(source, taken)
            taken = []
        source = each
        taken.append(index)
    if source is not None:
        yield _part(source, taken)


def _part(of: Decoded, indices: Sequence[int]) -> Decoded:
    return replace(
        of,
        times=[of.times[index] for index in indices],
        samples={
            name: None if values is None else [values[index] for index in indices]
            for name, values in of.samples.items()
        },
        integers={},  # what is cut anew has no number of its own
    )


def tables_of(log: Log, settings: Settings, progress: Progress | None = None) -> Tables:
    """Folds every vehicle; empties ``log.vehicles`` on the way."""
    specs = outputs(settings)
    by_name = {table.name: table for table in tables(JOB)}
    found = {name: Newest(table) for name, table in by_name.items()}
    makers = [
        (
            spec.rows or spec.name,
            TableRows(spec, tables(JOB)[spec.table]),
            found[tables(JOB)[spec.table].name],
        )
        for spec in specs
        if spec.kind == "table"
    ]
    streams = [spec for spec in specs if spec.kind == "stream"]
    drivers = DriverWindows(settings)
    operator = VehicleOperator()
    operator.open(json.dumps({"settings": settings.model_dump(), "live": False}), 0)
    operator.refer(log.references)
    vehicles = len(log.vehicles)
    while log.vehicles:
        vehicle_id = next(iter(log.vehicles))
        run = fold(operator, in_order(log.vehicles.pop(vehicle_id)))
        for rows, maker, newest in makers:
            for key, row in run.rows[rows]:
                newest.upsert(*maker.row(key, row))
        _unnamed_trips(found["trip"], settings, run, vehicle_id, log.logins.get(vehicle_id, ()))
        for spec in streams:
            for key, row in run.rows[spec.rows or spec.name]:
                if spec.name == "unnamed_event":
                    _unnamed_event(found["driver_event"], settings, row, key, log.logins.get(key, ()))
                elif spec.name == "unnamed_trip":
                    pass
                elif spec.name == "unnamed":
                    drivers.add_unnamed(key, row.tobytes(), log.logins.get(key, ()))
                else:
                    drivers.add(stream_key(spec, key, row), row.tobytes())
        if progress:
            progress("vehicles", vehicles - len(log.vehicles), vehicles)
    for table, write_us, window in drivers.rows(by_name):
        found[table].upsert(write_us, window)
    for reject in log.rejects:
        found["reject"].upsert(1, reject)
    return {name: newest.rows for name, newest in found.items()}


def _unnamed_event(events: Newest, settings: Settings, row: np.void, vehicle_id: str, logins: Logins) -> None:
    """An event goes to who was logged in at its start."""
    driver_id = driver_of(settings.attribution, logins, vehicle_id, int(row["start_ms"]))
    values = unnamed_events.values_of(row.tobytes(), vehicle_id, driver_id, event_rules(settings))
    events.upsert(int(row["write_us"]), _row(unnamed_events.TABLE, values))


def _unnamed_trips(trips: Newest, settings: Settings, run: InMemory, vehicle_id: str, logins: Logins) -> None:
    """A trip goes to who was logged in, and ends where that changes."""
    newest = {int(row["start_ms"]): row.tobytes() for _, row in run.rows["unnamed_trip"]}
    minutes = [unnamed.read(row.tobytes())[0] for _, row in run.rows["unnamed"]]
    rules = unnamed_trips.TripRules(settings.score, settings.vehicle_classes())
    for trip in newest.values():
        for share in unnamed_trips.shares(
            trip,
            lambda start, end: stretches(settings.attribution, logins, vehicle_id, start, end),
            lambda start, end: (minute for minute in minutes if start <= minute.start_ms < end),
        ):
            values = unnamed_trips.values_of(share, trip, vehicle_id, rules)
            trips.upsert(1, _row(unnamed_trips.TABLE, {**values, "revision": 0}))


def _row(of: Table, values: Mapping[str, Value]) -> Row:
    """A table's row, times as texts."""
    return {
        column.name: timestamp(value)
        if column.cql_type == "timestamp" and isinstance(value := values.get(column.name), int)
        else values.get(column.name)
        for column in of.columns
    }


def fold(operator: VehicleOperator, messages: Sequence[Decoded]) -> InMemory:
    """Runs one vehicle from its first sample to the end of time."""
    run = InMemory(cast("ColumnarFunction", operator), message(SCHEMA))
    for start in range(0, len(messages), BATCH_MESSAGES):
        run.batch(messages[start : start + BATCH_MESSAGES])
    run.advance()
    if run.rejects:
        raise AssertionError(f"the kernel refused a sample that came in order: {run.rejects[0]}")
    return run
