"""What went wrong, as problem documents (RFC 9457): each refusal has a stable type, a status and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

MEDIA_TYPE = "application/problem+json"

TITLES: Mapping[str, tuple[int, str]] = {
    "invalid-parameter": (400, "A parameter cannot be understood"),
    "range-too-long": (400, "The range is too long for one request"),
    "invalid-cursor": (400, "The cursor is not one that this server gave for this question"),
    "key-needed": (401, "An API key is needed"),
    "key-unknown": (401, "The API key is not known"),
    "not-allowed": (403, "The API key does not allow this"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "Only reading is possible here"),
    "not-acceptable": (406, "None of the accepted formats can be given"),
    "cursor-outdated": (410, "The tables that the cursor belongs to are gone"),
    "too-many-rows": (413, "The workbook would have too many rows"),
    "wrong-host": (421, "The request names another host"),
    "too-many-requests": (429, "Too many requests"),
    "internal-error": (500, "The server made a mistake"),
    "flink-unavailable": (502, "Flink does not answer"),
    "too-many-feeds": (503, "Too many live feeds are open"),
    "no-tables": (503, "There are no tables yet"),
    "tables-unavailable": (503, "Cassandra does not answer"),
    "tables-late": (504, "Cassandra took too long"),
}
"""Type to status and title; a type's URI is ``urn:kappafleet:problem:TYPE``."""


class Problem(Exception):
    """A request that gets a refusal instead of rows."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        """Makes the refusal.

        Args:
            kind: a key of TITLES.
            detail: what is wrong with this request, and what to do.
            headers: further headers of the answer, such as ``Retry-After``.
            members: further members of the document.
        """
        super().__init__(detail)
        self.kind = kind
        self.status, self.title = TITLES[kind]
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def body(self, instance: str) -> bytes:
        """The document.

        Args:
            instance: the path that was asked for.
        """
        return orjson.dumps(
            {
                "type": f"urn:kappafleet:problem:{self.kind}",
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "instance": instance,
                **self.members,
            }
        )


def invalid(parameter: str, detail: str) -> Problem:
    """A refusal that names the parameter it is about."""
    return Problem("invalid-parameter", f"{parameter}: {detail}", parameter=parameter)
