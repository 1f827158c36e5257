"""Settings in RabbitMQ: what the streams say, and how a plan gets there.

An import reads, compares and publishes under a lock: an exclusive queue, which the broker gives to one connection at a
time and takes back when that connection ends, however it ends. So of two imports of the same export one is a conflict.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.spec import Basic, BasicProperties

from conf.rule_changes import changeable
from connectors.reference import Place, RefusedRow
from kappafleet.connections import RabbitMQConnection, rabbitmq_connection, rabbitmq_parameters
from kappafleet.errors import ServerError, UserError
from kappafleet.messages import message
from kappafleet.pacing import unpaced
from kappafleet.publisher import Publisher
from kappafleet.streams import StreamSettings, declare, declare_results, exists, failures_told
from serving.settings_plan import Plan, messages, plan
from serving.settings_sheets import ASSIGNMENTS, REFERENCES, InForce, Log, in_force
from serving.settings_upload import Upload

LOCK = "kappafleet.settings"
_PREFETCH = 2000
_SILENCE_S, _LONG_SILENCE_S = 0.3, 2.0
"""Behind the last chunk that the broker told of, and where it has told of none."""
_PATIENCE_S = 60.0
_MOST_PARTITIONS = 1000
_LOCKED = 405


@dataclass(slots=True)
class _Reading:
    """How far a stream is read.

    Attributes:
        end: where its last chunk begins; None: not known yet.
        at: where reading is; -1: before its beginning.
    """

    stream: str
    end: int | None = None
    at: int = -1
    bodies: list[tuple[int, bytes]] = field(default_factory=list)


def read_log(broker: RabbitMQConnection | None = None) -> Log:
    """Reads what the streams of settings hold, to their ends.

    Raises:
        ServerError: the broker cannot be reached, or goes quiet before the end.
    """
    with failures_told("reading the settings"), rabbitmq_connection(broker) as connection:
        streams = [f"{each.name}-0" for each in REFERENCES]
        streams += [f"{ASSIGNMENTS}-{number}" for number in range(partitions(connection))]
        readings = [_Reading(each) for each in streams if exists(connection, each)]
        _read(connection, readings)
    log = Log()
    for reading in readings:
        name = reading.stream.rpartition("-")[0]
        for offset, body in reading.bodies:
            if name == ASSIGNMENTS:
                log.log_in(body, offset)
                continue
            try:
                log.tables[name].put(body, Place(0, reading.stream, offset))
            except RefusedRow:
                continue  # the job makes it a reject
    return log


def partitions(connection: BlockingConnection) -> int:
    """How many streams of log-ins there are."""
    return next(
        number for number in range(_MOST_PARTITIONS + 1) if not exists(connection, f"{ASSIGNMENTS}-{number}")
    )


def _read(connection: BlockingConnection, readings: Sequence[_Reading]) -> None:
    heard = time.monotonic()

    def from_first(reading: _Reading) -> None:
        def take(channel: BlockingChannel, method: Basic.Deliver, of: BasicProperties, body: bytes) -> None:
            nonlocal heard
            heard = time.monotonic()
            reading.at = _offset(of)
            reading.bodies.append((reading.at, body))
            channel.basic_ack(method.delivery_tag)

        _consume(connection, reading.stream, "first", _PREFETCH, take)

    def from_last(reading: _Reading) -> None:
        def take(_: BlockingChannel, __: Basic.Deliver, of: BasicProperties, ___: bytes) -> None:
            nonlocal heard
            heard = time.monotonic()
            if reading.end is None:
                reading.end = _offset(of)

        _consume(connection, reading.stream, "last", 1, take)

    for each in readings:
        from_last(each)
        from_first(each)
    begun = time.monotonic()
    while readings:
        connection.process_data_events(time_limit=0.1)
        quiet = time.monotonic() - heard
        known = all(each.end is not None for each in readings)
        if all(each.end is None or each.at >= each.end for each in readings):
            if quiet > (_SILENCE_S if known else _LONG_SILENCE_S):
                return
        elif quiet > _PATIENCE_S:
            raise ServerError(
                f"RabbitMQ has told nothing of the settings for {quiet:.0f} s: is it well? (kappafleet stack status)"
            )
        if time.monotonic() - begun > 10 * _PATIENCE_S:
            raise ServerError("the streams of settings grow faster than they are read: repeat it")


def _consume(connection: BlockingConnection, stream: str, offset: str, prefetch: int, take: object) -> None:
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)
    channel.basic_consume(stream, take, arguments={"x-stream-offset": offset})


def _offset(of: BasicProperties) -> int:
    return int((of.headers or {})["x-stream-offset"])


def settings_in_force(broker: RabbitMQConnection | None = None, now_ms: int | None = None) -> InForce:
    """The settings in force.

    Raises:
        ServerError: the broker cannot be reached.
    """
    return in_force(changeable(), read_log(broker), _now_ms() if now_ms is None else now_ms)


def planned(upload: Upload, from_ms: int, broker: RabbitMQConnection | None = None) -> Plan:
    """What an import would do.

    Raises:
        ServerError: the broker cannot be reached.
    """
    conf = changeable()
    return plan(upload, in_force(conf, read_log(broker), _now_ms()), conf[0], from_ms)


def apply(upload: Upload, from_ms: int, broker: RabbitMQConnection | None = None) -> Plan:
    """Imports a workbook, unless its plan does not apply.

    Returns:
        The plan, made anew under the lock; it was carried out if ``applies``.

    Raises:
        UserError: another import is under way, or publishing fails.
    """
    conf = changeable()
    with _lock(broker) as connection:
        log = read_log(broker)
        now = in_force(conf, log, _now_ms())
        found = plan(upload, now, conf[0], from_ms)
        if found.applies:
            sent = [message(body) for body in messages(found, now, conf[0], log, from_ms)]
            there = partitions(connection)
            for exchange in sorted({each.exchange for each in sent}):
                streams = StreamSettings(there) if exchange == ASSIGNMENTS and there else StreamSettings()
                declare(connection, exchange, streams)
            declare_results(connection)
            Publisher(rabbitmq_parameters(broker)).publish(unpaced(iter(sent)))
    return found


@contextmanager
def _lock(broker: RabbitMQConnection | None) -> Iterator[BlockingConnection]:
    with failures_told("importing settings"), rabbitmq_connection(broker) as connection:
        try:
            connection.channel().queue_declare(LOCK, exclusive=True)
        except pika.exceptions.ChannelClosedByBroker as closed:
            if closed.reply_code != _LOCKED:
                raise
            raise UserError(
                "another import of settings is under way: repeat it when that is done"
            ) from closed
        yield connection


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
