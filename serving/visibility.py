"""Which rows a reader gets: not those that were made void, and not those of fleets that its key is not for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from schemas.tables import Column
from serving.keys import Caller
from serving.questions import Question, Scope, question
from serving.reader import Visible
from serving.service import may_administer, may_see_all, may_see_fleet
from serving.store import Row, Store


def check(asked: Question, ids: Sequence[str], caller: Caller) -> None:
    """Refuses what a caller may not ask at all.

    Raises:
        Problem: it may not.
    """
    if asked.scope is Scope.ADMIN:
        may_administer(caller)
    elif asked.scope is Scope.EVERYTHING:
        may_see_all(caller)
    elif asked.scope is Scope.FLEET_IN_PATH:
        may_see_fleet(caller, ids[asked.ids.index("fleet_id")])


def filter_of(store: Store, asked: Question, caller: Caller, superseded: bool) -> Visible:
    """The filter of a request.

    Args:
        store: where leaderboards are looked up.
        asked: the question.
        caller: who asks.
        superseded: whether void rows are wanted.
    """
    days = _FleetDays(store, caller.fleets or frozenset())

    async def visible(columns: Sequence[Column], rows: list[Row]) -> list[Row]:
        names = [column.name for column in columns]
        if not superseded and "superseded_by" in names:
            void = names.index("superseded_by")
            rows = [row for row in rows if row[void] is None]
        if caller.fleets is None or not rows:
            return rows
        if asked.scope is Scope.FLEET_IN_ROW:
            if "fleet_id" not in names:
                return []
            fleet = names.index("fleet_id")
            return [row for row in rows if row[fleet] in caller.fleets]
        if asked.scope is Scope.FLEET_OF_DAY:
            day, driver = names.index("day"), names.index("driver_id")
            seen = await days.with_driver({(row[day], row[driver]) for row in rows})
            return [row for row in rows if (row[day], row[driver]) in seen]
        return rows

    return visible


class _FleetDays:
    """On which days drivers are on the leaderboards of some fleets; remembered for one request."""

    def __init__(self, store: Store, fleets: frozenset[str]) -> None:
        self._store, self._fleets = store, sorted(fleets)
        self._known: dict[tuple[str, str], bool] = {}

    async def with_driver(self, pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
        missing = [pair for pair in pairs if pair not in self._known]
        if missing:
            leaderboard = question("fleet-drivers")
            version = await self._store.version(leaderboard.job)
            found = await asyncio.gather(
                *(
                    self._store.has(leaderboard, version, (fleet, day, driver))
                    for day, driver in missing
                    for fleet in self._fleets
                )
            )
            width = len(self._fleets)
            for index, pair in enumerate(missing):
                self._known[pair] = any(found[index * width : (index + 1) * width])
        return {pair for pair in pairs if self._known[pair]}
