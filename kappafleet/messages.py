"""Message lines on their way to the log: reading files, and the AMQP address of each line.

A line is published whatever it is: judging content is the job's task, which turns bad lines into rejects.
This module only looks for what routing needs, and does without where it finds nothing.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kappafleet.errors import UserError
from kappafleet.streams import ASSIGNMENTS, OBSERVATIONS, ROAD_LIMITS, STATIONS, TELEMETRY

_ID_FIELDS = {
    TELEMETRY: "vehicle_id",
    OBSERVATIONS: "sensor_id",
    ASSIGNMENTS: "vehicle_id",
    ROAD_LIMITS: "cell",
    STATIONS: "station_id",
}
_EXCHANGES = {
    "observation/1": OBSERVATIONS,
    "assignment/1": ASSIGNMENTS,
    "road_limit/1": ROAD_LIMITS,
    "station/1": STATIONS,
}

_MAX_SHORT_STRING = 255
"""Bytes of an AMQP short string: routing keys and message ids."""

_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it goes out.

    `key` is the vehicle's or sensor's id, "" when there is none; `message_id` likewise; `event_ms` is the
    time of the last sample, None when there is none; `samples` counts times.
    """

    body: bytes
    exchange: str
    key: str = ""
    message_id: str = ""
    event_ms: int | None = None
    samples: int = 0


def line_files(path: Path) -> list[Path]:
    """The files of message lines that `path` means, as `--from file:` has it.

    It is one file, or a folder: then all files in it in the order of their names, without hidden ones and
    folders.

    Raises:
        UserError: there are none.
    """
    if path.is_dir():
        found = sorted(
            entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith(".")
        )
        if not found:
            raise UserError(f"{path} holds no files of message lines")
        return found
    if not path.is_file():
        raise UserError(f"no such file or folder of message lines: {path}")
    return [path]


def lines(files: list[Path]) -> Iterator[bytes]:
    """The lines of `files` without their ends, empty ones left out. A name that ends in `.gz` is inflated.

    Raises:
        UserError: a file can't be read.
    """
    for file in files:
        for _, body in numbered_lines(file):
            yield body


def numbered_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of one file as `lines` has them, each with its number from 1; empty ones are counted.

    Raises:
        UserError: the file can't be read.
    """
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as content:
            for number, line in enumerate(content, 1):
                body = line.removesuffix(b"\n").removesuffix(b"\r")
                if body:
                    yield number, body
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{file} can't be read: {error}") from error


def parsed(body: bytes) -> dict[str, object] | None:
    """The JSON object that `body` holds; None when it is none (NaN and infinities are no JSON)."""
    try:
        value = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def message(body: bytes, exchange: str | None = None, id_field: str | None = None) -> Message:
    """`body` with its address; the body is passed on byte for byte.

    Args:
        body: one line.
        exchange: where to send it; None: where its schema belongs (`observations` for observation/1, `assignments`
        for assignment/1, `road_limits` for road_limit/1, `stations` for station/1, else `telemetry`).
        id_field: which field is the key; None: that of its schema.
    """
    value = parsed(body)
    if value is None:
        return Message(body, exchange or TELEMETRY)
    return addressed(body, value, exchange, id_field)


def addressed(
    body: bytes, value: dict[str, object], exchange: str | None = None, id_field: str | None = None
) -> Message:
    """As `message`, of a body that was parsed already."""
    schema = value.get("schema")
    kind = _EXCHANGES.get(schema, TELEMETRY) if isinstance(schema, str) else TELEMETRY
    times = sample_times(value)
    last = times[-1] if times else value.get("t") if kind == ASSIGNMENTS else None
    key = value.get(id_field or _ID_FIELDS[kind])
    if not isinstance(key, str) or not _fits(key):
        key = ""
    seq = value.get("seq")
    message_id = f"{key}:{seq}" if key and type(seq) is int else ""
    return Message(
        body=body,
        exchange=exchange or kind,
        key=key,
        message_id=message_id if _fits(message_id) else "",
        event_ms=last if type(last) is int and -_INT64 <= last < _INT64 else None,
        samples=len(times),
    )


def sample_times(value: dict[str, object]) -> list[object]:
    """`samples.t` of a parsed message; empty when there is no such array."""
    samples = value.get("samples")
    times = samples.get("t") if isinstance(samples, dict) else None
    return times if isinstance(times, list) else []


def _fits(text: str) -> bool:
    try:
        return len(text.encode()) <= _MAX_SHORT_STRING
    except UnicodeEncodeError:  # half a surrogate pair, legal in JSON's escapes
        return False


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
