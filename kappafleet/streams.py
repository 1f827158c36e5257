"""The log's shape in RabbitMQ: exchanges, streams and bindings of contracts.md, declared over AMQP.

`declare` is idempotent: run it before every publish. All messages of one vehicle or sensor (routing key) land in
one stream, in order, and go on to land there after every restart of the broker:

    telemetry (x-consistent-hash) -> telemetry.by-key (x-modulus-hash) -> telemetry-0, telemetry-1, ...

The second exchange chooses the stream, by the key's hash modulo the number of streams in the order of their
names. The first one has nothing to choose from. Left to choose, it would deal the keys out anew whenever a
broker starts that keeps its bindings in Mnesia (all before RabbitMQ 4.0): 41 of 60 vehicles had another stream
after a restart of 3.10.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kappafleet.errors import ServerError, UserError
from schemas.results import EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pika.adapters.blocking_connection import BlockingConnection

TELEMETRY = "telemetry"
OBSERVATIONS = "observations"
ASSIGNMENTS = "assignments"
RESULTS = EXCHANGE
ROAD_LIMITS = "road_limits"
STATIONS = "stations"

CONSISTENT_HASH = "x-consistent-hash"
MODULUS_HASH = "x-modulus-hash"

REFERENCES = frozenset({ROAD_LIMITS, STATIONS})
"""Exchanges of reference data: rows hold until others take their place, however old they are."""

_PLUGINS = {CONSISTENT_HASH: "rabbitmq_consistent_hash_exchange", MODULUS_HASH: "rabbitmq_sharding"}

_BINDING_WEIGHT = "1"
"""Routing key of a binding to a consistent-hash exchange: the share of the ring. The other one does not look at it."""

_ACCESS_REFUSED = 403
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


def settings_of(exchange: str, settings: StreamSettings) -> StreamSettings:
    """What `settings` are for this exchange: reference data is in one stream, which keeps everything."""
    if exchange in REFERENCES:
        return replace(settings, partitions=1, max_age="", max_length_bytes=0)
    return settings


def stream_names(exchange: str, partitions: int) -> list[str]:
    """The streams behind `exchange`: `telemetry-0`, `telemetry-1`, ..."""
    return [f"{exchange}-{number}" for number in range(partitions)]


def exchange_by_key(exchange: str) -> str:
    """The exchange that chooses a stream for what is published to `exchange`."""
    return f"{exchange}.by-key"


def declare(connection: BlockingConnection, exchange: str, settings: StreamSettings) -> None:
    """Makes `exchange`, its streams and what leads to them, where they do not exist yet.

    Raises:
        UserError: something of that name exists with other settings, there are more streams than
            `settings.partitions`, or the broker lacks a plugin.
        ServerError: the broker refuses it otherwise, or goes away.
    """
    if settings.partitions < 1:
        raise UserError("--partitions must be at least 1")
    with failures_told(f"declaring exchange {exchange}"):
        _declare(connection, exchange, settings_of(exchange, settings))


def _declare(connection: BlockingConnection, exchange: str, settings: StreamSettings) -> None:
    _declare_exchange(connection, exchange, CONSISTENT_HASH)
    surplus = f"{exchange}-{settings.partitions}"
    if exists(connection, surplus):
        raise UserError(
            f"stream {surplus} exists, so exchange {exchange} feeds more than the {settings.partitions} "
            "streams asked for; pass the right --partitions, or delete the streams to start over with fewer"
        )
    by_key = exchange_by_key(exchange)
    # It goes with the last of the streams.
    _declare_exchange(connection, by_key, MODULUS_HASH, auto_delete=True, internal=True)
    streams = stream_names(exchange, settings.partitions)
    for stream in streams:
        _declare_stream(connection, stream, settings)
    channel = connection.channel()
    for stream in streams:
        channel.queue_bind(stream, by_key)
    channel.exchange_bind(by_key, exchange, routing_key=_BINDING_WEIGHT)
    for stream in streams:  # an earlier version bound them
        channel.queue_unbind(stream, exchange, routing_key=_BINDING_WEIGHT)
    channel.close()


def declare_results(connection: BlockingConnection) -> None:
    """Makes the topic exchange `results`, where other systems bind their queues.

    Raises:
        UserError: an exchange of that name exists with another type.
        ServerError: the broker refuses it otherwise, or goes away.
    """
    with failures_told(f"declaring exchange {RESULTS}"):
        _declare_exchange(connection, RESULTS, "topic")


@contextmanager
def failures_told(what: str) -> Iterator[None]:
    """Turns what pika says of a broker that refuses or goes away into a ServerError, for a person.

    Args:
        what: was going on.
    """
    import pika.exceptions  # here, so that `kappafleet --help` need not wait for it

    try:
        yield
    except (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker) as closed:
        hint = "repeat it"
        if closed.reply_code == _ACCESS_REFUSED:
            hint = "take another exchange, or give the user of KF_RABBITMQ_USER the right"
        raise ServerError(
            f"RabbitMQ refused {what}: {closed.reply_text} ({closed.reply_code}); {hint}"
        ) from closed
    except pika.exceptions.AMQPError as error:
        said = str(error) or type(error).__name__
        raise ServerError(
            f"the connection to RabbitMQ broke while {what}: {said}; see to it that the broker is up "
            "(kappafleet stack status), and repeat"
        ) from error


def _declare_exchange(
    connection: BlockingConnection,
    exchange: str,
    kind: str,
    auto_delete: bool = False,
    internal: bool = False,
) -> None:
    with _refusals(
        {
            _PRECONDITION_FAILED: f"exchange {exchange} exists, but not as a durable {kind}; delete it, "
            "or publish to another one with --exchange",
            # An unknown type closes the whole connection.
            _COMMAND_INVALID: f"the broker knows no exchange type {kind}; enable its plugin: "
            f"rabbitmq-plugins enable {_PLUGINS.get(kind, '')}",
        }
    ):
        channel = connection.channel()
        channel.exchange_declare(
            exchange, exchange_type=kind, durable=True, auto_delete=auto_delete, internal=internal
        )
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


def served(connection: BlockingConnection, exchange: str, partitions: int) -> bool:
    """Whether the broker serves all streams of `exchange`.

    One that has just started takes connections a second before that, and gives back what is published meanwhile.
    """
    streams = stream_names(exchange, 1 if exchange in REFERENCES else partitions)
    return all(exists(connection, stream) for stream in streams)
