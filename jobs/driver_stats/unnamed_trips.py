"""Trips of vehicles that name no driver: they belong to whoever is logged in, and a change of driver ends one.

Source: contracts.md, Semantics; that the driver changes at a minute's edge is ours (attribution.py).

The vehicles' stage sends such trips here in place of writing them. Where one driver had the vehicle throughout, the row
is the trip as the kernel made it. Else it is divided at the minutes from which others drove: sums are those of the
vehicle's minutes, split at edges as the drivers' windows have them, so the parts of a trip add up to it exactly; the
minute in which it began counts from there (layout.PART_ROW, ``trip_ms``), and the last one has what is left.

A trip is written when the watermark has passed its last minute, by which time its minutes and the log-ins that are not
late are there. A log-in or a sample that comes later writes it again, and makes void what is no driver's any more.
"""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conf.score import AdditiveRules, PercentRules
from connectors.rows import FrameEncoder, Value
from jobs.driver_stats import layout, unnamed, windows
from jobs.driver_stats.attribution import MINUTE_MS, Minute, Stretch
from jobs.driver_stats.layout import ACCUMULATORS, FOLDS, NONE, TRIP_ROW
from jobs.driver_stats.score import score
from jobs.driver_stats.unnamed import top
from jobs.driver_stats.windows import HOUR_MS, WindowSums, tally
from schemas.tables import table

if TYPE_CHECKING:
    from pyflink.datastream.state import MapState

TABLE = table("driver_stats", "trip")
UNNAMED_TRIP = layout.with_texts(TRIP_ROW)
MOST_LOGINS = 1 << 16
SPANS, LOGINS = "spans", "logins"

Place = tuple[float, float]
NOWHERE: Place = (math.nan, math.nan)

StretchesOf = Callable[[int, int], Iterable[Stretch]]
MinutesOf = Callable[[int, int], Iterable[Minute]]


class TripRules(NamedTuple):
    """What a trip's row needs beside its sums: how it is scored, and the vehicle classes by number."""

    score: AdditiveRules | PercentRules
    classes: Sequence[str]


class Share(NamedTuple):
    """What one driver has of a trip."""

    driver_id: str
    start_ms: int
    end_ms: int
    start: Place
    end: Place
    sums: list[int]
    max_kmh: float


def is_trip(row: bytes) -> bool:
    """Whether a record is a trip; a log-in may have any length."""
    return len(row) == TRIP_ROW.itemsize and not unnamed.is_message(row)


def shares(row: bytes, stretches_of: StretchesOf, minutes_of: MinutesOf) -> list[Share]:
    """A trip by driver, in the order of time; empty where there is none any more.

    Args:
        row: UNNAMED_TRIP.
        stretches_of: who drove between two times.
        minutes_of: what is kept of the vehicle's minutes that start in [from, to).
    """
    trip: Any = np.frombuffer(row, UNNAMED_TRIP)[0]
    if trip["superseded_by"] != NONE:
        return []
    start_ms, end_ms = int(trip["start_ms"]), int(trip["end_ms"])
    stretches = list(stretches_of(start_ms, end_ms + 1))
    whole = Share(
        stretches[0].driver_id,
        start_ms,
        end_ms,
        (float(trip["start_lat"]), float(trip["start_lon"])),
        (float(trip["end_lat"]), float(trip["end_lon"])),
        trip["sums"].tolist(),
        float(trip["max_speed_kmh"]),
    )
    return [whole] if len(stretches) == 1 else list(_divided(whole, stretches, minutes_of))


