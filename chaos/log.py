"""What the streams hold: every message of the log, read by AMQP as any other client would."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic, BasicProperties

from kappafleet.connections import RabbitMQConnection, rabbitmq_connection

_PREFETCH = 2000
_SILENCE_S, _LONG_SILENCE_S = 2.0, 30.0
"""After so long without a message the streams were read to their ends; the longer one if some are still missing."""


def copies(broker: RabbitMQConnection, streams: Sequence[str], at_least: int) -> Counter[str]:
    """How often each message is in the log, by the SHA-256 of its bytes (hexadecimal).

    A publisher that loses its connection repeats what was not confirmed, so the log may hold more than was
    written to the file.

    Args:
        broker: Where to read.
        streams: What to read.
        at_least: So many messages were confirmed.
    """
    found: Counter[str] = Counter()
    heard = time.monotonic()

    def take(channel: BlockingChannel, method: Basic.Deliver, _: BasicProperties, body: bytes) -> None:
        nonlocal heard
        found[hashlib.sha256(body).hexdigest()] += 1
        heard = time.monotonic()
        channel.basic_ack(method.delivery_tag)

    with rabbitmq_connection(broker) as connection:
        for stream in streams:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=_PREFETCH)
            channel.basic_consume(stream, take, arguments={"x-stream-offset": "first"})
        while time.monotonic() - heard < (_SILENCE_S if found.total() >= at_least else _LONG_SILENCE_S):
            connection.process_data_events(time_limit=0.5)
    return found


def missing(held: Counter[str], lines: Path) -> int:
    """How many lines of a file the log does not hold as often as the file does."""
    with lines.open("rb") as file:
        wanted = Counter(hashlib.sha256(line.removesuffix(b"\n")).hexdigest() for line in file)
    return (wanted - held).total()
