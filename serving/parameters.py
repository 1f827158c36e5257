"""What a request for rows says beside its path, read strictly: a misspelt parameter is never silently ignored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from serving.periods import Span, span
from serving.problems import Problem, invalid
from serving.questions import Bucket, Question

DEFAULT_LIMIT, MAX_LIMIT = 500, 5000
MAX_ID_LENGTH = 256

FORMATS: Mapping[str, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
}
"""Format to media type; the first is the one given where any is accepted."""

_LIMIT = re.compile(r"[0-9]{1,6}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for rows.

    Attributes:
        ids: the path's ids in the order of the question's.
        span: the range.
        limit: most rows of the page.
        cursor: None: from the start.
        form: a key of FORMATS.
        superseded: whether rows that a later message made void are wanted, too.
    """

    ids: tuple[str, ...]
    span: Span
    limit: int
    cursor: str | None
    form: str
    superseded: bool


def asked(
    question: Question,
    path: Mapping[str, str],
    query: Sequence[tuple[str, str]],
    accept: str | None,
    now: datetime,
) -> Asked:
    """Reads a request.

    Args:
        question: what is asked.
        path: the path's ids by column.
        query: the query's parameters in their order.
        accept: the header ``Accept``.
        now: what "today" is.

    Raises:
        Problem: a parameter is unknown, repeated or malformed, or no accepted format can be given.
    """
    given = once(query, parameter_names(question))
    return Asked(
        tuple(identifier(name, path[name]) for name in question.ids),
        span(question, given, now),
        limit(given.get("limit")),
        given.get("cursor"),
        form(given.get("format"), accept),
        flag("superseded", given.get("superseded")),
    )


def parameter_names(question: Question) -> tuple[str, ...]:
    """What a question's query may hold."""
    ranges: tuple[str, ...] = () if question.bucket is Bucket.NONE else (question.bucket.value, "from", "to")
    voids = ("superseded",) if has_void_rows(question) else ()
    return (*ranges, "limit", "cursor", "format", *voids)


def has_void_rows(question: Question) -> bool:
    """Whether the table marks rows that a later message made void."""
    return any(column.name == "superseded_by" for column in question.table.columns)


def once(query: Iterable[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    """The parameters by name.

    Raises:
        Problem: one is unknown, or is given twice.
    """
    found: dict[str, str] = {}
    for name, value in query:
        if name not in known:
            raise invalid(name[:64], f"there is no such parameter; there are: {', '.join(known)}")
        if name in found:
            raise invalid(name, "given twice")
        found[name] = value
    return found


def identifier(name: str, text: str) -> str:
    """An id as a path gives it.

    Raises:
        Problem: it is empty, too long, or has control characters.
    """
    if not text or len(text) > MAX_ID_LENGTH or _CONTROL.search(text):
        raise invalid(name, f"an id has 1 to {MAX_ID_LENGTH} characters, none of them a control character")
    return text


def limit(text: str | None) -> int:
    """The page's size.

    Raises:
        Problem: it is no number from 1 to MAX_LIMIT.
    """
    if text is None:
        return DEFAULT_LIMIT
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise invalid("limit", f"give a number from 1 to {MAX_LIMIT}")
    return int(text)


def flag(name: str, text: str | None) -> bool:
    """A yes or a no; not given: no.

    Raises:
        Problem: it is neither.
    """
    if text in (None, "false", "0"):
        return False
    if text in ("true", "1"):
        return True
    raise invalid(name, "give true or false")


def form(text: str | None, accept: str | None) -> str:
    """The format: the parameter, else the first of the header's that is known, else JSON.

    Raises:
        Problem: it is unknown.
    """
    if text is not None:
        if text not in FORMATS:
            raise invalid("format", f"there are {', '.join(FORMATS)}")
        return text
    if not accept:
        return "json"
    for _, kind in sorted(_accepted(accept), key=lambda each: -each[0]):
        for name, media in FORMATS.items():
            plain = media.partition(";")[0]
            if kind in (plain, plain.partition("/")[0] + "/*", "*/*"):
                return name
    raise Problem("not-acceptable", f"there are {', '.join(FORMATS.values())}")


def _accepted(accept: str) -> Iterable[tuple[float, str]]:
    for part in accept.split(",")[:32]:
        kind, *options = (each.strip().lower() for each in part.split(";"))
        quality = next((each[2:] for each in options if each.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            continue
        if weight > 0:
            yield weight, kind
