"""A vehicle's samples may arrive displaced, as a backlog, and twice: the tables are those of the ordered input."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from jobs.driver_stats.layout import NONE
from tests.driver_stats.drives import displaced, drive, with_backlog
from tests.driver_stats.harness import VehicleHarness, comparable, cut_into, driver_hours
from tests.driver_stats.test_kernel_properties import DRIVERS, SAMPLE, SHORT_EPISODES, T0

BUFFER_MS = 10_000
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

Message = dict[str, Any]


def ordered(messages: list[Message], overrides: list[str]) -> VehicleHarness:
    harness = VehicleHarness(overrides)
    harness.feed(messages)
    harness.advance()
    return harness


def in_order(messages: list[Message]) -> list[Message]:
    """Each message's samples one by one, by time; of equal times the first counts."""
    singles = [
        {**message, "seq": None, "samples": {k: v[n : n + 1] for k, v in message["samples"].items()}}
        for message in messages
        for n in range(len(message["samples"]["t"]))
    ]
    singles.sort(key=lambda item: item["samples"]["t"][0])
    return singles


def assert_as_ordered(harness: VehicleHarness, messages: list[Message], overrides: list[str]) -> None:
    expected = ordered(in_order(messages), overrides)
    mine, theirs = comparable(harness.tables()), comparable(expected.tables())
    for name, rows in theirs.items():
        assert mine[name] == rows, name
    assert driver_hours(harness) == driver_hours(expected)


@st.composite
def drives(draw: st.DrawFn, most: int = 30) -> list[Message]:
    """Messages of one vehicle, in order."""
    t = T0
    samples = []
    for sample in draw(st.lists(SAMPLE, min_size=1, max_size=most)):
        t += sample.pop("step")
        samples.append({"t": t, **sample})
    size = draw(st.integers(1, 5))
    cut = cut_into(samples, size, vehicle_id="v", fleet_id="f")
    return [{**item, "driver_id": draw(DRIVERS)} for item in cut]


@st.composite
def overrides_of_trips(draw: st.DrawFn) -> list[str]:
    return [f"trip.stop_s={draw(st.sampled_from([0, 60, 300]))}", *SHORT_EPISODES]


def feed(harness: VehicleHarness, messages: list[Message], data: st.DataObject) -> None:
    """In batches, with watermarks in between that may overtake the vehicle."""
    at = 0
    for cut in sorted(data.draw(st.lists(st.integers(1, max(1, len(messages))), max_size=4), label="cuts")):
        if at < cut:
            harness.feed(messages[at:cut])
            at = cut
            if data.draw(st.booleans(), label="watermark"):
                newest = max(int(state["newest_t"]) for state in harness.states.values())
                harness.advance(newest + data.draw(st.sampled_from([-60_000, 0, 60_000, 10_000_000])))
    if messages[at:]:
        harness.feed(messages[at:])
    harness.advance()


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(drives(), overrides_of_trips(), st.data())
def test_samples_displaced_within_the_buffer_are_put_in_order(messages, overrides, data):
    late = [data.draw(st.integers(0, BUFFER_MS)) for _ in messages]
    arrival = sorted(
        zip(messages, late, strict=True),
        key=lambda pair: pair[0]["samples"]["t"][-1] + pair[1],
    )
    # By the newest sample that came before it, no sample is displaced by more than the buffer.
    newest, arranged = NONE, []
    for message, _ in arrival:
        if newest - message["samples"]["t"][0] > BUFFER_MS:
            continue
        arranged.append(message)
        newest = max(newest, message["samples"]["t"][-1])
    harness = VehicleHarness(overrides)
    feed(harness, arranged, data)
    assert harness.counters["samples_out_of_order"] == 0
    assert_as_ordered(harness, arranged, overrides)


