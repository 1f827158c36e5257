"""metrics, wired: the log -> samples added up by message and pane -> windows of each key -> tables.

Runs in this process (``kappafleet run metrics``) and on any cluster::

    flink run -py jobs/metrics/job.py --source rabbitmq: --sink cassandra: --set definition=conf/metrics_heart_rate.yaml
"""

from __future__ import annotations

import json
import sys

from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment

from connectors.columnar import ColumnarSpec, Limits, OutputSpec, columnar
from connectors.ends import LogSource, RowSink
from connectors.keyed import keyed
from jobs.metrics.inputs import message_spec
from jobs.metrics.sample_operator import PART
from jobs.metrics.settings import Settings
from jobs.metrics.window_function import KEY_PREFIX, MetricWindows
from schemas.tables import table, tables, to_json

JOB = "metrics"


def sample_operator(settings: Settings) -> ColumnarSpec:
    """The specification of the columnar operator keyed by the definition's key."""
    return ColumnarSpec(
        module="jobs.metrics.sample_operator",
        class_name="SampleOperator",
        settings_json=json.dumps(settings.metric.model_dump(mode="json", exclude_unset=True)),
        message=message_spec(settings),
        outputs=(
            OutputSpec(
                kind="stream", name=PART, key_field="no_key", key_prefix=KEY_PREFIX, event_ms="event_ms"
            ),
        ),
        tables_json=to_json(tables(JOB)),
        reject_table=table(JOB, "reject").index,
        limits=Limits(settings.batch.max_messages, settings.batch.max_bytes, settings.batch.max_delay_ms),
    )


def build(env: StreamExecutionEnvironment, source: LogSource, sink: RowSink, settings: Settings) -> None:
    """Adds the whole job to ``env``: the same operators under the same uids, whatever its ends."""
    records = source.records(
        env,
        id_field=settings.metric.key,
        delay_ms=round(settings.watermark.delay_s * 1000),
        idle_ms=round(settings.watermark.idle_s * 1000),
        max_ahead_ms=round(settings.clock.max_ahead_s * 1000),
    )
    samples = columnar(
        records, sample_operator(settings), uid="samples", name=f"{settings.metric.id}: samples"
    )
    windows = (
        keyed(samples.streams[PART])
        .process(
            MetricWindows(settings, source.live),
            output_type=Types.PRIMITIVE_ARRAY(Types.BYTE()),
        )
        .uid("windows")
        .name(f"{settings.metric.id}: windows")
    )
    sink.attach(samples.rows.union(windows), to_json(tables(JOB)))


if __name__ == "__main__":
    from kappafleet.launch import main

    main(JOB, sys.argv[1:])
