"""Which minutes a vehicle drove and idled: what the rules of drivers' hours need of it, which parts by the hour lack.

Only vehicles whose class is under a rule set send it. It is taken from the parts as the kernel makes them, minute by
minute, before they are held back: what one mini-batch has of one vehicle, driver and hour goes into one record, so
there are as many as there are parts of minutes at the pace of the clock, and fewer the faster the log is read. There is
no state: every record is a difference, and their sum does not depend on how the log was cut.

The rule set is that of the vehicle's class in its newest message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats.compiled import njit
from jobs.driver_stats.hours import MINUTE_MS
from jobs.driver_stats.layout import DRIVE_MS, FOLDS, IDLE_MS, TEXT_WORDS

HOUR_MS = 3_600_000
MINUTES = 60
NO_RULE = -1

DRIVE_ROW = np.dtype(
    [
        ("key", "<i4"),
        ("rule", "<i4"),
        ("driver", "<i8", (TEXT_WORDS,)),
        # filled where the row leaves the operator
        ("vehicle", "<i8", (TEXT_WORDS,)),
        ("fleet", "<i8", (TEXT_WORDS,)),
        ("event_ms", "<i8"),
        ("hour_start", "<i8"),
        # how often something was folded in or taken out: it only grows
        ("folds", "<i8"),
        ("drive_ms", "<i4", (MINUTES,)),
        ("idle_ms", "<i4", (MINUTES,)),
    ]
)


class Drive(NamedTuple):
    """What a record says: rule set, hour (UTC), folds, milliseconds by minute of the hour, and of which vehicle."""

    rule: int
    hour_start: int
    folds: int
    drive_ms: list[int]
    idle_ms: list[int]
    vehicle_id: str
    fleet_id: str

    def minutes(self) -> Iterator[tuple[int, int, int]]:
        """The minutes that it says something of: start, driving and idling in ms."""
        for index, (drive_ms, idle_ms) in enumerate(zip(self.drive_ms, self.idle_ms, strict=True)):
            if drive_ms or idle_ms:
                yield self.hour_start + index * MINUTE_MS, drive_ms, idle_ms


def read(row: bytes) -> Drive:
    """Reads a DRIVE_ROW."""
    record = np.frombuffer(row, DRIVE_ROW)[0]
    return Drive(
        int(record["rule"]),
        int(record["hour_start"]),
        int(record["folds"]),
        record["drive_ms"].tolist(),
        record["idle_ms"].tolist(),
        _text(record["vehicle"]),
        _text(record["fleet"]),
    )


def _text(words: NDArray[np.int64]) -> str:
    return words.tobytes().rstrip(b"\0").decode()


def last_minute(row: bytes) -> int:
    """The start of the last minute that a DRIVE_ROW says something of."""
    return max((minute for minute, *_ in read(row).minutes()), default=0)


def added(row: bytes, other: bytes) -> bytes:
    """One record of two of the same hour and rule set."""
    total = np.frombuffer(row, DRIVE_ROW).copy()
    more = np.frombuffer(other, DRIVE_ROW)
    for name in ("folds", "drive_ms", "idle_ms"):
        total[name] += more[name]
    return total.tobytes()


def of(states: NDArray[Any], parts: NDArray[Any], rule_of_class: NDArray[np.int64]) -> NDArray[Any]:
    """The records of parts as the kernel made them.

    Args:
        states: STATE records, one per key.
        parts: PART_ROW records of these keys.
        rule_of_class: by vehicle class its rule set; NO_RULE: nobody watches its drivers' hours.
    """
    if not len(parts) or (rule_of_class[states["lane"]["vehicle_class"]] == NO_RULE).all():
        return np.zeros(0, DRIVE_ROW)
    found = np.zeros(len(parts), DRIVE_ROW)
    last = np.full(len(states), -1)
    return found[: _gather(states, parts, rule_of_class, last, found)]


@njit
def _gather(states, parts, rule_of_class, last, found):
    n = 0
    for i in range(len(parts)):
        part = parts[i]
        key = part["key"]
        rule = rule_of_class[states[key]["lane"]["vehicle_class"]]
        drive_ms, idle_ms = part["sums"][DRIVE_MS], part["sums"][IDLE_MS]
        if rule == NO_RULE or (drive_ms == 0 and idle_ms == 0):
            continue
        minute = part["minute_start"]
        hour = minute - minute % HOUR_MS
        at = last[key]
        same = at >= 0
        if same:
            same = found[at]["hour_start"] == hour
            for w in range(TEXT_WORDS):
                same = same and found[at]["driver"][w] == part["driver"][w]
                same = same and found[at]["fleet"][w] == part["fleet"][w]
        if not same:
            at = n
            n += 1
            last[key] = at
            row = found[at]
            row["key"] = key
            row["rule"] = rule
            for w in range(TEXT_WORDS):
                row["driver"][w] = part["driver"][w]
                row["fleet"][w] = part["fleet"][w]
            row["hour_start"] = hour
        row = found[at]
        row["event_ms"] = max(row["event_ms"], minute + MINUTE_MS - 1)
        row["folds"] += part["sums"][FOLDS]
        row["drive_ms"][(minute - hour) // MINUTE_MS] += drive_ms
        row["idle_ms"][(minute - hour) // MINUTE_MS] += idle_ms
    return n
