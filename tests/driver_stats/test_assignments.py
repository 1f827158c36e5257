"""Who drove, on keyed state: late log-ins move minutes between drivers, whose windows come out as revisions."""

from __future__ import annotations

import json
import random
import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyflink.common import Row

from conf.attribution import attribution
from conf.score import additive
from jobs.driver_stats import unnamed
from jobs.driver_stats.assignments import EVENTS, REJECTS, Attribution
from jobs.driver_stats.fleet_time import IN_UTC
from jobs.driver_stats.layout import DISTANCE_UM, DRIVE_MS, EVENT_ROW, FOLDS, NONE, N
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.unnamed import RefusedLogin
from jobs.driver_stats.unnamed_trips import TripRules
from jobs.driver_stats.windows import DAY_MS, HOUR_MS
from schemas.tables import table
from tests.driver_stats.test_driver_windows import BEGINNING, Job, MapState, decoded

MINUTE_MS = 60_000
HOUR = 1_700_442_000_000
LATENESS_MS = 7 * DAY_MS
KEEP_MS = LATENESS_MS + DAY_MS
RULES = ("harsh", "harsh", "harsh", "harsh", "speeding", "idle")
TRIP_RULES = TripRules(additive(), Settings.load([]).vehicle_classes())


class Vehicle:
    """One vehicle's function, and the windows of its drivers behind it."""

    def __init__(self) -> None:
        self.states: dict[str, MapState] = {}
        self.timers: set[int] = set()
        self.watermark = BEGINNING
        self.drivers: dict[str, Job] = {}
        self.rejects: list[bytes] = []
        self.events: list[dict[str, Any]] = []
        self.trips: list[dict[str, Any]] = []
        self.offset = 0
        self.function = Attribution(attribution(), IN_UTC, KEEP_MS, LATENESS_MS, 300_000, RULES, TRIP_RULES)
        self.function.open(
            SimpleNamespace(
                get_map_state=lambda descriptor: self.states.setdefault(descriptor.name, MapState())
            )
        )

    def minute(self, start_ms: int, kmh: float) -> None:
        row = np.zeros(1, unnamed.UNNAMED_ROW)
        row["fleet"][0] = np.frombuffer(b"f".ljust(64, b"\0"), np.int64)
        row["minute_start"], row["max_kmh"], row["rule"] = start_ms, kmh, -1
        row["sums"][0, [N, FOLDS, DRIVE_MS, DISTANCE_UM]] = 60, 60, MINUTE_MS, round(kmh * 1e9 / 60)
        self.take(row.tobytes())

    def event(self, start_ms: int, samples: int = 1, peak: float = 4.0, void: bool = False) -> None:
        """A harsh brake, as the kernel writes it: again with more samples, void with a later write time."""
        row = np.zeros(1, EVENT_ROW)
        row["fleet"][0] = np.frombuffer(b"f".ljust(64, b"\0"), np.int64)
        row["type"], row["start_ms"], row["end_ms"], row["peak"] = 1, start_ms, start_ms + 1000, peak
        row["n_samples"], row["write_us"] = samples, start_ms * 1000 + 2 * samples + 1
        row["lat"] = row["lon"] = row["limit_kmh"] = np.nan
        row["superseded_by"] = start_ms if void else NONE
        self.take(row.tobytes())

    def shown(self) -> dict[tuple[str, int], float]:
        """The peak of each event that a reader finds, by driver and start."""
        newest: dict[tuple[str, int], dict[str, Any]] = {}
        for row in self.events:
            key = (row["driver_id"], row["event_time"])
            assert row["write_us"] != newest.get(key, {}).get("write_us"), "which one wins would be chance"
            if key not in newest or newest[key]["write_us"] < row["write_us"]:
                newest[key] = {**newest.get(key, {}), **row}
        return {key: row["peak"] for key, row in newest.items() if row.get("superseded_by") is None}

    def login(self, at_ms: int, driver: str | None, arrival_ms: int = 0, **more: Any) -> None:
        told = {"schema": "assignment/1", "vehicle_id": "v", "driver_id": driver, "t": at_ms, **more}
        self.offset += 1
        self.take(struct.pack(">iqqi", -1, self.offset, arrival_ms, 1) + b"s" + json.dumps(told).encode())

    def advance(self, watermark: int) -> None:
        self.watermark = watermark
        while self.timers and (due := min(self.timers)) <= watermark:
            self.timers.discard(due)
            for tag, frame in self.function.on_timer(due, self._context()):
                assert tag is EVENTS
                self._row(frame)
        for job in self.drivers.values():
            job.advance(watermark)

    def hour(self, driver: str) -> tuple[int, float | None, int, bool]:
        """Samples, top speed, revision and whether it is void, of the driver's hour."""
        row = max(self.drivers[driver].rows("driver_hour"), key=lambda row: row["write_us"])
        return (
            row["n_samples"],
            row.get("max_speed_kmh"),
            row["revision"],
            row.get("superseded_by") is not None,
        )

    def _row(self, frame: bytes) -> None:
        (index,) = struct.unpack_from(">i", frame)
        name = "driver_event" if index == table("driver_stats", "driver_event").index else "trip"
        into = self.events if name == "driver_event" else self.trips
        into.append(decoded(frame, table("driver_stats", name)))

    def take(self, record: bytes) -> None:
        for each in self.function.process_element(("unknown:v", record), self._context()):
            if not isinstance(each, Row):
                if each[0] is EVENTS:
                    self._row(each[1])
                else:
                    assert each[0] is REJECTS
                    self.rejects.append(each[1])
                continue
            driver, (key, share) = each[0], each[1]
            assert driver == key
            if driver not in self.drivers:
                self.drivers[driver] = Job(emit_every_ms=None, keep_ms=KEEP_MS, attributes=True)
                self.drivers[driver].watermark = self.watermark
            self.drivers[driver].take(share)

    def _context(self) -> Any:
        service = SimpleNamespace(
            current_watermark=lambda: self.watermark, register_event_time_timer=self.timers.add
        )
        return SimpleNamespace(timer_service=lambda: service, get_current_key=lambda: "unknown:v")


