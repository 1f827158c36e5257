"""Who drove: the driver that a message names, else the one who logged into the vehicle, else ``unknown:<vehicle_id>``.

Source: contracts.md, ``driver_id`` of telemetry/1; that a minute goes by whoever drove at its end, as
vehicle_minute's driver does, is ours.

Whole minutes are attributed, to the driver logged in at the minute's last millisecond, and so are the events that
start in it. A minute is the least that is kept of a vehicle for as long as a log-in may be late, so a log-in that came
in time and one that came days later give the same tables.

Law: who drove depends on the set of log-ins alone, not on the order in which log-ins and minutes came. What a late
log-in changes comes out as ``Move``: a minute that is taken from one driver and given to another, by which the
drivers' windows (windows.WindowSums) and hours (driver_hours.DriverHours) are corrected.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from conf.attribution import AttributionRules
from jobs.driver_stats.layout import FOLDS, NONE
from jobs.driver_stats.windows import Part

MINUTE_MS = 60_000
NOBODY = ""


class Login(NamedTuple):
    """A driver logs into a vehicle, or, with NOBODY, whoever drives it logs out.

    Attributes:
        at_ms: when, event time.
        order: place in the log; of two at the same time the later in the log counts, so one can be corrected.
        driver_id: who, or NOBODY.
    """

    at_ms: int
    order: int
    driver_id: str


Logins = tuple[Login, ...]
"""The log-ins of one vehicle: ascending, one for each time."""


class Minute(NamedTuple):
    """What a vehicle did in a minute of which no message named the driver.

    Attributes:
        start_ms: start of the minute.
        fleet_id: of the vehicle.
        sums: as in windows.Part.
        max_kmh: as in windows.Part.
        trip_ms: of what comes after a trip began in that minute, the trip's start; NONE: of what comes before.
        lat: where it was last, as far as it is known; lon: as well.
        lon: see lat.
    """

    start_ms: int
    fleet_id: str
    sums: tuple[int, ...]
    max_kmh: float
    trip_ms: int = NONE
    lat: float = math.nan
    lon: float = math.nan


class Move(NamedTuple):
    """A minute that was not whose it was thought to be."""

    minute: Minute
    from_driver: str
    to_driver: str

    def parts(self) -> tuple[tuple[str, Part], tuple[str, Part]]:
        """What to send to either driver's windows: the minute taken away, and the minute given.

        ``folds`` counts up in both, so that the corrected row has the newer write time (as in corrections.py). A
        maximum can't be taken away: the window of ``from_driver`` needs it anew from the minutes that are left.
        """
        minute = self.minute
        gone = tuple(value if index == FOLDS else -value for index, value in enumerate(minute.sums))
        return (
            (self.from_driver, Part(minute.fleet_id, minute.start_ms, gone, float("nan"))),
            (self.to_driver, Part(minute.fleet_id, minute.start_ms, minute.sums, minute.max_kmh)),
        )


class Stretch(NamedTuple):
    """[start_ms, end_ms) with one driver."""

    start_ms: int
    end_ms: int
    driver_id: str


def with_login(logins: Logins, login: Login) -> Logins:
    """The log-ins with one more, wherever in time it belongs; the same one twice is no change."""
    at = bisect_right(logins, login.at_ms, key=lambda each: each.at_ms)
    if at > 0 and logins[at - 1].at_ms == login.at_ms:
        if logins[at - 1].order >= login.order:
            return logins
        return (*logins[: at - 1], login, *logins[at:])
    return (*logins[:at], login, *logins[at:])


def driver_of(rules: AttributionRules, logins: Logins, vehicle_id: str, ms: int) -> str:
    """Who drives the minute that holds ``ms``, if no message says so."""
    last = ms - ms % MINUTE_MS + MINUTE_MS - 1
    at = bisect_right(logins, last, key=lambda each: each.at_ms)
    if at == 0:
        return f"unknown:{vehicle_id}"
    login = logins[at - 1]
    expired = rules.holds_ms > 0 and last >= login.at_ms + rules.holds_ms
    return f"unknown:{vehicle_id}" if login.driver_id == NOBODY or expired else login.driver_id


def stretches(
    rules: AttributionRules, logins: Logins, vehicle_id: str, start_ms: int, end_ms: int
) -> Iterator[Stretch]:
    """Who drove from ``start_ms`` to ``end_ms``: a trip ends where the driver changes. Edges are those of minutes."""
    edges = {start_ms, end_ms}
    for login in logins:
        for at in (login.at_ms, login.at_ms + rules.holds_ms):
            # One that holds no longer at a minute's last millisecond has not got that minute.
            minute = at - at % MINUTE_MS
            edges |= {edge for edge in (minute, minute + MINUTE_MS) if start_ms < edge < end_ms}
    open_start, open_driver = start_ms, driver_of(rules, logins, vehicle_id, start_ms)
    for edge in sorted(edges - {start_ms, end_ms}):
        driver = driver_of(rules, logins, vehicle_id, edge)
        if driver != open_driver:
            yield Stretch(open_start, edge, open_driver)
            open_start, open_driver = edge, driver
    if end_ms > start_ms:
        yield Stretch(open_start, end_ms, open_driver)


def moves(
    rules: AttributionRules, vehicle_id: str, before: Logins, after: Logins, minutes: Iterable[Minute]
) -> Iterator[Move]:
    """The minutes that are another driver's now, in their order.

    Args:
        rules: how log-ins are read.
        vehicle_id: of the vehicle.
        before: its log-ins by which the minutes were attributed.
        after: its log-ins now.
        minutes: what is kept of it; ``affected`` says between which times it is enough to look.
    """
    for minute in minutes:
        was = driver_of(rules, before, vehicle_id, minute.start_ms)
        now = driver_of(rules, after, vehicle_id, minute.start_ms)
        if was != now:
            yield Move(minute, was, now)


def affected(after: Logins, login: Login) -> tuple[int, int | None]:
    """From which minute to which (None: the newest) a log-in may change who drove: up to the next log-in's minute."""
    at = bisect_right(after, login.at_ms, key=lambda each: each.at_ms)
    start = login.at_ms - login.at_ms % MINUTE_MS
    if at == len(after):
        return start, None
    following = after[at].at_ms
    return start, following - following % MINUTE_MS


def forget(logins: Logins, before_ms: int) -> Logins:
    """Without the log-ins that no minute from ``before_ms`` on can depend on; the last one before it still holds."""
    at = bisect_right(logins, before_ms - before_ms % MINUTE_MS + MINUTE_MS - 1, key=lambda each: each.at_ms)
    return logins[max(at - 1, 0) :]
