"""The ends of a job: where its log records come from and where its rows go.

A job's ``build`` takes one of each, so its graph is the same whatever they are: the source has the uid ``log``, the
sink the uid ``tables``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pyflink.common import WatermarkStrategy
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway

from connectors.cassandra import CassandraSink
from connectors.files import MAX_LINE_BYTES, JsonLinesSink, json_lines_source
from connectors.rabbitmq_streams import RabbitStreamsSource, from_source

SOURCE_UID, SINK_UID = "log", "tables"

LIVE_BUFFER_TIMEOUT_MS = 5
"""So long a record of a live log waits in a network buffer for others; Flink's default is 100 ms, at each exchange."""


class LogSource(Protocol):
    """A source of log records."""

    @property
    def live(self) -> bool:
        """Whether records keep coming, so that open results are worth writing."""
        ...

    def beside(self, prefix: str) -> LogSource | None:
        """The source of another kind of messages; None: they are among the others."""
        ...

    def stored(self, schema: str) -> Any:
        """What this log holds of a schema when a job starts: a Java ``StoredLog``, for reference data."""
        ...

    def again(self, uid: str) -> LogSource:
        """The same log, for a job that reads it once more, with other keys: under this uid."""
        ...

    def records(
        self,
        env: StreamExecutionEnvironment,
        *,
        id_field: str,
        delay_ms: int,
        idle_ms: int,
        max_ahead_ms: int,
    ) -> DataStream:
        """The records as TUPLE(STRING, PRIMITIVE_ARRAY(BYTE), STRING, LONG, LONG), with event times and watermarks."""
        ...


class RowSink(Protocol):
    """A sink of row frames."""

    @property
    def keeps_columns(self) -> bool:
        """Whether an upsert leaves the columns that it does not set as they were."""
        ...

    def attach(self, rows: DataStream, tables_json: str) -> None:
        """Writes the rows to the tables."""
        ...


@dataclass(frozen=True, slots=True)
class FileLines:
    """Message lines in a file or in the files of a folder.

    Attributes:
        path: the file or folder.
        uid: under which the place in it is found again in a savepoint.
    """

    path: Path
    uid: str = SOURCE_UID

    @property
    def live(self) -> bool:
        """Never: files end."""
        return False

    def beside(self, prefix: str) -> LogSource | None:
        """Lines of all schemas are in the same files."""
        return None

    def stored(self, schema: str) -> Any:
        """All lines of the schema; each subtask that asks reads all files once more."""
        return get_gateway().jvm.io.kappafleet.files.LinesLog(
            str(self.path.absolute()), schema, MAX_LINE_BYTES
        )

    def again(self, uid: str) -> LogSource:
        """The same files."""
        return replace(self, uid=uid)

    def records(
        self,
        env: StreamExecutionEnvironment,
        *,
        id_field: str,
        delay_ms: int,
        idle_ms: int,
        max_ahead_ms: int,
    ) -> DataStream:
        """The lines; no watermark before the end, so that vehicles may come in any order."""
        source = json_lines_source(self.path, id_field=id_field)
        stream = env.from_source(source, WatermarkStrategy.no_watermarks(), "message lines")
        return stream.uid(self.uid).set_parallelism(1)


@dataclass(frozen=True, slots=True)
class RabbitStreams:
    """RabbitMQ streams; what is None comes from the environment of the processes that read.

    Attributes:
        prefix: reads the streams ``prefix-0``, ``prefix-1``, …, unless ``streams`` names some.
        start: ``first``, ``last``, ``offset:N`` or ``timestamp:MS``.
        bounded: ends at what is the streams' end when the job starts.
        uid: under which its offsets are found again in a savepoint.
    """

    prefix: str
    streams: Sequence[str] = ()
    start: str = "first"
    bounded: bool = False
    host: str | None = None
    port: int | None = None
    vhost: str | None = None
    uid: str = SOURCE_UID

    @property
    def live(self) -> bool:
        """Unless bounded."""
        return not self.bounded

    def beside(self, prefix: str) -> LogSource | None:
        """All streams of another prefix, at the same broker, from their start."""
        return replace(self, prefix=prefix, streams=(), start="first", uid=f"{SOURCE_UID}-{prefix}")

    def stored(self, schema: str) -> Any:
        """All messages of the streams of the prefix, whatever their schema."""
        java = get_gateway().jvm.io.kappafleet.rabbitmq
        broker = java.BrokerAddress(self.host, self.port, self.vhost, None, None, None, False)
        return java.StreamsLog(broker, self.prefix)

    def again(self, uid: str) -> LogSource:
        """The same streams, from the same start."""
        return replace(self, uid=uid)

    def records(
        self,
        env: StreamExecutionEnvironment,
        *,
        id_field: str,
        delay_ms: int,
        idle_ms: int,
        max_ahead_ms: int,
    ) -> DataStream:
        """The messages, with watermarks per stream; see :data:`LIVE_BUFFER_TIMEOUT_MS`."""
        if self.live:
            _hurry(env)
        source = RabbitStreamsSource(
            self.streams,
            prefix=None if self.streams else self.prefix,
            start=self.start,
            bounded=self.bounded,
            id_field=id_field,
            host=self.host,
            port=self.port,
            vhost=self.vhost,
            delay_ms=delay_ms,
            idle_ms=idle_ms,
        )
        return from_source(
            env, source, uid=self.uid, name=f"{self.prefix} streams", max_ahead_ms=max_ahead_ms
        )


@dataclass(frozen=True, slots=True)
class FileTables:
    """One JSON Lines file per table."""

    directory: Path

    @property
    def keeps_columns(self) -> bool:
        """No: the last line of a key is its value."""
        return False

    def attach(self, rows: DataStream, tables_json: str) -> None:
        """Writes DIRECTORY/TABLE.jsonl; one writer, so that the last line of a key is its value."""
        sink = rows.sink_to(JsonLinesSink(self.directory, tables_json))
        sink.uid(SINK_UID).name("tables: JSON lines").set_parallelism(1)


@dataclass(frozen=True, slots=True)
class CassandraTables:
    """Tables of a keyspace."""

    hosts: Sequence[str]
    port: int
    datacenter: str
    keyspace: str

    @property
    def keeps_columns(self) -> bool:
        """Yes: each cell has a write time of its own."""
        return True

    def attach(self, rows: DataStream, tables_json: str) -> None:
        """Writes idempotent upserts."""
        sink = rows.sink_to(
            CassandraSink(
                self.hosts,
                keyspace=self.keyspace,
                tables=tables_json,
                port=self.port,
                datacenter=self.datacenter,
            )
        )
        sink.uid(SINK_UID).name("tables: Cassandra")


def _hurry(env: StreamExecutionEnvironment) -> None:
    """Lets records wait no longer than a live log's readers like, unless the configuration says how long."""
    options = get_gateway().jvm.org.apache.flink.configuration.ExecutionOptions
    configured = env._j_stream_execution_environment.getConfiguration()
    if not configured.getOptional(options.BUFFER_TIMEOUT).isPresent():
        env.set_buffer_timeout(LIVE_BUFFER_TIMEOUT_MS)