@pytest.fixture
def vehicle() -> Vehicle:
    """Ten minutes at 50, 51, ... km/h without a log-in, and the hour is over."""
    found = Vehicle()
    for index in range(10):
        found.minute(HOUR + index * MINUTE_MS, 50.0 + index)
    found.advance(HOUR + HOUR_MS)
    return found


def test_without_a_log_in_the_driver_is_unknown(vehicle: Vehicle) -> None:
    assert vehicle.hour("unknown:v") == (600, 59.0, 0, False)


def test_a_late_log_in_moves_what_it_covers_and_the_loser_has_the_top_speed_of_the_rest(
    vehicle: Vehicle,
) -> None:
    vehicle.login(HOUR + 6 * MINUTE_MS, "anna")
    assert vehicle.hour("anna")[:2] == (240, 59.0)
    assert vehicle.hour("unknown:v")[:2] == (360, 55.0)
    assert vehicle.hour("unknown:v")[2] > 0, "it was final, so this is a revision"


def test_who_loses_all_has_a_void_row_until_it_is_his_again(vehicle: Vehicle) -> None:
    vehicle.login(HOUR, "anna")
    assert vehicle.hour("unknown:v")[3]
    vehicle.login(HOUR, None)
    assert vehicle.hour("unknown:v")[:2] == (600, 59.0)
    assert not vehicle.hour("unknown:v")[3]
    assert vehicle.hour("anna")[3]


def test_in_whatever_order_log_ins_come_the_end_is_the_same() -> None:
    logins = [(0, "anna"), (3, "ben"), (5, None), (7, "anna")]
    ends = []
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
        found = Vehicle()
        for n, index in enumerate(order):
            minute, driver = logins[index]
            for at in range(10):
                if at * 4 // 10 == n:
                    found.minute(HOUR + at * MINUTE_MS, 50.0 + at)
            found.login(HOUR + minute * MINUTE_MS, driver)
        found.advance(HOUR + HOUR_MS)
        ends.append({name: found.hour(name)[:2] for name in ("anna", "ben", "unknown:v")})
    assert ends[0] == ends[1] == ends[2] == {
        "anna": (360, 59.0), "ben": (120, 54.0), "unknown:v": (120, 56.0)
    }  # fmt: skip


def test_an_event_is_of_who_was_logged_in_when_it_started(vehicle: Vehicle) -> None:
    vehicle.event(HOUR + 30_000)
    assert vehicle.shown() == {("unknown:v", HOUR + 30_000): 4.0}
    vehicle.login(HOUR + 45_000, "anna")  # logged in at the minute's end
    assert vehicle.shown() == {("anna", HOUR + 30_000): 4.0}
    vehicle.event(HOUR + 30_000, samples=3, peak=5.0)
    assert vehicle.shown() == {("anna", HOUR + 30_000): 5.0}
    vehicle.login(HOUR + 45_000, None)
    vehicle.login(HOUR + 50_000, "anna")
    vehicle.login(HOUR + 50_000, "ben")
    assert vehicle.shown() == {("ben", HOUR + 30_000): 5.0}
    vehicle.event(HOUR + 30_000, samples=9, void=True)
    assert vehicle.shown() == {}


