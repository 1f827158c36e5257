"""The kernel's law: results do not depend on how the stream is cut, nor on Numba."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.driver_stats.windows import HOUR_MS
from tests.driver_stats.drives import displaced, drive, with_backlog
from tests.driver_stats.harness import VehicleHarness, comparable, cut_into, run

T0 = 1_700_000_000_000
STEPS_MS = [
    1,
    40,
    1000,
    1000,
    1000,
    2500,
    3000,
    3001,
    10_000,
    30_000,
    30_001,
    61_000,
    200_000,
    299_999,
    300_000,
    900_000,
]


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


SAMPLE = st.fixed_dictionaries(
    {
        "step": st.sampled_from(STEPS_MS),
        "speed": optional(st.sampled_from([0, 0, 0.5, 9, 10, 31.25, 88.7, 133.3])),
        "accel_x": optional(st.sampled_from([0, 3.0, 3.1, 3.63, 5, -3.1, -3.73, -6])),
        "accel_y": optional(st.sampled_from([0, 3.2, -3.8, 6])),
        "lat": optional(st.floats(51.9, 52.1)),
        "lon": optional(st.floats(12.9, 13.1)),
        "ignition": optional(st.booleans()),
        "odometer": optional(st.floats(0, 1000)),
        "heading": optional(st.sampled_from([0, 10, 90, 350])),
        "yaw_rate": optional(st.sampled_from([0, -20])),
        "speed_limit": optional(st.sampled_from([0, 8, 8, 60, 100])),
    }
)
SHORT_EPISODES = ("speeding.min_episode_s=2", "idle.event_s=2")
"""So that the few samples of a test make events of speeding."""

DRIVERS = st.sampled_from([None, "anna", "ben"])


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Messages of two vehicles, interleaved at will; each vehicle's samples are in order."""
    messages = []
    for vehicle in ("v1", "v2"):
        t = T0
        samples = []
        for sample in draw(st.lists(SAMPLE, min_size=1, max_size=30)):
            t += sample.pop("step")
            samples.append({"t": t, **sample})
        size = draw(st.integers(1, 9))
        cut = cut_into(samples, size, vehicle_id=vehicle, fleet_id="f")
        messages.extend({**item, "driver_id": draw(DRIVERS)} for item in cut)
    order = draw(st.permutations(range(len(messages))))
    by_vehicle = {name: iter([m for m in messages if m["vehicle_id"] == name]) for name in ("v1", "v2")}
    return [next(by_vehicle[messages[index]["vehicle_id"]]) for index in order]


def driver_totals(harness: VehicleHarness) -> dict[tuple[str, int], list[int]]:
    """What the drivers' windows add up, by driver and hour."""
    totals: dict[tuple[str, int], list[int]] = {}
    for part in harness.rows["part"]:
        hour = (part["driver"], part["minute_start"] // HOUR_MS)
        mine = totals.setdefault(hour, [0] * len(part["sums"]))
        totals[hour] = [a + b for a, b in zip(mine, part["sums"], strict=True)]
    return totals


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams(), st.lists(st.integers(1, 60)), st.sampled_from([0, 60, 300]))
def test_any_cut_into_batches_gives_the_same_tables(messages, cuts, stop_s):
    overrides = [f"trip.stop_s={stop_s}", *SHORT_EPISODES]
    assert run(messages, overrides, cuts) == run(messages, overrides)


def recut(messages: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """The same samples in messages of another size, where driver and vehicle stay the same."""
    runs: list[tuple[tuple[str, str | None], list[dict[str, Any]]]] = []
    for item in sorted(messages, key=lambda item: item["vehicle_id"]):
        who = (item["vehicle_id"], item["driver_id"])
        names = list(item["samples"])
        samples = [
            dict(zip(names, values, strict=True)) for values in zip(*item["samples"].values(), strict=True)
        ]
        if runs and runs[-1][0] == who:
            runs[-1][1].extend(samples)
        else:
            runs.append((who, samples))
    return [
        message
        for (vehicle_id, driver_id), samples in runs
        for message in cut_into(samples, size, vehicle_id=vehicle_id, driver_id=driver_id, fleet_id="f")
    ]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams(), st.sampled_from([1, 7, 60]))
def test_any_cut_into_messages_and_any_order_of_vehicles_gives_the_same_tables(messages, size):
    assert comparable(run(recut(messages, size), cuts=range(0, 1000, 5))) == comparable(run(messages))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams(), st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3_000_000)), max_size=6))
def test_watermarks_in_between_change_no_table_but_its_revisions(messages, watermarks):
    """What timers publish early comes out right in the end, whenever they fire."""
    plain = VehicleHarness(live=True)
    plain.feed(messages)
    plain.advance()
    harness = VehicleHarness(live=True)
    at = 0
    for cut, ahead in sorted(watermarks):
        if at < cut <= len(messages):
            harness.feed(messages[at:cut])
            at = cut
        harness.advance(T0 + ahead)
    if messages[at:]:
        harness.feed(messages[at:])
    harness.advance()
    assert comparable(harness.tables()) == comparable(plain.tables())
    assert driver_totals(harness) == driver_totals(plain)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams(), st.data())
def test_a_message_seen_again_changes_nothing(messages, data):
    repeated = list(messages)
    for _ in range(3):
        at = data.draw(st.integers(0, len(repeated) - 1))
        again = data.draw(st.integers(at + 1, len(repeated)))
        repeated.insert(again, repeated[at])
    harness = VehicleHarness()
    harness.feed(repeated)
    harness.advance()
    assert comparable(harness.tables()) == comparable(run(messages))
    assert harness.counters["duplicates"] == 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams())
def test_minutes_parts_and_trips_tell_the_same_distance_and_time(messages):
    harness = VehicleHarness(["trip.stop_s=0"])
    harness.feed(messages)
    harness.advance()
    minutes = harness.tables()["vehicle_minute"].values()
    parts = harness.rows["part"]
    assert sum(row["n_samples"] for row in minutes) == sum(part["sums"][0] for part in parts)
    assert sum(round(row["distance_km"] * 1e9) for row in minutes) == sum(part["sums"][5] for part in parts)
    trips = harness.tables()["trip"].values()
    assert sum(round(row["distance_km"] * 1e9) for row in trips) <= sum(part["sums"][5] for part in parts)


INTERPRETED = """
import json, sys
from tests.driver_stats.harness import run
from jobs.driver_stats import kernel
assert not hasattr(kernel.sample, "py_func"), "this must run without Numba"
streams = json.load(sys.stdin)
print(json.dumps([
    [[name, list(key), row] for name, rows in run(s).items() for key, row in rows.items()] for s in streams
]))
"""


def test_interpreted_and_compiled_give_identical_results():
    samples: list[list[dict[str, Any]]] = []

    @settings(
        max_examples=80,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(streams())
    def collect(messages):
        samples.append(messages)

    collect()
    for seed in range(12):  # displaced samples and backlogs, too
        rng = random.Random(seed)
        samples.append(with_backlog(rng, drive(rng)))
        samples.append(displaced(rng, drive(rng), 10_000))
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        input=json.dumps(samples),
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    compiled = [
        [[name, list(key), row] for name, rows in run(s).items() for key, row in rows.items()]
        for s in samples
    ]
    assert json.loads(done.stdout) == json.loads(json.dumps(compiled))
