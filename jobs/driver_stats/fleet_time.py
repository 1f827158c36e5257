"""Where a fleet's minutes belong: its hours and days in its own time zone, and where parts have to be cut for them.

Rows decide what is one window: driver_hour's key holds the hour's start and its local date, driver_day's the local
date. So two fleets of one driver share an hour if both are the same, and a day if the date is, though it begins and
ends at another time in each fleet's zone; it is closed when it has ended in all of them.

Keys of states: a date is the epoch ms of its midnight in UTC, an hour its start, plus or minus one if its local date
is the one after or before that in UTC. With UTC these are the starts of hours and days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import gcd
from typing import NamedTuple

from conf.local_time import LocalTime
from jobs.driver_stats.local_time import HOUR_MS, change_in, day_of, hour_of, offset_ms, rolling

DAY_MS = 24 * HOUR_MS
IN_UTC = LocalTime(version=1, zone="UTC", fleets={}, rolling_days=28)

_EPOCH = date(1970, 1, 1)
_FIRST, _LAST = (round(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000 for year in (2000, 2100))
_LATEST_ZONE_MS = 12 * HOUR_MS


class Place(NamedTuple):
    """Where a minute belongs: the keys of its hour and date, and when both end in its fleet's zone."""

    hour: int
    hour_end: int
    date: int
    day_end: int


class Cuts(NamedTuple):
    """Where parts are cut, so that none has minutes of two hours: at multiples of ``every_ms``, and at ``at_ms``."""

    every_ms: int
    at_ms: tuple[int, ...]


def hour_start(hour: int) -> int:
    """When the hour of a key begins."""
    return (hour + 1) // 1000 * 1000


def hour_date(hour: int) -> int:
    """The local date of the hour of a key."""
    start = hour_start(hour)
    return start - start % DAY_MS + (hour - start) * DAY_MS


def monday(date_ms: int) -> int:
    """The Monday of a date's week."""
    return date_ms - (date_ms // DAY_MS + 3) % 7 * DAY_MS  # 1970-01-01 was a Thursday


def last_end(date_ms: int) -> int:
    """When a date has ended everywhere."""
    return date_ms + DAY_MS + _LATEST_ZONE_MS


class FleetTime:
    """The hours and days of all fleets."""

    def __init__(self, local_time: LocalTime = IN_UTC) -> None:
        """Takes the zones."""
        self._local_time = local_time
        self.zones = sorted({"UTC", local_time.zone, *local_time.fleets.values()})
        self.rolling_days = local_time.rolling_days

    def place(self, ms: int, fleet_id: str) -> Place:
        """Where a minute of a fleet's vehicle belongs."""
        zone = self._local_time.zone_of(fleet_id)
        if zone == "UTC":
            hour, day = ms - ms % HOUR_MS, ms - ms % DAY_MS
            return Place(hour, hour + HOUR_MS, day, day + DAY_MS)
        return _place(ms, zone)

    def day_end(self, date_ms: int, fleet_id: str) -> int:
        """When a date ends for a fleet."""
        return _end(date_ms, self._local_time.zone_of(fleet_id))

    def week_end(self, monday_ms: int, fleet_id: str) -> int:
        """When the week that begins with a Monday ends for a fleet."""
        return _end(monday_ms + 6 * DAY_MS, self._local_time.zone_of(fleet_id))

    def hour_end(self, hour: int) -> int:
        """When the hour of a key ends; a change of a zone may make it shorter than 60 minutes."""
        start = hour_start(hour)
        found = [_place(start, zone) for zone in self.zones]
        ends = [each.hour_end for each in found if each.hour == hour]
        return max(ends, default=start + HOUR_MS)

    def hours_ending(self, ms: int) -> Iterator[int]:
        """Keys of the hours that end at ``ms`` in any zone."""
        return iter({each.hour for each in self._before(ms) if each.hour_end == ms})

    def days_ending(self, ms: int) -> Iterator[int]:
        """The dates that end at ``ms`` in any zone."""
        return iter({each.date for each in self._before(ms) if each.day_end == ms})

    def cuts(self) -> Cuts:
        """Where parts have to be cut, for minutes from 2000 to 2100: at each hour unless a zone asks for more."""
        found = [_zone_cuts(zone) for zone in self.zones]
        every = gcd(*(each.every_ms for each in found))
        return Cuts(every, tuple(sorted({at for each in found for at in each.at_ms if at % every})))

    def _before(self, ms: int) -> list[Place]:
        return [_place(ms - 1, zone) for zone in self.zones]


@lru_cache(maxsize=16384)
def _place(ms: int, zone: str) -> Place:
    hour = hour_of(ms, zone)
    in_utc = hour.start_ms - hour.start_ms % DAY_MS
    apart = (_ms(day_of(hour.start_ms, zone).date) - in_utc) // DAY_MS
    day = day_of(ms, zone)
    return Place(hour.start_ms + apart, hour.end_ms, _ms(day.date), day.end_ms)


@lru_cache(maxsize=4096)
def _end(date_ms: int, zone: str) -> int:
    return rolling(_EPOCH + timedelta(milliseconds=date_ms), 1, zone).end_ms


def _ms(local: date) -> int:
    return (local - _EPOCH).days * DAY_MS


@lru_cache(maxsize=512)
def _zone_cuts(zone: str) -> Cuts:
    if zone == "UTC":
        return Cuts(HOUR_MS, ())
    every, at = gcd(HOUR_MS, offset_ms(_FIRST, zone)), []
    for day in range(_FIRST, _LAST, DAY_MS):
        if offset_ms(day, zone) != offset_ms(day + DAY_MS, zone):
            every = gcd(every, offset_ms(day + DAY_MS, zone))
            at.append(change_in(day, day + DAY_MS, zone))
    return Cuts(every, tuple(at))