def test_a_log_in_as_long_as_an_event_is_a_log_in(vehicle: Vehicle) -> None:
    vehicle.event(HOUR)
    told = json.dumps({"schema": "assignment/1", "vehicle_id": "v", "driver_id": "anna", "t": HOUR}).encode()
    head = struct.pack(">iqqi", -1, 1, 0, 1) + b"s"
    vehicle.take(head + told.ljust(EVENT_ROW.itemsize - len(head)))
    assert vehicle.shown() == {("anna", HOUR): 4.0}


def test_an_older_row_of_an_event_is_nothing(vehicle: Vehicle) -> None:
    vehicle.event(HOUR, samples=3, peak=5.0)
    vehicle.event(HOUR, samples=2)
    assert vehicle.shown() == {("unknown:v", HOUR): 5.0}


def test_in_whatever_order_events_and_log_ins_come_the_end_is_the_same() -> None:
    steps: list[tuple[Any, ...]] = [
        *(("event", HOUR + at * MINUTE_MS + 5000) for at in range(0, 130, 7)),
        *(("event", HOUR + at * MINUTE_MS + 5000, 4, 6.0) for at in range(0, 130, 14)),
        ("event", HOUR + 7 * MINUTE_MS + 5000, 8, 4.0, True),
        *(
            ("login", HOUR + at * MINUTE_MS, who)
            for at, who in ((3, "anna"), (30, "ben"), (63, None), (90, "anna"))
        ),
    ]
    ends = []
    for seed in range(6):
        found = Vehicle()
        for name, *given in random.Random(seed).sample(steps, len(steps)):
            getattr(found, name)(*given)
        ends.append(found.shown())
    assert all(end == ends[0] for end in ends)
    assert {driver for driver, _ in ends[0]} == {"unknown:v", "anna", "ben"}


def test_events_are_forgotten_with_their_minutes(vehicle: Vehicle) -> None:
    vehicle.event(HOUR)
    vehicle.advance(HOUR + HOUR_MS + KEEP_MS)
    assert not vehicle.states["events"]


def test_a_log_in_later_than_messages_may_be_is_a_reject(vehicle: Vehicle) -> None:
    vehicle.login(HOUR, "anna", arrival_ms=HOUR + LATENESS_MS + 1)
    vehicle.login(HOUR + DAY_MS, "anna", arrival_ms=HOUR)
    assert len(vehicle.rejects) == 2
    assert "anna" not in vehicle.drivers


def test_minutes_are_forgotten_when_no_log_in_may_come_and_the_last_log_in_holds_on(vehicle: Vehicle) -> None:
    vehicle.login(HOUR, "ben")
    vehicle.login(HOUR + 30 * MINUTE_MS, "anna")
    vehicle.advance(HOUR + HOUR_MS + KEEP_MS)
    assert not vehicle.states["minutes"]
    vehicle.minute(HOUR + 20 * DAY_MS, 70.0)
    assert "anna" in vehicle.drivers
    assert len(vehicle.states["logins"]) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"t": None}, "time_out_of_range"),
        ({"t": True}, "time_out_of_range"),
        ({"t": 12}, "time_out_of_range"),
        ({"vehicle_id": "w"}, "missing_id"),
        ({"driver_id": ["anna"]}, "missing_id"),
        ({"driver_id": "a" * 65}, "missing_id"),
        ({"driver_id": 0}, "missing_id"),
        ({"driver_id": False}, "missing_id"),
        ({"driver_id": []}, "missing_id"),
        ({"driver_id": "\ud800"}, "missing_id"),
        ({"vehicle_id": "\ud800"}, "missing_id"),
        ({"seq": "1"}, "not_a_number"),
        ({"schema": "telemetry/1"}, "wrong_schema"),
    ],
)
def test_what_is_no_log_in_is_refused(change: dict[str, Any], code: str) -> None:
    told = {"schema": "assignment/1", "vehicle_id": "v", "driver_id": "anna", "t": HOUR} | change
    with pytest.raises(RefusedLogin, match=f"^{code}: "):
        unnamed.login(unnamed.LoginMessage(json.dumps(told).encode(), "s", 1, 0), "v")
