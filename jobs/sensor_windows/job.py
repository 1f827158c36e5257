"""sensor_windows, wired: the log -> sensors (windows, indices) -> cells (neighbours), stations (context) -> tables.

Runs in this process (``kappafleet run sensor_windows``) and on any cluster::

    flink run -py jobs/sensor_windows/job.py --source rabbitmq: --sink cassandra:
"""

from __future__ import annotations

import json
import sys

from pyflink.common import Types
from pyflink.datastream import DataStream, StreamExecutionEnvironment

from connectors.columnar import ColumnarSpec, Limits, columnar
from connectors.ends import LogSource, RowSink
from connectors.keyed import keyed
from connectors.reference_inputs import reference_inputs
from jobs.sensor_windows.cell_function import CELL_TYPE, ByCell, CellHours
from jobs.sensor_windows.inputs import SCHEMA, message_spec
from jobs.sensor_windows.outputs import HOURS, JOB, STATION_HOURS, outputs
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.station_function import StationHours
from jobs.sensor_windows.stations import references_of
from schemas.messages import message
from schemas.tables import table, tables, to_json

EXCHANGE = "observations"


def sensor_operator(settings: Settings, live: bool) -> ColumnarSpec:
    """The specification of the columnar operator keyed by sensor."""
    given = {"settings": settings.model_dump(mode="json", exclude_unset=True), "live": live}
    return ColumnarSpec(
        module="jobs.sensor_windows.sensor_operator",
        class_name="SensorOperator",
        settings_json=json.dumps(given),
        message=message_spec(settings),
        outputs=outputs(settings),
        tables_json=to_json(tables(JOB)),
        reject_table=table(JOB, "reject").index,
        limits=Limits(settings.batch.max_messages, settings.batch.max_bytes, settings.batch.max_delay_ms),
    )


def exchanges_beside(settings: Settings) -> tuple[str, ...]:
    """What else than EXCHANGE is read from RabbitMQ."""
    return tuple(each.name for each in references_of(settings))


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

    records, references = reference_inputs(source, records_of(source), records_of, references_of(settings))
    sensors = columnar(
        records,
        sensor_operator(settings, source.live),
        uid="sensors",
        name="sensors: windows, indices, flags",
        references=references,
    )
    by_cell = (
        keyed(sensors.streams[HOURS])
        .process(ByCell(settings), output_type=CELL_TYPE)
        .uid("by-cell")
        .name("sensors: hours to their cells")
    )
    cells = (
        keyed(by_cell)
        .process(CellHours(settings), output_type=Types.PRIMITIVE_ARRAY(Types.BYTE()))
        .uid("cells")
        .name("cells: neighbours")
    )
    stations = (
        keyed(sensors.streams[STATION_HOURS])
        .process(StationHours(settings), output_type=Types.PRIMITIVE_ARRAY(Types.BYTE()))
        .uid("stations")
        .name("stations: context keywords")
    )
    sink.attach(sensors.rows.union(cells, stations), to_json(tables(JOB)))


if __name__ == "__main__":
    from kappafleet.launch import main

    main(JOB, sys.argv[1:])
