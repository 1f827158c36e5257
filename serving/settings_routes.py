"""Routes of settings: the workbook, and what an edited one would change or changes.

A page of another site that is open in an admin's browser may send what forms can send, which a workbook's media type is
not: so nothing is taken without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kappafleet.connections import RabbitMQConnection
from kappafleet.errors import UserError
from serving import encodings, parameters
from serving.problems import Problem, invalid
from serving.routes import problem_answers
from serving.service import Service, may_administer, may_see_all
from serving.settings_log import apply, planned, settings_in_force
from serving.settings_plan import Plan
from serving.settings_times import BadTime, effective_ms
from serving.settings_upload import MOST_BYTES, Refused, read
from serving.settings_workbook import settings_workbook
from serving.workbook import MEDIA_TYPE

PATH = "/v1/settings/workbook"
_YES = {"true": True, "false": False}

FoundT = TypeVar("FoundT")


def add(app: FastAPI, service: Service) -> None:
    """Adds the routes."""
    busy = asyncio.Semaphore(2)  # reading the streams and the cells takes a second of a processor

    async def away(work: Callable[[], FoundT]) -> FoundT:
        """Does what waits for the broker in a thread."""
        async with busy:
            try:
                return await asyncio.to_thread(work)
            except UserError as error:
                raise Problem("settings-unavailable", str(error)) from error

    @app.get(PATH, tags=["settings"], operation_id="settings-workbook", response_class=Response,
             summary="The settings in force, as a workbook to edit.",
             description="Thresholds, score weights, speed limits, assignments and stations. For keys of all fleets.",
             responses={200: {"description": "The workbook (.xlsx).",
                              "content": {MEDIA_TYPE: {"schema": {"format": "binary"}}}}, **problem_answers()},
             )  # fmt: skip
    async def export(request: Request) -> Response:
        may_see_all(service.admit(request))
        parameters.once(request.query_params.multi_items(), ())
        broker = _broker(service)

        def made() -> tuple[bytes, str]:
            found = settings_in_force(broker)
            return settings_workbook(found, datetime.now(UTC)), found.version()

        body, version = await away(made)
        headers = {
            "Content-Disposition": f'attachment; filename="settings_{version}.xlsx"',
            "Cache-Control": "private, no-store",
        }
        return Response(body, media_type=MEDIA_TYPE, headers=headers)

    @app.post(PATH, tags=["settings"], operation_id="settings-import", response_class=Response,
              summary="What an edited workbook would change; with apply=true it changes it.",
              description="Without `apply` nothing is changed: each wrong cell, each conflict and each change is told. "
              "To apply takes a key with the role admin, no wrong cell, and settings that nobody has changed since the "
              "export.",
              responses={200: {"description": "What would change, or was changed.",
                               "content": {"application/json": {"schema": {"type": "object"}}}},
                         **problem_answers()},
              openapi_extra={
                  "requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"format": "binary"}}}},
                  "parameters": [
                      {"name": "apply", "in": "query", "schema": {"type": "boolean", "default": False}},
                      {"name": "effective_from", "in": "query",
                       "schema": {"type": "string", "default": "now", "example": "2026-11-22T06:00:00Z"}}]},
              )  # fmt: skip
    async def take(request: Request) -> Response:
        caller = service.admit(request)
        given = parameters.once(request.query_params.multi_items(), ("apply", "effective_from"))
        applies = _YES.get(given.get("apply", "false"))
        if applies is None:
            raise invalid("apply", "true or false")
        if applies:
            may_administer(caller)
        else:
            may_see_all(caller)
        try:
            from_ms = effective_ms(given.get("effective_from", "now"))
        except BadTime as error:
            raise invalid("effective_from", str(error)) from error
        broker, data = _broker(service), await _body(request)

        def done() -> Plan:
            upload = read(data)
            return apply(upload, from_ms, broker) if applies else planned(upload, from_ms, broker)

        try:
            found = await away(done)
        except Refused as refused:
            raise Problem("workbook-refused", str(refused)) from refused
        document = _document(found, from_ms)
        if applies and found.outdated:
            raise Problem(
                "settings-changed", "the settings were changed since the export: export anew", **document
            )
        if applies and found.errors:
            raise Problem("cells-wrong", f"{len(found.errors)} cells are wrong", **document)
        body = encodings.to_json({"applied": applies and found.applies, **document})
        return Response(body, media_type="application/json", headers={"Cache-Control": "private, no-store"})


def _broker(service: Service) -> RabbitMQConnection:
    if service.settings.broker is None:
        raise Problem("settings-unavailable", "the server was started without a broker")
    return service.settings.broker


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Problem("wrong-media-type", f"send the workbook itself, with Content-Type: {MEDIA_TYPE}")
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > MOST_BYTES:
            raise Problem("too-large", f"more than {MOST_BYTES:,} bytes are not read")
    return bytes(found)


def _document(found: Plan, from_ms: int) -> dict[str, Any]:
    return {
        "version": found.version,
        "exported": found.exported,
        "effective_from": f"{datetime.fromtimestamp(from_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{from_ms % 1000:03}Z",
        "errors": [each._asdict() for each in found.errors],
        "conflicts": [each._asdict() for each in found.conflicts],
        "changes": [each._asdict() for each in found.changes],
    }