def _divided(whole: Share, stretches: Sequence[Stretch], minutes_of: MinutesOf) -> Iterator[Share]:
    first, last = (ms - ms % MINUTE_MS for ms in (whole.start_ms, whole.end_ms))
    sums: dict[int, list[int]] = {}
    tops: dict[int, float] = {}
    places: dict[int, Place] = {}
    for each in sorted(minutes_of(first, last + MINUTE_MS), key=lambda each: (each.start_ms, each.trip_ms)):
        at = each.start_ms
        if each.trip_ms != (whole.start_ms if at == first else NONE) and at in (first, last):
            continue  # of another trip in that minute
        tops[at] = top(each.max_kmh, tops.get(at, math.nan))
        if each.lat == each.lat:
            places[at] = (each.lat, each.lon)
        sums[at] = _added(sums.get(at), each.sums)
    sums.pop(last, None)
    left = list(whole.sums)
    for of_minute in sums.values():
        left = [a - b for a, b in zip(left, of_minute, strict=True)]
    sums[last] = left
    # The last minute may have more than the trip; and the trip's own maximum is what counts.
    before = top(*(kmh for at, kmh in tops.items() if at != last))
    tops[last] = whole.max_kmh if not whole.max_kmh <= before else tops.get(last, math.nan)
    place = whole.start
    for stretch in stretches:
        mine = [at for at in sums if stretch.start_ms - stretch.start_ms % MINUTE_MS <= at < stretch.end_ms]
        total = [0] * ACCUMULATORS
        for at in mine:
            total = _added(total, sums[at])
        total[FOLDS] = 0
        start, begin = place, stretch.start_ms
        place = next((places[at] for at in sorted(mine, reverse=True) if at in places), place)
        is_last = stretch.end_ms > whole.end_ms
        max_kmh = top(*(tops.get(at, math.nan) for at in mine))
        if any(total):
            yield Share(
                stretch.driver_id,
                begin,
                whole.end_ms if is_last else stretch.end_ms,
                start,
                whole.end if is_last else place,
                total,
                min(max_kmh, whole.max_kmh) if max_kmh == max_kmh else math.nan,
            )


def _added(one: list[int] | None, other: Sequence[int]) -> list[int]:
    return list(other) if one is None else [a + b for a, b in zip(one, other, strict=True)]


def values_of(share: Share, row: bytes, vehicle_id: str, rules: TripRules) -> dict[str, Value]:
    """The columns of a share, times as epoch ms."""
    trip: Any = np.frombuffer(row, UNNAMED_TRIP)[0]
    sums = WindowSums(share.sums, share.max_kmh)
    numbers: dict[str, Value] = {
        "start_lat": _or_none(share.start[0]),
        "start_lon": _or_none(share.start[1]),
        "end_lat": _or_none(share.end[0]),
        "end_lon": _or_none(share.end[1]),
    }
    return {
        "driver_id": share.driver_id,
        "month": windows.month_text(share.start_ms),
        "start_time": share.start_ms,
        "vehicle_id": vehicle_id,
        "end_time": share.end_ms,
        "fleet_id": trip["fleet"].decode() or None,
        "vehicle_class": rules.classes[int(trip["vehicle_class"])],
        **numbers,
        **sums.metrics(),
        **score(rules.score, tally(share.sums)).columns(),
        "final": True,
        "superseded_by": None,
    }


class _Written(NamedTuple):
    """A row as it stands: its columns, its write time, and how often it was written with others."""

    values: dict[str, Value]
    write_us: int
    revision: int


