"""The second stage: panes of one key become windows. Pure logic over stores and timers that are given to it.

A pane is added to by parts, whatever their order, and a window is what its panes hold; sums and counts are integers.
So a window's values depend only on which samples are in it. A window is written when the watermark has passed its end
(``final``), and again, as the next revision, when late samples have come; an open tumbling window also while it fills.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from conf.metrics import Definition, Window
from jobs.metrics.partials import NO_SEQ, Part
from jobs.metrics.rows import Summary, WindowRows, Write

V = TypeVar("V")

FOR_EVER_MS = 2**61
COPIES_BUCKETS = 60
"""The messages seen are kept in so many sets for each pane, so that none is large."""


class Store(Protocol[V]):
    """What is kept of one key, by an integer; Flink's map state has the same methods."""

    def get(self, number: int) -> V | None:
        """The value, or None."""

    def put(self, number: int, value: V) -> None:
        """Sets it."""

    def remove(self, number: int) -> None:
        """Takes it away; nothing where there is none."""


class Timers(Protocol):
    """Event-time timers of one key."""

    def at(self, time_ms: int) -> None:
        """Asks for a call when the watermark has reached this time; twice is once."""


class Pane(NamedTuple):
    """What is kept of a pane.

    Attributes:
        layout: checksum of what in the definition gives these numbers their meaning.
        samples: how many, with a value or without.
        values: for each field count, sum, minimum, maximum and the buckets' counts.
    """

    layout: int
    samples: int
    values: tuple[tuple[int, int, float, float, dict[int, int]], ...]


class Written(NamedTuple):
    """What was last written of a window as final: how often, with how many samples, and which events."""

    finals: int
    samples: int
    events: frozenset[str]


@dataclass(slots=True)
class Stores:
    """The state of one key.

    Attributes:
        panes: by pane and kind of window (see ``KeyWindows``).
        written: by start and kind of window.
        seen: the (seq, t0) of the messages counted, by time.
        current: at 0 the message whose rows are arriving, and which of them comes next.
    """

    panes: Store[Pane]
    written: Store[Written]
    seen: Store[set[tuple[int, int]]]
    current: Store[tuple[int, int, int]]


@dataclass(slots=True)
class Counters:
    """What happened, for the metrics of the job."""

    copies: int = 0
    too_old: int = 0


