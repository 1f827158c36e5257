"""driver_stats, wired: the log -> vehicles (columnar kernel) -> drivers (hours and days) -> tables.

Where ``assignments.enabled`` is set, log-ins say who drove where no message does (assignments.py); where
``road_limits.enabled`` is, limits of roads are reference data of the vehicles' operator (road_limits.py).

Runs in this process (``kappafleet run driver_stats``) and on any cluster::

    flink run -py jobs/driver_stats/job.py --source rabbitmq: --sink cassandra: --set trip.stop_s=0
"""

from __future__ import annotations

import json
import sys

from pyflink.common import Types
from pyflink.datastream import DataStream, StreamExecutionEnvironment

from connectors.columnar import ColumnarSpec, Limits, columnar
from connectors.ends import LogSource, RowSink
from connectors.keyed import framed, keyed_rows, of_schema, rows_of
from connectors.reference_inputs import reference_inputs
from jobs.driver_stats.assignments import EVENTS, RECORDS, REJECTS, Attribution
from jobs.driver_stats.driver_windows import DriverWindows
from jobs.driver_stats.inputs import SCHEMA, message_spec
from jobs.driver_stats.outputs import UNKNOWN_DRIVER, event_rules, outputs
from jobs.driver_stats.road_limits import references_of
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.unnamed import SCHEMA as LOGINS
from jobs.driver_stats.unnamed_trips import TripRules
from schemas.messages import message
from schemas.tables import table, tables, to_json

JOB = "driver_stats"
EXCHANGE = "telemetry"
ASSIGNMENTS = "assignments"


def vehicle_operator(settings: Settings, live: bool) -> ColumnarSpec:
    """The specification of the columnar operator keyed by vehicle."""
    return ColumnarSpec(
        module="jobs.driver_stats.vehicle_operator",
        class_name="VehicleOperator",
        settings_json=json.dumps({"settings": settings.model_dump(), "live": live}),
        message=message_spec(settings),
        outputs=outputs(settings),
        tables_json=to_json(tables(JOB)),
        reject_table=table(JOB, "reject").index,
        limits=Limits(settings.batch.max_messages, settings.batch.max_bytes, settings.batch.max_delay_ms),
    )


def exchanges_beside(settings: Settings) -> tuple[str, ...]:
    """What else than EXCHANGE is read from RabbitMQ."""
    references = tuple(each.name for each in references_of(settings))
    return (ASSIGNMENTS, *references) if settings.assignments.enabled else references


def build(env: StreamExecutionEnvironment, source: LogSource, sink: RowSink, settings: Settings) -> None:
    """Adds the whole job to ``env``: the same operators under the same uids, whatever its ends."""

    def records_of(of: LogSource) -> DataStream:
        return of.records(
            env,
            id_field=message(SCHEMA).id_field,
            delay_ms=round(settings.watermark.delay_s * 1000),
            idle_ms=round(settings.watermark.idle_s * 1000),
            max_ahead_ms=round(settings.clock.max_ahead_s * 1000),
        )

    records = records_of(source)
    logins = None
    if settings.assignments.enabled:
        beside = source.beside(ASSIGNMENTS)
        if beside is None:
            records, logins = of_schema(records, LOGINS, others=True), of_schema(records, LOGINS)
        else:
            logins = records_of(beside)
    records, references = reference_inputs(source, records, records_of, references_of(settings))
    vehicles = columnar(
        records,
        vehicle_operator(settings, source.live),
        uid="vehicles",
        name="vehicles: minutes, trips, events",
        references=references,
    )
    streams, frames = [rows_of(vehicles.streams[name]) for name in ("part", "drive")], [vehicles.rows]
    if logins is not None:
        attributed = (
            keyed_rows(
                rows_of(vehicles.streams["unnamed"]),
                rows_of(vehicles.streams["unnamed_event"]),
                rows_of(vehicles.streams["unnamed_trip"]),
                framed(logins, UNKNOWN_DRIVER),
            )
            .process(
                Attribution(
                    settings.attribution,
                    settings.local_time,
                    keep_ms=settings.keep_ms(),
                    lateness_ms=round(settings.window.allowed_lateness_s * 1000),
                    max_ahead_ms=round(settings.clock.max_ahead_s * 1000),
                    event_rules=event_rules(settings),
                    trip_rules=TripRules(settings.score, settings.vehicle_classes()),
                ),
                output_type=RECORDS,
            )
            .uid("attribution")
            .name("vehicles: who drove")
        )
        streams.append(attributed)
        frames += [attributed.get_side_output(REJECTS), attributed.get_side_output(EVENTS)]
    drivers = (
        keyed_rows(*streams)
        .process(
            DriverWindows(
                emit_every_ms=round(settings.live.emit_s * 1000) if source.live else None,
                keep_ms=settings.keep_ms(),
                rules=settings.score,
                local_time=settings.local_time,
                hours_rules=settings.hours_rules,
                attributes=settings.assignments.enabled,
                at_wheel=source.live and sink.keeps_columns,
                emit_long_every_ms=round(settings.live.emit_long_s * 1000),
            ),
            output_type=Types.PRIMITIVE_ARRAY(Types.BYTE()),
        )
        .uid("drivers")
        .name("drivers: hours and days")
    )
    first, *others = [*frames, drivers]
    sink.attach(first.union(*others), to_json(tables(JOB)))


if __name__ == "__main__":
    from kappafleet.launch import main

    main(JOB, sys.argv[1:])
