"""`kappafleet publish PATH`: message lines into RabbitMQ, with publisher confirms."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kappafleet.streams import StreamSettings

_DEFAULTS = StreamSettings()


def register(app: typer.Typer) -> None:
    """Adds the command."""
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
    key: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="The field that holds a message's key, where it is neither vehicle_id nor sensor_id.",
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
    protocol: Annotated[
        Literal["stream", "amqp"],
        typer.Option(help="stream: many messages at a time; amqp: one by one, as devices publish."),
    ] = "stream",
    patience: Annotated[
        float, typer.Option(min=1, help="Give up when the broker confirms nothing for so many seconds.")
    ] = 60.0,
) -> None:
    """Publish message lines into RabbitMQ: at least once, each vehicle's in order.

    Lines go out byte for byte, bad ones too: refusing them is the job's task. Without --speedup and --rate as
    fast as the broker confirms, in the order of the files. A broker's restart is survived: what was not
    confirmed is published again, so a stream may hold copies of messages; jobs recognise them by seq.
    """
    from kappafleet import publishing  # brings pika, for which `kappafleet --help` need not wait

    publishing.publish(
        publishing.Run(
            path=path,
            speedup=speedup,
            shift_to_now=shift_to_now,
            rate=rate,
            exchange=exchange,
            id_field=key,
            streams=None if no_declare else StreamSettings(partitions, max_age, max_length_bytes),
            patience_s=patience,
            protocol=publishing.Protocol(protocol),
        )
    )
