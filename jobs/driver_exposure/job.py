"""driver_exposure, wired: both logs -> vehicles' minutes and sensors' hours -> cells -> drivers -> tables.

Runs in this process (``kappafleet run driver_exposure``) and on any cluster::

    flink run -py jobs/driver_exposure/job.py --source rabbitmq: --sink cassandra:
"""

from __future__ import annotations

import json
import sys

from pyflink.datastream import DataStream, StreamExecutionEnvironment

from connectors.columnar import ColumnarSpec, Limits, MessageSpec, OutputSpec, columnar
from connectors.ends import LogSource, RowSink
from connectors.keyed import keyed, of_schema
from jobs.driver_exposure.halves import HOURS, WAYS
from jobs.driver_exposure.layout import KEY_PREFIX
from jobs.driver_exposure.settings import Settings
from jobs.driver_exposure.stages import FRAME, JOB, SENT, CellStage, DriverStage, VehicleStage
from jobs.driver_stats.inputs import SCHEMA as TELEMETRY
from jobs.driver_stats.inputs import message_spec as telemetry_spec
from jobs.sensor_windows.inputs import SCHEMA as OBSERVATION
from jobs.sensor_windows.inputs import message_spec as observation_spec
from schemas.messages import message
from schemas.tables import table, tables, to_json

EXCHANGE = "telemetry"
OBSERVATIONS = "observations"


def exchanges_beside(_settings: Settings) -> tuple[str, ...]:
    """What else than EXCHANGE is read from RabbitMQ."""
    return (OBSERVATIONS,)


def vehicle_operator(settings: Settings) -> ColumnarSpec:
    """The specification of the columnar operator keyed by vehicle."""
    own = settings.vehicles
    limits = Limits(own.batch.max_messages, own.batch.max_bytes, own.batch.max_delay_ms)
    given = {"settings": own.model_dump(), "cell": settings.cell}
    output = OutputSpec(kind="stream", name=WAYS, key_field="no_key", key_prefix=KEY_PREFIX, event_ms="start")
    return _half("VehicleWays", given, telemetry_spec(own), output, limits)


def sensor_operator(settings: Settings) -> ColumnarSpec:
    """The specification of the columnar operator keyed by sensor; its stream is keyed by cell."""
    own = settings.sensors
    limits = Limits(own.batch.max_messages, own.batch.max_bytes, own.batch.max_delay_ms)
    given = {
        "settings": own.model_dump(mode="json", exclude_unset=True),
        "cell": settings.cell,
        "min_completeness": settings.min_completeness,
    }
    output = OutputSpec(kind="stream", name=HOURS, key_field="cell", id_field="sensor", event_ms="start")
    return _half("SensorHours", given, observation_spec(own), output, limits)


def _half(
    function: str, given: dict[str, object], reads: MessageSpec, output: OutputSpec, limits: Limits
) -> ColumnarSpec:
    return ColumnarSpec(
        module="jobs.driver_exposure.halves",
        class_name=function,
        settings_json=json.dumps(given),
        message=reads,
        outputs=(output,),
        tables_json=to_json(tables(JOB)),
        reject_table=table(JOB, "reject").index,
        limits=limits,
    )


def build(env: StreamExecutionEnvironment, source: LogSource, sink: RowSink, settings: Settings) -> None:
    """Adds the whole job to ``env``: the same operators under the same uids, whatever its ends."""

    def records_of(of: LogSource, schema: str) -> DataStream:
        return of.records(
            env,
            id_field=message(schema).id_field,
            delay_ms=round(settings.watermark.delay_s * 1000),
            idle_ms=round(settings.watermark.idle_s * 1000),
            max_ahead_ms=round(settings.clock.max_ahead_s * 1000),
        )

    telemetry = records_of(source, TELEMETRY)
    beside = source.beside(OBSERVATIONS)
    if beside is None:  # one set of files, read twice: the key is another field
        telemetry = of_schema(telemetry, OBSERVATION, others=True)
        observations = of_schema(records_of(source.again(f"log-{OBSERVATIONS}"), OBSERVATION), OBSERVATION)
    else:
        observations = records_of(beside, OBSERVATION)
    vehicles = columnar(
        telemetry, vehicle_operator(settings), uid="vehicles", name="vehicles: minutes and harsh events"
    )
    sensors = columnar(observations, sensor_operator(settings), uid="sensors", name="sensors: hourly means")
    ways = (
        keyed(vehicles.streams[WAYS])
        .process(VehicleStage(settings), output_type=SENT)
        .uid("ways")
        .name("vehicles: minutes to their cells")
    )
    cells = (
        keyed(ways, sensors.streams[HOURS])
        .process(CellStage(settings), output_type=SENT)
        .uid("cells")
        .name("cells: who was there meets what was measured")
    )
    drivers = (
        keyed(cells)
        .process(DriverStage(settings), output_type=FRAME)
        .uid("drivers")
        .name("drivers: exposure")
    )
    sink.attach(vehicles.rows.union(sensors.rows, drivers), to_json(tables(JOB)))


if __name__ == "__main__":
    from kappafleet.launch import main

    main(JOB, sys.argv[1:])
