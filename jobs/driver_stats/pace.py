"""When a driver's open windows are written: by the clock, at most so often, and never those of all drivers at once.

At a minute's end each of 10,000 drivers has new sums. Written in one go, their rows keep both the function and
Cassandra busy for seconds, and every live row waits behind them. So many drivers take their turns instead; few are
written at the next tick. Weeks and rolling days change by little with each minute, and have a slower tick of their own.
None of this decides what a row holds.
"""

from __future__ import annotations

import zlib

TURN_MS = 2
"""A driver's turn: what its rows cost, and as much for all else that this core does."""


class Pace:
    """The ticks of the drivers of one subtask; in memory only: timers survive, and one too many writes a row again."""

    def __init__(self, every_ms: int, long_every_ms: int) -> None:
        """Takes how often open hours and days, and open weeks and rolling days, are written at the most."""
        self._every_ms = every_ms
        self._long_every_ms = long_every_ms
        self._turn_ms = self._seen_ms = 0
        self._waiting: set[str] = set()

    def next_tick(self, driver_id: str, now_ms: int) -> int | None:
        """When a driver is to be written next; None where it waits for its turn already."""
        if driver_id in self._waiting:
            return None
        self._waiting.add(driver_id)
        # A clock that was set back must not keep everyone waiting.
        turn_ms = now_ms if now_ms < self._seen_ms else max(now_ms, self._turn_ms)
        self._seen_ms, self._turn_ms = now_ms, turn_ms + TURN_MS
        return turn_ms - turn_ms % self._every_ms + self._every_ms

    def had_its_turn(self, driver_id: str) -> None:
        """The driver's tick has come."""
        self._waiting.discard(driver_id)

    def next_long_tick(self, driver_id: str, now_ms: int) -> int:
        """When a driver's weeks and rolling days are to be written next; at other moments for other drivers."""
        offset = self._offset(driver_id)
        return now_ms - (now_ms - offset) % self._long_every_ms + self._long_every_ms

    def is_long_tick(self, driver_id: str, at_ms: int) -> bool:
        """Whether a tick is one of those."""
        return (at_ms - self._offset(driver_id)) % self._long_every_ms == 0

    def _offset(self, driver_id: str) -> int:
        return zlib.crc32(driver_id.encode()) % self._long_every_ms
