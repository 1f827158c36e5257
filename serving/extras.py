"""Routes beside the questions: who am I, which fleets, areas and sources there are, is the server well."""

from __future__ import annotations

import time
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kappafleet import __version__
from serving import encodings
from serving.problems import Problem
from serving.questions import Scope, question, questions
from serving.routes import problem_answers, tagged
from serving.service import Service, may_administer, may_see_all
from serving.store import Store

MOST_KEYS = 10_000
KEPT_S = 5.0


def add(app: FastAPI, service: Service) -> None:
    """Adds the routes."""
    names = _Names(service.store)
    refusals = problem_answers()

    @app.get("/v1/me", tags=["server"], operation_id="me", summary="Who am I?", responses=refusals)
    async def me(request: Request) -> Response:
        caller = service.admit(request)
        document = {
            "name": caller.name,
            "role": "admin" if caller.admin else "reader",
            "fleets": None if caller.fleets is None else sorted(caller.fleets),
            "version": __version__,
            "questions": [each.name for each in questions() if _may(each.name, caller_fleets=caller.fleets)],
        }
        return tagged(request, encodings.to_json(document), "application/json")

    @app.get("/v1/fleets", tags=["drivers and vehicles"], operation_id="fleets", summary="Which fleets are there?",
             responses=refusals)  # fmt: skip
    async def fleets(request: Request) -> Response:
        caller = service.admit(request)
        found = {str(key[0]) for key in await names.of("fleet-vehicles")}
        if caller.fleets is not None:
            found &= caller.fleets
        return tagged(request, encodings.to_json({"fleets": sorted(found)}), "application/json")

    @app.get("/v1/areas", tags=["sensors"], operation_id="areas", summary="Which areas have sensors?",
             responses=refusals)  # fmt: skip
    async def areas(request: Request) -> Response:
        may_see_all(service.admit(request))
        found = sorted(str(key[0]) for key in await names.of("area-sensors"))
        return tagged(request, encodings.to_json({"areas": found}), "application/json")

    @app.get("/v1/rejects/{job}", tags=["server"], operation_id="reject-sources",
             summary="On which days did which sources have messages refused? Newest first.",
             responses=refusals)  # fmt: skip
    async def reject_sources(request: Request, job: str) -> Response:
        may_administer(service.admit(request))
        name = f"{job.replace('_', '-')}-rejects"
        if name not in {each.name for each in questions()}:
            raise Problem("not-found", "there is no such job")
        pairs = sorted({(str(day), str(source)) for day, source in await names.of(name)}, reverse=True)
        document = {"sources": [{"day": day, "source": source} for day, source in pairs]}
        return tagged(request, encodings.to_json(document), "application/json")

    @app.get("/health", tags=["server"], operation_id="health", summary="Does the server reach its tables?",
             responses={200: {"description": "It does."}, 503: refusals[503]})  # fmt: skip
    async def health() -> Response:
        await service.store.version("driver_stats")
        return Response(encodings.to_json({"status": "ok"}), media_type="application/json")


def _may(name: str, caller_fleets: frozenset[str] | None) -> bool:
    """Whether a key of some fleets may ask it at all."""
    asked = question(name)
    return caller_fleets is None or asked.scope not in (Scope.EVERYTHING, Scope.ADMIN)


class _Names:
    """The partition keys of tables with few of them, a few seconds old at most."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[float, list[tuple[Any, ...]]]] = {}

    async def of(self, name: str) -> list[tuple[Any, ...]]:
        until, found = self._kept.get(name, (0.0, []))
        if time.monotonic() < until:
            return found
        try:
            asked = question(name)
        except KeyError:
            return []
        table = asked.table
        found = await self._store.distinct(asked.job, table.name, table.partition_key, MOST_KEYS)
        self._kept[name] = (time.monotonic() + KEPT_S, found)
        return found
