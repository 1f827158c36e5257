"""Mode ``publish``: what a user gets who publishes in one way or another, and how fast such streams can be read.

A stream keeps messages in the chunks in which they were published, and readers get whole chunks: messages that came one
by one are slow to read for every reader, whatever it is written in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.figures import Figure, figure
from bench.progress import Progress
from bench.servers import streams
from bench.traffic import publisher, read_bare, templates
from kappafleet.connections import rabbitmq_parameters
from kappafleet.messages import Message, lines, message
from kappafleet.pacing import unpaced
from kappafleet.publisher import Publisher
from kappafleet.stack.stack import Stack

EXCHANGE = "bench-publish"
VEHICLES = 1000
SUB_BATCH = 100


@dataclass(frozen=True, slots=True)
class Way:
    """One way of publishing.

    Attributes:
        name: in the figures.
        text: for people.
        samples: of each message.
        protocol: ``amqp`` or ``stream``.
        sub_batch: messages in one entry of a chunk.
        share: of the messages that are published: slow ways get fewer.
    """

    name: str
    text: str
    samples: int
    protocol: str
    sub_batch: int = 1
    share: float = 1.0


WAYS = (
    Way("amqp_1", "AMQP, 1 sample a message (kappafleet publish)", 1, "amqp", share=0.1),
    Way("amqp_20", "AMQP, 20 samples a message", 20, "amqp", share=0.1),
    Way("stream_1", "stream protocol, 1 sample a message", 1, "stream"),
    Way("stream_1_sub", f"stream protocol, 1 sample, sub-batches of {SUB_BATCH}", 1, "stream", SUB_BATCH),
    Way("stream_20", "stream protocol, 20 samples a message", 20, "stream", share=0.2),
)


def run(servers: Stack, progress: Progress, messages: int) -> list[Figure]:
    """Publishes and reads in each way, into streams of its own."""
    figures = []
    for way in WAYS:
        count = max(VEHICLES, int(messages * way.share))
        with streams(EXCHANGE) as names:
            progress.stage(f"publish: {way.text}")
            publish = _amqp if way.protocol == "amqp" else _stream(servers, names)
            published = count / publish(way, count)
            told = read_bare(servers, names, count)
            read, chunk = count / told["s"], count / told["chunks"]
        progress.tell(
            f"publish  {way.text}: {published:,.0f} messages/s published, {chunk:.1f} to a chunk, read at "
            f"{read:,.0f} messages/s = {read * way.samples:,.0f} samples/s"
        )
        figures += [
            figure(f"publish/{way.name}/published_per_s", "messages/s", published),
            figure(f"publish/{way.name}/read_per_s", "messages/s", read),
            figure(f"publish/{way.name}/read_samples_per_s", "samples/s", read * way.samples),
            figure(f"publish/{way.name}/messages_per_chunk", "messages", chunk, None),
        ]
    return figures


def _amqp(way: Way, count: int) -> float:
    """With pika and confirms through the exchange, as ``kappafleet publish`` does; seconds."""
    found = _messages(way.samples, count)
    begin = time.monotonic()
    Publisher(rabbitmq_parameters()).publish(unpaced(found))
    return time.monotonic() - begin


def _messages(samples: int, count: int) -> Iterator[Message]:
    done = 0
    while True:
        for body in lines([templates(samples)]):
            if done == count:
                return
            done += 1
            yield message(body, EXCHANGE)


def _stream(servers: Stack, names: tuple[str, ...]) -> Callable[[Way, int], float]:
    def publish(way: Way, count: int) -> float:
        with publisher(
            servers,
            names,
            samples=way.samples,
            vehicles=VEHICLES,
            messages=count,
            last_ms=time.time_ns() // 1_000_000,
            sub_batch=way.sub_batch,
        ) as program:
            return float(program.last()["s"])

    return publish
