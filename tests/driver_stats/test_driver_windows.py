"""The drivers' windows as a keyed function, with states and timers in memory."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
from pyflink.datastream.time_domain import TimeDomain

from conf.local_time import LocalTime
from conf.score import additive
from jobs.driver_stats.driver_windows import DriverWindows
from jobs.driver_stats.layout import DISTANCE_UM, DRIVE_MS, FOLDS, PART_ROW, SEVERE_MS, N
from jobs.driver_stats.windows import DAY_MS, HOUR_MS
from schemas.tables import Table, table

BEGINNING, END = -(2**63), 2**63 - 1
HOUR = 1_180_638_000_000
FRAME = struct.Struct(">iq")


class MapState(dict[Any, Any]):
    """A map state of one key; it outlives the function."""

    put = dict.__setitem__
    contains = dict.__contains__

    def remove(self, key: Any) -> None:
        self.pop(key, None)


def decoded(frame: bytes, spec: Table) -> dict[str, Any]:
    """A row frame's write time and the columns that are set; None: erased."""
    row: dict[str, Any] = {"write_us": FRAME.unpack_from(frame)[1]}
    at = FRAME.size
    for column in spec.columns:
        (length,) = struct.unpack_from(">i", frame, at)
        at += 4
        if length >= -1:
            value = frame[at : at + max(length, 0)]
            form = {"int": ">i", "bigint": ">q", "timestamp": ">q", "double": ">d", "boolean": ">?"}
            kind = column.cql_type
            row[column.name] = None
            if length >= 0:
                row[column.name] = value.decode() if kind == "text" else struct.unpack(form[kind], value)[0]
        at += max(length, 0)
    return row


class Job:
    """One driver's function on states and timers that a savepoint would hold; a restored watermark begins anew."""

    def __init__(self, before: Job | None = None, **given: Any) -> None:
        self.states: dict[str, MapState] = before.states if before else {}
        self.event_timers: set[int] = before.event_timers if before else set()
        self.clock_timers: set[int] = before.clock_timers if before else set()
        self.watermark = BEGINNING
        self.frames: list[bytes] = []
        given = {"emit_every_ms": 1000, "keep_ms": None, "rules": additive()} | given
        self.function = DriverWindows(**given)
        counter = SimpleNamespace(inc=lambda: None)
        self.function.open(
            SimpleNamespace(
                get_map_state=lambda descriptor: self.states.setdefault(descriptor.name, MapState()),
                get_metrics_group=lambda: SimpleNamespace(counter=lambda name: counter),
            )
        )

    def part(self, minute_start: int, fleet_id: str = "", sums: dict[int, int] | None = None) -> None:
        row = np.zeros(1, PART_ROW)
        row["fleet"][0] = np.frombuffer(fleet_id.encode().ljust(64, b"\0"), np.int64)
        row["minute_start"], row["sums"][0, [N, FOLDS]] = minute_start, 1
        for index, value in (sums or {}).items():
            row["sums"][0, index] = value
        self.take(row.tobytes())

    def take(self, row: bytes) -> None:
        self.frames += self.function.process_element(("driver", row), self._context(None))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """What was written to a table, in its order."""
        spec = table("driver_stats", name)
        return [decoded(frame, spec) for frame in self.frames if FRAME.unpack_from(frame)[0] == spec.index]

    def clock(self) -> None:
        self._fire(self.clock_timers, END, TimeDomain.PROCESSING_TIME)

    def clock_until(self, now_ms: int) -> None:
        self._fire(self.clock_timers, now_ms, TimeDomain.PROCESSING_TIME)

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
        while timers and (due := min(timers)) <= until:
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


def test_at_the_end_of_input_what_is_kept_for_ever_is_neither_forgotten_nor_waited_for() -> None:
    """Its watermark is later than for ever; a timer for then would have a date that no calendar knows."""
    job = Job(emit_every_ms=None)
    job.part(HOUR)
    job.advance(2**63 - 1)
    assert (job.last_row("driver_hour"), job.last_row("driver_day")) == ((1, True), (1, True))
    assert job.event_timers == set()
    assert job.states["days"]


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
    restored.advance(HOUR + 7 * DAY_MS)  # the week's end
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


ZONES = LocalTime(
    version=1, zone="UTC", fleets={"tokyo": "Asia/Tokyo", "berlin": "Europe/Berlin"}, rolling_days=3
)


def test_a_drivers_day_is_final_when_it_has_ended_for_all_fleets() -> None:
    """Tokyo's June 1 of 2007 ends at 15:00 UTC, Berlin's at 22:00."""
    job = Job(local_time=ZONES, emit_every_ms=None)
    midnight = HOUR - HOUR % DAY_MS
    for fleet in ("tokyo", "berlin"):
        job.part(midnight + 5 * HOUR_MS, fleet)
    job.advance(midnight + 15 * HOUR_MS)
    assert [row["fleet_id"] for row in job.rows("fleet_day")] == ["tokyo"]
    assert job.rows("driver_day") == []
    job.advance(midnight + 22 * HOUR_MS)
    assert [row["fleet_id"] for row in job.rows("fleet_day")] == ["tokyo", "berlin"]
    (day,) = job.rows("driver_day")
    assert (day["n_samples"], day["final"], day["revision"]) == (2, True, 0)
    job.part(midnight + 6 * HOUR_MS, "tokyo")
    assert [(row["n_samples"], row["revision"]) for row in job.rows("driver_day")] == [(2, 0), (3, 1)]


