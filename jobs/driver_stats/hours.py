"""Drivers' hours: what all rule sets have in common, and which minutes of a vehicle are driving.

Advisory, and everything that is shown says so: telemetry sees driving and standing, neither other work nor who sits
at the wheel beyond what was told, so a stop is at best a *possible* break (domain.md 6).

A rule set (hours_eu.py, hours_fmcsa.py) is a ``Machine``: pure functions of its parameters, a driver's state and the
driver's activities in the order of time. Its law: cutting an activity in two changes neither the state nor an alert.
Time that no activity covers is off duty. driver_hours.py keeps a driver's minutes, so that late ones correct alerts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from jobs.driver_stats.layout import NONE

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MINUTE_MS = 60_000
DRIVING, ON_DUTY = "driving", "on_duty"
WARNING, BREACH, POSSIBLE = "hours_warning", "hours_breach", "break_possible"
STATE_VERSION = 1

StateT = TypeVar("StateT", bound="DataclassInstance")


class Activity(NamedTuple):
    """What a driver did in [start_ms, end_ms): ``driving``, or ``on_duty`` (standing, the ignition not off)."""

    start_ms: int
    end_ms: int
    kind: str = DRIVING


class Alert(NamedTuple):
    """Something a driver or a dispatcher should know.

    Attributes:
        kind: ``hours_warning``, ``hours_breach`` or ``break_possible``.
        rule: what it is about, such as ``continuous_driving``.
        article: of the law, such as ``7``.
        at_ms: when the limit was passed; of a possible break, its start.
        end_ms: the same; of a possible break, its end.
        value_ms: how much there was at ``at_ms``.
        limit_ms: how much there may be; of a break, how much it takes.
    """

    kind: str
    rule: str
    article: str
    at_ms: int
    end_ms: int
    value_ms: int
    limit_ms: int


class Left(NamedTuple):
    """How long a driver may still drive if driving goes on now, or begins again, by rule; 0: no longer.

    ``least`` is the smallest of them, ``rule`` its name.
    """

    rule: str
    least_ms: int
    by_rule: Mapping[str, int]

    @property
    def minutes(self) -> int:
        """Whole minutes left, never rounded up."""
        return self.least_ms // MINUTE_MS

    @classmethod
    def of(cls, by_rule: Mapping[str, int]) -> Left:
        """Of what is left by rule; below 0 is 0."""
        positive = {rule: max(ms, 0) for rule, ms in by_rule.items()}
        rule = min(positive, key=positive.__getitem__)
        return cls(rule, positive[rule], positive)


class Machine(Protocol):
    """The rules of one law, with their parameters in them."""

    def start(self) -> Any:
        """The state of a driver of whom nothing is known; what was before the first activity counts as rest."""

    def step(self, state: Any, activity: Activity) -> tuple[Any, list[Alert]]:
        """The state after an activity, and what it brought about, in the order of time.

        Raises:
            ValueError: the activity begins before the one before it ended.
        """

    def left(self, state: Any, now_ms: int) -> Left:
        """How long driving may go on, or begin, at ``now_ms``."""


def replay(machine: Machine, activities: Iterable[Activity], state: Any = None) -> tuple[Any, list[Alert]]:
    """Steps through all activities; ``state`` is where to begin."""
    state = machine.start() if state is None else state
    found: list[Alert] = []
    for activity in activities:
        state, alerts = machine.step(state, activity)
        found += alerts
    return state, found


def activities(
    minutes: Mapping[int, Sequence[int]], begin_ms: int | None = None, end_ms: int | None = None
) -> Iterator[Activity]:
    """A driver's activities in [begin_ms, end_ms), from the sums of each minute.

    A minute is of the kind that fills half of it or more; one between two minutes of driving is driving, so that a
    red light is no break. Source: the tachograph's one-minute rule (Regulation (EU) 2016/799, Annex IC; general
    knowledge, check the text). It takes the longest activity *without interruption* where we have sums only.
    Minutes of several vehicles add up, to 60 s at the most.

    Args:
        minutes: by the start of the minute: milliseconds of driving, and of standing with the ignition
            not off.
        begin_ms: start of a minute; None: of the first.
        end_ms: start of a minute; None: after the last. What is in the next minute matters for the last one's kind.
    """
    if begin_ms is not None and end_ms is not None:
        candidates: Iterable[int] = range(begin_ms, end_ms, MINUTE_MS)
    else:
        # A minute of which nothing is known may lie between two of driving.
        known = sorted({*minutes, *(minute + MINUTE_MS for minute in minutes)})
        first = known[0] if begin_ms is None and known else begin_ms
        candidates = (each for each in known if first is None or first <= each < (end_ms or each + 1))
    start, end, kind = NONE, NONE, ""
    for minute in candidates:
        this = _kind(minutes, minute)
        if this != kind or minute != end:
            if kind:
                yield Activity(start, end, kind)
            start, kind = minute, this
        end = minute + MINUTE_MS
    if kind:
        yield Activity(start, end, kind)


def _drives(minutes: Mapping[int, Sequence[int]], minute: int) -> bool:
    sums = minutes.get(minute)
    return sums is not None and 2 * sums[0] >= MINUTE_MS


def _kind(minutes: Mapping[int, Sequence[int]], minute: int) -> str:
    if _drives(minutes, minute):
        return DRIVING
    if _drives(minutes, minute - MINUTE_MS) and _drives(minutes, minute + MINUTE_MS):
        return DRIVING
    sums = minutes.get(minute)
    return ON_DUTY if sums is not None and 2 * (sums[0] + sums[1]) >= MINUTE_MS else ""


def counter(
    alerts: list[Alert],
    rule: str,
    article: str,
    start_ms: int,
    before: int,
    after: int,
    limit: int,
    warn: int | None,
) -> None:
    """Alerts of a counter that grew since ``start_ms``: a warning ``warn`` ms before its limit, a breach after it."""
    if warn is not None and before < limit - warn <= after:
        at = start_ms + limit - warn - before
        alerts.append(Alert(WARNING, rule, article, at, at, limit - warn, limit))
    if before <= limit < after:
        at = start_ms + limit - before
        alerts.append(Alert(BREACH, rule, article, at, at, limit, limit))


def to_bytes(state: DataclassInstance) -> bytes:
    """The form that is kept in Flink's state: JSON, its version first."""
    # Not astuple: it copies deeply, and all there is are numbers and tuples of them.
    values = [getattr(state, each.name) for each in fields(state)]
    return json.dumps([STATE_VERSION, *values], separators=(",", ":")).encode()


def from_bytes(kind: type[StateT], data: bytes) -> StateT:
    """Reads ``to_bytes``.

    Raises:
        ValueError: it is of another version.
    """
    version, *values = json.loads(data)
    if version != STATE_VERSION:
        raise ValueError(
            f"state of drivers' hours has version {version}, this job reads {STATE_VERSION}: replay"
        )
    return kind(*(_tuples(value) for value in values))


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
