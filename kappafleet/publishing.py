"""A whole run of `kappafleet publish`: what goes out, how fast, and what is shown meanwhile."""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pika.exceptions import AMQPError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kappafleet.connections import (
    RabbitMQConnection,
    check_stream_port,
    rabbitmq_connection,
    rabbitmq_parameters,
)
from kappafleet.errors import ServerError, UserError
from kappafleet.messages import Message, line_files, lines
from kappafleet.pacing import Due, at_event_pace, at_rate, plain, shifted_to, unpaced
from kappafleet.publisher import PATIENCE_S, Publisher, Totals
from kappafleet.stream_publisher import StreamPublisher
from kappafleet.streams import StreamSettings, declare, declare_results, served

_DEFAULT_STREAMS = StreamSettings()


class Protocol(StrEnum):
    """How messages get into the streams."""

    STREAM = "stream"
    """The stream protocol: many messages at a time."""
    AMQP = "amqp"
    """AMQP 0.9.1, as devices and other clients publish: one by one."""


@dataclass(frozen=True, slots=True)
class Run:
    """What to publish, and how; see `kappafleet publish --help`."""

    path: Path
    speedup: float | None = None
    shift_to_now: bool = False
    rate: float | None = None
    exchange: str | None = None
    """None: as each line's schema says."""
    id_field: str | None = None
    """Which field of a message is its key; None: that of its schema."""
    streams: StreamSettings | None = _DEFAULT_STREAMS
    """What to declare; None: nothing, all is there."""
    patience_s: float = PATIENCE_S
    protocol: Protocol = Protocol.STREAM


def publish(run: Run) -> Totals:
    """Publishes message lines; shows progress and, at the end, the totals on stderr.

    Raises:
        UserError: the options exclude each other, there are no lines, or see `Publisher.publish` and
        `streams.declare`.
    """
    if run.speedup is not None and run.rate is not None:
        raise UserError("--speedup and --rate exclude each other: one pace at a time")
    files = line_files(run.path)
    rabbitmq_connection().close()  # an unreachable broker is reported before anything is read
    with _progress() as progress:
        counting = progress.add_task("reading", total=None, detail="")
        total = sum(1 for _ in lines(files))  # cheap beside publishing, and gives the bar its end
        progress.remove_task(counting)
        publishing = progress.add_task("publish", total=total, detail="")
        started = time.monotonic()

        def report(totals: Totals) -> None:
            figures = _figures(totals, time.monotonic() - started)
            progress.update(publishing, completed=totals.confirmed, detail=figures)

        now_ms = time.time_ns() // 1_000_000
        if run.shift_to_now:
            messages = shifted_to(now_ms, files, run.exchange, run.id_field)
        else:
            messages = plain(files, run.exchange, run.id_field)
        declared: set[str] = set()
        if run.streams is not None:
            messages = _declared(messages, run.streams, declared)
        due = _paced(messages, run)  # --speedup reads everything here
        started = time.monotonic()
        if run.protocol is Protocol.STREAM:
            totals = _by_stream_protocol(run, report, due)
        else:
            serves = None if run.streams is None else all_served(declared, run.streams.partitions)
            totals = Publisher(rabbitmq_parameters(), report, run.patience_s, serves).publish(due)
    figures = _figures(totals, time.monotonic() - started)
    print(f"{totals.confirmed:,} messages confirmed, {figures}", file=sys.stderr)
    return totals


def _by_stream_protocol(run: Run, report: Callable[[Totals], None], due: Iterator[Due]) -> Totals:
    broker = RabbitMQConnection.from_environment()
    check_stream_port(broker)
    return StreamPublisher(broker, report, run.patience_s, declares=run.streams is not None).publish(due)


def all_served(
    exchanges: Collection[str], partitions: int, broker: RabbitMQConnection | None = None
) -> Callable[[], bool]:
    """A function that tells whether a broker, if it answers, serves all streams of these exchanges."""

    def served_now() -> bool:
        try:
            with rabbitmq_connection(broker) as connection:
                return all(served(connection, exchange, partitions) for exchange in exchanges)
        except ServerError:
            return True  # what is wrong is told better by who connects to publish
        except AMQPError:
            return False

    return served_now


def _declared(messages: Iterator[Message], settings: StreamSettings, made: set[str]) -> Iterator[Message]:
    """Passes `messages` through; an exchange and its streams are made when its first message comes."""
    for each in messages:
        if each.exchange not in made:
            with rabbitmq_connection() as connection:
                declare(connection, each.exchange, settings)
                declare_results(connection)
            made.add(each.exchange)
        yield each


def _paced(messages: Iterator[Message], run: Run) -> Iterator[Due]:
    if run.speedup is not None:
        return at_event_pace(messages, run.speedup, run.id_field)
    if run.rate is not None:
        return at_rate(messages, run.rate)
    return unpaced(messages)


def _figures(totals: Totals, seconds: float) -> str:
    seconds = max(seconds, 1e-3)
    repeated = f", {totals.repeated:,} sent again" if totals.repeated else ""
    return (
        f"{totals.samples:,} samples, {totals.confirmed / seconds:,.0f} messages/s, "
        f"{totals.samples / seconds:,.0f} samples/s{repeated}"
    )


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
