"""Who follows what, and what is new for each: changes by subject, in bounded memory however slow a client is.

A subject is ``fleet/north``, ``driver/anna`` or ``area/u33d``. All methods belong to one event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from serving.feed_rows import Arrived, Change, Rows, feed_tables

TICK_S = 0.1
"""Changes are handed to clients at most so often."""
KEPT_CHANGES = 20_000
"""So many changes a client that lost its connection can be given; one that missed more starts from a snapshot."""
MOST_PENDING = 20_000
"""So many rows wait for a slow client, each with its newest values; with more it starts from a snapshot."""

Batch = dict[str, Change]


class Client:
    """One connection: what waits to be sent over it."""

    def __init__(self, subject: str, tables: frozenset[str] | None, most_pending: int = MOST_PENDING) -> None:
        """Made by :meth:`Hub.follow`."""
        self.subject, self.tables = subject, tables
        self._most = most_pending
        self._pending: Batch = {}
        self._shared: tuple[Batch, list[str]] | None = None
        self._upto = 0
        self._outdated = False
        self._told = False
        self._wake = asyncio.Event()

    def offer(self, batch: Batch, text: list[str], upto: int) -> None:
        """Adds changes; of a row that waits already the newest counts."""
        self._upto = upto
        if not self._pending:
            self._pending, self._shared = batch, (batch, text)  # shared by all who are as quick
        else:
            if self._shared is not None:
                self._pending, self._shared = dict(self._pending), None
            self._pending.update(batch)
            if len(self._pending) > self._most:
                self.outdate()
        self._wake.set()

    def outdate(self) -> None:
        """Changes were missed: a snapshot has to take their place."""
        self._pending, self._shared = {}, None
        self._outdated = True
        self._wake.set()

    def tell(self) -> None:
        """Whether the feed is live has changed."""
        self._told = True
        self._wake.set()

    async def wait(self, limit_s: float) -> bool:
        """Waits until something is to be sent; False: nothing was, for so long."""
        try:
            await asyncio.wait_for(self._wake.wait(), limit_s)
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    def outdated(self) -> bool:
        """Whether a snapshot is needed; asking takes note of it."""
        found, self._outdated = self._outdated, False
        return found

    def told(self) -> bool:
        """Whether the feed's state is to be sent; asking takes note of it."""
        found, self._told = self._told, False
        return found

    def take(self) -> tuple[Batch, str | None, int]:
        """All that waits.

        Returns:
            The changes by row, their text if others have the same ones, and the number up to which nothing is missing.
        """
        batch, shared = self._pending, self._shared
        self._pending, self._shared = {}, None
        text = None
        if shared is not None:
            parts = shared[1]
            if len(parts) == 0:
                parts.append(",".join(change.text for change in batch.values()))
            text = parts[0]
        return batch, text, self._upto

    @property
    def waiting(self) -> int:
        """Rows that wait."""
        return len(self._pending)


