"""The questions as routes: a request in, rows out."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from serving import encodings, parameters, visibility
from serving.examples import example_row
from serving.parameters import FORMATS, Asked
from serving.periods import MAX_PARTITIONS
from serving.questions import Bucket, Question, Scope, questions
from serving.reader import Page, read_page
from serving.service import Service

_TAGS = {
    "driver_stats": "drivers and vehicles",
    "sensor_windows": "sensors",
    "driver_exposure": "drivers and vehicles",
    "metrics": "metrics",
}
_JSON_TYPES = {"double": "number", "int": "integer", "bigint": "integer", "boolean": "boolean"}


def add_questions(app: FastAPI, service: Service) -> None:
    """Adds a route for each question."""
    for question in questions():
        app.add_api_route(
            question.path,
            _route(question, service),
            methods=["GET"],
            operation_id=question.name,
            summary=question.summary,
            description=f"Table `{question.table.name}` of {question.job}. {_who(question)}",
            tags=[_TAGS[question.job]],
            responses={200: _answers(question), **problem_answers()},
            openapi_extra={"parameters": [*_path(question), *_query(question)]},
            response_class=Response,
        )


def _route(question: Question, service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def rows(request: Request) -> Response:
        caller = service.admit(request)
        asked = parameters.asked(
            question,
            request.path_params,
            request.query_params.multi_items(),
            request.headers.get("accept"),
            service.now(),
        )
        visibility.check(question, asked.ids, caller)
        start = None
        if asked.cursor is not None:
            start = service.cursors.position(asked.cursor, question, asked.ids, asked.span)
        page = await read_page(
            service.store,
            question,
            asked.ids,
            asked.span,
            asked.limit,
            start,
            visibility.filter_of(service.store, question, caller, asked.superseded),
        )
        return _answer(question, service, asked, page, request)

    rows.__name__ = question.name.replace("-", "_")
    return rows


def _answer(question: Question, service: Service, asked: Asked, page: Page, request: Request) -> Response:
    following = None
    if page.next is not None:
        cursor = service.cursors.text(page.next, question, asked.ids, asked.span)
        following = _address(question, asked, cursor)
    if asked.form == "csv":
        body = encodings.to_csv(page.columns, page.rows)
    elif asked.form == "arrow":
        body = encodings.to_arrow(page.columns, page.rows)
    else:
        body = encodings.to_json(
            {
                "rows": encodings.records(page.columns, page.rows),
                "next": following,
                "job": question.job,
                "table": question.table.name,
                "version": page.version,
            }
        )
    headers = {"Vary": "Accept, Authorization, X-API-Key"}
    if following:
        headers["Link"] = f'<{following}>; rel="next"'
    return tagged(request, body, FORMATS[asked.form], headers)


def tagged(request: Request, body: bytes, media: str, headers: dict[str, str] | None = None) -> Response:
    """An answer with its ETag, or 304 to a client that has it already."""
    # Weak: compression in between changes the bytes, not what they say.
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    found = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag.removeprefix("W/") in (
        each.strip().removeprefix("W/") for each in known.split(",")
    ):
        return Response(status_code=304, headers=found)
    return Response(body, media_type=media, headers=found)


def _address(question: Question, asked: Asked, cursor: str) -> str:
    path = question.path
    for name, value in zip(question.ids, asked.ids, strict=True):
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    query = [*asked.span.parameters, ("limit", str(asked.limit)), ("format", asked.form)]
    if asked.superseded:
        query.append(("superseded", "true"))
    return f"{path}?{urlencode([*query, ('cursor', cursor)])}"


# ---------------------------------------------------------------- its description


def _who(question: Question) -> str:
    return {
        Scope.FLEET_IN_PATH: "A key of some fleets may ask for those.",
        Scope.FLEET_IN_ROW: "A key of some fleets gets the rows of those.",
        Scope.FLEET_OF_DAY: "A key of some fleets gets the days on which the driver is on one of their leaderboards.",
        Scope.EVERYTHING: "Not for keys of some fleets.",
        Scope.ADMIN: "For admins only.",
    }[question.scope]


def _path(question: Question) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "maxLength": parameters.MAX_ID_LENGTH},
            "example": example_row(question)[name],
        }
        for name in question.ids
    ]


def _query(question: Question) -> list[dict[str, Any]]:
    bucket = question.bucket.value
    what = "date or time" if question.ranged_by_time else "date"
    texts = {
        bucket: f"One {bucket} (`{example_row(question).get(bucket)}`); without it and `from`: the current one.",
        "from": f"Start of a range, included: a {what}. At most {MAX_PARTITIONS} {bucket}s.",
        "to": f"End of a range: a {what}; a date is included, a time is not.",
        "cursor": "Of the page before; `next` has it.",
        "superseded": "Whether to give rows, too, that a later message made void.",
    }
    found: list[dict[str, Any]] = []
    for name in parameters.parameter_names(question):
        if name == "limit":
            schema: dict[str, Any] = {
                "type": "integer",
                "minimum": 1,
                "maximum": parameters.MAX_LIMIT,
                "default": parameters.DEFAULT_LIMIT,
            }
        elif name == "format":
            schema = {"type": "string", "enum": list(FORMATS)}
        else:
            schema = {"type": "boolean" if name == "superseded" else "string"}
        described = texts.get(name, {"limit": "Most rows.", "format": "Goes before `Accept`."}.get(name, ""))
        found.append({"name": name, "in": "query", "schema": schema, "description": described})
    return found


def _answers(question: Question) -> dict[str, Any]:
    row = {
        "type": "object",
        "properties": {column.name: _schema(column.cql_type) for column in question.table.columns},
    }
    order = "" if question.bucket is Bucket.NONE else " Newest first."
    return {
        "description": f"A page of rows.{order}",
        "headers": {
            "ETag": {"schema": {"type": "string"}},
            "Link": {"schema": {"type": "string"}, "description": "The next page, if there is one."},
        },
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["rows", "next", "job", "table", "version"],
                    "properties": {
                        "rows": {"type": "array", "items": row},
                        "next": {"type": ["string", "null"], "description": "Address of the next page."},
                        "job": {"type": "string"},
                        "table": {"type": "string"},
                        "version": {"type": "integer", "description": "Of the tables."},
                    },
                },
            },
            "text/csv": {"schema": {"type": "string"}},
            FORMATS["arrow"]: {"schema": {"type": "string", "format": "binary"}},
        },
    }


def add_examples(document: dict[str, Any]) -> None:
    """Gives each question of an OpenAPI document its example; FastAPI itself would drop their nulls."""
    for question in questions():
        row = example_row(question)
        content = document["paths"][question.path]["get"]["responses"]["200"]["content"]
        content["application/json"]["example"] = {
            "rows": [row],
            "next": None,
            "job": question.job,
            "table": question.table.name,
            "version": 1,
        }
        lines = (",".join(row), ",".join("" if value is None else str(value) for value in row.values()))
        content["text/csv"]["example"] = "\r\n".join(lines)


def _schema(cql_type: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": [_JSON_TYPES.get(cql_type, "string"), "null"]}
    formats = {"timestamp": "date-time", "bigint": "int64", "int": "int32", "double": "double"}
    if cql_type in formats:
        found["format"] = formats[cql_type]
    if cql_type == "blob":
        found["contentEncoding"] = "base64"
    return found


def problem_answers() -> dict[int | str, dict[str, Any]]:
    """The refusals that any question may get."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    texts = {
        304: "Nothing has changed since the ETag that was sent.",
        400: "A parameter is wrong.",
        401: "A key is needed.",
        403: "The key is not for this.",
        429: "Too many requests.",
        503: "There are no tables, or Cassandra does not answer.",
    }
    return {
        status: {"description": text, **({"content": content} if status >= 400 else {})}
        for status, text in texts.items()
    }
