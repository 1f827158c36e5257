"""One vehicle's day, sample by sample: what it does is decided by the seed alone."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

METRES_PER_DEGREE = 111_195.0
CLASSES = (None, "van_light", "van", "strict_log", "unheard_of", "truck")
DRIVES_KMH = (28.0, 47.0, 85.0, 110.0)
HARSH_EVERY = 150
"""Seconds between harsh events, on the average."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a vehicle is and what its device measures.

    Attributes:
        vehicle_id: Its name.
        fleet_id: Its fleet; None: it does not say.
        vehicle_class: Selects thresholds; None: it does not say.
        drivers: Take turns; a None drives without log-in.
        columns: Arrays of its messages, beside ``t``.
        step_ms: Time between two samples.
        missing: Share of values that are null.
    """

    vehicle_id: str
    fleet_id: str | None
    vehicle_class: str | None
    drivers: tuple[str | None, ...]
    columns: tuple[str, ...]
    step_ms: int
    missing: float


class Sample(NamedTuple):
    """One moment; ``trip`` counts the breaks before it: no message spans two of them."""

    t: int
    stretch: int
    driver: str | None
    values: tuple[float | bool | None, ...]


_ALL = ("speed", "accel_x", "accel_y", "lat", "lon", "heading", "ignition", "odometer")
_LAYOUTS: tuple[tuple[str, ...], ...] = (
    _ALL,
    _ALL,
    ("speed", "accel_x", "accel_y"),
    ("speed", "ignition", "lat", "lon"),
    ("odometer", "accel_x", "accel_y", "ignition"),
    ("lat", "lon", "heading"),
)


def device(rng: random.Random, number: int) -> Device:
    """The device of the vehicle with this number."""
    name = f"chaos-{number:03d}"
    drivers: tuple[str | None, ...] = tuple(f"driver-{(number + shift) % 40:02d}" for shift in (0, 13, 29))
    if number % 9 in (4, 8):
        drivers = (None,)
    return Device(
        vehicle_id=name,
        fleet_id=None if number % 11 == 7 else ("north", "south")[number % 2],
        vehicle_class=CLASSES[number % len(CLASSES)],
        drivers=drivers,
        columns=_LAYOUTS[rng.randrange(len(_LAYOUTS))],
        step_ms=rng.choice((1000, 1000, 2000)),
        missing=rng.choice((0.0, 0.01, 0.05)),
    )


def samples(rng: random.Random, of: Device, start_ms: int) -> Iterator[Sample]:
    """Its samples in order of time, without end.

    Stretches of driving, of standing with the engine on, and of parking with the ignition off follow each other;
    now and then data is missing for some seconds or for minutes, and another driver takes over.
    """
    t = start_ms + rng.randrange(60_000)
    at = _Motion(rng)
    driver = of.drivers[0]
    stretch = 0
    while True:
        doing = rng.choices(("drive", "stand", "park", "silent", "lost"), (60, 16, 8, 6, 10))[0]
        if doing in ("silent", "lost"):
            t += rng.randrange(300, 1800) * 1000 if doing == "silent" else rng.randrange(4, 260) * 1000
            stretch += 1
            if doing == "silent" and rng.random() < 0.4:
                driver = rng.choice(of.drivers)
            continue
        if rng.random() < 0.05:
            driver = rng.choice(of.drivers)
        target = rng.choice(DRIVES_KMH) if doing == "drive" else 0.0
        for _ in range(rng.randrange(20, 400 if doing == "drive" else 500)):
            values = at.moved(rng, of.step_ms / 1000, target, ignition=doing != "park")
            yield Sample(t, stretch, driver, tuple(_seen(rng, of, values)))
            t += of.step_ms if rng.random() > 0.02 else of.step_ms + rng.randrange(1, 900)


def _seen(rng: random.Random, of: Device, values: dict[str, float | bool]) -> Iterator[float | bool | None]:
    for name in of.columns:
        yield None if of.missing and rng.random() < of.missing else values[name]


class _Motion:
    """Where it is and how it moves."""

    def __init__(self, rng: random.Random) -> None:
        self.speed = 0.0
        self.odometer = float(rng.randrange(1_000_000, 90_000_000))
        self.heading = rng.uniform(0, 360)
        self.lat = rng.uniform(44, 55)
        self.lon = rng.uniform(-3, 20)

    def moved(
        self, rng: random.Random, seconds: float, target: float, ignition: bool
    ) -> dict[str, float | bool]:
        before = self.speed
        step = 9.0 * seconds
        self.speed = max(0.0, before + max(-step, min(step, target - before)) + rng.gauss(0, 0.8))
        if target == 0.0 and self.speed < 3:
            self.speed = 0.0 if rng.random() < 0.95 else round(rng.random() * 0.8, 2)
        accel_x, accel_y = rng.gauss(0, 0.4), rng.gauss(0, 0.4)
        if rng.random() < seconds / HARSH_EVERY:
            peak = rng.uniform(3.4, 8.0) * rng.choice((-1, 1))
            accel_x, accel_y = (peak, accel_y) if rng.random() < 0.6 else (accel_x, peak)
        way = self.speed / 3.6 * seconds
        self.odometer += way
        self.heading = (self.heading + rng.gauss(0, 4)) % 360
        radians = math.radians(self.heading)
        self.lat += way * math.cos(radians) / METRES_PER_DEGREE
        self.lon += way * math.sin(radians) / (METRES_PER_DEGREE * math.cos(math.radians(self.lat)))
        return {
            "speed": round(self.speed, 2),
            "accel_x": round(accel_x, 2),
            "accel_y": round(accel_y, 2),
            "lat": round(self.lat, 6),
            "lon": round(self.lon, 6),
            "heading": round(self.heading, 1),
            "ignition": ignition,
            "odometer": round(self.odometer, 1),
        }
