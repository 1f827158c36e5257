"""The live feed as WebSocket and as server-sent events: a snapshot, then changed rows, to whoever may read them.

Events, with their JSON documents:

* ``snapshot``: ``{"tables": {TABLE: {"key": [column, ...], "rows": [...]}}, "live": true, "since": ...}``
* ``changes``: ``{"changes": [{"table": ..., "row": {...}}]}``; the columns of a row that are known to be new
* ``state``: ``{"live": false, "since": ..., "why": ...}``: changes come in, or none do since then
* ``problem``: a problem document; the feed ends
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from serving import encodings, parameters
from serving.feed_hub import Batch, Client, Hub, of_tables
from serving.feed_rows import Change, feed_tables
from serving.feed_snapshot import Snapshots
from serving.feed_source import FeedSource
from serving.keys import Caller
from serving.problems import MEDIA_TYPE, Problem, invalid
from serving.questions import Scope, question, questions
from serving.routes import problem_answers
from serving.service import Service, may_see_all, may_see_fleet

_LOG = logging.getLogger(__name__)

PROTOCOL = "kappafleet.feed"
BEAT_S = 10.0
VERSIONS_EVERY_S = 1.0
MOST_CLIENTS = 1_500
RETRY_MS = 1_000

_PATHS = {
    "fleet": ("/v1/fleets/{fleet_id}/feed", "fleet_id", "drivers and vehicles", "this fleet"),
    "driver": ("/v1/drivers/{driver_id}/feed", "driver_id", "drivers and vehicles", "this driver"),
    "area": ("/v1/areas/{area}/feed", "area", "sensors", "the sensors of this area"),
}
_DESCRIPTION = """\
Server-sent events, or a WebSocket at the same address (subprotocol `kappafleet.feed`; a browser sends its key as
a second one). First `snapshot`, then `changes`, and `state` when changes stop or start to come in. After a lost
connection send the last event's id (`Last-Event-ID`, or `after`): what was missed follows, or, if that is not known any
more, a snapshot. A client that reads slowly gets the newest values of each row. A row with `superseded_by` is void.
"""


@dataclass(frozen=True, slots=True)
class _Event:
    name: str
    position: str | None
    text: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one connection asked for."""

    kind: str
    name: str
    caller: Caller
    day: str
    tables: frozenset[str] | None
    after: str | None

    @property
    def subject(self) -> str:
        return f"{self.kind}/{self.name}"


