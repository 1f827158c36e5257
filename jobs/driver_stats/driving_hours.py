"""Drivers' hours on keyed state: each driver's minutes and alerts in Flink's state, alerts as rows of driver_event.

A driver may drive vehicles of several rule sets; each is kept by itself, and the one that leaves least counts. Records
of driving are added up by the hour as they come, and taken to the driver's days only when these are judged. What is
read of the state in a call is kept for that call, and written back once at its end: ``save``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapState, MapStateDescriptor

from conf.hours import EuRules, FmcsaRules
from connectors.rows import FrameEncoder, Value
from jobs.driver_stats import drive_minutes, windows
from jobs.driver_stats.day_record import DAY_MS, DayRecord
from jobs.driver_stats.driver_hours import DriverHours, machine
from jobs.driver_stats.hours import MINUTE_MS, Alert, Machine
from jobs.driver_stats.layout import NONE
from schemas.tables import table

JOB = "driver_stats"
_PENDING = ":"
MOST_ALERTS = 15
"""Of one kind at one time; counted in the write time."""


class DriveLeft(NamedTuple):
    """How long a driver may still drive, and which rule says so; ``folds`` grows with what it is made of."""

    minutes: int
    rule: str
    folds: int

    def text(self) -> str:
        """What of it is in a row."""
        return f"{self.minutes} {self.rule}"


class DrivingHours:
    """The drivers' hours of the driver whose key is current."""

    def __init__(self, rules: Mapping[str, EuRules | FmcsaRules], context: RuntimeContext) -> None:
        """Opens the state.

        Args:
            rules: by name; a record has the index of its own among them.
            context: of the function.
        """
        self._machines: dict[str, Machine] = {name: machine(each) for name, each in rules.items()}
        self._names = list(rules)
        self._days = context.get_map_state(
            MapStateDescriptor("driving_days", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )
        self._heads = context.get_map_state(
            MapStateDescriptor("driving_heads", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )

    def add(self, row: bytes, keep_from_ms: int) -> None:
        """Takes a record of driving, which counts from the next judgement on.

        Args:
            row: a DRIVE_ROW.
            keep_from_ms: it is not counted any more if its day ended then or before.
        """
        drive = drive_minutes.read(row)
        if drive.hour_start - drive.hour_start % DAY_MS + DAY_MS <= keep_from_ms:
            return
        key = f"{self._names[drive.rule]}{_PENDING}{drive.hour_start}"
        stored = self._heads.get(key)
        self._heads.put(key, row if stored is None else drive_minutes.added(stored, row))

    def forget_driver(self) -> None:
        """Drops what is left of a driver who was not seen for long."""
        for name in self._names:
            self._heads.remove(name)

    def of_driver(self) -> OfDriver:
        """What is known of the current driver; to be saved after changes."""
        kept: dict[str, _Kept] = {}
        pending: list[tuple[str, bytes]] = []
        if self._machines:
            for key, data in self._heads.items():
                name, separator, _ = key.partition(_PENDING)
                if name in self._machines:
                    if separator:
                        pending.append((key, data))
                    else:
                        kept[name] = self._kept(name, data)
        found = OfDriver(self, kept)
        for key, row in sorted(pending):
            found.add(drive_minutes.read(row))
            self._heads.remove(key)
        return found

    def new(self, rule: int) -> tuple[str, _Kept]:
        """A rule set's name, and nothing known of the driver under it."""
        name = self._names[rule]
        return name, _Kept(DriverHours(self._machines[name], _Days(self._days, name)))

    def save(self, kept: Mapping[str, _Kept]) -> None:
        """Writes what has changed."""
        for name, each in kept.items():
            days = each.hours.days
            assert isinstance(days, _Days)
            days.save()
            head = json.dumps([each.folds, each.corrected, each.hours.head_to_bytes().decode()]).encode()
            if head != each.stored:
                self._heads.put(name, head)
                each.stored = head

    def _kept(self, name: str, data: bytes) -> _Kept:
        folds, corrected, head = json.loads(data)
        days = _Days(self._days, name)
        return _Kept(
            DriverHours.from_bytes(self._machines[name], head.encode(), days), folds, corrected, data
        )


@dataclass(slots=True)
class _Kept:
    """A driver under one rule set: how much has come of him, whether minutes ever came late, and what is stored."""

    hours: DriverHours
    folds: int = 0
    corrected: bool = False
    stored: bytes = b""


class OfDriver:
    """The hours of one driver, under each rule set that he drives under."""

    def __init__(self, state: DrivingHours, kept: dict[str, _Kept]) -> None:
        """Takes what is kept, by rule set."""
        self._state = state
        self._kept = kept

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(self._kept)

    def add(self, drive: drive_minutes.Drive) -> None:
        """Adds a record."""
        name, new = self._state.new(drive.rule)
        kept = self._kept.setdefault(name, new)
        kept.folds += drive.folds
        for minute, drive_ms, idle_ms in drive.minutes():
            kept.hours.add(minute, drive_ms, idle_ms)

    def changes_what_is_closed(self) -> bool:
        """Whether days may have closed with another time left: minutes came late, or the first ones of a rule set."""
        return any(each.hours.dirty != NONE or each.hours.judged_to == NONE for each in self._kept.values())

    def judge(self, closed_ms: int, driver_id: str, encoder: FrameEncoder) -> Iterator[bytes]:
        """Judges what is closed; returns the rows of alerts that are new or hold no longer."""
        for kept in self._kept.values():
            kept.corrected = kept.corrected or kept.hours.dirty != NONE
            changes = kept.hours.judge(closed_ms)
            touched = {(each.kind, each.at_ms) for each in (*changes.withdrawn, *changes.added)}
            for kind, at_ms in sorted(touched):
                standing = kept.hours.standing(kind, at_ms)
                gone = [each for each in changes.withdrawn if (each.kind, each.at_ms) == (kind, at_ms)]
                values = alert_row(driver_id, standing or gone, void=not standing)
                values["updated_at"] = time.time_ns() // 1_000_000
                write_us = at_ms * 1000 + 16 * kept.folds + min(len(standing), MOST_ALERTS)
                columns = [column.name for column in table(JOB, "driver_event").columns]
                yield encoder.encode(
                    write_us,
                    [values.get(name) for name in columns],
                    erase=[kept.corrected and name in values for name in columns],
                )

    def left_at(self, closed_ms: int) -> DriveLeft | None:
        """How long the driver could have driven on a minute before ``closed_ms``; None: nobody watches his hours."""
        found = [each.hours.left_at(closed_ms) for each in self._kept.values()]
        if not found:
            return None
        least = min(found, key=lambda each: (each.least_ms, each.rule))
        return DriveLeft(least.minutes, least.rule, sum(each.folds for each in self._kept.values()))

    def forget(self, before_ms: int) -> None:
        """Drops the days that end at ``before_ms`` or before."""
        for kept in self._kept.values():
            kept.hours.forget(before_ms)

    def save(self) -> None:
        """Writes what has changed."""
        self._state.save(self._kept)


def alert_row(driver_id: str, alerts: Iterable[Alert], *, void: bool) -> dict[str, Value]:
    """The row of driver_event of alerts of one kind and time: their articles in one row, the first one's numbers.

    Args:
        driver_id: the driver.
        alerts: at least one; ascending.
        void: they hold no longer.
    """
    alerts = list(alerts)
    first = alerts[0]
    return {
        "driver_id": driver_id,
        "day": windows.day_text(first.at_ms),
        "event_time": first.at_ms,
        "type": first.kind,
        "vehicle_id": "",
        "start_time": first.at_ms,
        "end_time": first.end_ms,
        "duration_s": (first.end_ms - first.at_ms) / 1e3,
        "peak": first.value_ms / MINUTE_MS,
        "unit": "min",
        "rule": ", ".join(dict.fromkeys(each.rule for each in alerts)),
        "article": ", ".join(dict.fromkeys(each.article for each in alerts)),
        "threshold": first.limit_ms / MINUTE_MS,
        "superseded_by": first.at_ms if void else None,
    }


@dataclass(slots=True)
class _Days(MutableMapping[int, DayRecord]):
    """A rule set's records of the current driver, read when asked for and written by ``save``."""

    state: MapState
    name: str
    read: dict[int, DayRecord | None] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    known: set[int] | None = None

    def __getitem__(self, day: int) -> DayRecord:
        if day not in self.read:
            data = self.state.get(self._key(day))
            self.read[day] = None if data is None else DayRecord.from_bytes(data)
        found = self.read[day]
        if found is None:
            raise KeyError(day)
        return found

    def __setitem__(self, day: int, record: DayRecord) -> None:
        self.read[day] = record
        self.changed.add(day)
        if self.known is not None:
            self.known.add(day)

    def __delitem__(self, day: int) -> None:
        self.read[day] = None
        self.changed.add(day)
        self._days().discard(day)

    def __iter__(self) -> Iterator[int]:
        return iter(set(self._days()))

    def __len__(self) -> int:
        return len(self._days())

    def save(self) -> None:
        """Writes what has changed."""
        for day in self.changed:
            record = self.read[day]
            if record is None:
                self.state.remove(self._key(day))
            else:
                self.state.put(self._key(day), record.to_bytes())
        self.changed.clear()

    def _days(self) -> set[int]:
        if self.known is None:
            keys: list[str] = list(self.state.keys())
            stored = {int(key.partition(":")[2]) for key in keys if key.startswith(self._prefix())}
            gone = {day for day in self.changed if self.read[day] is None}
            self.known = (stored | {day for day in self.changed if day not in gone}) - gone
        return self.known

    def _prefix(self) -> str:
        return f"{self.name}:"

    def _key(self, day: int) -> str:
        return f"{self.name}:{day}"
