"""The publisher of a run: a fixed rate, confirms, and now and then what was confirmed already once more."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from chaos.traffic import PROBE, Traffic
from kappafleet.connections import RabbitMQConnection, rabbitmq_parameters
from kappafleet.errors import UserError
from kappafleet.messages import Message, message
from kappafleet.pacing import Due
from kappafleet.publisher import WINDOW, Publisher, Totals
from kappafleet.publishing import all_served
from kappafleet.streams import ASSIGNMENTS

KEPT = 20_000
"""So many messages back a stretch of copies may begin."""

PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A probe on its way: when it was handed to the publisher, its event time, its place among all messages."""

    at: float
    event_ms: int
    index: int


class Feed:
    """Publishes traffic from a thread of its own until ``finish``.

    Each line is written to a file before it is published, copies too: the file is what the oracle reads.
    """

    def __init__(
        self,
        traffic: Traffic,
        rate: float,
        exchange: str,
        partitions: int,
        broker: RabbitMQConnection,
        file: Path,
    ) -> None:
        """Nothing happens yet.

        Args:
            traffic: What to publish.
            rate: Messages a second; what an outage kept back follows at once.
            exchange: Where telemetry goes; it exists, and so does that of the log-ins.
            partitions: The number of streams of each.
            broker: The broker itself, not a link to it.
            file: Takes the lines.
        """
        self._traffic = traffic
        self._rate = rate
        self._exchange = exchange
        self._file = file
        self._publisher = Publisher(
            rabbitmq_parameters(broker),
            patience_s=PATIENCE_S,
            served=all_served([exchange, ASSIGNMENTS], partitions, broker),
        )
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self._recent: deque[Message] = deque(maxlen=KEPT)
        self._copies: deque[Message] = deque()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._failure: Exception | None = None
        self.probes: list[Sent] = []
        self.lines = 0
        """Lines written so far, copies included."""
        self.copies = 0

    @property
    def totals(self) -> Totals:
        """What the publisher has done so far."""
        return self._publisher.totals

    def start(self) -> None:
        """Begins to publish."""
        self._thread.start()

    def check(self) -> None:
        """Raises what made the publisher give up, if it did."""
        if self._failure is not None:
            raise self._failure

    def repeat(self, share: float) -> int:
        """Publishes a stretch again that is confirmed already.

        Args:
            share: From 0 to 1: how long the stretch is, up to a third of what is kept, and how far back it begins.

        Returns:
            The number of copies.
        """
        with self._lock:
            confirmed = list(self._recent)[: max(0, len(self._recent) - WINDOW - len(self._copies))]
            length = max(1, round(len(confirmed) * share / 3))
            start = round((len(confirmed) - length) * (1 - share))
            copies = confirmed[start : start + length]
            self._copies.extend(copies)
            self.copies += len(copies)
        return len(copies)

    def finish(self, limit_s: float = 120.0) -> None:
        """Publishes no more, and waits until all is confirmed.

        Raises:
            UserError: the broker confirms nothing any more.
        """
        self._ends.set()
        self._thread.join(limit_s)
        self.check()
        if self._thread.is_alive():
            raise UserError(f"the broker did not confirm the last messages within {limit_s:.0f} s")

    def stop(self) -> None:
        """Publishes no more; what is not confirmed is left."""
        self._ends.set()

    def _run(self) -> None:
        try:
            with self._file.open("wb") as lines:
                self._publisher.publish(self._due(lines))
        except Exception as error:  # told to the main thread by check()
            self._failure = error

    def _due(self, lines: BinaryIO) -> Iterator[Due]:
        for number, line in enumerate(self._traffic.lines()):
            while copy := self._copy():
                yield self._written(copy, lines, 0.0)
            if self._ends.is_set():
                return
            each = message(line.body, line.exchange or self._exchange)
            if line.vehicle_id == PROBE:
                self.probes.append(Sent(time.monotonic(), line.at_ms, self.lines))
            with self._lock:
                self._recent.append(each)
            yield self._written(each, lines, number / self._rate)

    def _copy(self) -> Message | None:
        with self._lock:
            return self._copies.popleft() if self._copies and not self._ends.is_set() else None

    def _written(self, each: Message, lines: BinaryIO, due_s: float) -> Due:
        lines.write(each.body + b"\n")
        lines.flush()
        self.lines += 1
        return due_s, each