@settings(max_examples=500, deadline=None, suppress_health_check=SLOW)
@given(drives(), overrides_of_trips(), st.data())
def test_a_backlog_after_live_data_gives_the_tables_of_the_ordered_input(messages, overrides, data):
    """A before the gap (or nothing), C behind it, then B, which fills it, interleaved with the rest of C."""
    i = data.draw(st.integers(0, len(messages)), label="i")
    j = data.draw(st.integers(i, len(messages)), label="j")
    a, b, c = messages[:i], messages[i:j], messages[j:]
    if a and c:
        before = [t for message in a for t in message["samples"]["t"]]
        gap = c[0]["samples"]["t"][0] - before[-1]
        last_gap = before[-1] - before[-2] if len(before) > 1 else 0
        if gap <= max(30_000, 2 * last_gap, BUFFER_MS):
            b, c = [], b + c
    live = data.draw(st.integers(1 if c else 0, len(c)), label="live")
    rest = c[live:]
    arranged = a + c[:live]
    order = data.draw(st.permutations([0] * len(b) + [1] * len(rest)), label="interleaving")
    of = (iter(b), iter(rest))
    arranged += [next(of[which]) for which in order]
    harness = VehicleHarness(overrides)
    feed(harness, arranged, data)
    note(f"{harness.counters}")
    if harness.counters["samples_out_of_order"]:
        # The seam had to make room for later gaps: seen and said, not wrong silently.
        assert harness.keys.rejects
        return
    assert_as_ordered(harness, messages, overrides)


def feed_at_random(harness: VehicleHarness, messages: list[Message], rng: random.Random) -> None:
    """In small batches, with watermarks in between that may overtake the vehicle."""
    at = 0
    while at < len(messages):
        count = rng.randint(1, 6)
        harness.feed(messages[at : at + count])
        at += count
        if rng.random() < 0.2:
            newest = int(harness.states["v"]["newest_t"])
            harness.advance(newest + rng.choice((-60_000, 0, 60_000, 10_000_000)))
    harness.advance()


@pytest.mark.parametrize("arrange", ["backlog", "displaced"])
def test_long_drives_with_gaps_give_the_tables_of_the_ordered_input(arrange):
    """Hundreds of drives, longer than hypothesis would make them: seams are sealed, trips run on behind them."""
    corrected = out_of_scope = 0
    for seed in range(400):
        rng = random.Random(seed)
        messages = drive(rng)
        arranged = (
            with_backlog(rng, messages) if arrange == "backlog" else displaced(rng, messages, BUFFER_MS)
        )
        overrides = [
            f"trip.stop_s={rng.choice((0, 60, 300))}",
            f"speeding.min_episode_s={rng.choice((2, 60))}",
            f"idle.event_s={rng.choice((5, 60, 300))}",
        ]
        harness = VehicleHarness(overrides)
        feed_at_random(harness, arranged, rng)
        if harness.counters["samples_out_of_order"]:
            assert arrange == "backlog"
            assert harness.keys.rejects
            out_of_scope += 1
            continue
        corrected += harness.counters["corrections"] > 0
        assert_as_ordered(harness, messages, overrides)
    assert out_of_scope < 20, "nearly all of these are promised"
    assert corrected > (150 if arrange == "backlog" else 5)


