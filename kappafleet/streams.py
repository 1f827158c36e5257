"""The log's shape in RabbitMQ: exchanges, streams and bindings of contracts.md, declared over AMQP.

`declare` is idempotent: run it before every publish. Exchanges of the log are `x-consistent-hash`, so all
messages of one vehicle or sensor (routing key) land in one stream, in order.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kappafleet.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pika.adapters.blocking_connection import BlockingConnection

TELEMETRY = "telemetry"
OBSERVATIONS = "observations"
RESULTS = "results"

CONSISTENT_HASH = "x-consistent-hash"

_BINDING_WEIGHT = "1"
"""Routing key of a binding to a consistent-hash exchange: the share of the ring. Equal for all streams."""

_NOT_FOUND = 404
_PRECONDITION_FAILED = 406
_COMMAND_INVALID = 503


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How many streams an exchange feeds, and how long each keeps its messages.

    RabbitMQ removes whole segments, oldest first, as soon as one of the limits is passed; the newest segment
    stays. A removed message can no longer be replayed.
    """

    partitions: int = 4
    max_age: str = "7D"
    """A number and one of Y, M, D, h, m, s; empty: no limit."""
    max_length_bytes: int = 10_000_000_000
    """Per stream; 0: no limit."""
    segment_bytes: int = 100_000_000

    def arguments(self) -> dict[str, str | int]:
        """The stream's queue arguments."""
        arguments: dict[str, str | int] = {
            "x-queue-type": "stream",
            "x-stream-max-segment-size-bytes": self.segment_bytes,
        }
        if self.max_age:
            arguments["x-max-age"] = self.max_age
        if self.max_length_bytes:
            arguments["x-max-length-bytes"] = self.max_length_bytes
        return arguments


def stream_names(exchange: str, partitions: int) -> list[str]:
    """The streams behind `exchange`: `telemetry-0`, `telemetry-1`, ..."""
    return [f"{exchange}-{number}" for number in range(partitions)]


def declare(connection: BlockingConnection, exchange: str, settings: StreamSettings) -> None:
    """Makes `exchange`, its streams and the bindings between them, where they do not exist yet.

    Raises:
        UserError: something of that name exists with other settings, there are more streams than
            `settings.partitions`, or the broker lacks the plugin of the exchange's type.
    """
    if settings.partitions < 1:
        raise UserError("--partitions must be at least 1")
    _declare_exchange(connection, exchange, CONSISTENT_HASH)
    surplus = f"{exchange}-{settings.partitions}"
    if exists(connection, surplus):
        raise UserError(
            f"stream {surplus} exists, so exchange {exchange} feeds more than the {settings.partitions} "
            "streams asked for; pass the right --partitions, or delete the streams to start over with fewer"
        )
    for stream in stream_names(exchange, settings.partitions):
        _declare_stream(connection, stream, settings)
        channel = connection.channel()
        channel.queue_bind(stream, exchange, routing_key=_BINDING_WEIGHT)
        channel.close()


def declare_results(connection: BlockingConnection) -> None:
    """Makes the topic exchange `results`, where other systems bind their queues.

    Raises:
        UserError: an exchange of that name exists with another type.
    """
    _declare_exchange(connection, RESULTS, "topic")


def _declare_exchange(connection: BlockingConnection, exchange: str, kind: str) -> None:
    with _refusals(
        {
            _PRECONDITION_FAILED: f"exchange {exchange} exists, but not as a durable {kind}; delete it, "
            "or publish to another one with --exchange",
            # An unknown type closes the whole connection.
            _COMMAND_INVALID: f"the broker knows no exchange type {kind}; enable its plugin: "
            "rabbitmq-plugins enable rabbitmq_consistent_hash_exchange",
        }
    ):
        channel = connection.channel()
        channel.exchange_declare(exchange, exchange_type=kind, durable=True)
        channel.close()


def _declare_stream(connection: BlockingConnection, stream: str, settings: StreamSettings) -> None:
    with _refusals(
        {
            _PRECONDITION_FAILED: f"{stream} exists with other settings; use the settings it was made with, "
            "or delete it to start over (its messages are lost)",
            _NOT_FOUND: f"{stream} exists, but the broker does not serve it; wait while the broker starts",
        }
    ):
        channel = connection.channel()
        channel.queue_declare(stream, durable=True, arguments=settings.arguments())
        channel.close()


@contextmanager
def _refusals(explanations: dict[int, str]) -> Iterator[None]:
    """Explains what the broker refuses, by its reply code; its own words follow in brackets."""
    import pika.exceptions  # here, so that `kappafleet --help` need not wait for it

    try:
        yield
    except (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker) as closed:
        if closed.reply_code not in explanations:
            raise
        raise UserError(f"{explanations[closed.reply_code]} ({closed.reply_text})") from closed


def exists(connection: BlockingConnection, queue: str) -> bool:
    """Whether there is a stream or queue of that name."""
    import pika.exceptions

    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
    except pika.exceptions.ChannelClosedByBroker as closed:
        if closed.reply_code == _NOT_FOUND:
            return False
        raise
    channel.close()
    return True