def test_a_late_part_corrects_its_week_and_the_rolling_days_after_it() -> None:
    job = Job(local_time=ZONES, emit_every_ms=None)
    monday = 1_180_310_400_000  # 2007-05-28
    for day in (0, 1, 4, 7):
        job.part(monday + day * DAY_MS)
    job.advance(monday + 14 * DAY_MS)
    assert [(row["week"], row["n_samples"]) for row in job.rows("driver_week")] == [
        ("2007-05-28", 3),
        ("2007-06-04", 1),
    ]
    rolling = {row["day"]: row["n_samples"] for row in job.rows("driver_rolling")}
    assert rolling == {"2007-05-28": 1, "2007-05-29": 2, "2007-06-01": 1, "2007-06-04": 1}
    job.frames.clear()
    job.part(monday + 2 * DAY_MS)
    found = {row["day"]: (row["n_samples"], row["revision"]) for row in job.rows("driver_rolling")}
    assert found == {"2007-05-30": (3, 0), "2007-06-01": (2, 1)}
    (week,) = job.rows("driver_week")
    assert (week["n_samples"], week["final"], week["revision"]) == (4, True, 1)


def test_a_weeks_score_is_of_its_sums_though_each_of_its_days_is_too_short_for_one() -> None:
    job = Job(emit_every_ms=None)
    monday = 1_180_310_400_000  # 2007-05-28
    for day, severe_ms in ((0, 200_000), (1, 0)):
        sums = {DISTANCE_UM: 8_000_000_000, DRIVE_MS: 1_000_000, SEVERE_MS: severe_ms}
        job.part(monday + day * DAY_MS, sums=sums)
    job.advance(monday + 14 * DAY_MS)
    assert [(row["score_state"], "score" in row) for row in job.rows("driver_day")] == [
        ("insufficient_distance", False),
        ("insufficient_distance", False),
    ]
    found = [*job.rows("driver_week"), job.rows("driver_rolling")[-1]]
    assert [
        (row["score_state"], row["score"], row["penalty_speeding"], row["score_band"]) for row in found
    ] == [
        ("ok", 90, 10, "low"),
        ("ok", 90, 10, "low"),
    ]
    assert {(row["speeding_severe_s"], row["distance_km"]) for row in found} == {(200, 16)}


def test_nothing_is_kept_of_a_driver_who_was_not_seen_for_long() -> None:
    job = Job(local_time=ZONES, keep_ms=2 * DAY_MS)
    job.part(HOUR)
    job.part(HOUR + DAY_MS, "tokyo")
    job.clock()
    job.advance(HOUR + 3 * DAY_MS)
    assert any(job.states.values())
    job.advance(HOUR + 20 * DAY_MS)
    job.advance(HOUR + 40 * DAY_MS)
    assert not any(job.states.values())
    assert not job.event_timers


def test_open_weeks_and_rolling_days_are_written_at_a_slower_tick_and_in_the_end() -> None:
    job = Job(emit_long_every_ms=300_000)
    job.part(HOUR)
    job.clock()
    assert [row["n_samples"] for row in job.rows("driver_rolling")] == [1]
    job.frames.clear()
    job.part(HOUR)
    job.part(HOUR)
    tick = min(job.clock_timers)
    job.clock_until(tick)
    assert [row["n_samples"] for row in job.rows("driver_day")] == [3]
    assert not job.rows("driver_week")
    assert not job.rows("driver_rolling")
    (slow,) = job.clock_timers
    assert tick < slow <= tick + 301_000
    job.clock()
    for name in ("driver_week", "driver_rolling"):
        assert [(row["n_samples"], row["final"]) for row in job.rows(name)] == [(3, False)]
    job.part(HOUR)
    job.clock_until(min(job.clock_timers))
    job.advance(HOUR + DAY_MS)
    job.frames.clear()
    job.clock()  # what is final already is not written as open
    assert not job.rows("driver_rolling")
    assert not job.states["changed_long"]


def test_weeks_go_on_from_the_days_of_a_savepoint_from_before_there_were_weeks() -> None:
    monday = 1_180_310_400_000
    before = Job(local_time=ZONES)
    for day in (0, 1):
        before.part(monday + day * DAY_MS)
    before.clock()
    before.advance(monday + 2 * DAY_MS)
    before.states.pop("long")
    after = Job(before, local_time=ZONES)
    after.part(monday + 2 * DAY_MS)
    after.clock()
    after.advance(monday + 7 * DAY_MS)
    (week,) = (row for row in after.rows("driver_week") if row["final"])
    assert week["n_samples"] == 3
    assert {row["day"]: row["n_samples"] for row in after.rows("driver_rolling")}["2007-05-30"] == 3
