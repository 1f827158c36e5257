"""Changed rows as the results exchange brings them: in any order, some of them twice, some with a few columns only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from schemas.results import route
from schemas.tables import Table
from serving.questions import questions

MOST_ROWS = 50_000
"""Of so many rows all columns are known; of one that did not change for longer, those of its next change."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of the exchange.

    Attributes:
        producer: the keyspace that has the row.
        table: its table.
        row: which row of it.
        write_us: of two changes of a column the one with the larger write time counts.
        body: the changed columns as a JSON object.
    """

    producer: str
    table: str
    row: str
    write_us: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What is known of a row after a change.

    Attributes:
        number: rises with each change.
        table: the row's table.
        row: which row.
        values: the columns that are known; no client gets them, they decide who may see the row.
        text: of all of it, as JSON.
    """

    number: int
    table: str
    row: str
    values: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class FeedTable:
    """A table whose changes can be followed, with the columns of its routing key; ``group`` may be empty."""

    job: str
    table: Table
    group: str
    id: str

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name


@cache
def feed_tables() -> Mapping[str, FeedTable]:
    """By name; what is refused (table reject) has no feed."""
    found = {}
    for question in questions():
        if question.table.name != "reject":
            addressed = route(question.table)
            found[question.table.name] = FeedTable(
                question.job, question.table, addressed.group, addressed.id
            )
    return found


def arrived(properties: Any, body: bytes) -> Arrived | None:
    """A message as pika gives it; None: it is none that a job of ours publishes."""
    headers, message_id = properties.headers or {}, properties.message_id or ""
    row, separator, _ = message_id.rpartition("@")
    write_us = headers.get("write_us")
    if not separator or not isinstance(write_us, int) or not properties.type or not properties.app_id:
        return None
    return Arrived(properties.app_id, properties.type, row, write_us, body)


class Rows:
    """What is known of the rows that changed last, column by column."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        """Knows nothing yet.

        Args:
            most: rows that are kept.
        """
        self._most = most
        self._rows: OrderedDict[str, tuple[dict[str, Any], dict[str, int]]] = OrderedDict()

    def clear(self) -> None:
        """Forgets all: changes may have been missed."""
        self._rows.clear()

    def __len__(self) -> int:
        return len(self._rows)

    def change(self, message: Arrived, number: Callable[[], int]) -> Change | None:
        """The row after a message.

        Args:
            message: what arrived.
            number: gives the change its number.

        Returns:
            None: nothing in it is newer than what was known, or its body is no JSON object.
        """
        try:
            values = orjson.loads(message.body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(values, dict):
            return None
        before = self._rows.get(message.row)
        if before is None:
            known, times = values, dict.fromkeys(values, message.write_us)
        else:
            kept, times = before
            fresh = {name: value for name, value in values.items() if times.get(name, -1) < message.write_us}
            if not fresh:
                return None
            known = {**kept, **fresh}
            times.update(dict.fromkeys(fresh, message.write_us))
        self._rows[message.row] = (known, times)
        self._rows.move_to_end(message.row)
        if len(self._rows) > self._most:
            self._rows.popitem(last=False)
        text = orjson.dumps({"table": message.table, "row": known}).decode()
        return Change(number(), message.table, message.row, known, text)
