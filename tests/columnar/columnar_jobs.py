"""Runs jobs with the counting function, one after the other, in this process' own Flink.

Takes a JSON list of :class:`Run` as its argument; a run that fails ends the process.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.datastream import DataStream, StreamExecutionEnvironment

from connectors.columnar import Column, ColumnarSpec, Limits, MessageSpec, OutputSpec, SampleField, columnar
from connectors.files import JsonLinesSink, json_lines_source

TABLES = [
    {
        "name": "counts",
        "columns": [
            ["vehicle_id", "text"],
            ["day", "text"],
            ["start", "timestamp"],
            ["driver_id", "text"],
            ["n", "bigint"],
            ["total", "double"],
            ["extra", "text"],
        ],
        "key": [["vehicle_id", "day"], ["start"]],
    },
    {
        "name": "reject",
        "columns": [
            ["day", "text"],
            ["source", "text"],
            ["received_at", "timestamp"],
            ["offset", "bigint"],
            ["reason", "text"],
            ["body", "blob"],
            ["length", "int"],
            ["sha256", "text"],
        ],
        "key": [["day", "source"], ["received_at", "offset"]],
    },
    {"name": "streamed", "columns": [["line", "text"]], "key": [["line"], []]},
]


@dataclass(frozen=True)
class Run:
    """One job: its input and output, how it is cut, what it is told."""

    source: str
    target: str
    module: str = "columnar_counting"
    limits: dict[str, int] = field(default_factory=dict)
    parallelism: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    flink: dict[str, str] = field(default_factory=dict)
    chained: bool = False


def spec(run: Run) -> ColumnarSpec:
    """The counts to a table and, once more, into a stream keyed by driver."""
    columns = (
        Column("key"),
        Column("day", "start_ms"),
        Column("timestamp", "start_ms"),
        Column("text", "driver"),
        Column("bigint", "n"),
        Column("double", "total"),
        Column("unset"),
    )
    return ColumnarSpec(
        module=run.module,
        class_name="Counting",
        settings_json=json.dumps(run.settings),
        message=MessageSpec(
            "telemetry/1", "vehicle_id", samples=(SampleField("speed", min=0, max=400),), texts=("driver_id",)
        ),
        outputs=(
            OutputSpec("table", "counts", table=0, write_us="write_us", columns=columns),
            OutputSpec("stream", "by_driver", rows="counts", key_field="driver", event_ms="start_ms"),
        ),
        tables_json=json.dumps(TABLES),
        reject_table=1,
        limits=Limits(**run.limits),
    )


def streamed(stream: DataStream, chained: bool) -> DataStream:
    """The stream's records as rows of a table, keyed and processed in Python like a job's second stage."""

    def frame(record: Any) -> bytes:
        line = f"{record[0]} {len(record[1])}".encode()
        return (2).to_bytes(4, "big") + (1).to_bytes(8, "big") + len(line).to_bytes(4, "big") + line

    rows = stream.map(frame, output_type=Types.PRIMITIVE_ARRAY(Types.BYTE())).name("frame")
    return rows if chained else rows.disable_chaining()


def execute(run: Run) -> None:
    """Runs one job to its end."""
    configuration = Configuration()
    configuration.set_string("python.execution-mode", "thread")
    for key, value in run.flink.items():
        configuration.set_string(key, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(run.parallelism)
    records = env.from_source(
        json_lines_source(run.source, id_field="vehicle_id"), WatermarkStrategy.no_watermarks(), "log"
    ).uid("log")
    out = columnar(records, spec(run), uid="counting", name="counting")
    rows = out.rows.union(streamed(out.streams["by_driver"], run.chained))
    rows.sink_to(JsonLinesSink(run.target, json.dumps(TABLES))).set_parallelism(1).uid("tables")
    env.execute("counting")


if __name__ == "__main__":
    for each in json.loads(sys.argv[1]):
        execute(Run(**each))
