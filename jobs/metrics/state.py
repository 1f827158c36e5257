"""What is kept of one key, and where. Pure data; the stores and timers are given."""

from __future__ import annotations

import math
import pickle
import zlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from conf.metrics import Definition
from jobs.metrics.partials import Part

V = TypeVar("V")

Message = tuple[int, int]
"""What identifies a message of a key: its number, and the time of its first sample."""


class Store(Protocol[V]):
    """Values of one key by an integer; Flink's map state has the same methods."""

    def get(self, number: int) -> V | None:
        """The value, or None; the caller may change it."""

    def put(self, number: int, value: V) -> None:
        """Sets it."""

    def remove(self, number: int) -> None:
        """Takes it away; nothing where there is none."""


class Timers(Protocol):
    """Event-time timers of one key."""

    def at(self, time_ms: int) -> None:
        """Asks for a call when the watermark has reached this time; twice is once."""


class Values(NamedTuple):
    """Of one field: how many, their sum in units of the last decimal, the extremes (NaN: none), the buckets' counts."""

    n: int
    total: int
    low: float
    high: float
    buckets: dict[int, int]


class Pane(NamedTuple):
    """What is kept of a pane.

    Attributes:
        layout: checksum of what in the definition gives these numbers their meaning.
        samples: how many, with a value or without.
        values: of each field.
    """

    layout: int
    samples: int
    values: tuple[Values, ...]


class Written(NamedTuple):
    """What was last written of a window as final: how often, with how many samples, and which events."""

    finals: int
    samples: int
    events: frozenset[str]


class Head(NamedTuple):
    """What is kept of a key where it is being added to: a part then needs one look into the state, not one a window.

    Attributes:
        layout: as that of a pane.
        start: of the shortest pane that is being filled, epoch ms.
        content: of that pane, not yet in those of the windows; None: nothing is.
        kinds: the windows that it counts for.
        bucket: which set of messages seen is the one here.
        seen: the set; None: none is here.
        message: whose rows are arriving.
        next_part: which of them comes next.
        changed: numbers of the panes that changed since they were last written.
    """

    layout: int
    start: int = 0
    content: Pane | None = None
    kinds: tuple[int, ...] = ()
    bucket: int = 0
    seen: set[Message] | None = None
    message: Message = (0, 0)
    next_part: int = 0
    changed: frozenset[int] = frozenset()


@dataclass(slots=True)
class Stores:
    """The state of one key.

    Attributes:
        head: at 0.
        panes: by pane and kind of window (see ``KeyWindows``).
        written: by start and kind of window.
        seen: the messages that were counted, by time.
    """

    head: Store[Head]
    panes: Store[Pane]
    written: Store[Written]
    seen: Store[set[Message]]


def empty(layout: int, fields: int) -> Pane:
    """A pane without samples."""
    return Pane(layout, 0, tuple(Values(0, 0, math.nan, math.nan, {}) for _ in range(fields)))


def with_part(pane: Pane, part: Part) -> Pane:
    """The pane with a part more in it; its buckets are changed in place."""
    values = tuple(
        Values(own.n + count, own.total + total, least(own.low, low), most(own.high, high), own.buckets)
        for own, count, total, low, high in zip(
            pane.values, part.counts, part.sums, part.mins, part.maxs, strict=True
        )
    )
    for index, bucket, weight in part.buckets:
        counts = values[index].buckets
        counts[bucket] = counts.get(bucket, 0) + weight
    return Pane(pane.layout, pane.samples + part.samples, values)


def with_pane(pane: Pane, other: Pane) -> Pane:
    """The pane with what another one holds; its buckets are changed in place."""
    values = []
    for own, more in zip(pane.values, other.values, strict=True):
        for bucket, weight in more.buckets.items():
            own.buckets[bucket] = own.buckets.get(bucket, 0) + weight
        low, high = least(own.low, more.low), most(own.high, more.high)
        values.append(Values(own.n + more.n, own.total + more.total, low, high, own.buckets))
    return Pane(pane.layout, pane.samples + other.samples, tuple(values))


def least(one: float, other: float) -> float:
    """The smaller number; NaN is none."""
    return other if math.isnan(one) or other < one else one


def most(one: float, other: float) -> float:
    """The larger number; NaN is none."""
    return other if math.isnan(one) or other > one else one


def layout_of(metric: Definition) -> int:
    """A checksum of all that gives the numbers in a pane their meaning."""
    meaning: list[Any] = [
        (name, each.type, each.scale, each.accuracy if each.percentiles else None)
        for name, each in metric.fields.items()
    ]
    meaning += [window.label for window in metric.windows]
    return zlib.crc32(repr(meaning).encode())


@dataclass(slots=True)
class InMemoryStore:
    """A store for tests and tools; like Flink's, what it gives is a copy."""

    content: dict[int, bytes] = field(default_factory=dict)

    def get(self, number: int) -> Any:
        """The value, or None."""
        found = self.content.get(number)
        return None if found is None else pickle.loads(found)

    def put(self, number: int, value: Any) -> None:
        """Sets it."""
        self.content[number] = pickle.dumps(value)

    def remove(self, number: int) -> None:
        """Takes it away."""
        self.content.pop(number, None)
