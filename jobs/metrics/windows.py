"""The second stage: panes of one key become windows. Pure logic over stores and timers that are given to it.

A pane is added to by parts, whatever their order, and a window is what its panes hold; sums and counts are integers.
So a window's values depend only on which samples are in it. A window is written when the watermark has passed its end
(``final``), and again, as the next revision, when late samples have come; an open tumbling window also while it fills.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from conf.metrics import Definition, Window
from jobs.metrics.partials import NO_SEQ, Part
from jobs.metrics.rows import Summary, WindowRows, Write
from jobs.metrics.state import (
    Head,
    Message,
    Pane,
    Stores,
    Timers,
    Written,
    empty,
    layout_of,
    with_pane,
    with_part,
)

K = TypeVar("K", Head | None, Pane | None)

FOR_EVER_MS = 2**61
COPIES_BUCKETS = 60
"""The messages seen are kept in so many sets for each pane, so that none is large."""


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

    def fold(self, part: Part, stores: Stores, timers: Timers, watermark: int) -> bool:
        """Adds a part in.

        Returns:
            Whether it is the first change since what has changed was written: ``changes`` writes it.

        Raises:
            ValueError: the state is of a definition that counts otherwise.
        """
        head = before = self._head(stores)
        if part.seq != NO_SEQ:
            known = self._known(head, part, stores, timers)
            if known is None:
                return False
            head = known
        if head.content is None or head.start != part.pane:
            head = self._opened(self._spilled(head, stores), part, stores, timers, watermark)
        if len(head.kinds) < len(self._windows):
            self.counters.too_old += (
                part.samples
            )  # of what was forgotten a row of this part alone would be wrong
        if head.content is not None:
            changed = head.changed
            if part.samples:  # the buckets of the pane are all there
                changed |= {self._number(kind, part.pane) for kind in head.kinds}
            head = head._replace(content=with_part(head.content, part), changed=changed)
        stores.head.put(0, head)
        return bool(head.changed) and not before.changed

    def timer(self, timestamp: int, stores: Stores, timers: Timers, watermark: int) -> Iterator[Write]:
        """Writes the windows that end here, and forgets what is too old."""
        head = before = self._head(stores)
        head = self._spilled(head, stores)
        for kind, window in enumerate(self._windows):
            start = timestamp + 1 - window.length_ms
            if start % window.slide_ms == 0:
                yield from self._final(kind, window, start, stores)
        if self._keep_ms < FOR_EVER_MS:
            head = self._forgotten(timestamp, head, stores)
        if head == Head(self._layout):
            stores.head.remove(0)
        elif head is not before:
            stores.head.put(0, head)

    def is_late(self, part: Part, watermark: int) -> bool:
        """Whether a part is in a window that the watermark has passed, so that a correction is due."""
        return any(
            part.pane - part.pane % window.slide_ms + window.slide_ms - 1 <= watermark
            for window in self._windows
        )

    def changes(self, stores: Stores, timers: Timers, watermark: int, *, open_too: bool) -> Iterator[Write]:
        """Writes what has changed: windows that were written, and open tumbling ones if they are wanted."""
        head = self._spilled(self._head(stores), stores)
        stores.head.put(0, head._replace(changed=frozenset()))
        for number in sorted(head.changed):
            yield from self._changed(number, stores, timers, watermark, open_too)

    def _changed(
        self, number: int, stores: Stores, timers: Timers, watermark: int, open_too: bool
    ) -> Iterator[Write]:
        """The windows of one pane."""
        pane, kind = divmod(number, len(self._windows))
        window = self._windows[kind]
        for start in range(pane - window.length_ms + window.slide_ms, pane + 1, window.slide_ms):
            end = start + window.length_ms
            if end + self._keep_ms <= watermark:
                continue
            if end - 1 <= watermark:
                yield from self._final(kind, window, start, stores)
            elif stores.written.get(self._number(kind, start)) is not None:
                # A restored job's watermark begins anew, and the window's timer has fired already.
                timers.at(end - 1)
            elif open_too and window.slide_ms == window.length_ms:
                samples, summaries = self._content(kind, window, start, stores)
                if samples:
                    yield from self._rows.rows(window, start, samples, summaries, final=False, revision=0)

    def _known(self, head: Head, part: Part, stores: Stores, timers: Timers) -> Head | None:
        """The head that knows of the part's message; None, if the message is a copy."""
        message: Message = (part.seq, part.t0)
        if part.part:
            if (head.message, head.next_part) != (message, part.part):
                return None
            return head._replace(next_part=part.part + 1)
        bucket = part.t0 // self._seen_ms
        seen = head.seen if bucket == head.bucket else stores.seen.get(bucket)
        if seen is None:
            seen = set()
            if self._keep_ms < FOR_EVER_MS:
                pane = part.t0 - part.t0 % self._pane_ms
                timers.at(pane + self._pane_ms + self._keep_ms)
        elif message in seen:
            self.counters.copies += 1
            return None
        if head.seen is not None and head.bucket != bucket:
            stores.seen.put(head.bucket, head.seen)
        seen.add(message)
        return head._replace(bucket=bucket, seen=seen, message=message, next_part=1)

    def _opened(self, head: Head, part: Part, stores: Stores, timers: Timers, watermark: int) -> Head:
        """The head at the part's pane, with timers for what of it is new."""
        kinds = []
        for kind, window in enumerate(self._windows):
            start = part.pane - part.pane % window.slide_ms
            if start + window.length_ms + self._keep_ms <= watermark:
                continue
            kinds.append(kind)
            if self._pane(stores, self._number(kind, part.pane)) is None:
                self._ask(window, start, timers, watermark)
        content = empty(self._layout, self._fields) if kinds else None
        return head._replace(start=part.pane, content=content, kinds=tuple(kinds))

    def _spilled(self, head: Head, stores: Stores) -> Head:
        """The head without its content, which is in the windows' panes now."""
        if head.content is None:
            return head
        for kind in head.kinds:
            number = self._number(kind, head.start)
            stored = self._pane(stores, number) or empty(self._layout, self._fields)
            stores.panes.put(number, with_pane(stored, head.content))
        return head._replace(start=0, content=None, kinds=())

    def _ask(self, window: Window, pane: int, timers: Timers, watermark: int) -> None:
        """For the timers of a new pane: the ends of its windows, and the time to forget it."""
        for end in range(pane + window.slide_ms, pane + window.length_ms + 1, window.slide_ms):
            if end - 1 > watermark:
                timers.at(end - 1)
        if self._keep_ms < FOR_EVER_MS:
            timers.at(pane + window.length_ms + self._keep_ms)

    def _forgotten(self, timestamp: int, head: Head, stores: Stores) -> Head:
        """Forgets the panes, windows and messages whose time it is; returns what of the head stays."""
        for kind, window in enumerate(self._windows):
            pane = timestamp - self._keep_ms - window.length_ms
            if pane % window.slide_ms == 0:
                stores.panes.remove(self._number(kind, pane))
                head = head._replace(changed=head.changed - {self._number(kind, pane)})
                for start in range(pane - window.length_ms + window.slide_ms, pane + 1, window.slide_ms):
                    stores.written.remove(self._number(kind, start))
        pane = timestamp - self._keep_ms - self._pane_ms
        if pane % self._pane_ms == 0:
            first, end = pane // self._seen_ms, -(-(pane + self._pane_ms) // self._seen_ms)
            for number in range(first, end):
                stores.seen.remove(number)
            if first <= head.bucket < end:
                head = head._replace(bucket=0, seen=None, message=(0, 0), next_part=0)
        return head

    def _final(self, kind: int, window: Window, start: int, stores: Stores) -> Iterator[Write]:
        """The rows of a closed window, unless they have been written as they are."""
        samples, summaries = self._content(kind, window, start, stores)
        number = self._number(kind, start)
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
            stored = self._pane(stores, self._number(kind, pane))
            if stored is not None:
                samples += stored.samples
                for summary, values in zip(summaries, stored.values, strict=True):
                    summary.add(*values)
        return samples, summaries

    def _head(self, stores: Stores) -> Head:
        """The head; an empty one, if there is none."""
        return self._checked(stores.head.get(0)) or Head(self._layout)

    def _pane(self, stores: Stores, number: int) -> Pane | None:
        """A pane; None, if there is none."""
        return self._checked(stores.panes.get(number))

    def _checked(self, kept: K) -> K:
        """What was kept, if the definition still means the same by it.

        Raises:
            ValueError: it does not.
        """
        if kept is not None and kept.layout != self._layout:
            raise ValueError(
                "the state is of another definition (fields, decimals, accuracy or windows differ): a changed "
                "definition starts without that savepoint and reads the log from the first message"
            )
        return kept

    def _number(self, kind: int, time_ms: int) -> int:
        """Under which a window's pane is kept in which a time lies; of a start, the window's own number."""
        return (time_ms - time_ms % self._windows[kind].slide_ms) * len(self._windows) + kind
