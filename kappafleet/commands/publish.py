"""`kappafleet publish PATH`: message lines into RabbitMQ, with publisher confirms."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kappafleet.connections import rabbitmq_connection, rabbitmq_parameters
from kappafleet.errors import UserError
from kappafleet.messages import Message, line_files, lines
from kappafleet.pacing import Due, at_event_pace, at_rate, plain, shifted_to, unpaced
from kappafleet.publisher import PATIENCE_S, Publisher, Totals
from kappafleet.streams import StreamSettings, declare, declare_results

_DEFAULTS = StreamSettings()


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command()(publish)


def publish(
    path: Annotated[
        Path, typer.Argument(help="Message lines: a file (.jsonl, .jsonl.gz) or a folder of such files.")
    ],
    speedup: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Keep event-time pace, so many times faster than real time, all vehicles merged by time.",
        ),
    ] = None,
    shift_to_now: Annotated[
        bool,
        typer.Option(
            "--shift-to-now",
            help="Move the times of each vehicle so that its last sample is the start of publishing.",
        ),
    ] = False,
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most so many messages a second.")] = None,
    exchange: Annotated[
        str | None,
        typer.Option(
            help="Where to publish; by default telemetry or observations, as the line's schema says."
        ),
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Streams per exchange.")] = _DEFAULTS.partitions,
    max_age: Annotated[str, typer.Option(help="How long streams keep messages, such as 7D; '' for ever.")] = (
        _DEFAULTS.max_age
    ),
    max_length_bytes: Annotated[
        int, typer.Option(min=0, help="How much each stream keeps; 0: no limit.")
    ] = _DEFAULTS.max_length_bytes,
    no_declare: Annotated[
        bool, typer.Option("--no-declare", help="Expect exchanges and streams to be there; make none.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=1, help="Give up when the broker confirms nothing for so many seconds.")
    ] = PATIENCE_S,
) -> None:
    """Publish message lines into RabbitMQ: at least once, each vehicle's in order.

    Lines go out byte for byte, bad ones too: refusing them is the job's task. Without --speedup and --rate as
    fast as the broker confirms, in the order of the files. A broker's restart is survived: what was not
    confirmed is published again, so a stream may hold copies of messages; jobs recognise them by seq.
    """
    if speedup is not None and rate is not None:
        raise UserError("--speedup and --rate exclude each other: one pace at a time")
    files = line_files(path)
    rabbitmq_connection().close()  # an unreachable broker is reported before anything is read
    settings = None if no_declare else StreamSettings(partitions, max_age, max_length_bytes)
    started = time.monotonic()
    with _progress() as progress:
        counting = progress.add_task("reading", total=None, detail="")
        total = sum(1 for _ in lines(files))  # cheap beside publishing, and gives the bar its end
        progress.remove_task(counting)
        publishing = progress.add_task("publish", total=total, detail="")

        def report(totals: Totals) -> None:
            progress.update(
                publishing, completed=totals.confirmed, detail=_figures(totals, time.monotonic() - started)
            )

        messages = (
            shifted_to(time.time_ns() // 1_000_000, files, exchange)
            if shift_to_now
            else plain(files, exchange)
        )
        if settings is not None:
            messages = _declared(messages, settings)
        started = time.monotonic()
        publisher = Publisher(rabbitmq_parameters(), report, patience)
        totals = publisher.publish(_paced(messages, speedup, rate))
    print(
        f"{totals.confirmed:,} messages confirmed, {_figures(totals, time.monotonic() - started)}",
        file=sys.stderr,
    )


def _declared(messages: Iterator[Message], settings: StreamSettings) -> Iterator[Message]:
    """Passes `messages` through; an exchange and its streams are made when its first message comes."""
    made: set[str] = set()
    for each in messages:
        if each.exchange not in made:
            with rabbitmq_connection() as connection:
                declare(connection, each.exchange, settings)
                declare_results(connection)
            made.add(each.exchange)
        yield each


def _paced(messages: Iterator[Message], speedup: float | None, rate: float | None) -> Iterator[Due]:
    if speedup is not None:
        return at_event_pace(messages, speedup)
    if rate is not None:
        return at_rate(messages, rate)
    return unpaced(messages)


def _figures(totals: Totals, seconds: float) -> str:
    seconds = max(seconds, 1e-3)
    repeated = f", {totals.repeated:,} sent again" if totals.repeated else ""
    return (
        f"{totals.samples:,} samples, {totals.confirmed / seconds:,.0f} messages/s, "
        f"{totals.samples / seconds:,.0f} samples/s{repeated}"
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