class Feed:
    """The feed of one server."""

    def __init__(self, service: Service) -> None:
        """Nothing is connected yet; see :meth:`running`."""
        self._service = service
        self.hub = Hub()
        self._snapshots = Snapshots(service, self.hub)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads the results exchange for the duration of a ``with`` block, if the settings name a broker."""
        broker = self._service.settings.broker
        if broker is None:
            self.hub.lost("the server was started without a broker")
            yield
            return
        source = FeedSource(broker, self.hub)
        versions = asyncio.create_task(self._follow_versions())
        source.start()
        try:
            yield
        finally:
            versions.cancel()
            await asyncio.to_thread(source.stop)

    async def _follow_versions(self) -> None:
        jobs = sorted({each.job for each in feed_tables().values()})
        while True:
            with suppress(Problem):  # Cassandra is away: what is known stays
                self.hub.use({job: await self._service.store.version(job) for job in jobs})
            await asyncio.sleep(VERSIONS_EVERY_S)

    def wanted(self, kind: str, connection: HTTPConnection, after: str | None = None) -> _Wanted:
        """What a request asks for, if it may.

        Raises:
            Problem: it may not, or something in it is wrong.
        """
        caller = self._service.admit(connection)
        column = _PATHS[kind][1]
        name = parameters.identifier(column, connection.path_params[column])
        given = parameters.once(connection.query_params.multi_items(), ("day", "tables", "after"))
        if kind == "fleet":
            may_see_fleet(caller, name)
        elif kind == "area":
            may_see_all(caller)
        if self.hub.clients >= MOST_CLIENTS:
            raise Problem("too-many-feeds", "repeat later", headers={"Retry-After": "10"})
        day = given.get("day") or self._service.now().strftime("%Y-%m-%d")
        parameters.asked(
            question("fleet-drivers"), {"fleet_id": "-"}, [("day", day)], None, self._service.now()
        )
        return _Wanted(kind, name, caller, day, _tables(given.get("tables")), after or given.get("after"))

    async def events(
        self, wanted: _Wanted, connection: HTTPConnection
    ) -> AsyncGenerator[_Event | None, None]:
        """What goes over one connection; None is a sign of life. Each is made when the one before was sent."""
        client = self.hub.follow(wanted.subject, wanted.tables)
        try:
            missed = self.hub.missed(wanted.subject, wanted.after) if wanted.after else None
            if missed and wanted.tables is not None:
                missed = of_tables(missed, wanted.tables)
            position = self.hub.position
            if missed is None:
                yield await self._snapshot(wanted)
            else:
                yield _Event("state", None, self._state())
                event = await self._changes(wanted, missed, None, position) if missed else None
                if event is not None:
                    yield event
            while True:
                woken = await client.wait(BEAT_S)
                self._still_may(wanted.caller, connection)
                if not woken:
                    yield None
                async for event in self._news(wanted, client):
                    yield event
        except Problem as problem:
            yield _Event("problem", None, problem.body(connection.url.path).decode())
        finally:
            self.hub.leave(client)

    async def _news(self, wanted: _Wanted, client: Client) -> AsyncIterator[_Event]:
        told = client.told()
        if client.outdated():
            yield await self._snapshot(wanted)
        elif told:
            yield _Event("state", None, self._state())
        batch, text, upto = client.take()
        if batch:
            found = await self._changes(wanted, batch, text, self.hub.position_of(upto))
            if found is not None:
                yield found

    async def _snapshot(self, wanted: _Wanted) -> _Event:
        found = await self._snapshots.of(wanted.kind, wanted.name, wanted.day, wanted.tables, wanted.caller)
        return _Event("snapshot", found.position, f"{found.text},{self._state()[1:]}")

    async def _changes(self, wanted: _Wanted, batch: Batch, text: str | None, position: str) -> _Event | None:
        if wanted.caller.fleets is not None and wanted.kind == "driver":
            changes = [each for each in batch.values() if await self._visible(wanted, each)]
            text = ",".join(each.text for each in changes) if changes else None
        elif text is None and batch:
            text = ",".join(each.text for each in batch.values())
        return None if text is None else _Event("changes", position, f'{{"changes":[{text}]}}')

    async def _visible(self, wanted: _Wanted, change: Change) -> bool:
        """As the question to the row's table leaves rows out (serving/visibility.py)."""
        fleets = wanted.caller.fleets or frozenset()
        if "fleet_id" in {column.name for column in feed_tables()[change.table].table.columns}:
            return change.values.get("fleet_id") in fleets
        if _scope(change.table) is not Scope.FLEET_OF_DAY:
            return False
        leaderboard = question("fleet-drivers")
        store = self._service.store
        version = await store.version(leaderboard.job)
        day, driver = change.values.get("day"), change.values.get("driver_id")
        there = [await store.has(leaderboard, version, (fleet, day, driver)) for fleet in sorted(fleets)]
        return any(there)

    def _still_may(self, caller: Caller, connection: HTTPConnection) -> None:
        """Ends the feed of a key that was removed or changed.

        Raises:
            Problem: it was.
        """
        if not self._service.still(caller, connection):
            raise Problem("key-unknown", "the key was removed or changed")

    def _state(self) -> str:
        return encodings.to_json(self.hub.state()).decode()


def add(app: FastAPI, feed: Feed) -> None:
    """Adds the routes."""
    for kind in _PATHS:
        _add(app, feed, kind)


