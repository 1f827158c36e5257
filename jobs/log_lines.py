"""Messages of a log in files, as the oracles of all jobs read them: lines with their place, refused ones as rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.rows_in_memory import Row, day, timestamp
from kappafleet.messages import line_files, numbered_lines

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Of a longer line the file source reads only so many bytes."""

REJECT_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One message and where it stands: the name of its file, and its number there from 1."""

    body: bytes
    source: str
    number: int


def log_lines(log: Path | Iterable[Path | bytes]) -> Iterator[Line]:
    """The messages in the order of the log; lines that are given as such have no source."""
    for index, item in enumerate([log] if isinstance(log, Path) else log, 1):
        if isinstance(item, bytes):
            yield Line(item, "", index)
        else:
            for file in line_files(item):
                for number, body in numbered_lines(file):
                    yield Line(body[:MAX_LINE_BYTES], file.name, number)


def reject_row(line: Line, reason: str, arrival_ms: int = 0) -> Row:
    """The row of a refused message."""
    return {
        "day": day(arrival_ms),
        "source": line.source,
        "received_at": timestamp(arrival_ms),
        "offset": line.number,
        "reason": reason,
        "body": "0x" + line.body[:REJECT_BODY_BYTES].hex(),
        "length": len(line.body),
        "sha256": hashlib.sha256(line.body).hexdigest(),
    }
