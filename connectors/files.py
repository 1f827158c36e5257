"""The file ends: messages from files of JSON lines, table rows to files of JSON lines.

Python faces of ``io.kappafleet.files``. They need no server, and reading and writing happen in the JVM alone.
The classes must be on Flink's class path (``connectors/java/target/kappafleet-connectors.jar``).
"""

from __future__ import annotations

from pathlib import Path

from pyflink.datastream.connectors.base import Sink, Source
from pyflink.java_gateway import get_gateway

from kappafleet.errors import UserError

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Of a longer line only so many bytes are read; RabbitMQ 4 takes no longer message either."""


def json_lines_source(path: str | Path, *, id_field: str, max_line_bytes: int = MAX_LINE_BYTES) -> Source:
    """A bounded source of the messages in a file, or in all files of a folder in the order of their names.

    Each line that is not empty becomes one log record ``(key, body, source, offset, arrival_ms)``: the key is
    the text behind the first ``id_field`` in the line (empty if there is none), body the line's bytes without
    its end, source the file's name without folders, offset the line's number from 1, arrival_ms 0. A record's
    event time is the first element of its ``t``. One reader reads all, so the order is that of the files, at
    any parallelism.

    Args:
        path: A plain file, a gzip file (its name ends with ``.gz``; several members are fine), or a folder;
            hidden files and folders inside it are left out. JobManager and TaskManagers must see it alike.
        id_field: Name of the messages' key field, such as ``vehicle_id``.
        max_line_bytes: Bound of the memory for one line; the rest of a longer line is dropped, and a warning
            logged.

    Returns:
        A source for ``env.from_source(source, WatermarkStrategy.no_watermarks(), name)``: no watermark before
        the end of input is what makes files exact in any order of vehicles.

    A damaged gzip file fails the job with a message that names it.

    Raises:
        UserError: There is no such path, or the folder holds no files.
    """
    if not 0 < max_line_bytes <= 1 << 30:
        raise ValueError(f"max_line_bytes must be in 1..{1 << 30}, not {max_line_bytes}")
    absolute = Path(path).absolute()
    if not absolute.exists():
        raise UserError(
            f"there is no file or folder {path}: give one with message lines (.jsonl or .jsonl.gz)"
        )
    if absolute.is_dir() and not any(_is_read(entry) for entry in absolute.iterdir()):
        raise UserError(f"folder {path} holds no files: give one with message lines (.jsonl or .jsonl.gz)")
    java = get_gateway().jvm.io.kappafleet.files.JsonLinesSource
    return Source(java(str(absolute), id_field, max_line_bytes))


class JsonLinesSink(Sink):  # type: ignore[misc]  # PyFlink has no types
    """Writes row frames to ``directory/TABLE.jsonl``, one upsert a line with all columns of its table.

    The last line of a primary key is its value. Files are replaced at the start of a job and exist for every
    table at its end; a job that goes on from a checkpoint cuts them back to it. Use it on a stream of
    ``PRIMITIVE_ARRAY(BYTE)`` with parallelism 1: ``rows.sink_to(sink).set_parallelism(1)``.
    """

    def __init__(self, directory: str | Path, tables: str) -> None:
        """Makes the sink.

        Args:
            directory: Made when missing.
            tables: The tables as JSON, ``[{"name": …, "columns": [[name, type], …], "key": [[…], […]]}, …]``,
                in the order of the frames' table index.
        """
        java = get_gateway().jvm.io.kappafleet.files.JsonLinesSink
        super().__init__(java.of(str(Path(directory).absolute()), tables))


def _is_read(entry: Path) -> bool:
    return entry.is_file() and not entry.name.startswith(".")