def _add(app: FastAPI, feed: Feed, kind: str) -> None:
    path, column, tag, whom = _PATHS[kind]

    async def stream(request: Request) -> Response:
        wanted = feed.wanted(kind, request, request.headers.get("last-event-id"))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            _as_sse(feed.events(wanted, request)), media_type="text/event-stream", headers=headers
        )

    async def socket(websocket: WebSocket) -> None:
        try:
            _same_origin(websocket)
            wanted = feed.wanted(kind, websocket)
        except Problem as problem:
            await websocket.send_denial_response(_refusal(websocket, problem))
            return
        await _over(websocket, feed, wanted)

    text = {"type": "string"}
    app.add_api_route(
        path,
        stream,
        methods=["GET"],
        operation_id=f"{kind}-feed",
        summary=f"What changes of {whom}, as it changes.",
        description=_DESCRIPTION,
        tags=[tag],
        responses={
            200: {"description": "Events.", "content": {"text/event-stream": {"schema": text}}},
            **problem_answers(),
        },
        openapi_extra={
            "parameters": [
                {"name": column, "in": "path", "required": True, "schema": text},
                *(
                    {"name": name, "in": "query", "schema": text, "description": said}
                    for name, said in {
                        "day": "Of the snapshot's tables by day; default: today.",
                        "tables": "Changes of these only: vehicle_live,driver_event",
                        "after": "The id of the last event that was received.",
                    }.items()
                ),
                {"name": "Last-Event-ID", "in": "header", "schema": text, "description": "The same."},
            ]
        },
        response_class=Response,
    )
    app.add_api_websocket_route(path, socket, name=f"{kind}-feed-socket")


async def _as_sse(events: AsyncGenerator[_Event | None, None]) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    async with aclosing(events):
        async for event in events:
            if event is None:
                yield ": still here\n\n"
            else:
                position = f"id: {event.position}\n" if event.position else ""
                yield f"event: {event.name}\n{position}data: {event.text}\n\n"


async def _over(websocket: WebSocket, feed: Feed, wanted: _Wanted) -> None:
    asked = websocket.scope.get("subprotocols", [])
    await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in asked else None)
    sending = asyncio.create_task(_send(websocket, feed, wanted))
    listening = asyncio.create_task(_listen(websocket))
    try:
        await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, listening):
            task.cancel()
        for result in await asyncio.gather(sending, listening, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | RuntimeError):
                _LOG.error("a feed failed", exc_info=result)


async def _send(websocket: WebSocket, feed: Feed, wanted: _Wanted) -> None:
    async with aclosing(feed.events(wanted, websocket)) as events:
        async for event in events:
            if event is None:
                await websocket.send_text('{"event":"beat"}')
                continue
            position = f'"id":"{event.position}",' if event.position else ""
            await websocket.send_text(f'{{"event":"{event.name}",{position}"data":{event.text}}}')
    await websocket.close(1008)


async def _listen(websocket: WebSocket) -> None:
    """Nothing is expected; it ends when the client goes."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _same_origin(websocket: WebSocket) -> None:
    """Refuses pages of other sites: a browser lets them open sockets to anywhere.

    Raises:
        Problem: the page is one.
    """
    origin = websocket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != websocket.headers.get("host"):
        raise Problem("not-allowed", "a page of another site may not open this feed")


def _refusal(websocket: WebSocket, problem: Problem) -> Response:
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(problem.body(websocket.url.path), problem.status, headers, MEDIA_TYPE)


def _tables(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    names = frozenset(text.split(","))
    strange = sorted(names - feed_tables().keys())
    if strange:
        raise invalid(
            "tables", f"there is no table {strange[0][:64]!r}; there are {', '.join(feed_tables())}"
        )
    return names


def _scope(table: str) -> Scope:
    return next(each.scope for each in questions() if each.table.name == table)
