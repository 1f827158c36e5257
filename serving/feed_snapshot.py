"""What a feed begins with: the rows as the tables have them now, read once for all who begin at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving import encodings, parameters, visibility
from serving.feed_hub import Hub
from serving.keys import Caller
from serving.problems import Problem
from serving.questions import Question, Scope, question
from serving.reader import read_page
from serving.service import Service

KEPT_S = 1.0
MOST_ROWS = 20_000
PAGE_ROWS = 1_000
RECENT = 100

QUESTIONS: Mapping[str, Sequence[str]] = {
    "fleet": ("fleet-vehicles", "fleet-drivers"),
    "driver": ("driver-events", "driver-trips", "driver-days", "driver-exposure", "driver-event-weather"),
    "area": ("area-sensors",),
}
"""Of a kind of subject, what its snapshot holds."""

_RECENT = {"fleet": "driver_event"}
"""What no question has for the whole subject: of it the last changes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows of several tables.

    Attributes:
        position: all changes up to this one are in it.
        text: the rows by table, as a JSON object without its last brace.
    """

    position: str
    text: str


class Snapshots:
    """Reads snapshots; who asks for the same within a second gets the same."""

    def __init__(self, service: Service, hub: Hub) -> None:
        """Makes the reader.

        Args:
            service: what requests share.
            hub: knows the position, and the last changes.
        """
        self._service, self._hub = service, hub
        self._kept: dict[tuple[object, ...], tuple[float, asyncio.Task[Snapshot]]] = {}

    async def of(
        self, kind: str, name: str, day: str, wanted: frozenset[str] | None, caller: Caller
    ) -> Snapshot:
        """A snapshot of a subject.

        Args:
            kind: ``fleet``, ``driver`` or ``area``.
            name: which one.
            day: whose rows of tables by day are wanted.
            wanted: rows of these tables; None: of all.
            caller: rows that it may not see are left out.

        Raises:
            Problem: Cassandra does not answer.
        """
        now = time.monotonic()
        self._kept = {key: kept for key, kept in self._kept.items() if now < kept[0]}
        # Rows that changed between an older snapshot and a restart of the hub are in neither: not shared beyond it.
        key = (self._hub.epoch, kind, name, day, wanted, caller.fleets)
        found = self._kept.get(key)
        if found is None:
            task = asyncio.create_task(self._read(kind, name, day, wanted, caller))
            found = self._kept[key] = (now + KEPT_S, task)
        return await asyncio.shield(found[1])

    async def _read(
        self, kind: str, name: str, day: str, wanted: frozenset[str] | None, caller: Caller
    ) -> Snapshot:
        position = self._hub.position
        tables: dict[str, object] = {}
        for each in QUESTIONS[kind]:
            try:
                asked = question(each)
            except KeyError:  # its job is not here
                continue
            if wanted is not None and asked.table.name not in wanted:
                continue
            if asked.scope is Scope.EVERYTHING and caller.fleets is not None:
                continue  # as the question itself, and as changes (feed_routes): not for keys of some fleets
            rows = await self._rows(asked, name, day, caller)
            tables[asked.table.name] = {"key": asked.table.primary_key, "rows": rows}
        recent = _RECENT.get(kind)
        if recent is not None and (wanted is None or recent in wanted):
            changes = self._hub.recent(f"{kind}/{name}", recent, RECENT)
            rows = [dict(each.values) for each in changes if each.values.get("superseded_by") is None]
            key = question("driver-events").table.primary_key
            tables[recent] = {"key": key, "rows": rows}
        return Snapshot(position, encodings.to_json({"tables": tables}).decode()[:-1])

    async def _rows(self, asked: Question, name: str, day: str, caller: Caller) -> list[dict[str, object]]:
        store = self._service.store
        bounds = parameters.asked(asked, {asked.ids[0]: name}, _range(asked, day), None, self._service.now())
        visible = visibility.filter_of(store, asked, caller, superseded=False)
        found: list[dict[str, object]] = []
        start = None
        while len(found) < MOST_ROWS:
            try:
                page = await read_page(store, asked, (name,), bounds.span, PAGE_ROWS, start, visible)
            except Problem as problem:
                if problem.kind == "no-tables":  # no job has written them yet
                    return found
                raise
            found += encodings.records(page.columns, page.rows)
            start = page.next
            if start is None:
                break
        return found


def _range(asked: Question, day: str) -> list[tuple[str, str]]:
    names = parameters.parameter_names(asked)
    if "day" in names and asked.bucket.value == "day":
        return [("day", day)]
    return [("from", day), ("to", day)] if "from" in names else []