class UnnamedTrips:
    """The trips of the vehicle whose key is current."""

    def __init__(self, trips: MapState, spans: MapState, rules: TripRules) -> None:
        """Takes the state: trips by their start, and, by name, when they end and how many log-ins there were."""
        self._trips = trips
        self._spans = spans
        self._rules = rules
        self._encoder = FrameEncoder(TABLE)

    def add(self, row: bytes) -> int | None:
        """Keeps a trip; one that is not newer than what is kept is nothing.

        Returns:
            When it is due: see ``due``. None for never.
        """
        trip: Any = np.frombuffer(row, UNNAMED_TRIP)[0]
        start_ms = int(trip["start_ms"])
        kept, written = self._kept(start_ms)
        if kept and np.frombuffer(kept, UNNAMED_TRIP)[0]["write_us"] >= trip["write_us"]:
            return None
        self._trips.put(start_ms, pickle.dumps((row, written)))
        spans = self._known()
        end_ms = int(trip["end_ms"])
        spans[start_ms] = (end_ms, True)
        self._spans.put(SPANS, pickle.dumps(spans))
        return _due(end_ms)

    def log_in(self, start_ms: int, end_ms: int | None) -> list[int]:
        """A log-in changes who drove in [start_ms, end_ms); returns when the trips that it concerns are due."""
        self._spans.put(LOGINS, pickle.dumps(self._logins() + 1))
        spans = self._known()
        found = [
            start
            for start, (end, _) in spans.items()
            if end >= start_ms and (end_ms is None or start < end_ms)
        ]
        if found:
            spans |= {start: (spans[start][0], True) for start in found}
            self._spans.put(SPANS, pickle.dumps(spans))
        return [_due(spans[start][0]) for start in found]

    def due(
        self, now_ms: int, vehicle_id: str, stretches_of: StretchesOf, minutes_of: MinutesOf
    ) -> Iterator[bytes]:
        """Writes the trips that changed and whose last minute the watermark ``now_ms`` has passed."""
        spans = self._known()
        due = [start for start, (end, changed) in spans.items() if changed and _due(end) <= now_ms]
        if not due:
            return
        logins = min(self._logins(), MOST_LOGINS - 1)
        void, valid = [], []
        for start_ms in sorted(due):
            row, written = self._kept(start_ms)
            gone, new = self._changes(row, written, vehicle_id, shares(row, stretches_of, minutes_of), logins)
            void += gone
            valid += new
            self._trips.put(start_ms, pickle.dumps((row, written)))
            spans[start_ms] = (spans[start_ms][0], False)
        self._spans.put(SPANS, pickle.dumps(spans))
        # What is void of one trip may be another's: its row comes last.
        yield from void
        yield from valid

    def forget(self, hour_ms: int) -> None:
        """Drops the trips that began in an hour whose minutes are forgotten, or before it."""
        spans = self._known()
        gone = [start for start in spans if start < hour_ms + HOUR_MS]
        for start in gone:
            self._trips.remove(start)
            del spans[start]
        if gone:
            self._spans.put(SPANS, pickle.dumps(spans))

    def _changes(
        self,
        row: bytes,
        written: dict[tuple[int, str], _Written],
        vehicle_id: str,
        now: Sequence[Share],
        logins: int,
    ) -> tuple[list[bytes], list[bytes]]:
        """Rows to make void and rows to write; ``written`` is brought up to date."""
        trip: Any = np.frombuffer(row, UNNAMED_TRIP)[0]
        start_us = int(trip["start_ms"]) * 1000
        # It grows with the samples that the trip contains, and with the log-ins so far.
        newer = MOST_LOGINS * (int(trip["write_us"]) - start_us) + logins
        wanted = {
            (each.start_ms, each.driver_id): values_of(each, row, vehicle_id, self._rules) for each in now
        }
        void, valid = [], []
        for key in sorted(written.keys() - wanted.keys()):
            values = written[key].values
            if values["superseded_by"] is not None:
                continue
            instead = [each.start_ms for each in now if each.start_ms <= key[0]]
            void_by = int(trip["superseded_by"]) if not now else max(instead, default=int(trip["start_ms"]))
            void.append(self._row(written, key, {**values, "superseded_by": void_by}, newer))
        for key, values in wanted.items():
            before = written.get(key)
            if before is None or before.values != values or before.write_us != key[0] * 1000 + newer:
                erases = bool(trip["nulls"])
                valid.append(self._row(written, key, values, newer, erases=erases))
        return void, valid

    def _row(
        self,
        written: dict[tuple[int, str], _Written],
        key: tuple[int, str],
        values: dict[str, Value],
        newer: int,
        *,
        erases: bool = True,
    ) -> bytes:
        before = written.get(key)
        revision = 0 if before is None else before.revision + (before.values != values)
        write_us = key[0] * 1000 + newer
        written[key] = _Written(values, write_us, revision)
        found: Mapping[str, Value] = {
            **values,
            "revision": revision,
            "updated_at": time.time_ns() // 1_000_000,
        }
        erases = erases or before is not None
        return self._encoder.encode(
            write_us,
            [found.get(each.name) for each in TABLE.columns],
            erase=[erases and each.name in found for each in TABLE.columns],
        )

    def _kept(self, start_ms: int) -> tuple[bytes, dict[tuple[int, str], _Written]]:
        stored = self._trips.get(start_ms)
        return (b"", {}) if stored is None else pickle.loads(stored)

    def _known(self) -> dict[int, tuple[int, bool]]:
        """When each kept trip ends, and whether something about it has changed since it was written."""
        stored = self._spans.get(SPANS)
        found: dict[int, tuple[int, bool]] = {} if stored is None else pickle.loads(stored)
        return found

    def _logins(self) -> int:
        stored = self._spans.get(LOGINS)
        return 0 if stored is None else int(pickle.loads(stored))


def _due(end_ms: int) -> int:
    """The end of a trip's last minute."""
    return end_ms - end_ms % MINUTE_MS + MINUTE_MS - 1


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
