"""Declaring the log in a real broker."""

from dataclasses import replace

import pytest
from pika.adapters.blocking_connection import BlockingConnection

from kappafleet.connections import rabbitmq_connection
from kappafleet.errors import ServerError, UserError
from kappafleet.streams import StreamSettings, declare, declare_results, settings_of, stream_names
from tests.publisher.wire import SETTINGS, Wire


def test_declaring_twice_changes_nothing(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)
    declare(broker, exchange, SETTINGS)
    channel = broker.channel()
    for stream in stream_names(exchange, SETTINGS.partitions):
        channel.queue_declare(stream, passive=True)


@pytest.mark.parametrize(
    "other",
    [
        replace(SETTINGS, max_age="2h"),
        replace(SETTINGS, max_age=""),
        replace(SETTINGS, max_length_bytes=0),
        replace(SETTINGS, segment_bytes=20_000_000),
    ],
)
def test_other_settings_are_refused_with_what_to_do(
    broker: BlockingConnection, exchange: str, other: StreamSettings
) -> None:
    declare(broker, exchange, SETTINGS)
    with pytest.raises(
        UserError, match=rf"{exchange}-0 exists with other settings; .* delete it to start over"
    ):
        declare(broker, exchange, other)


def test_fewer_partitions_than_there_are_streams_are_refused(
    broker: BlockingConnection, exchange: str
) -> None:
    declare(broker, exchange, SETTINGS)
    with pytest.raises(UserError, match=rf"{exchange}-2 exists, .* more than the 2 streams"):
        declare(broker, exchange, replace(SETTINGS, partitions=2))


def test_an_exchange_of_another_type_is_refused(broker: BlockingConnection, exchange: str) -> None:
    broker.channel().exchange_declare(exchange, exchange_type="fanout", durable=True)
    with pytest.raises(
        UserError, match=rf"exchange {exchange} exists, but not as a durable x-consistent-hash"
    ):
        declare(broker, exchange, SETTINGS)


@pytest.mark.parametrize("exchange", ["road_limits", "stations"])
def test_reference_data_is_in_one_stream_that_keeps_everything(exchange: str) -> None:
    assert settings_of(exchange, SETTINGS) == replace(SETTINGS, partitions=1, max_age="", max_length_bytes=0)
    assert settings_of("telemetry", SETTINGS) == SETTINGS


def test_results_is_a_topic_exchange(broker: BlockingConnection) -> None:
    declare_results(broker)
    declare_results(broker)
    broker.channel().exchange_declare("results", exchange_type="topic", durable=True, passive=True)


def test_at_least_one_partition(broker: BlockingConnection, exchange: str) -> None:
    with pytest.raises(UserError, match="at least 1"):
        declare(broker, exchange, replace(SETTINGS, partitions=0))


def test_what_the_broker_does_not_allow_is_told_with_what_to_do(broker: BlockingConnection) -> None:
    with pytest.raises(
        ServerError,
        match=r"refused declaring exchange amq\.mine: ACCESS_REFUSED.* \(403\); take another exchange",
    ):
        declare(broker, "amq.mine", SETTINGS)


def test_a_broker_that_goes_away_meanwhile_is_told(exchange: str, wire: Wire) -> None:
    with rabbitmq_connection() as connection:
        wire.cut()
        with pytest.raises(ServerError, match=f"RabbitMQ broke while declaring exchange {exchange}: "):
            declare(connection, exchange, SETTINGS)
