"""Ranges of time, and the partitions that hold them.

A *date* in a range means the days that tables are cut by (a fleet's own days, where it has a time zone); a *time* is
a point in time. ``from`` is included; ``to`` is included when it is a date (that whole day), else not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from serving.problems import Problem, invalid
from serving.questions import Bucket, Question

MAX_PARTITIONS = 400
"""Most partitions of one range: a year and a month of days."""

_FORMS = {Bucket.DAY: r"\d{4}-\d\d-\d\d", Bucket.MONTH: r"\d{4}-\d\d", Bucket.YEAR: r"\d{4}"}
_EXAMPLES = {Bucket.DAY: "2026-11-21", Bucket.MONTH: "2026-11", Bucket.YEAR: "2026"}
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?")
_FIRST, _LAST = date(1970, 1, 1), date(2199, 12, 31)
_EDGE = timedelta(days=1)
"""A local day begins and ends less than so much beside the day of UTC."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a request covers.

    Attributes:
        buckets: the partitions' days, months or years, newest first; ``("",)`` for a table that is not cut.
        low, high: bounds of the range column, ``low <= value < high``; None: no bounds.
        parameters: the query that asks for the same again, whatever time it is then.
    """

    buckets: tuple[str, ...]
    low: datetime | str | None
    high: datetime | str | None
    parameters: tuple[tuple[str, str], ...]


def span(question: Question, given: dict[str, str], now: datetime) -> Span:
    """Understands ``day``, ``month``, ``year``, ``from`` and ``to``; none of them: the current day, month or year.

    Args:
        question: whose partitions are meant.
        given: the parameters; others are not looked at.
        now: what is current.

    Raises:
        Problem: one is malformed, they contradict each other, or they span too much.
    """
    bucket = question.bucket
    if bucket is Bucket.NONE:
        return Span(("",), None, None, ())
    name = bucket.value
    if "from" in given or "to" in given:
        if name in given:
            raise invalid(name, f"give either {name}, or from and to")
        return _range(question, given, now)
    text = given.get(name)
    if text is None:
        text = _name(bucket, now.astimezone(UTC).date())
    elif not re.fullmatch(_FORMS[bucket], text, re.ASCII) or _first_day(text) is None:
        raise invalid(name, f"the form is {_EXAMPLES[bucket]}")
    return Span((text,), None, None, ((name, text),))


def _range(question: Question, given: dict[str, str], now: datetime) -> Span:
    if "from" not in given:
        raise invalid("from", "a range needs its start: from=2026-11-01")
    low = _moment("from", given["from"])
    high = _moment("to", given["to"]) if "to" in given else now.astimezone(UTC).date()
    parameters = (("from", given["from"]), ("to", given.get("to", high.isoformat())))
    times = isinstance(low, datetime) or isinstance(high, datetime)
    if times and not question.ranged_by_time:
        raise invalid(
            "from" if isinstance(low, datetime) else "to", "give a date: these rows are of whole days"
        )
    start = low if isinstance(low, datetime) else datetime(low.year, low.month, low.day, tzinfo=UTC)
    end = (
        high if isinstance(high, datetime) else datetime(high.year, high.month, high.day, tzinfo=UTC) + _EDGE
    )
    if start >= end:
        raise invalid("to", "the end must be later than the start")
    if question.ranged_by_time and (times or question.bucket is not Bucket.DAY):
        buckets = _buckets(question.bucket, (start - _EDGE).date(), (end + _EDGE).date())
        return Span(buckets, start, end, parameters)
    last = (end - timedelta(microseconds=1)).date()
    buckets = _buckets(question.bucket, start.date(), last)
    if question.range_column is None or question.bucket is Bucket.DAY:
        return Span(buckets, None, None, parameters)
    return Span(buckets, start.date().isoformat(), (last + _EDGE).isoformat(), parameters)


def _buckets(bucket: Bucket, first: date, last: date) -> tuple[str, ...]:
    found = list(_descending(bucket, first, last))
    if len(found) > MAX_PARTITIONS:
        raise Problem(
            "range-too-long",
            f"from and to span more than {MAX_PARTITIONS} {bucket.value}s: ask for less at a time",
            parameter="from",
        )
    return tuple(found)


def _descending(bucket: Bucket, first: date, last: date) -> Iterator[str]:
    """Names from the last to the first; stops one beyond what is allowed."""
    lowest, each = _name(bucket, first), last
    for _ in range(MAX_PARTITIONS + 1):
        name = _name(bucket, each)
        if name < lowest:
            return
        yield name
        if bucket is Bucket.DAY:
            each -= timedelta(days=1)
        elif bucket is Bucket.MONTH:
            each = each.replace(day=1) - timedelta(days=1)
        else:
            each = date(each.year - 1, 12, 31)


def _name(bucket: Bucket, day: date) -> str:
    return day.isoformat()[: {Bucket.DAY: 10, Bucket.MONTH: 7, Bucket.YEAR: 4}[bucket]]


def _first_day(text: str) -> date | None:
    try:
        found = date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        return None
    return found if _FIRST <= found <= _LAST else None


def _moment(name: str, text: str) -> date | datetime:
    """A date, or a time with its zone (UTC where it names none)."""
    problem = invalid(name, "the form is 2026-11-21 or 2026-11-21T05:00:00Z, from 1970 to 2199")
    if re.fullmatch(_FORMS[Bucket.DAY], text, re.ASCII):
        day = _first_day(text)
        if day is None:
            raise problem
        return day
    if not _TIME.fullmatch(text) or not text.isascii():
        raise problem
    try:
        found = datetime.fromisoformat(text)
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise problem from None
    if not _FIRST <= moment.date() <= _LAST:
        raise problem
    return moment