class Hub:
    """Takes messages in and deals changes out."""

    def __init__(
        self, kept: int = KEPT_CHANGES, most_pending: int = MOST_PENDING, now: Callable[[], float] = time.time
    ) -> None:
        """Nothing is known, and the feed is not live.

        Args:
            kept: changes that can be given again.
            most_pending: rows that wait for one client.
            now: seconds since 1970.
        """
        self._most_pending, self._now = most_pending, now
        self._rows = Rows()
        self._kept: deque[Change] = deque(maxlen=kept)
        self._clients: dict[str, dict[frozenset[str] | None, set[Client]]] = defaultdict(dict)
        self._batches: dict[str, Batch] = {}
        self._tick: asyncio.TimerHandle | asyncio.Handle | None = None
        self._ticked = 0.0
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._versions: Mapping[str, int] = {}
        self.live = False
        self.since = now()
        self.why = "it has not connected yet"

    @property
    def clients(self) -> int:
        """How many follow something."""
        return len(self._everybody())

    @property
    def epoch(self) -> str:
        """Changes when changes were missed."""
        return self._epoch

    @property
    def position(self) -> str:
        """Names the newest change; a client that has seen it says so when it comes back."""
        return self.position_of(self._number)

    def position_of(self, number: int) -> str:
        """Names a change."""
        return f"{self._epoch}-{number}"

    def state(self) -> dict[str, object]:
        """Whether changes come in, and since when it is so."""
        since = datetime.fromtimestamp(self.since, UTC).isoformat(timespec="milliseconds")
        found: dict[str, object] = {"live": self.live, "since": since.replace("+00:00", "Z")}
        return found if self.live else {**found, "why": self.why}

    def connected(self) -> None:
        """Changes come in from now on; some may have been missed before."""
        self.live, self.since, self.why = True, self._now(), ""
        self.restart()
        self._tell()

    def lost(self, why: str) -> None:
        """No changes come in any more."""
        if self.live:
            self.since = self._now()
        self.live, self.why = False, why
        self._tell()

    def _tell(self) -> None:
        for each in self._everybody():
            each.tell()

    def restart(self) -> None:
        """Changes were missed, or readers use other tables now: all clients start from a snapshot."""
        self._epoch = secrets.token_hex(4)
        self._rows.clear()
        self._kept.clear()
        self._batches.clear()
        for each in self._everybody():
            each.outdate()

    def use(self, versions: Mapping[str, int]) -> None:
        """Takes changes of these versions of the jobs' tables only."""
        if versions == self._versions:
            return
        known = bool(self._versions)
        self._versions = dict(versions)
        if known:
            self.restart()

    def take_in(self, messages: Iterable[Arrived]) -> None:
        """Adds what arrived."""
        for message in messages:
            spec = feed_tables().get(message.table)
            if spec is None or message.producer != f"kf_{spec.job}_v{self._versions.get(spec.job, 1)}":
                continue
            change = self._rows.change(message, self._next)
            if change is None:
                continue
            self._kept.append(change)
            for subject in subjects(change):
                if subject in self._clients:
                    self._batches.setdefault(subject, {})[change.row] = change
        if self._batches and self._tick is None:
            loop = asyncio.get_running_loop()
            self._tick = loop.call_later(max(0.0, self._ticked + TICK_S - time.monotonic()), self._deal)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _deal(self) -> None:
        self._tick = None
        self._ticked = time.monotonic()
        batches, self._batches = self._batches, {}
        for subject, batch in batches.items():
            for tables, clients in self._clients.get(subject, {}).items():
                wanted = batch if tables is None else of_tables(batch, tables)
                if wanted:
                    text: list[str] = []
                    for client in clients:
                        client.offer(wanted, text, self._number)

    def follow(self, subject: str, tables: frozenset[str] | None = None) -> Client:
        """A new client; it is offered every change from now on, until :meth:`leave`.

        Args:
            subject: whose changes.
            tables: of these tables only; None: of all.
        """
        client = Client(subject, tables, self._most_pending)
        self._clients[subject].setdefault(tables, set()).add(client)
        return client

    def leave(self, client: Client) -> None:
        """Forgets a client."""
        followers = self._clients[client.subject]
        followers[client.tables].discard(client)
        if not followers[client.tables]:
            del followers[client.tables]
        if not followers:
            del self._clients[client.subject]

    def missed(self, subject: str, position: str) -> Batch | None:
        """What changed after a position, with the newest values of each row; None: that is not known any more."""
        epoch, _, text = position.partition("-")
        if epoch != self._epoch or not text.isascii() or not text.isdigit() or len(text) > 18:
            return None
        number = int(text)
        first = self._kept[0].number if self._kept else self._number + 1
        if not first - 1 <= number <= self._number:
            return None
        found: Batch = {}
        for change in reversed(self._kept):
            if change.number <= number:
                break
            if subject in subjects(change):
                found.setdefault(change.row, change)
        return dict(reversed(found.items()))

    def recent(self, subject: str, table: str, most: int) -> list[Change]:
        """The last changes of a table that are still kept, the newest first."""
        found: dict[str, Change] = {}
        for change in reversed(self._kept):
            if change.table == table and subject in subjects(change):
                found.setdefault(change.row, change)
                if len(found) == most:
                    break
        return list(found.values())

    def _everybody(self) -> list[Client]:
        return [client for groups in self._clients.values() for group in groups.values() for client in group]


def of_tables(batch: Batch, tables: frozenset[str]) -> Batch:
    """The changes of some tables."""
    return {row: change for row, change in batch.items() if change.table in tables}


def subjects(change: Change) -> tuple[str, ...]:
    """Who is told of a change."""
    spec = feed_tables()[change.table]
    found = []
    group = change.values.get(spec.group) if spec.group else None
    if group and spec.group in ("fleet_id", "area"):
        found.append(f"{'fleet' if spec.group == 'fleet_id' else 'area'}/{group}")
    who = change.values.get(spec.id)
    if who and spec.id == "driver_id":
        found.append(f"driver/{who}")
    return tuple(found)
