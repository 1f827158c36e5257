"""Trips of vehicles that name no driver: divided where the driver changes, corrected by log-ins that come late."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from connectors.rows_in_memory import timestamp
from jobs.driver_stats.oracle import oracle_tables
from tests.driver_stats.harness import VehicleHarness
from tests.driver_stats.test_assignments import HOUR, MINUTE_MS, Vehicle

OVERRIDES = ["assignments.enabled=true", "window.allowed_lateness_s=0"]
NOT_CONTENT = {"write_us", "revision", "updated_at", "superseded_by"}
SOON, END = HOUR + 120 * MINUTE_MS, 2**62

Message = dict[str, Any]
Trips = dict[tuple[str, int], dict[str, Any]]


class Road:
    """The vehicle's kernel, and behind it who drove."""

    def __init__(self, *overrides: str) -> None:
        self.overrides = [*OVERRIDES, *overrides]
        self.kernel = VehicleHarness(self.overrides)
        self.who = Vehicle()
        self.sent = {"unnamed": 0, "unnamed_trip": 0}
        self.log: list[Message] = []

    def drive(self, message: Message) -> None:
        self.log.append(message)
        self.kernel.feed([message])
        self._forward()

    def login(self, minutes: float, driver: str | None) -> None:
        at = HOUR + round(minutes * MINUTE_MS)
        self.log.append({"schema": "assignment/1", "vehicle_id": "v", "driver_id": driver, "t": at})
        self.who.login(at, driver)

    def advance(self, watermark: int = END) -> None:
        self.kernel.advance(watermark)
        self._forward()
        self.who.advance(watermark)

    def shown(self) -> Trips:
        """The trips that a reader finds, by driver and start."""
        newest: Trips = {}
        for row in self.who.trips:
            key = (row["driver_id"], row["start_time"])
            before = newest.get(key)
            if before is not None and before["write_us"] == row["write_us"]:
                assert _content(before) == _content(row), "which one wins would be chance"
            if before is None or before["write_us"] <= row["write_us"]:
                newest[key] = {**(before or {}), **row}
        return {key: _content(row) for key, row in newest.items() if row.get("superseded_by") is None}

    def expected(self) -> Trips:
        """What the oracle says of the same log."""
        rows = oracle_tables([json.dumps(each).encode() for each in self.log], self.overrides)["trip"]
        return {(row["driver_id"], row["start_time"]): _content(row) for row in rows.values()}

    def _forward(self) -> None:
        for name, done in self.sent.items():
            rows = self.kernel.keys.rows[name]
            for _, row in rows[done:]:
                self.who.take(row.tobytes())
            self.sent[name] = len(rows)


def _content(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in NOT_CONTENT and value is not None}


def as_texts(trips: Trips) -> dict[tuple[str, str], dict[str, Any]]:
    """With times as the oracle has them."""
    return {
        (driver, timestamp(start)): row | {name: timestamp(row[name]) for name in ("start_time", "end_time")}
        for (driver, start), row in trips.items()
    }


def message(seq: int, samples: list[dict[str, Any]]) -> Message:
    names = sorted({name for sample in samples for name in sample})
    columns = {name: [sample.get(name) for sample in samples] for name in names}
    return {"schema": "telemetry/1", "vehicle_id": "v", "seq": seq, "samples": columns}


def drive(minutes: float, until: float, kmh: float = 60.0, **more: Any) -> list[dict[str, Any]]:
    """A sample every 5 s from one minute to another, each a bit further north."""
    return [
        {"t": HOUR + s * 1000, "speed": kmh, "lat": 50 + s / 10_000, "lon": 9.0, **more}
        for s in range(round(minutes * 60), round(until * 60), 5)
    ]


@pytest.fixture
def road() -> Road:
    """Standing, a trip from 0:30 to 9:55 that is faster from 6:00 on, and standing behind it."""
    found = Road()
    found.drive(message(1, [*drive(0, 0.5, 0.0), *drive(0.5, 6), *drive(6, 10, 90.0), *drive(10, 30, 0.0)]))
    return found


def of(trips: Trips) -> dict[str, tuple[float, float, float, float]]:
    """Of each driver's only trip: start and end in minutes, kilometres and top speed."""
    assert len({driver for driver, _ in trips}) == len(trips)
    return {
        driver: (
            (start - HOUR) / MINUTE_MS,
            (row["end_time"] - HOUR) / MINUTE_MS,
            round(row["distance_km"], 6),
            row["max_speed_kmh"],
        )
        for (driver, start), row in trips.items()
    }


WHOLE = (0.5, 595 / 60, round(60 * 325 / 3600 + 90 * 240 / 3600, 6), 90.0)


def test_without_a_log_in_the_driver_is_unknown(road: Road) -> None:
    road.advance()
    assert of(road.shown()) == {"unknown:v": WHOLE}


def test_it_is_written_when_its_last_minute_is_over(road: Road) -> None:
    road.login(0, "anna")
    road.advance(HOUR + 10 * MINUTE_MS - 2)
    assert road.shown() == {}
    road.advance(HOUR + 10 * MINUTE_MS - 1)
    assert of(road.shown()) == {"anna": WHOLE}


