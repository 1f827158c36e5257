"""Drive cycles and tracks whose length is published: the kernel's distance, and the hours of the long-haul cycle."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.driver_stats.oracle import oracle_tables
from tests.driver_stats.harness import Tables, cut_into, run
from tests.driver_stats.test_driver_hours import LONG_HAUL_S, T0
from tests.driver_stats.test_real_trips import BUNDLED, SHARED, needs_shared

SAMPLES = BUNDLED / "samples"
KM_PER_MILE = 1.609344
LONG_HAUL = SHARED / "drive-cycles" / "longHaulDriveCycle.csv.gz"


def cycle(file: Path) -> list[dict[str, Any]]:
    """A drive cycle as samples, 1 Hz."""
    with gzip.open(file, "rt", encoding="utf-8-sig") as lines:
        return [
            {"t": T0 + round(float(row["cycSecs"]) * 1000), "speed": float(row["cycMps"]) * 3.6}
            for row in csv.DictReader(lines)
        ]


def one_trip(samples: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], Tables]:
    tables = run(list(cut_into(samples, 60)), ["trip.stop_s=0"])
    (trip,) = tables["trip"].values()
    return trip, tables


@pytest.mark.parametrize(
    ("name", "miles", "seconds", "top_mph"),
    # EPA's dynamometer drive schedules: https://www.epa.gov/vehicle-and-fuel-emissions-testing
    [("udds", 7.45, 1369, 56.7), ("hwfet", 10.26, 765, 59.9)],
)
def test_a_drive_cycle_has_its_published_length(name, miles, seconds, top_mph):
    trip, tables = one_trip(cycle(SAMPLES / "drive-cycles" / f"{name}.csv.gz"))
    assert trip["distance_km"] == pytest.approx(miles * KM_PER_MILE, rel=0.003)
    assert trip["drive_s"] + trip["idle_s"] == seconds
    assert trip["max_speed_kmh"] == pytest.approx(top_mph * KM_PER_MILE, abs=0.1)
    assert tables["driver_event"] == {}, "3.3 mph a second at the most"


@pytest.mark.parametrize("of", ["speed", "positions"])
def test_a_track_is_as_long_as_its_server_says(of):
    """EnviroCar, 368 points of 30 minutes near Bremen, 4 to 6 s apart."""
    with gzip.open(SAMPLES / "envirocar-tracks" / "track_1.json.gz") as file:
        track = json.load(file)
    samples = []
    for point in track["features"]:
        lon, lat = point["geometry"]["coordinates"]
        found = point["properties"]["phenomenons"]
        samples.append(
            {
                "t": round(datetime.fromisoformat(point["properties"]["time"]).timestamp() * 1000),
                "speed": found["GPS Speed"]["value"] if of == "speed" else None,
                "heading": found["GPS Bearing"]["value"] if "GPS Bearing" in found else None,
                "lat": lat,
                "lon": lon,
            }
        )
    trip, tables = one_trip(samples)
    assert trip["distance_km"] == pytest.approx(track["properties"]["length"], rel=0.005)
    assert tables["driver_event"] == {}, "nothing is derived over more than 3 s"


@needs_shared
def test_the_long_haul_cycle_has_its_length_and_one_stretch_over_4_h_30():
    """Its 83,043 seconds, and not only when they drive, which is LONG_HAUL_S."""
    samples = cycle(LONG_HAUL)
    metres = sum(
        sample["speed"] / 3.6 for sample in samples[1:]
    )  # it begins and ends standing: a trapezium's sum
    fields = {"vehicle_id": "haul", "driver_id": "hauler", "vehicle_class": "truck"}
    lines = [json.dumps(message).encode() for message in cut_into(samples, 60, **fields)]
    tables = oracle_tables(lines, ["trip.stop_s=0"])
    assert sum(row["distance_km"] for row in tables["driver_day"].values()) == pytest.approx(
        metres / 1000, rel=0.003
    )
    breaches = [row for row in tables["driver_event"].values() if row["type"] == "hours_breach"]
    assert [row["rule"] for row in breaches if row["article"] == "7"] == ["continuous_driving"]
    assert driven(samples) == LONG_HAUL_S


def driven(samples: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """From when to when, in seconds: a sample covers the second before it."""
    found: list[tuple[int, int]] = []
    for second, sample in enumerate(samples):
        if second and sample["speed"] >= 1:
            begun = found and found[-1][1] == second - 1
            found[-1:] = [(found[-1][0], second)] if begun else [*found[-1:], (second - 1, second)]
    return found
