"""The Python face of the streams source: its arguments, and a run against a real broker with the shaded jar.

What happens to links, offsets and watermarks is tested in Java (``io.kappafleet.rabbitmq``).
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator

import pika
import pytest
from pyflink.datastream import StreamExecutionEnvironment

from connectors.rabbitmq_streams import RabbitStreamsSource, from_source, watermarks
from kappafleet.errors import UserError

AMQP_PORT = os.environ.get("KF_TEST_RABBITMQ_AMQP_PORT")
STREAM_PORT = os.environ.get("KF_TEST_RABBITMQ_STREAM_PORT")
needs_broker = pytest.mark.skipif(
    not (AMQP_PORT and STREAM_PORT), reason="no test broker: KF_TEST_RABBITMQ_*_PORT are not set"
)


@pytest.fixture
def channel() -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    credentials = pika.PlainCredentials(
        os.environ.get("KF_RABBITMQ_USER", "guest"), os.environ.get("KF_RABBITMQ_PASSWORD", "guest")
    )
    parameters = pika.ConnectionParameters("127.0.0.1", int(AMQP_PORT or 0), credentials=credentials)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


@needs_broker
def test_messages_published_by_pika_arrive_as_log_records(
    env: StreamExecutionEnvironment, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    stream = f"test-{uuid.uuid4()}"
    channel.queue_declare(stream, durable=True, arguments={"x-queue-type": "stream"})
    body = json.dumps({"vehicle_id": "v2", "samples": {"t": [1_700_000_000_000]}}).encode()
    with_headers = pika.BasicProperties(headers={"key": "v1", "event_time": 1_700_000_005_000})
    try:
        channel.basic_publish("", stream, b"{}", with_headers)
        channel.basic_publish("", stream, body)
        source = RabbitStreamsSource([stream], host="127.0.0.1", port=int(STREAM_PORT or 0), bounded=True)

        records = from_source(env, source, uid="log", name="Log")
        with records.execute_and_collect() as found:
            collected = [
                (key, bytes(body), source, offset, arrival) for key, body, source, offset, arrival in found
            ]
    finally:
        channel.queue_delete(stream)

    assert [record[:4] for record in collected] == [("v1", b"{}", stream, 0), ("v2", body, stream, 1)]
    assert all(record[4] > 1_700_000_000_000 for record in collected)


@needs_broker
def test_stop_offset_ends_the_source(
    env: StreamExecutionEnvironment, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    stream = f"test-{uuid.uuid4()}"
    channel.queue_declare(stream, durable=True, arguments={"x-queue-type": "stream"})
    try:
        for number in range(10):
            channel.basic_publish("", stream, str(number).encode())
        source = RabbitStreamsSource(
            [stream],
            host="127.0.0.1",
            port=int(STREAM_PORT or 0),
            start="offset:3",
            stop_offsets={stream: 6},
        )
        with from_source(env, source, uid="log", name="Log").execute_and_collect() as found:
            bodies = [bytes(record[1]) for record in found]
    finally:
        channel.queue_delete(stream)

    assert bodies == [b"3", b"4", b"5", b"6"]


@pytest.mark.parametrize("start", ["", "next", "offset:-1", "offset:x", "timestamp:1.5", "first "])
def test_other_starts_are_refused_with_the_four_forms(start: str) -> None:
    with pytest.raises(UserError, match="first, last, offset:N or timestamp:EPOCH_MS"):
        RabbitStreamsSource(["s"], start=start)


@pytest.mark.parametrize("arguments", [{}, {"streams": ["s"], "prefix": "s"}, {"streams": "s"}])
def test_either_streams_or_prefix_is_named(arguments: dict[str, object]) -> None:
    with pytest.raises(UserError, match="name the streams to read"):
        RabbitStreamsSource(**arguments)  # type: ignore[arg-type]


def test_numbers_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="idle_ms must be at least 1, not 0"):
        RabbitStreamsSource(["s"], idle_ms=0)
    with pytest.raises(ValueError, match="delay_ms must be at least 0, not -1"):
        watermarks(delay_ms=-1)


def test_neither_password_nor_environment_goes_into_the_source(
    env: StreamExecutionEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_RABBITMQ_PASSWORD", "very-secret")
    source = RabbitStreamsSource(
        prefix="telemetry", start="timestamp:1700000000000", discovery_interval_ms=5000
    )
    java = source.get_java_function()
    from pyflink.java_gateway import get_gateway

    data = get_gateway().jvm.org.apache.flink.util.InstantiationUtil.serializeObject(java)
    assert b"very-secret" not in bytes(data)
    assert b"telemetry" in bytes(data)
