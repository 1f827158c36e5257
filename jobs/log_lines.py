"""Messages of a log in files, as the oracles of all jobs read them: lines with their place, refused ones as rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.message_decoder import KeyScan
from connectors.reference import Place, ReferenceTable, RefusedRow
from connectors.rows_in_memory import Row, day, timestamp
from kappafleet.messages import line_files, numbered_lines
from schemas.references import Reference

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


class ReferenceLines:
    """The lines of reference data among those of a log.

    Attributes:
        tables: by name.
    """

    def __init__(self, references: Iterable[Reference]) -> None:
        """Makes an empty table for each reference."""
        self.tables = {each.name: ReferenceTable(each) for each in references}
        self._by_schema = {table.reference.schema: table for table in self.tables.values()}
        self._schema = KeyScan("schema")

    def take(self, line: Line, refuse: Callable[[Row], None]) -> bool:
        """Takes a line if it is reference data.

        Args:
            line: any line.
            refuse: gets the row of the reject table for a line that is no row.

        Returns:
            Whether it is reference data.
        """
        table = self._by_schema.get(self._schema.key(line.body)) if self._by_schema else None
        if table is None:
            return False
        try:
            table.put(line.body, Place(0, line.source, line.number))
        except RefusedRow as refused:
            refuse(reject_row(line, str(refused)))
        return True


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
