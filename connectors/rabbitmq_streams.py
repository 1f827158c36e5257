"""RabbitMQ streams: the source that reads the log.

The Python face of ``io.kappafleet.rabbitmq``; reading, decoding of headers, event time and watermarks happen in
the JVM. The classes must be on Flink's class path (``connectors/java/target/kappafleet-connectors.jar``).

    source = RabbitStreamsSource(["telemetry-0", "telemetry-1"], id_field="vehicle_id", start="first")
    records = from_source(env, source, uid="telemetry", name="Telemetry from RabbitMQ")

The password is no argument: the processes that connect (JobManager and TaskManagers) read it from
``KF_RABBITMQ_PASSWORD`` or the file ``KF_RABBITMQ_PASSWORD_FILE``. Whatever else of the connection is not given
comes from their environment too (``KF_RABBITMQ_HOST``, ``_STREAM_PORT``, ``_VHOST``, ``_USER``, ``_TLS``,
``_CA_FILE``), else it has the local stack's value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pyflink.common import WatermarkStrategy
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.datastream.connectors.base import Source
from pyflink.java_gateway import get_gateway

from kappafleet.errors import UserError

_START = re.compile(r"first|last|offset:[0-9]{1,18}|timestamp:[0-9]{1,18}")


class RabbitStreamsSource(Source):  # type: ignore[misc]  # PyFlink has no types
    """Every message of some streams as a log record, exactly once with checkpoints, at any parallelism.

    A record is ``TUPLE([STRING key, PRIMITIVE_ARRAY(BYTE) body, STRING stream, LONG offset, LONG arrival_ms])``;
    arrival_ms is when the broker received the message (epoch ms). Its event time is the header ``event_time``,
    else the first sample's time in the body; its key the header ``key``, else the text behind ``id_field``.

    A checkpoint holds each stream's next offset. A job restored to an offset that the stream no longer holds
    (retention removed it, or the stream was deleted and created again) ends, instead of being restarted for
    ever, with a sentence that names both offsets. A deleted stream fails the job; a broker that is away for a
    while does not.

    A stream that was read to its end and has been quiet for ``idle_ms`` does not hold back the windows: its
    watermark follows the wall clock, ``delay_ms + idle_ms`` behind it. The end is confirmed by the broker every
    few seconds, so the watermark stands still while the broker is away. A bounded source marks such a stream
    idle instead.
    """

    def __init__(
        self,
        streams: Sequence[str] = (),
        *,
        prefix: str | None = None,
        start: str = "first",
        bounded: bool = False,
        stop_offsets: Mapping[str, int] | None = None,
        id_field: str = "vehicle_id",
        host: str | None = None,
        port: int | None = None,
        vhost: str | None = None,
        user: str | None = None,
        tls: bool | None = None,
        ca_file: str | None = None,
        advertised_hosts: bool = False,
        delay_ms: int = 60_000,
        idle_ms: int = 10_000,
        credits: int = 10,
        discovery_interval_ms: int = 0,
    ) -> None:
        """Makes the source; nothing is connected before the job runs.

        Args:
            streams: Names of existing streams; or leave them out and give ``prefix``.
            prefix: Reads ``prefix-0``, ``prefix-1``, … up to the first that doesn't exist.
            start: Where a job without a checkpoint begins: ``first``; ``last`` (the next message to arrive);
                ``offset:N``, which must still exist; ``timestamp:MS`` (received at or after, epoch ms).
            bounded: Ends when each stream is read to the end that it has when the job starts.
            stop_offsets: Ends, and reads these streams only up to this offset, inclusive. Streams not named
                are read to their end at the start.
            id_field: The body's field that holds the key of messages without the header ``key``.
            host: The broker's host, as seen by JobManager and TaskManagers.
            port: Its stream port.
            vhost: The virtual host.
            user: The user; the password comes from the environment.
            tls: Encrypt the connection, and check the broker's certificate.
            ca_file: Trusted certificates (PEM), at this path on every JobManager and TaskManager.
            advertised_hosts: Connect to the host names that the brokers of a cluster advertise, instead of
                always to ``host``.
            delay_ms: Bounded out-of-orderness; it must exceed the time that one message spans.
            idle_ms: A stream without messages for so long is quiet.
            credits: Chunks of a stream that may wait in memory.
            discovery_interval_ms: How often to look for further streams of ``prefix``; they are read from
                their first message. 0: never.

        Raises:
            UserError: ``start`` is none of the four forms, or not exactly one of streams and prefix is given.
            ValueError: A number is out of its range.
        """
        if not _START.fullmatch(start):
            raise UserError(
                f"start is {start!r}; it must be first, last, offset:N or timestamp:EPOCH_MS (rabbitmq:?start=…)"
            )
        if isinstance(streams, str) or bool(streams) == (prefix is not None):
            raise UserError("name the streams to read, as a list, or else the prefix of their names")
        _require_at_least(0, delay_ms=delay_ms, discovery_interval_ms=discovery_interval_ms)
        _require_at_least(1, idle_ms=idle_ms, credits=credits)
        gateway = get_gateway()
        java = gateway.jvm.io.kappafleet.rabbitmq
        builder = (
            java.RabbitStreamsSource.builder()
            .broker(java.BrokerAddress(host, port, vhost, user, tls, ca_file, advertised_hosts))
            .start(java.StartPosition.parse(start))
            .idField(id_field)
            .credits(credits)
            .idleMs(idle_ms)
            .liveDistanceMs(delay_ms + idle_ms)
            .discoveryIntervalMs(discovery_interval_ms)
        )
        if prefix is not None:
            builder.prefix(prefix)
        else:
            names = gateway.jvm.java.util.ArrayList()
            for stream in streams:
                names.add(stream)
            builder.streams(names)
        if bounded:
            builder.bounded()
        for stream, offset in (stop_offsets or {}).items():
            builder.stopAt(stream, offset)
        super().__init__(builder.build())
        self.delay_ms = delay_ms


def watermarks(delay_ms: int = 60_000, max_ahead_ms: int = 300_000) -> WatermarkStrategy:
    """Watermarks per stream: the highest event time less ``delay_ms``.

    An event time more than ``max_ahead_ms`` ahead of the message's arrival, or outside the years 2000 to 2099,
    moves nothing: such messages become rejects. Quiet and empty streams are looked after by
    :class:`RabbitStreamsSource` itself.

    Args:
        delay_ms: Bounded out-of-orderness; it must exceed the time that one message spans.
        max_ahead_ms: How far event time may be ahead of arrival.
    """
    _require_at_least(0, delay_ms=delay_ms, max_ahead_ms=max_ahead_ms)
    # A Java strategy: of a Python one env.from_source() would pass on the Java half only.
    java = get_gateway().jvm.io.kappafleet.rabbitmq.LogWatermarks
    return WatermarkStrategy(java(delay_ms, max_ahead_ms))


def from_source(
    env: StreamExecutionEnvironment,
    source: RabbitStreamsSource,
    *,
    uid: str,
    name: str,
    max_ahead_ms: int = 300_000,
) -> DataStream:
    """The stream of log records of a source, with its event times and watermarks.

    Args:
        env: The environment of the job.
        source: What to read; its ``delay_ms`` is the watermarks' delay.
        uid: The operator's id in savepoints; never change it.
        name: The operator's name for people.
        max_ahead_ms: See :func:`watermarks`.
    """
    return env.from_source(source, watermarks(source.delay_ms, max_ahead_ms), name).uid(uid)


def _require_at_least(minimum: int, **values: int) -> None:
    for name, value in values.items():
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, not {value}")
