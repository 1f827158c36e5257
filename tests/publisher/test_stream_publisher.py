"""The stream protocol into a real broker; a broker that dies meanwhile: tests/system/test_log_order.py."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.adapters.blocking_connection import BlockingConnection
from rstream import amqp_decoder

from kappafleet.amqp_message import encoded
from kappafleet.connections import RabbitMQConnection, rabbitmq_parameters
from kappafleet.errors import UserError
from kappafleet.messages import Message, message
from kappafleet.pacing import Due, at_rate, unpaced
from kappafleet.publisher import Publisher, Totals
from kappafleet.stream_publisher import FRAME_BYTES, StreamPublisher
from kappafleet.streams import declare, stream_names
from tests.publisher.wire import SETTINGS, stored


def numbered(exchange: str, numbers: range, vehicles: int, size: int = 0) -> list[Message]:
    """Messages of some vehicles in turn, numbered per vehicle."""
    return [
        message(
            json.dumps(
                {"vehicle_id": f"v{vehicle}", "seq": number, "samples": {"t": [number]}, "pad": "x" * size}
            ).encode(),
            exchange,
        )
        for number in numbers
        for vehicle in range(vehicles)
    ]


def held(broker: BlockingConnection, exchange: str) -> dict[tuple[str, str], list[int]]:
    """The numbers in the streams by vehicle and stream, in the streams' order."""
    found: dict[tuple[str, str], list[int]] = {}
    for each in stored(broker, exchange, SETTINGS.partitions):
        value = json.loads(each.body)
        found.setdefault((value["vehicle_id"], each.stream), []).append(value["seq"])
    return found


def test_both_protocols_put_a_vehicle_into_the_same_stream(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)
    for part in range(4):
        messages = numbered(exchange, range(part * 25, part * 25 + 25), vehicles=50)
        if part % 2:
            Publisher(rabbitmq_parameters()).publish(unpaced(messages))
        else:
            totals = StreamPublisher(RabbitMQConnection.from_environment()).publish(unpaced(messages))
            assert totals == Totals(1250, 1250, 1250, sum(len(each.body) for each in messages))
    found = held(broker, exchange)
    assert {vehicle for vehicle, _ in found} == {f"v{number}" for number in range(50)}
    assert {stream for _, stream in found} == set(stream_names(exchange, SETTINGS.partitions))
    assert list(found.values()) == [list(range(100))] * 50


def test_messages_that_fill_frames_and_larger_ones_keep_their_order(
    broker: BlockingConnection, exchange: str
) -> None:
    declare(broker, exchange, SETTINGS)
    messages = numbered(exchange, range(8), vehicles=3, size=300_000)
    large = [
        message(body, exchange)
        for body in (
            json.dumps(
                {"vehicle_id": "v0", "seq": 3, "samples": {"t": [3]}, "pad": "x" * FRAME_BYTES}
            ).encode(),
        )
    ]
    at = messages.index(next(each for each in messages if json.loads(each.body)["seq"] == 4))
    totals = StreamPublisher(RabbitMQConnection.from_environment()).publish(
        unpaced([*messages[:at], *large, *messages[at:]])
    )
    assert totals.confirmed == 25
    found = held(broker, exchange)
    assert next(numbers for (vehicle, _), numbers in found.items() if vehicle == "v0") == [
        0,
        1,
        2,
        3,
        3,
        4,
        5,
        6,
        7,
    ]


def test_messages_wait_for_their_time(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)
    started = time.monotonic()
    totals = StreamPublisher(RabbitMQConnection.from_environment()).publish(
        at_rate(numbered(exchange, range(20), vehicles=1), 20)
    )
    assert totals.confirmed == 20
    assert time.monotonic() - started >= 19 / 20


def test_an_error_of_the_input_ends_publishing_and_is_told(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)

    def broken() -> Iterator[Due]:
        yield from unpaced(numbered(exchange, range(5), vehicles=1))
        raise OSError("the input broke")

    with pytest.raises(OSError, match="the input broke"):
        StreamPublisher(RabbitMQConnection.from_environment()).publish(broken())


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_wrong_password_is_one_line(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)
    wrong = replace(RabbitMQConnection.from_environment(), password="wrong")
    with pytest.raises(UserError, match="refuses the user or the virtual host"):
        StreamPublisher(wrong).publish(unpaced(numbered(exchange, range(5), vehicles=1)))
    gc.collect()  # the client leaves a socket open after a refusal, which must not be laid at another test's door


def test_a_broker_that_is_not_there_is_given_up() -> None:
    nowhere = replace(RabbitMQConnection.from_environment(), stream_port=9)
    with pytest.raises(UserError, match=r"confirmed nothing for 1 s: .* 0 messages are confirmed"):
        StreamPublisher(nowhere, patience_s=1).publish(unpaced(numbered("x", range(5), vehicles=1)))


@given(
    key=st.text(max_size=300).filter(lambda text: len(text.encode()) < 1000),
    event_ms=st.none() | st.integers(-(2**63), 2**63 - 1),
    body=st.binary(max_size=2000),
)
def test_the_clients_own_decoder_reads_what_is_encoded(key: str, event_ms: int | None, body: bytes) -> None:
    message_id = f"{key}:1" if key else ""
    read = amqp_decoder(encoded(Message(body, "telemetry", key, message_id, event_ms)))
    assert bytes(read.body) == body
    assert read.properties.content_type == b"application/json"
    assert read.properties.message_id == (message_id.encode() or None)
    headers = {b"key": key.encode(), **({} if event_ms is None else {b"event_time": event_ms})}
    assert read.application_properties == (headers if key else None)
