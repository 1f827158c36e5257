"""The drivers' windows as a keyed function, with states and timers in memory."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
from pyflink.datastream.time_domain import TimeDomain

from conf.score import additive
from jobs.driver_stats.driver_windows import DriverWindows
from jobs.driver_stats.layout import FOLDS, PART_ROW, N
from jobs.driver_stats.windows import DAY_MS, HOUR_MS
from schemas.tables import table

BEGINNING, END = -(2**63), 2**63 - 1
HOUR = 1_180_638_000_000
FRAME = struct.Struct(">iq")


class MapState(dict[Any, Any]):
    """A map state of one key; it outlives the function."""

    put = dict.__setitem__
    contains = dict.__contains__

    def remove(self, key: Any) -> None:
        self.pop(key, None)


class Job:
    """One driver's function on states and timers that a savepoint would hold; a restored watermark begins anew."""

    def __init__(self, before: Job | None = None) -> None:
        self.states: dict[str, MapState] = before.states if before else {}
        self.event_timers: set[int] = before.event_timers if before else set()
        self.clock_timers: set[int] = before.clock_timers if before else set()
        self.watermark = BEGINNING
        self.frames: list[bytes] = []
        self.function = DriverWindows(emit_every_ms=1000, keep_ms=None, rules=additive())
        counter = SimpleNamespace(inc=lambda: None)
        self.function.open(
            SimpleNamespace(
                get_map_state=lambda descriptor: self.states.setdefault(descriptor.name, MapState()),
                get_metrics_group=lambda: SimpleNamespace(counter=lambda name: counter),
            )
        )

    def part(self, minute_start: int) -> None:
        row = np.zeros(1, PART_ROW)
        row["minute_start"], row["sums"][0, [N, FOLDS]] = minute_start, 1
        self.frames += self.function.process_element(("driver", row.tobytes()), self._context(None))

    def clock(self) -> None:
        self._fire(self.clock_timers, END, TimeDomain.PROCESSING_TIME)

    def advance(self, watermark: int) -> None:
        self.watermark = watermark
        self._fire(self.event_timers, watermark, TimeDomain.EVENT_TIME)

    def last_row(self, name: str) -> tuple[int, bool]:
        """Its samples, and whether it is final: the write time tells both."""
        length = HOUR_MS if name == "driver_hour" else DAY_MS
        end = HOUR - HOUR % length + length
        index = table("driver_stats", name).index
        times = [us for at, us in (FRAME.unpack_from(frame) for frame in self.frames) if at == index]
        folds, final = divmod(times[-1] - end * 1000, 2)
        return folds, bool(final)

    def _fire(self, timers: set[int], until: int, domain: TimeDomain) -> None:
        for due in sorted(timer for timer in timers if timer <= until):
            timers.discard(due)
            self.frames += self.function.on_timer(due, self._context(domain))

    def _context(self, domain: TimeDomain | None) -> Any:
        service = SimpleNamespace(
            current_watermark=lambda: self.watermark,
            register_event_time_timer=self.event_timers.add,
            register_processing_time_timer=self.clock_timers.add,
        )
        return SimpleNamespace(
            timer_service=lambda: service, get_current_key=lambda: "driver", time_domain=lambda: domain
        )


def test_a_window_is_final_when_the_watermark_has_passed_it() -> None:
    job = Job()
    job.part(HOUR)
    job.clock()
    assert job.last_row("driver_hour") == (1, False)
    job.advance(HOUR + HOUR_MS)
    assert (job.last_row("driver_hour"), job.last_row("driver_day")) == ((1, True), (1, False))


def test_a_late_part_makes_a_final_window_final_again() -> None:
    job = Job()
    job.part(HOUR)
    job.advance(HOUR + DAY_MS)
    job.part(HOUR)
    job.clock()
    assert [job.last_row(name) for name in ("driver_hour", "driver_day", "fleet_day")] == [(2, True)] * 3


def test_a_late_part_before_a_restored_jobs_first_watermark_makes_a_window_final_again() -> None:
    """The clock writes it as open, because nothing is closed without a watermark; the watermark then closes it."""
    before = Job()
    before.part(HOUR)
    before.advance(HOUR + DAY_MS)
    restored = Job(before)
    restored.part(HOUR)
    restored.clock()
    assert restored.last_row("driver_hour") == (2, False)
    restored.advance(HOUR + DAY_MS)
    assert [restored.last_row(name) for name in ("driver_hour", "driver_day", "fleet_day")] == [(2, True)] * 3
    assert not restored.event_timers


def test_a_window_noted_before_a_savepoint_is_final_after_it() -> None:
    """A late part came, but the job stopped before the clock could write its window."""
    before = Job()
    before.part(HOUR)
    before.advance(HOUR + DAY_MS)
    before.part(HOUR)
    restored = Job(before)
    restored.clock()
    restored.advance(HOUR + DAY_MS)
    assert [restored.last_row(name) for name in ("driver_hour", "driver_day", "fleet_day")] == [(2, True)] * 3