def test_a_change_of_driver_ends_it_at_the_minute(road: Road) -> None:
    road.login(0, "anna")
    road.login(4.4, "ben")
    road.advance()
    assert of(road.shown()) == {
        "anna": (0.5, 4.0, 3.5, 60.0),
        "ben": (4.0, 595 / 60, round(WHOLE[2] - 3.5, 6), 90.0),
    }
    anna, ben = (
        next(row for (who, _), row in road.shown().items() if who == name) for name in ("anna", "ben")
    )
    assert (anna["end_lat"], anna["start_lat"]) == (ben["start_lat"], 50.003) == (50.0235, 50.003)
    assert ben["end_lat"] == 50.0595
    assert anna["drive_s"] + ben["drive_s"] == 565


def test_a_late_log_in_makes_void_what_is_no_drivers_any_more(road: Road) -> None:
    road.login(0, "anna")
    road.advance(SOON)
    road.login(4, "ben")
    road.login(8, None)
    road.advance(SOON)
    assert of(road.shown()) == {
        "anna": (0.5, 4.0, 3.5, 60.0),
        "ben": (4.0, 8.0, 5.041667, 90.0),
        "unknown:v": (8.0, 595 / 60, round(WHOLE[2] - 8.541667, 6), 90.0),
    }
    road.login(0, "carl")
    road.advance(SOON)
    assert set(of(road.shown())) == {"carl", "ben", "unknown:v"}
    gone = [row for row in road.who.trips if row.get("superseded_by") is not None]
    assert {(row["driver_id"], row["superseded_by"]) for row in gone} == {("anna", HOUR + 30_000)}
    assert [row["revision"] for row in road.who.trips if row["driver_id"] == "anna"] == [0, 1, 2]


def test_a_sample_that_comes_late_writes_both_drivers_trips_again() -> None:
    """A backlog makes one trip of two: what the second one had written is void, or the first one's."""
    road = Road()
    road.login(0, "anna")
    road.login(15, "ben")
    road.drive(message(1, drive(0, 5)))
    road.drive(message(2, drive(12, 20)))
    road.drive(message(3, drive(30, 33)))
    road.advance(HOUR + 40 * MINUTE_MS)
    assert sorted((who, (start - HOUR) / MINUTE_MS) for who, start in road.shown()) == [
        ("anna", 0), ("anna", 12), ("ben", 15), ("ben", 30)
    ]  # fmt: skip
    road.drive(message(4, drive(5, 12)))
    road.advance()
    assert sorted((who, (start - HOUR) / MINUTE_MS) for who, start in road.shown()) == [
        ("anna", 0), ("ben", 15), ("ben", 30)
    ]  # fmt: skip
    assert as_texts(road.shown()) == road.expected()


def a_day(rng: random.Random) -> list[dict[str, Any]]:
    """Driving, standing with the engine on or off, gaps; samples every 1 to 30 s."""
    at, samples = HOUR, []
    for _ in range(rng.randint(3, 12)):
        kind = rng.choice(("drive", "drive", "drive", "stand", "park", "gap"))
        if kind == "gap":
            at += rng.choice((40, 200, 400)) * 1000
            continue
        every = rng.choice((1, 5, 5, 30))
        for _ in range(rng.randint(5, 80)):
            samples.append(
                {
                    "t": at,
                    "speed": 0.0 if kind != "drive" else rng.choice((20.0, 60.0, 61.5)),
                    "ignition": kind != "park",
                    "lat": 50 + at % 977 / 1000 if rng.random() < 0.9 else None,
                    "lon": 9.0,
                }
            )
            at += every * 1000 + rng.choice((0, 0, 137))
    return samples or a_day(rng)


@pytest.mark.parametrize("seed", range(40))
def test_in_whatever_order_samples_and_log_ins_come_the_end_is_the_oracles(seed: int) -> None:
    rng = random.Random(seed)
    road = Road(f"trip.stop_s={rng.choice((0, 60, 300))}")
    samples = a_day(rng)
    first, last = samples[0]["t"], samples[-1]["t"]
    messages, at = [], 0
    while at < len(samples):
        count = rng.randint(1, 40)
        messages.append(message(len(messages), samples[at : at + count]))
        at += count
    late = messages.pop(rng.randrange(len(messages))) if len(messages) > 3 and rng.random() < 0.6 else None
    logins = [
        ((rng.randint(first - 60_000, last) - HOUR) / MINUTE_MS, rng.choice(("anna", "ben", None)))
        for _ in range(rng.randint(0, 6))
    ]
    steps: list[Any] = [*messages]
    for login in logins:
        steps.insert(rng.randrange(len(steps) + 1), login)
    if late is not None:
        steps.insert(rng.randrange(len(steps) + 1), late)
    for step in steps:
        if isinstance(step, tuple):
            road.login(*step)
        else:
            road.drive(step)
        if rng.random() < 0.2:
            times = (each["samples"]["t"][-1] for each in road.log if "samples" in each)
            road.advance(max(times, default=first))
    road.advance()
    if road.kernel.counters["samples_out_of_order"]:
        pytest.skip("beyond what can be put in order")
    assert as_texts(road.shown()) == road.expected()
