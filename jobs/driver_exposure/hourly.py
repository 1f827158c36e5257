"""Keyed state by hour: what a stage keeps of each hour, when it looks at one again, when it forgets it. Pure Python.

Three stages work alike: a record belongs to an hour; what is kept of the hour changes; when the watermark has passed
the hour's end, and after each later change once more, the stage says how the hour stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from jobs.driver_exposure.records import HOUR_MS, Record, hour_of


class Content(Protocol):
    """What is kept of an hour of one key."""

    dirty: bool
    """Whether ``close`` has something to say."""


C = TypeVar("C", bound=Content)
Out = TypeVar("Out")
Told = TypeVar("Told", covariant=True)
V = TypeVar("V")


class Store(Protocol[V]):
    """Values of one key by hour; Flink's map state has the same methods."""

    def get(self, hour: int) -> V | None:
        """The value, or None."""

    def put(self, hour: int, value: V) -> None:
        """Sets it."""

    def remove(self, hour: int) -> None:
        """Takes it away; nothing where there is none."""

    def keys(self) -> Iterable[int]:
        """The hours that have one."""


class Logic(Protocol[C, Told]):
    """What a stage does with an hour of one key."""

    def empty(self) -> C:
        """An hour of which nothing is known."""

    def take(self, key: str, content: C, record: Record, closed: bool) -> Iterator[Told]:
        """Takes a record in; ``closed``: the watermark has passed the hour's end."""

    def close(self, key: str, content: C, hour: int) -> Iterator[Told]:
        """Says how the hour stands: it has ended, and changed since the last time."""


class Hourly(Generic[C, Out]):
    """A stage without Flink: its state and timers are given to each call."""

    def __init__(self, logic: Logic[C, Out], keep_ms: int | None) -> None:
        """Takes what to do, and how long an hour is kept after its end; None: for ever."""
        self._logic = logic
        self._keep_ms = keep_ms

    def take(
        self,
        key: str,
        record: Record,
        hours: Store[C],
        changed: Store[bool],
        timer: Callable[[int], None],
        watermark: int,
    ) -> Iterator[Out]:
        """Takes a record in, and says what it leads to at once. A record of a forgotten hour is nothing."""
        hour = hour_of(record)
        end = hour + HOUR_MS - 1
        if self._keep_ms is not None and end + self._keep_ms <= watermark:
            return
        stored = hours.get(hour)
        content = self._logic.empty() if stored is None else stored
        yield from self._logic.take(key, content, record, end <= watermark)
        hours.put(hour, content)
        if content.dirty:
            changed.put(hour, True)
            timer(max(end, watermark + 1))
        if stored is None and self._keep_ms is not None:
            timer(end + self._keep_ms)

    def fire(
        self, key: str, timestamp: int, hours: Store[C], changed: Store[bool], watermark: int
    ) -> Iterator[Out]:
        """Says how the hours stand that have ended and changed; forgets the one whose time is up."""
        for hour in sorted(changed.keys()):
            if hour + HOUR_MS - 1 <= watermark:
                content = hours.get(hour)
                if content is not None:
                    yield from self._logic.close(key, content, hour)
                    content.dirty = False
                    hours.put(hour, content)
                changed.remove(hour)
        if self._keep_ms is not None:
            old = timestamp - self._keep_ms - HOUR_MS + 1
            if old % HOUR_MS == 0:
                hours.remove(old)