class KeyWindows:
    """The windows of whichever key the stores belong to.

    A pane or window of the definition's n-th window is found under ``start * len(windows) + n``.
    """

    def __init__(self, metric: Definition, keep_ms: int | None) -> None:
        """Takes a definition, and how long a closed window is kept for late samples; None: for ever."""
        self._windows = metric.windows
        self._fields = len(metric.fields)
        self._rows = WindowRows(metric)
        self._pane_ms = metric.pane_ms
        self._seen_ms = max(1000, metric.pane_ms // COPIES_BUCKETS)
        self._keep_ms = FOR_EVER_MS if keep_ms is None else keep_ms
        self._layout = layout_of(metric)
        self.counters = Counters()

    def fold(self, part: Part, stores: Stores, timers: Timers, watermark: int) -> list[int]:
        """Adds a part in.

        Returns:
            The numbers of the panes that it completed; none, if it belongs to a copy or is too old.

        Raises:
            ValueError: the state is of a definition that counts otherwise.
        """
        if part.seq != NO_SEQ and not self._is_new(part, stores, timers):
            return []
        changed = []
        for kind, window in enumerate(self._windows):
            start = part.pane - part.pane % window.slide_ms
            if start + window.length_ms + self._keep_ms <= watermark:
                self.counters.too_old += (
                    part.samples
                )  # it was forgotten: a row of this part alone would be wrong
                continue
            number = start * len(self._windows) + kind
            stored = stores.panes.get(number)
            if stored is None:
                self._ask(window, start, timers, watermark)
                stored = Pane(self._layout, 0, ((0, 0, math.nan, math.nan, {}),) * self._fields)
            elif stored.layout != self._layout:
                raise ValueError(
                    "the state is of another definition (fields, decimals, accuracy or windows differ): a changed "
                    "definition starts without that savepoint and reads the log from the first message"
                )
            stores.panes.put(number, added(stored, part))
            if part.samples:  # its buckets are all there
                changed.append(number)
        return changed

    def timer(self, timestamp: int, stores: Stores, timers: Timers, watermark: int) -> Iterator[Write]:
        """Writes the windows that end here, and forgets what is too old."""
        for kind, window in enumerate(self._windows):
            start = timestamp + 1 - window.length_ms
            if start % window.slide_ms == 0:
                yield from self._final(kind, window, start, stores)
        if self._keep_ms == FOR_EVER_MS:
            return
        for kind, window in enumerate(self._windows):
            pane = timestamp - self._keep_ms - window.length_ms
            if pane % window.slide_ms == 0:
                stores.panes.remove(pane * len(self._windows) + kind)
                for start in range(pane - window.length_ms + window.slide_ms, pane + 1, window.slide_ms):
                    stores.written.remove(start * len(self._windows) + kind)
        pane = timestamp - self._keep_ms - self._pane_ms
        if pane % self._pane_ms == 0:
            for number in range(pane // self._seen_ms, -(-(pane + self._pane_ms) // self._seen_ms)):
                stores.seen.remove(number)

    def changes(
        self, number: int, stores: Stores, timers: Timers, watermark: int, *, open_too: bool
    ) -> Iterator[Write]:
        """Writes the windows with a pane that has changed: corrections, and open ones if they are wanted.

        Args:
            number: of the pane.
            stores: of the key.
            timers: of the key.
            watermark: event time in ms.
            open_too: write open tumbling windows, too.
        """
        kind = number % len(self._windows)
        pane, window = number // len(self._windows), self._windows[kind]
        for start in range(pane - window.length_ms + window.slide_ms, pane + 1, window.slide_ms):
            end = start + window.length_ms
            if end + self._keep_ms <= watermark:
                continue
            if end - 1 <= watermark:
                yield from self._final(kind, window, start, stores)
                continue
            if stores.written.get(start * len(self._windows) + kind) is not None:
                timers.at(
                    end - 1
                )  # a restored job's watermark begins anew, and the window's timer has fired already
            elif open_too and window.slide_ms == window.length_ms:
                samples, summaries = self._content(kind, window, start, stores)
                if samples:
                    yield from self._rows.rows(window, start, samples, summaries, final=False, revision=0)

    def _is_new(self, part: Part, stores: Stores, timers: Timers) -> bool:
        """Whether the part's message is not a copy; remembers it with its first row."""
        message = (part.seq, part.t0)
        if part.part:
            if stores.current.get(0) != (*message, part.part):
                return False
            stores.current.put(0, (*message, part.part + 1))
            return True
        bucket = part.t0 // self._seen_ms
        seen = stores.seen.get(bucket)
        if seen is None:
            seen = set()
            if self._keep_ms < FOR_EVER_MS:
                pane = part.t0 - part.t0 % self._pane_ms
                timers.at(pane + self._pane_ms + self._keep_ms)
        elif message in seen:
            self.counters.copies += 1
            return False
        seen.add(message)
        stores.seen.put(bucket, seen)
        if part.parts > 1:
            stores.current.put(0, (*message, 1))
        return True

    def _ask(self, window: Window, pane: int, timers: Timers, watermark: int) -> None:
        """For the timers of a new pane: the ends of its windows, and the time to forget it."""
        for end in range(pane + window.slide_ms, pane + window.length_ms + 1, window.slide_ms):
            if end - 1 > watermark:
                timers.at(end - 1)
        if self._keep_ms < FOR_EVER_MS:
            timers.at(pane + window.length_ms + self._keep_ms)

    def _final(self, kind: int, window: Window, start: int, stores: Stores) -> Iterator[Write]:
        """The rows of a closed window, unless they have been written as they are."""
        number = start * len(self._windows) + kind
        samples, summaries = self._content(kind, window, start, stores)
        before = stores.written.get(number) or Written(0, 0, frozenset())
        if samples == before.samples:
            return
        yield from self._rows.rows(window, start, samples, summaries, final=True, revision=before.finals)
        events = yield from self._rows.events(window, start, samples, summaries, before.finals, before.events)
        stores.written.put(number, Written(before.finals + 1, samples, events))

    def _content(self, kind: int, window: Window, start: int, stores: Stores) -> tuple[int, list[Summary]]:
        """How many samples a window has, and what they come to."""
        samples, summaries = 0, [Summary() for _ in range(self._fields)]
        for pane in range(start, start + window.length_ms, window.slide_ms):
            stored = stores.panes.get(pane * len(self._windows) + kind)
            if stored is not None:
                samples += stored.samples
                for summary, values in zip(summaries, stored.values, strict=True):
                    summary.add(*values)
        return samples, summaries


def added(pane: Pane, part: Part) -> Pane:
    """The pane with a part more in it."""
    values = [
        (count + more, total + sums, least(low, lower), most(high, higher), buckets)
        for (count, total, low, high, buckets), more, sums, lower, higher in zip(
            pane.values, part.counts, part.sums, part.mins, part.maxs, strict=True
        )
    ]
    if part.buckets:
        own = [dict(each[4]) for each in values]
        for index, bucket, weight in part.buckets:
            own[index][bucket] = own[index].get(bucket, 0) + weight
        values = [(*each[:4], buckets) for each, buckets in zip(values, own, strict=True)]
    return Pane(pane.layout, pane.samples + part.samples, tuple(values))


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
    """A store for tests and tools."""

    content: dict[int, Any] = field(default_factory=dict)

    def get(self, number: int) -> Any:
        """The value, or None."""
        return self.content.get(number)

    def put(self, number: int, value: Any) -> None:
        """Sets it."""
        self.content[number] = value

    def remove(self, number: int) -> None:
        """Takes it away."""
        self.content.pop(number, None)
