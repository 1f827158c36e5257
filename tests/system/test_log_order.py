"""A vehicle's messages stay in one stream, in order, whatever happens to the broker: only there have they an order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos import log
from kappafleet.connections import rabbitmq_connection, rabbitmq_parameters
from kappafleet.messages import lines, message
from kappafleet.pacing import at_rate
from kappafleet.publisher import Publisher
from kappafleet.publishing import Protocol, Run, all_served, publish
from kappafleet.stack.stack import Stack
from kappafleet.stream_publisher import StreamPublisher
from kappafleet.streams import StreamSettings, declare, stream_names
from tests.system.pipeline import wait_until

EXCHANGE, PARTITIONS, VEHICLES = "telemetry-of-log-order", 4, 60
SETTINGS = StreamSettings(partitions=PARTITIONS)
STREAMS = stream_names(EXCHANGE, PARTITIONS)
IN_ORDER = log.Disorder(reordered=0, scattered=0)


@pytest.fixture
def exchange(stack: Stack) -> Iterator[str]:
    """An exchange with streams for one test; the broker is up again afterwards."""
    with rabbitmq_connection() as connection:
        declare(connection, EXCHANGE, SETTINGS)
    yield EXCHANGE
    stack.up()
    with rabbitmq_connection() as connection:
        channel = connection.channel()
        for stream in STREAMS:
            channel.queue_delete(stream)
        channel.exchange_delete(EXCHANGE)


def write_lines(file: Path, numbers: range) -> Path:
    file.write_text(
        "".join(
            f'{{"vehicle_id":"v-{vehicle}","seq":{number},"samples":{{"t":[1]}}}}\n'
            for number in numbers
            for vehicle in range(VEHICLES)
        )
    )
    return file


def test_a_restarted_broker_gives_each_vehicle_its_old_stream(
    stack: Stack, exchange: str, tmp_path: Path
) -> None:
    # A broker that is killed right after its very first stream was made never serves it: so it is stopped first.
    for number, end in enumerate((None, stack.rabbitmq.stop, stack.rabbitmq.kill, stack.rabbitmq.kill)):
        if end is not None:
            end()
            stack.rabbitmq.start()
            wait_until(all_served([exchange], PARTITIONS), 60, "the streams")
        file = write_lines(tmp_path / "part.jsonl", range(number, number + 1))
        publish(Run(file, exchange=exchange, streams=SETTINGS))
    every = write_lines(tmp_path / "all.jsonl", range(4))
    held = log.read(stack.rabbitmq.connection, STREAMS, 4 * VEHICLES)
    assert log.missing(held, every) == 0
    assert {stream for stream, _ in held.first.values()} == set(STREAMS)
    assert log.disorder(held, every) == IN_ORDER


@pytest.mark.parametrize("protocol", Protocol)
def test_a_broker_that_dies_under_the_publisher_changes_no_order(
    stack: Stack, exchange: str, tmp_path: Path, protocol: Protocol
) -> None:
    file = write_lines(tmp_path / "all.jsonl", range(100))
    messages = (message(body, exchange) for body in lines([file]))
    publisher = (
        StreamPublisher(stack.rabbitmq.connection)
        if protocol is Protocol.STREAM
        else Publisher(rabbitmq_parameters(), served=all_served([exchange], PARTITIONS))
    )
    publishing = threading.Thread(target=lambda: publisher.publish(at_rate(messages, 600)))
    publishing.start()
    for share in (1, 3):
        wait_until(lambda share=share: publisher.totals.confirmed > share * 1000, 60, "confirmed messages")
        stack.rabbitmq.kill()
        stack.rabbitmq.start()
    publishing.join(60)
    assert publisher.totals.confirmed == 100 * VEHICLES
    assert publisher.totals.reconnects >= 2
    held = log.read(stack.rabbitmq.connection, STREAMS, 100 * VEHICLES)
    assert log.missing(held, file) == 0
    assert log.disorder(held, file) == IN_ORDER
