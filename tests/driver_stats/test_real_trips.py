"""Real trips against what their publishers say of them.

The bundled part runs everywhere; the whole data sets where a folder ``shared`` lies beside the project.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kappafleet.importers import driveplotr_nds, nrel_cmap
from kappafleet.importers.driveplotr_nds import PublishedEvent
from kappafleet.importers.nrel_cmap import PublishedTrip
from kappafleet.importers.recording import message_lines
from kappafleet.messages import line_files, lines
from tests.driver_stats.harness import VehicleHarness, cut_into, run

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "data"
SHARED = ROOT.parent / "shared" / "data"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the whole data sets are not here ({SHARED})")
SETS = ["bundled", pytest.param("shared", marks=needs_shared)]

# NREL counts a vehicle as standing at a speed of exactly 0; the smallest speed above it in the data is 0.0826 km/h.
NREL_STANDING = "standing.speed_kmh=0.08"
# The publisher's rule for a harsh event: consecutive rows above 0.35 g on either axis.
G = 9.80665
NDS_RULE = [
    f"harsh.accel_ms2={0.35 * G}",
    f"harsh.brake_ms2={0.35 * G}",
    f"harsh.corner_ms2={0.35 * G}",
    "harsh.rearm_ratio=1",
    "harsh.min_speed_kmh=0",
    "harsh.corner_min_speed_kmh=0",
]


def messages_of(module: Any, folder: Path) -> list[dict[str, Any]]:
    recordings = (recording for file in module.files(folder) for recording in module.recordings(file))
    return [json.loads(text) for text, _ in message_lines(recordings)]


def bundled_messages(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(line_files(BUNDLED / "demo" / f"{name}.jsonl.gz"))]


def bundled_table(name: str) -> Iterator[dict[str, str]]:
    with (BUNDLED / "published" / f"{name}.csv").open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


@pytest.fixture(scope="module", params=SETS)
def nrel(request: pytest.FixtureRequest) -> tuple[list[dict[str, Any]], list[PublishedTrip]]:
    if request.param == "shared":
        folder = SHARED / "nrel-cmap-drives"
        return messages_of(nrel_cmap, folder), nrel_cmap.published_trips(folder)
    trips = [
        PublishedTrip(row["vehicle_id"], "", int(row["start_ms"]), int(row["end_ms"]), *(
            float(row[name]) for name in ("distance_m", "max_speed_kmh", "zero_s", "driving_s")
        ))
        for row in bundled_table("nrel-cmap-trips")
    ]  # fmt: skip
    return bundled_messages("nrel-cmap"), trips


@pytest.fixture(scope="module", params=SETS)
def nds(request: pytest.FixtureRequest) -> tuple[list[dict[str, Any]], list[PublishedEvent]]:
    if request.param == "shared":
        folder = SHARED / "driveplotr-nds"
        return messages_of(driveplotr_nds, folder), driveplotr_nds.published_events(folder)
    events = [
        PublishedEvent(row["vehicle_id"], int(row["start_ms"]), int(row["end_ms"]), (row["categories"],))
        for row in bundled_table("driveplotr-nds-events")
    ]
    return bundled_messages("driveplotr-nds"), events


def samples_by_vehicle(messages: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in messages:
        columns = message["samples"]
        for values in zip(*columns.values(), strict=True):
            found[message["vehicle_id"]].append(dict(zip(columns, values, strict=True)))
    return found


def test_every_vehicle_has_as_many_trips_as_its_data_says(nrel):
    messages, published = nrel
    trips = run(messages, ["trip.stop_s=0"])["trip"]
    assert Counter(row["vehicle_id"] for row in trips.values()) == Counter(
        trip.vehicle_id for trip in published
    )
    assert len(published) >= 40


def test_inside_each_published_trip_distance_idling_and_top_speed_agree(nrel):
    """Each published trip is fed alone, from its first sample to its last.

    NREL counts samples at speed 0; a sample covers the time before it, so a trip's first sample, which covers nothing,
    is one second less of idling where it stands.
    """
    messages, published = nrel
    samples = samples_by_vehicle(messages)
    compared = 0
    for trip in published:
        inside = [
            sample for sample in samples[trip.vehicle_id] if trip.start_ms <= sample["t"] <= trip.end_ms
        ]
        steps = [b["t"] - a["t"] for a, b in pairwise(inside)]
        (row,) = run(list(cut_into(inside, 60)), ["trip.stop_s=0", NREL_STANDING])["trip"].values()
        assert (row["start_ms"], row["end_ms"], row["n_samples"]) == (trip.start_ms, trip.end_ms, len(inside))
        assert row["max_speed_kmh"] == pytest.approx(trip.max_speed_kmh, abs=1e-6)
        if max(steps) > 1000:
            continue
        compared += 1
        assert row["distance_km"] * 1000 == pytest.approx(trip.distance_m, rel=0.005)
        first_stands = inside[0]["speed"] == 0
        assert row["idle_s"] == trip.zero_s - first_stands
        assert row["drive_s"] == trip.driving_s - (not first_stands)
    assert compared >= 5


def test_trips_with_gaps_that_sample_max_gap_bridges_keep_their_distance(nrel):
    messages, published = nrel
    samples = samples_by_vehicle(messages)
    compared = 0
    for trip in published:
        inside = [
            sample for sample in samples[trip.vehicle_id] if trip.start_ms <= sample["t"] <= trip.end_ms
        ]
        if max(b["t"] - a["t"] for a, b in pairwise(inside)) > 30_000:
            continue
        compared += 1
        (row,) = run(list(cut_into(inside, 60)), ["trip.stop_s=0", NREL_STANDING])["trip"].values()
        # NREL joins speeds by straight lines; over a gap of 30 s that is not "at its own speed"
        assert row["distance_km"] * 1000 == pytest.approx(trip.distance_m, rel=0.006)
    assert compared >= 10


def test_every_labelled_run_overlaps_an_event_and_every_event_a_label(nds):
    messages, published = nds
    events = [
        event
        for event in run(messages, NDS_RULE)["driver_event"].values()
        if event["type"].startswith("harsh_")
    ]

    def overlap(event: dict[str, Any], label: PublishedEvent) -> bool:
        same = event["vehicle_id"] == label.vehicle_id
        return same and event["start_ms"] <= label.end_ms and label.start_ms <= event["end_ms"]

    assert len(published) >= 10
    assert [label for label in published if not any(overlap(event, label) for event in events)] == []
    assert [event for event in events if not any(overlap(event, label) for label in published)] == []


@pytest.mark.parametrize("size", [1, 7, 60, 1000])
def test_messages_of_any_size_give_the_same_tables(size):
    messages = bundled_messages("nrel-cmap")[:60] + bundled_messages("driveplotr-nds")[:40]
    whole = run(messages)
    by_vehicle = samples_by_vehicle(messages)
    who = {message["vehicle_id"]: message for message in messages}
    recut: list[dict[str, Any]] = []
    for vehicle_id, samples in by_vehicle.items():
        fields = {name: who[vehicle_id][name] for name in ("driver_id", "fleet_id", "vehicle_class")}
        recut.extend(cut_into(samples, size, vehicle_id=vehicle_id, **fields))
    assert run(recut, cuts=range(0, len(recut), 100)) == whole


def test_vehicles_in_one_stream_do_not_touch_each_other():
    messages = bundled_messages("driveplotr-nds")
    together = VehicleHarness()
    for start in range(0, len(messages), 20):
        together.feed(sorted(messages[start : start + 20], key=lambda item: item["vehicle_id"]))
    together.advance()
    for vehicle_id in {message["vehicle_id"] for message in messages}:
        alone = run([message for message in messages if message["vehicle_id"] == vehicle_id])
        for name, rows in together.tables().items():
            assert {key: row for key, row in rows.items() if row["vehicle_id"] == vehicle_id} == alone[name]
