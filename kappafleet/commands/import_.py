"""`kappafleet import FORMAT PATH`: public data sets to message lines."""

import gzip
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from kappafleet.errors import UserError
from kappafleet.importers import FORMATS, Format, Recorded, format_named, sensor_community
from kappafleet.importers.recording import SAMPLES_PER_MESSAGE, message_lines

STDOUT = "-"
SENSOR_FORMATS = frozenset({sensor_community.NAME})


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(name="import")(import_)


def import_(
    format_name: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help="; ".join(f"{name}: {f.TITLE}" for name, f in FORMATS.items())),
    ],
    path: Annotated[Path, typer.Argument(help="A file of the data set, or its folder.")],
    out: Annotated[
        str, typer.Option(help="Where to write: FILE.jsonl, FILE.jsonl.gz, or - for stdout.")
    ] = STDOUT,
    samples_per_message: Annotated[
        int,
        typer.Option(
            min=1, help="Most samples in a message; a message also spans less than as many seconds."
        ),
    ] = SAMPLES_PER_MESSAGE,
    vehicle: Annotated[
        list[str] | None,
        typer.Option(
            "--vehicle",
            "--sensor",
            help="Only this vehicle_id or sensor_id, such as cmap-4107032-1 or sc-22449; may be repeated.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many messages.")] = None,
) -> None:
    """Turn a public data set into message lines (telemetry/1 or observation/1), for `publish` and `run --from file:`.

    The messages of each vehicle or sensor come in time order; a number counts them (seq). Progress goes to stderr.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    chosen = format_named(format_name)
    if not path.exists():
        raise UserError(f"no such file or folder: {path}")
    files = chosen.files(path)
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("import"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files, {task.fields[messages]:,} messages, {task.fields[samples]:,} samples"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    messages = samples = 0
    vehicles: set[str] = set()
    whose = "sensors" if chosen.NAME in SENSOR_FORMATS else "vehicles"
    with _opened(out) as target, progress:
        task = progress.add_task("import", total=len(files), messages=0, samples=0)

        def recordings() -> Iterator[Recorded]:
            for file in files:
                yield from _of_vehicles(chosen, file, vehicle, vehicles)
                progress.update(task, advance=1, messages=messages, samples=samples)

        for line, count in islice(message_lines(recordings(), samples_per_message), limit):
            target.write(line.encode() + b"\n")
            messages += 1
            samples += count
        if not messages:
            wanted = f" of {', '.join(vehicle)}" if vehicle else ""
            raise UserError(f"{path} holds no samples{wanted}")
    where = "" if out == STDOUT else f" -> {out}"
    print(f"{messages:,} messages, {samples:,} samples, {len(vehicles):,} {whose}{where}", file=sys.stderr)


def _of_vehicles(chosen: Format, file: Path, wanted: list[str] | None, seen: set[str]) -> Iterator[Recorded]:
    for recording in chosen.recordings(file):
        if not wanted or recording.key in wanted:
            seen.add(recording.key)
            yield recording


@contextmanager
def _opened(out: str) -> Iterator[BinaryIO]:
    """The output; a file appears under its name only once it is whole."""
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(out)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as raw:
            if target.suffix == ".gz":
                # No name and no time in the header: the same input gives the same bytes.
                with (
                    gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
                    io.BufferedWriter(packed, 1 << 16) as buffered,
                ):
                    yield buffered
            else:
                yield raw
        part.replace(target)
    except OSError as error:
        raise UserError(f"{out} can't be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
