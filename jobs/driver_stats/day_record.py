"""A driver's UTC day as it is kept in Flink's state: read and written once a minute for each driver, so it is packed.

A day has up to 1,440 minutes. Unpacked to Python's objects at each call they were most of what a driver's minute cost,
the more the longer the day; so they stay in arrays, and what is not asked for is not decoded.
"""

from __future__ import annotations

import json
import pickle
from array import array
from bisect import bisect_left
from collections.abc import Iterator, MutableMapping
from typing import Any

from jobs.driver_stats.hours import MINUTE_MS, Alert, from_bytes, to_bytes
from jobs.driver_stats.hours_eu import EuState
from jobs.driver_stats.hours_fmcsa import FmcsaState

DAY_MS = 86_400_000
_JSON = b"["
_STATES = {"EuState": EuState, "FmcsaState": FmcsaState}


class Minutes(MutableMapping[int, tuple[int, int]]):
    """Milliseconds of driving and of idling by start of the minute, of one UTC day, in the order of time."""

    __slots__ = ("_day", "_drive", "_idle", "_index")

    def __init__(self, day: int = 0, packed: tuple[bytes, bytes, bytes] = (b"", b"", b"")) -> None:
        """Takes what ``pack`` gave for a day."""
        self._day = day
        self._index, self._drive, self._idle = (
            array("h", packed[0]),
            array("i", packed[1]),
            array("i", packed[2]),
        )

    def pack(self) -> tuple[bytes, bytes, bytes]:
        """Indexes of the minutes in the day, driving and idling, in the machine's order of bytes."""
        return self._index.tobytes(), self._drive.tobytes(), self._idle.tobytes()

    @property
    def day(self) -> int:
        """Start of the day; of none if there are no minutes."""
        return self._day

    def between(self, begin_ms: int, end_ms: int) -> dict[int, tuple[int, int]]:
        """Those that begin in [begin_ms, end_ms)."""
        first, end = self._place(begin_ms), self._place(end_ms)
        return {
            self._day + self._index[at] * MINUTE_MS: (self._drive[at], self._idle[at])
            for at in range(first, end)
        }

    def __getitem__(self, minute: int) -> tuple[int, int]:
        at = self._place(minute)
        if not self._is_at(at, minute):
            raise KeyError(minute)
        return self._drive[at], self._idle[at]

    def __setitem__(self, minute: int, sums: tuple[int, int]) -> None:
        if not self._index:
            self._day = minute - minute % DAY_MS
        at = self._place(minute)
        if not self._is_at(at, minute):
            self._index.insert(at, (minute - self._day) // MINUTE_MS)
            self._drive.insert(at, 0)
            self._idle.insert(at, 0)
        self._drive[at], self._idle[at] = sums

    def __delitem__(self, minute: int) -> None:
        at = self._place(minute)
        if not self._is_at(at, minute):
            raise KeyError(minute)
        del self._index[at], self._drive[at], self._idle[at]

    def __iter__(self) -> Iterator[int]:
        return (self._day + index * MINUTE_MS for index in self._index)

    def __len__(self) -> int:
        return len(self._index)

    def _place(self, minute: int) -> int:
        return bisect_left(self._index, (minute - self._day) // MINUTE_MS)

    def _is_at(self, at: int, minute: int) -> bool:
        return at < len(self._index) and self._day + self._index[at] * MINUTE_MS == minute


class DayRecord:
    """Minutes and what followed from them.

    ``after`` is the state at the day's end, or as far as it was judged; None: it was not judged yet.
    """

    __slots__ = ("_after", "_text", "alerts", "minutes")

    def __init__(self) -> None:
        """A day without a minute."""
        self.minutes = Minutes()
        self.alerts: list[Alert] = []
        self._after: Any = None
        self._text: list[str] | None = None

    @property
    def after(self) -> Any:
        """The state; decoded when it is first asked for."""
        if self._text is not None:
            self._after, self._text = read_state(self._text), None
        return self._after

    @after.setter
    def after(self, state: Any) -> None:
        self._after, self._text = state, None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DayRecord):
            return NotImplemented
        return (self.minutes, self.after, self.alerts) == (other.minutes, other.after, other.alerts)

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self) -> bytes:
        """The form that is kept in Flink's state."""
        text = state_text(self._after) if self._text is None else self._text
        return pickle.dumps(
            (self.minutes.day, self.minutes.pack(), text, [tuple(each) for each in self.alerts])
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> DayRecord:
        """Reads ``to_bytes``, and the JSON that earlier versions wrote."""
        found = cls()
        if data[:1] == _JSON:
            day, minutes, found._text, alerts = json.loads(data)
            for index, *sums in sorted(minutes):
                found.minutes[day + index * MINUTE_MS] = (sums[0], sums[1])
        else:
            day, packed, found._text, alerts = pickle.loads(data)
            found.minutes = Minutes(day, packed)
        found.alerts = [Alert(*alert) for alert in alerts]
        return found


def state_text(state: Any) -> list[str]:
    """A state of a rule set, or None, as texts."""
    return [] if state is None else [type(state).__name__, to_bytes(state).decode()]


def read_state(text: list[str]) -> Any:
    """Reads ``state_text``."""
    return from_bytes(_STATES[text[0]], text[1].encode()) if text else None
