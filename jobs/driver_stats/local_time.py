"""Hours, days and weeks in a fleet's time zone, as spans of epoch milliseconds.

Windows of one kind follow one another without gap or overlap, whatever the zone does: a day of 23 or 25 hours, an hour
that comes twice (two windows), a change in the midst of an hour (Lord Howe Island: both pieces are windows), a day
that never was (Samoa, 2011-12-30). A window is named by its start in UTC and, days and weeks, by their local date.

Source: the time zone database by way of ``zoneinfo`` (package tzdata); weeks begin on Monday as in ISO 8601 and in
Regulation (EC) 561/2006, article 4 (domain.md 6.1); 28 days as Motive's rolling 4 weeks (domain.md 5.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)
ValueT = TypeVar("ValueT")


class Span(NamedTuple):
    """[start_ms, end_ms) in epoch milliseconds."""

    start_ms: int
    end_ms: int


class Day(NamedTuple):
    """A local day: its date and when it begins and ends; usually 24 hours, 23 or 25 where the clock changes."""

    date: date
    start_ms: int
    end_ms: int


def hour_of(ms: int, zone: str) -> Span:
    """The local clock hour that holds ``ms``: 60 minutes, less only if the zone changes within it."""
    offset = offset_ms(ms, zone)
    start = ms - (ms + offset) % HOUR_MS
    end = start + HOUR_MS
    if offset_ms(start, zone) != offset:
        start = change_in(start, ms, zone)
    if offset_ms(end - 1, zone) != offset:
        end = change_in(ms, end - 1, zone)
    return Span(start, end)


def day_of(ms: int, zone: str) -> Day:
    """The local day that holds ``ms``."""
    return _day(datetime.fromtimestamp(ms // 1000, ZoneInfo(zone)).date(), zone)


def week_of(ms: int, zone: str) -> Day:
    """The local week, Monday to Sunday, that holds ``ms``; its date is its Monday's."""
    day = day_of(ms, zone).date
    monday = day - timedelta(days=day.weekday())
    return Day(monday, _midnight(monday, zone), _midnight(monday + _WEEK, zone))


def rolling(last: date, days: int, zone: str) -> Span:
    """The ``days`` local days that end with the day ``last``."""
    return Span(_midnight(last - timedelta(days=days - 1), zone), _midnight(last + _DAY, zone))


def in_rolling(by_day: Mapping[date, ValueT], last: date, days: int) -> Iterable[ValueT]:
    """What there is of the ``days`` dates that end with ``last``, oldest first: what a rolling score adds up.

    A late minute on day D changes the rolling windows that end on D and on the days - 1 after it.
    """
    first = last - timedelta(days=days - 1)
    return (by_day[first + timedelta(days=n)] for n in range(days) if first + timedelta(days=n) in by_day)


@lru_cache(maxsize=4096)
def _day(local: date, zone: str) -> Day:
    return Day(local, _midnight(local, zone), _midnight(local + _DAY, zone))


@lru_cache(maxsize=4096)
def _midnight(local: date, zone: str) -> int:
    """When a local day begins; where the clock leaps over midnight, the moment of the leap (PEP 495, fold 0)."""
    midnight = datetime(local.year, local.month, local.day, tzinfo=ZoneInfo(zone))
    return round(midnight.timestamp()) * 1000


def offset_ms(ms: int, zone: str) -> int:
    """By how much a zone's clock is ahead of UTC at ``ms``."""
    if zone == "UTC":
        return 0
    offset = datetime.fromtimestamp(ms // 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return round((offset or timedelta()).total_seconds()) * 1000


def change_in(before: int, after: int, zone: str) -> int:
    """When a zone changes: the first second of the offset that ``after`` has.

    ``before`` has another, and there is one change between.
    """
    offset = offset_ms(after, zone)
    low, high = before // 1000, after // 1000
    while high - low > 1:
        middle = (low + high) // 2
        if offset_ms(middle * 1000, zone) == offset:
            high = middle
        else:
            low = middle
    return high * 1000
