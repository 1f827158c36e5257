"""Tables of reference data: rows that came as messages, and which of them holds at a time.

Pure Python, and no more than a dictionary: what a kernel looks up by the million it compiles into arrays of its own
whenever :meth:`ReferenceTable.take_changes` says that something changed.
"""

from __future__ import annotations

import heapq
import json
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from schemas.references import Field, Reference, Value

Key: TypeAlias = tuple[Value, ...]
Values: TypeAlias = tuple[Value, ...]

EARLIEST_MS, LATEST_MS = -(2**62), 2**62
MAX_MESSAGE_BYTES = 64 * 1024
_INT64 = 2**63


class RefusedRow(ValueError):
    """A message that is no row; the text, ``code: explanation``, is for the reject table."""


class Place(NamedTuple):
    """Where in the log a row stands; of two of the same version the later one counts."""

    arrival_ms: int = 0
    source: str = ""
    offset: int = 0


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A row: what it says of its key from ``valid_from`` to before ``valid_to``; values None: it is withdrawn."""

    key: Key
    valid_from: int
    valid_to: int
    values: Values | None
    order: tuple[int, int, str, int]

    @property
    def identity(self) -> str:
        """Rows of the same identity are one."""
        return json.dumps([*self.key, self.valid_from], separators=(",", ":"))


class Steps(NamedTuple):
    """What holds of a key by time: ``values[i]`` from ``starts[i]`` until the next start; None: nothing does."""

    starts: list[int]
    values: list[Values | None]

    def at(self, ms: int) -> Values | None:
        """What holds at a time."""
        found = bisect_right(self.starts, ms)
        return self.values[found - 1] if found else None


class ReferenceTable:
    """The rows of one kind of reference data.

    What it holds depends on the rows alone, not on their order or on how often they come.
    """

    def __init__(self, reference: Reference) -> None:
        """Makes an empty table."""
        self.reference = reference
        self._rows: dict[Key, dict[int, ReferenceRow]] = {}
        self._changed: set[Key] = set()

    def __len__(self) -> int:
        """How many keys it knows."""
        return len(self._rows)

    def __iter__(self) -> Iterator[Key]:
        """The keys."""
        return iter(self._rows)

    def put(self, body: bytes, place: Place = NOWHERE) -> ReferenceRow | None:
        """Takes a row as it came.

        Args:
            body: the message.
            place: where it stands in the log.

        Returns:
            The row; None where one of the same identity counts instead of it.

        Raises:
            RefusedRow: the message is no row of this reference.
        """
        row = self._read(body, place)
        rows = self._rows.setdefault(row.key, {})
        known = rows.get(row.valid_from)
        if known is not None and known.order >= row.order:
            return None
        rows[row.valid_from] = row
        self._changed.add(row.key)
        return row

    def take_changes(self) -> set[Key]:
        """The keys of which something changed since the last time."""
        changed, self._changed = self._changed, set()
        return changed

    def steps(self, key: Key) -> Steps:
        """What holds of a key by time: of the rows that hold, the one with the latest ``valid_from``."""
        rows = sorted(
            (row for row in self._rows.get(key, {}).values() if row.values is not None),
            key=lambda row: row.valid_from,
        )
        times = sorted({row.valid_from for row in rows} | {row.valid_to for row in rows} - {LATEST_MS})
        found = Steps([], [])
        holding: list[tuple[int, int]] = []
        begun = 0
        for ms in times:
            while begun < len(rows) and rows[begun].valid_from == ms:
                heapq.heappush(holding, (-ms, begun))
                begun += 1
            while holding and rows[holding[0][1]].valid_to <= ms:
                heapq.heappop(holding)
            found.starts.append(ms)
            found.values.append(rows[holding[0][1]].values if holding else None)
        return found

    def at(self, key: Key, ms: int) -> Values | None:
        """What holds of a key at a time; for few look-ups."""
        return self.steps(key).at(ms) if key in self._rows else None

    def _read(self, body: bytes, place: Place) -> ReferenceRow:
        told = self._parsed(body)
        key = tuple(_value(told, field) for field in self.reference.keys)
        values = tuple(_value(told, field) for field in self.reference.values)
        for one, other in self.reference.needs:
            if told.get(one) is not None and told.get(other) is None:
                raise RefusedRow(f"missing_field: there is no {other} to {one}")
        valid_from = _time(told, "valid_from", None)
        valid_to = _time(told, "valid_to", LATEST_MS)
        if valid_to <= valid_from:
            raise RefusedRow("out_of_range: valid_to is not after valid_from")
        version = _integer(told.get("version"), "version", 0)
        withdrawn = all(value is None for value in values)
        return ReferenceRow(key, valid_from, valid_to, None if withdrawn else values, (version, *place))

    def _parsed(self, body: bytes) -> dict[str, Any]:
        if len(body) > MAX_MESSAGE_BYTES:
            raise RefusedRow(f"too_large: {len(body)} bytes, at most {MAX_MESSAGE_BYTES} are accepted")
        try:
            told = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise RefusedRow("not_json: the message is no JSON") from None
        if not isinstance(told, dict) or told.get("schema") != self.reference.schema:
            raise RefusedRow(f"wrong_schema: the message is not of schema {self.reference.schema}")
        return told


def _value(told: dict[str, Any], field: Field) -> Value:
    value = told.get(field.name)
    if value is None:
        if field.required:
            raise RefusedRow(f"missing_field: there is no {field.name}")
        return None
    if field.kind == "string":
        return _text(value, field)
    if field.kind == "boolean":
        if not isinstance(value, bool):
            raise RefusedRow(f"not_a_boolean: {field.name} is neither true nor false")
        return value
    if field.kind == "integer":
        number: float = _integer(value, field.name, 0)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedRow(f"not_a_number: {field.name} is no number")
    else:
        number = float(value) if abs(value) < _INT64 else math.inf
    below = field.minimum is not None and number < field.minimum
    if below or (field.above is not None and number <= field.above):
        raise RefusedRow(f"out_of_range: {field.name} is too small")
    if number == math.inf or (field.maximum is not None and number > field.maximum):
        raise RefusedRow(f"out_of_range: {field.name} is too large")
    return number


def _text(value: object, field: Field) -> str:
    if not isinstance(value, str):
        raise RefusedRow(f"not_a_text: {field.name} is no text")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:  # half a surrogate pair, legal in JSON's escapes
        raise RefusedRow(f"not_a_text: {field.name} is none in UTF-8") from None
    if length > field.max_bytes or (field.required and not length):
        raise RefusedRow(f"out_of_range: {field.name} has {length} bytes")
    if field.pattern is not None and not field.pattern.fullmatch(value):
        raise RefusedRow(f"out_of_range: {field.name} is not of the form {field.pattern.pattern}")
    return value


def _time(told: dict[str, Any], name: str, missing: int | None) -> int:
    value = told.get(name)
    if value is None and missing is not None:
        return missing
    if type(value) is not int or not EARLIEST_MS < value < LATEST_MS:
        raise RefusedRow(f"time_out_of_range: {name} is no time in epoch milliseconds")
    return value


def _integer(value: object, name: str, missing: int) -> int:
    if value is None:
        return missing
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise RefusedRow(f"not_a_number: {name} is no integer")
    return value


def _no_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
