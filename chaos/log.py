"""What the streams hold: every message of the log, read by AMQP as any other client would."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic, BasicProperties

from kappafleet.connections import RabbitMQConnection, rabbitmq_connection
from kappafleet.messages import message

_PREFETCH = 2000
_SILENCE_S, _LONG_SILENCE_S = 2.0, 30.0
"""After so long without a message the streams were read to their ends; the longer one if some are still missing."""


@dataclass(slots=True)
class Held:
    """What the streams hold, by the SHA-256 of the messages' bytes (hexadecimal).

    A publisher that loses its connection repeats what was not confirmed, so the log may hold more than was
    written to the file.

    Attributes:
        copies: How often each message is there.
        first: Where each is first: its stream, and the number of messages before it there.
    """

    copies: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[str, int]] = field(default_factory=dict)

    def note(self, body: bytes, stream: str, place: int) -> None:
        """Takes one message down."""
        sha256 = _sha256(body)
        self.copies[sha256] += 1
        self.first.setdefault(sha256, (stream, place))


def read(broker: RabbitMQConnection, streams: Sequence[str], at_least: int) -> Held:
    """Reads all of the streams.

    Args:
        broker: Where to read.
        streams: What to read.
        at_least: So many messages were confirmed.
    """
    found = Held()
    places: Counter[str] = Counter()
    heard = time.monotonic()

    def take(channel: BlockingChannel, method: Basic.Deliver, _: BasicProperties, body: bytes) -> None:
        nonlocal heard
        found.note(body, method.consumer_tag, places[method.consumer_tag])
        places[method.consumer_tag] += 1
        heard = time.monotonic()
        channel.basic_ack(method.delivery_tag)

    with rabbitmq_connection(broker) as connection:
        for stream in streams:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=_PREFETCH)
            channel.basic_consume(stream, take, consumer_tag=stream, arguments={"x-stream-offset": "first"})
        while time.monotonic() - heard < (_SILENCE_S if places.total() >= at_least else _LONG_SILENCE_S):
            connection.process_data_events(time_limit=0.5)
    return found


def missing(held: Held, lines: Path) -> int:
    """How many lines of a file the log does not hold as often as the file does."""
    with lines.open("rb") as file:
        wanted = Counter(_sha256(line.removesuffix(b"\n")) for line in file)
    return (wanted - held.copies).total()


@dataclass(frozen=True, slots=True)
class Disorder:
    """What the log does to the order in which vehicles' messages were published.

    Attributes:
        reordered: Messages behind one of the same vehicle, in the same stream, that was published later.
        scattered: Vehicles whose messages of one kind are in more than one stream: between streams there is no order.
    """

    reordered: int
    scattered: int


def disorder(held: Held, lines: Path) -> Disorder:
    """Compares the log with the lines of a file, which are in the order of publishing; copies do not count."""
    newest: dict[tuple[tuple[str, str], str], int] = {}
    streams: dict[tuple[str, str], set[str]] = {}
    seen: set[str] = set()
    behind = 0
    with lines.open("rb") as file:
        for line in file:
            body = line.removesuffix(b"\n")
            sha256, sent = _sha256(body), message(body)
            key = sent.exchange, sent.key
            if not sent.key or sha256 in seen or sha256 not in held.first:
                continue
            seen.add(sha256)
            stream, place = held.first[sha256]
            streams.setdefault(key, set()).add(stream)
            before = newest.get((key, stream), -1)
            behind += place < before
            newest[key, stream] = max(place, before)
    return Disorder(behind, sum(len(each) > 1 for each in streams.values()))


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
