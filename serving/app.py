"""The HTTP application: routes, refusals as problem documents, headers, the dashboard's files."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kappafleet import __version__
from serving import extras, feed_routes, pipeline, sensorthings, workbooks
from serving.problems import MEDIA_TYPE, Problem
from serving.routes import add_examples, add_questions
from serving.service import Service

_LOG = logging.getLogger(__name__)

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", _CONTENT_POLICY.encode()),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_DESCRIPTION = """\
What the jobs computed, question by question. Rows are newest first, in pages: `next` (and the header `Link`) is the
address of the next one. Times are UTC. JSON, CSV and Arrow IPC streams: parameter `format`, or header `Accept`.
Refusals are problem documents (RFC 9457). With keys set up, send one as `Authorization: Bearer kf_...`.
"""


def build(shared: Service) -> FastAPI:
    """Makes the application.

    Args:
        shared: what requests share.
    """
    feed = feed_routes.Feed(shared)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with feed.running():
            yield

    app = FastAPI(
        lifespan=lifespan,
        title="kappafleet",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(_Headers)
    app.add_exception_handler(Problem, _refused)
    app.add_exception_handler(HTTPException, _refused_by_framework)
    app.add_exception_handler(Exception, _failed)
    add_questions(app, shared)
    extras.add(app, shared)
    sensorthings.add(app, shared)
    workbooks.add(app, shared)
    pipeline.add(app, shared)
    feed_routes.add(app, feed)
    _add_pages(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def start() -> Response:
        return RedirectResponse("/dashboard/")

    files = Path(str(resources.files("serving") / "static"))
    app.mount("/dashboard", StaticFiles(directory=files, html=True), name="dashboard")


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components = found.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = {
            "type": "object",
            "required": ["type", "title", "status", "detail", "instance"],
            "properties": {
                "type": {
                    "type": "string",
                    "format": "uri",
                    "example": "urn:kappafleet:problem:invalid-parameter",
                },
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "instance": {"type": "string"},
                "parameter": {"type": "string", "description": "The parameter that is wrong."},
            },
        }
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"key": []}, {}]
        add_examples(found)
        app.openapi_schema = found
    return app.openapi_schema


def _document(request: Request, problem: Problem) -> Response:
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(problem.body(request.scope["path"]), problem.status, headers, MEDIA_TYPE)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _document(request, error)


async def _refused_by_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return _document(request, Problem("method-not-allowed", "use GET", headers=error.headers))
    if error.status_code == 404:
        return _document(request, Problem("not-found", "no such address; /openapi.json lists them"))
    return _document(request, Problem("internal-error", str(error.detail)))


async def _failed(request: Request, error: Exception) -> Response:
    """A mistake of ours: the log has it, the client learns no more than that."""
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _document(request, Problem("internal-error", "the server's log says more"))


class _Headers:
    """Adds what browsers are told about every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers)