def test_a_device_that_numbers_nothing_is_never_counted_twice():
    samples = [{"t": T0 + n * 1000, "speed": 50.0 + n % 7, "accel_x": 4.0 * (n % 9 == 0)} for n in range(400)]
    messages = list(cut_into(samples, 4, seq=None))
    harness = VehicleHarness()
    for n, message in enumerate(messages):
        harness.feed([message, messages[n // 2], message])
    harness.advance()
    assert harness.counters["samples_repeated"] > 300
    assert harness.counters["samples_out_of_order"] > 100
    assert harness.counters["samples"] == 400
    assert_as_ordered(harness, messages, [])


def test_a_copy_is_counted_and_ignored_however_old_it_is():
    messages = list(cut_into([{"t": T0 + n * 1000, "speed": 50.0} for n in range(5000)], 5))
    harness = VehicleHarness()
    harness.feed(messages)
    harness.feed(messages[::7] + messages[-3:])
    harness.advance()
    assert harness.counters["duplicates"] == len(messages[::7]) + 3
    assert harness.counters["samples"] == 5000
    assert not harness.keys.rejects
    assert_as_ordered(harness, messages, [])


def test_a_producer_that_starts_again_at_zero_is_not_mistaken_for_copies():
    first = list(cut_into([{"t": T0 + n * 1000, "speed": 50.0} for n in range(50)], 5))
    again = list(cut_into([{"t": T0 + 50_000 + n * 1000, "speed": 60.0} for n in range(50)], 5))
    harness = VehicleHarness()
    for message in (*first, *again, again[3], first[3]):
        harness.feed([message])
    harness.advance()
    assert harness.counters["duplicates"] == 2
    assert_as_ordered(harness, first + again, [])


def test_a_number_that_is_used_twice_loses_no_sample():
    """Copies are told by their times: a producer that numbers badly, or two of them, lose nothing."""
    samples = [{"t": T0 + n * 1000, "speed": 50.0} for n in range(200)]
    messages = [{**item, "seq": n % 3} for n, item in enumerate(cut_into(samples, 2))]
    arranged = messages[:10] + messages[60:] + messages[10:60]
    for late in range(20, 48, 3):
        arranged[late], arranged[late + 1] = arranged[late + 1], arranged[late]
    harness = VehicleHarness()
    harness.feed(arranged)
    harness.advance()
    assert harness.counters["samples"] == 200
    assert not harness.keys.rejects
    assert_as_ordered(harness, messages, [])


def test_what_can_not_be_placed_is_counted_and_refused_with_a_reason():
    messages = list(cut_into([{"t": T0 + n * 1000, "speed": 50.0} for n in range(600)], 5, seq=None))
    wild = {**messages[10], "samples": {"t": [T0 + 50_500], "speed": [1.0]}}
    harness = VehicleHarness()
    harness.feed(messages)
    harness.feed([wild])
    harness.advance()
    assert harness.counters["samples_out_of_order"] == 1
    ((_, reason),) = harness.keys.rejects
    assert reason.startswith("out_of_order: 1 of 1 samples ")
    assert_as_ordered(harness, messages, [])


def test_trips_that_a_backlog_joins_are_one_and_the_second_is_superseded():
    drive_on = [{"t": T0 + n * 1000, "speed": 36.0} for n in range(3600)]
    messages = list(cut_into(drive_on, 10))
    harness = VehicleHarness()
    harness.feed(messages[:60] + messages[300:])
    harness.advance(T0 + 10_000_000)
    assert len(harness.tables()["trip"]) == 2
    for message in messages[60:300]:
        harness.feed([message])
    harness.advance()
    (trip,) = harness.tables()["trip"].values()
    assert (trip["start_ms"], trip["n_samples"], trip["revision"] > 0) == (T0, 3600, True)
    void = [row for row in harness.rows["trip"] if row["superseded_by"] is not None]
    assert {(row["start_ms"], row["superseded_by"]) for row in void} == {(T0 + 3_000_000, T0)}, void


def test_a_live_row_erases_what_is_no_longer_known_and_nothing_else():
    samples = [{"t": T0, "speed": 50.0, "lat": 52.0, "lon": 13.0}, {"t": T0 + 1000, "speed": 50.0}]
    harness = VehicleHarness(live=True)
    harness.feed(list(cut_into(samples, 1)))
    first, second = harness.rows["vehicle_live"]
    assert (first["lat"], first["nulls"]) == (52.0, 1)  # no trip is known yet
    assert (second["lat"], second["nulls"]) == (None, 1)
    harness.advance()
    never = VehicleHarness(live=True)
    never.feed(list(cut_into([{"t": T0 + n * 1000, "speed": 50.0} for n in range(60)], 30)))
    assert [row["nulls"] for row in never.rows["vehicle_live"]] == [0, 0]
