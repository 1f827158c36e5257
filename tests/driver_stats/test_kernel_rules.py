"""Derived events, possible crashes, speeding and the score of a trip, as the vehicle kernel makes them."""

from __future__ import annotations

import random

import pytest

from conf.score import additive
from jobs.driver_stats.score import Tally, score
from tests.driver_stats.harness import VehicleHarness, comparable, cut_into, run

T0 = 1_700_000_040_000  # a minute's first millisecond


def seconds(*stretches, start=T0, **constant):
    """Samples a second apart: stretches of (seconds, values)."""
    found, t = [], start
    for count, values in stretches:
        for _ in range(count):
            found.append({"t": t, **constant, **values})
            t += 1000
    return found


def tables(samples, *overrides, size=7, **fields):
    return run(list(cut_into(samples, size, **fields)), overrides)


def events(samples, *overrides, **fields):
    rows = tables(samples, *overrides, **fields)["driver_event"].values()
    return sorted(rows, key=lambda row: (row["start_ms"], row["type"]))


def total(found, column):
    return round(sum(row[column] for row in found["vehicle_minute"].values()), 6)


FAST = {"speed": 60.0, "speed_limit": 50}
OK = {"speed": 50.0, "speed_limit": 50}


ON = {"speed": 0.0, "ignition": True}
OFF = {"speed": 0.0, "ignition": False}


class TestIdling:
    """An event of five minutes; its parameter is idle.event_s."""

    def test_it_says_from_when_to_when_and_where(self):
        at = {"lat": 52.0, "lon": 13.0}
        samples = seconds(
            (10, OK), (1, {**ON}), (1, {**ON, **at}), (358, {**ON, "lat": 53.0, "lon": 13.0}), (10, OK)
        )
        (event,) = events(samples)
        assert (event["type"], event["severity"], event["n_samples"]) == ("idling", None, 360)
        assert (event["start_ms"], event["end_ms"]) == (T0 + 9_000, T0 + 369_000)
        assert (event["peak"], event["duration_s"]) == (360, 360)
        assert (event["lat"], event["lon"], event["speed_kmh"]) == (52, 13, None)

    @pytest.mark.parametrize(("count", "found"), [(299, 0), (300, 1)])
    def test_it_lasts_five_minutes_at_least(self, count, found):
        samples = seconds((10, OK), (count, ON), (10, OK))
        assert len(events(samples)) == found
        assert events(samples, "idle.event_s=0") == []

    @pytest.mark.parametrize("between", [OFF, OK, {"speed": 0.0, "t": 201_000}], ids=["off", "drives", "gap"])
    def test_what_is_no_idling_ends_it(self, between):
        """Two stretches that are long enough together only."""
        first, second = seconds((10, OK), (200, ON)), seconds((200, ON), (10, OK), start=T0 + 500_000)
        at = between.get("t", 1000)
        assert events([*first, {**between, "t": T0 + 209_000 + at}, *second]) == []

    def test_an_unknown_ignition_counts_as_on_and_gaps_up_to_200_s_as_standing(self):
        samples = [
            {"t": T0 + t * 1000, "speed": speed}
            for t, speed in ((0, 50), (1, 0), (151, 0), (351, 0), (352, 50))
        ]
        (event,) = events(samples)
        assert (event["start_ms"] - T0, event["end_ms"] - T0) == (0, 351_000)

    def test_the_end_of_a_trip_does_not_end_it_but_another_driver_does(self):
        long = seconds((10, OK), (900, ON), (10, OK))
        assert [row["peak"] for row in events(long, "trip.stop_s=60")] == [900]
        messages = [*cut_into(long[:400], 7, driver_id="anna"), *cut_into(long[400:], 7, driver_id="ben")]
        rows = run(messages)["driver_event"].values()
        assert sorted((row["driver"], row["peak"]) for row in rows) == [("anna", 390), ("ben", 510)]

    def test_an_open_one_is_published_by_its_timer_and_goes_on(self):
        harness = VehicleHarness()
        samples = seconds((10, OK), (700, ON), (10, OK))
        first, second = samples[:400], samples[400:]
        harness.feed(list(cut_into(first, 400)))
        harness.advance(T0 + 700_000)
        assert [row["peak"] for row in harness.rows["driver_event"]] == [390]
        harness.feed([{**message, "seq": 9} for message in cut_into(second, 400)])
        harness.advance()
        (event,) = harness.tables()["driver_event"].values()
        assert (event["start_ms"], event["peak"]) == (T0 + 9_000, 700)


class TestIdlingBehindAGap:
    """A backlog says that it began earlier; behind 600 samples the gap's seal no longer waits for its end."""

    BEFORE, STORED = seconds((100, OK)), seconds((60, OK), (90, ON), start=T0 + 100_000)

    def fed(self, live, published=True):
        harness = VehicleHarness()
        harness.feed([*cut_into(self.BEFORE, 50)])
        harness.feed([{**each, "seq": 10 + n} for n, each in enumerate(cut_into(live, 50))])
        assert harness.keys.store["v"], "the seam is sealed"
        if published:
            harness.advance(live[-1]["t"] + 201_000)
        harness.feed([{**each, "seq": 500 + n} for n, each in enumerate(cut_into(self.STORED, 50))])
        return harness

    @pytest.mark.parametrize("published", [False, True])
    def test_while_it_goes_on_it_gets_the_start_that_it_has_now(self, published):
        live = seconds((1200, ON), start=T0 + 250_000)
        more = seconds((100, ON), (10, OK), start=T0 + 1_450_000)
        harness = self.fed(live, published)
        harness.feed([{**each, "seq": 700 + n} for n, each in enumerate(cut_into(more, 50))])
        harness.advance()
        assert comparable(harness.tables()) == comparable(
            run([*cut_into([*self.BEFORE, *self.STORED, *live, *more], 50)])
        )
        (event,) = harness.tables()["driver_event"].values()
        assert (event["start_ms"] - T0, event["peak"]) == (159_000, 1390)

    def test_where_it_has_ended_its_row_stays(self):
        harness = self.fed(seconds((1200, ON), (30, OK), start=T0 + 250_000))
        harness.advance()
        (event,) = harness.tables()["driver_event"].values()
        assert (event["start_ms"] - T0, event["peak"]) == (250_000, 1199)


class TestSpeeding:
    def test_an_episode_of_a_minute_is_an_event_with_its_excess(self):
        at = {"lat": 52.0, "lon": 13.0}
        samples = seconds((10, OK), (40, FAST), (1, {**FAST, "speed": 63.5, **at}), (19, FAST), (10, OK))
        (event,) = events(samples)
        assert (event["type"], event["severity"]) == ("speeding", "minor")
        assert (event["start_ms"], event["end_ms"]) == (T0 + 9_000, T0 + 69_000)
        assert (event["peak"], event["speed_kmh"], event["limit_kmh"]) == (13.5, 63.5, 50)
        assert (event["lat"], event["lon"], event["n_samples"], event["derived"]) == (52, 13, 60, 0)

    def test_59_seconds_are_no_event_but_count_in_their_band(self):
        found = tables(seconds((10, OK), (59, FAST), (10, OK)))
        assert found["driver_event"] == {}
        assert (total(found, "speeding_minor_s"), total(found, "speeding_minor_km")) == (
            59,
            round(59 / 60, 6),
        )
        (trip,) = found["trip"].values()
        assert (trip["speeding_minor_s"], trip["speed_limit_unknown_s"]) == (59, 0)

    def test_all_driving_is_in_one_band_and_split_at_minutes(self):
        stretches = [(20, OK), (70, FAST), (30, {"speed": 70, "speed_limit": 50}),
                     (90, {"speed": 100, "speed_limit": 50}), (40, {"speed": 90.0})]  # fmt: skip
        found = tables(seconds(*stretches, (9, {"speed": 0.0, "speed_limit": 50})))
        bands = ("minor", "major", "severe")
        assert [total(found, f"speeding_{band}_s") for band in bands] == [70, 30, 90]
        assert [total(found, f"speeding_{band}_km") for band in bands] == [
            pytest.approx(km, abs=1e-5) for km in (70 / 60, 30 * 70 / 3600, 90 / 36)
        ]
        assert (total(found, "speed_limit_unknown_s"), total(found, "speed_limit_unknown_km")) == (40, 1.0)
        assert total(found, "drive_s") == 249
        (trip,) = found["trip"].values()
        for column in ("speeding_minor_s", "speeding_severe_km", "speed_limit_unknown_s"):
            assert trip[column] == pytest.approx(total(found, column))

    def test_without_any_limit_all_driving_is_unknown(self):
        found = tables(seconds((30, {"speed": 130.0})))
        assert (total(found, "speed_limit_unknown_s"), total(found, "speeding_severe_s")) == (29, 0)

    def test_a_fixed_limit_is_that_of_samples_without_one(self):
        found = tables(seconds((10, {"speed": 130.0}), (5, FAST)), "speeding.limit_kmh=80")
        assert (total(found, "speeding_severe_s"), total(found, "speeding_minor_s")) == (9, 5)

    def test_a_gap_ends_an_episode_and_so_does_another_driver(self):
        early, late = seconds((70, FAST)), seconds((70, FAST), start=T0 + 110_000)
        assert len(events([*early, *late])) == 2
        messages = [*cut_into(early, 70, driver_id="anna"), *cut_into(seconds((70, FAST), start=T0 + 70_000), 70,
                                                                      driver_id="ben")]  # fmt: skip
        rows = run(messages)["driver_event"].values()
        assert sorted((row["driver"], row["duration_s"]) for row in rows) == [("anna", 69), ("ben", 69)]

    def test_an_open_episode_is_published_by_its_timer_and_goes_on(self):
        harness = VehicleHarness()
        harness.feed(list(cut_into(seconds((80, FAST)), 80)))
        harness.advance(T0 + 119_998)
        assert harness.tables()["driver_event"] == {}
        harness.advance(T0 + 119_999)  # its minute's timer; sample.max_gap_s after the last sample
        (event,) = harness.tables()["driver_event"].values()
        assert event["duration_s"] == 79
        harness.feed(list(cut_into(seconds((20, FAST), start=T0 + 80_000), 20)))
        harness.advance()
        (event,) = harness.tables()["driver_event"].values()
        assert event["duration_s"] == 99

    def test_severe_episodes_count_once_for_the_score(self):
        severe = {"speed": 100.0, "speed_limit": 50}
        found = tables(seconds((10, OK), (59, severe), (10, OK), (150, severe), (60, FAST), (10, OK)))
        (trip,) = found["trip"].values()
        assert trip["sums"][17] == 1
        rows = found["driver_event"].values()
        assert [row["severity"] for row in rows if row["type"] == "speeding"] == ["severe"]


class TestDerived:
    def test_braking_is_found_from_speeds_and_flagged(self):
        samples = seconds((5, {"speed": 50.0}), (1, {"speed": 34.0}), (5, {"speed": 34.0}))
        (event,) = events(samples)
        assert (event["type"], event["derived"], event["severity"]) == ("harsh_brake", 1, "low")
        assert event["peak"] == pytest.approx(16 / 3.6)

    def test_a_measured_axis_is_not_derived(self):
        samples = seconds((5, {"speed": 50.0}), (5, {"speed": 34.0}), accel_x=0.0)
        assert events(samples) == []
        (event,) = events(
            seconds((5, {"speed": 50.0}), (1, {"speed": 34.0, "accel_x": -5.0}), (5, {"speed": 34.0}))
        )
        assert (event["peak"], event["derived"]) == (5, 0)

    def test_a_turn_is_found_from_headings_or_the_yaw_rate(self):
        turn = seconds((5, {"heading": 90.0}), (1, {"heading": 120.0}), (5, {"heading": 120.0}), speed=50.0)
        assert [row["type"] for row in events(turn)] == ["harsh_corner"]
        yaw = seconds((5, {"yaw_rate": 0.0}), (1, {"yaw_rate": -25.0}), (5, {"yaw_rate": 0.0}), speed=50.0)
        assert [row["type"] for row in events(yaw)] == ["harsh_corner"]

    def test_it_is_refused_where_samples_are_far_apart(self):
        assert events([{"t": T0 + n * 4000, "speed": 80.0 - 50 * (n > 3)} for n in range(8)]) == []


class TestCrash:
    def test_the_vector_of_both_axes_is_a_possible_crash(self):
        samples = seconds((5, {}), (1, {"accel_x": -20.0, "accel_y": 15.0}), (5, {}), speed=0.0)
        (event,) = events(samples)
        assert (event["type"], event["peak"], event["speed_kmh"]) == ("possible_crash", 25, 0)

    def test_derived_values_make_none(self):
        samples = seconds((5, {"speed": 50.0}), (5, {"speed": 16.0}))
        found = events(samples, "harsh.brake_ms2=5", "harsh_rules.crash.vector_ms2=6")
        assert [row["type"] for row in found] == ["harsh_brake"]


class TestScore:
    def braking(self, *at):
        return [
            {"t": T0 + n * 1000, "speed": 72.0, "accel_x": -5.0 if n in at else 0.0, "accel_y": 0.0}
            for n in range(600)
        ]

    @pytest.mark.parametrize(("at", "counted"), [((10, 30, 69), 1), ((10, 70), 2), ((10, 69, 128), 2)])
    def test_events_of_a_minute_count_once(self, at, counted):
        found = tables(self.braking(*at))
        (trip,) = found["trip"].values()
        assert (trip["harsh_brake"], trip["sums"][19]) == (len(at), counted)
        km = trip["distance_km"]
        assert trip["penalty_events"] == pytest.approx(counted / km * 1609.34, abs=1e-5)
        assert trip["score_unclamped"] == 100 - trip["penalty_events"] - trip["penalty_speeding"]

    def test_another_driver_counts_anew(self):
        samples = self.braking(10, 30)
        messages = [
            *cut_into(samples[:20], 20, driver_id="anna"),
            *cut_into(samples[20:], 20, driver_id="ben"),
        ]
        harness = VehicleHarness()
        harness.feed(messages)
        harness.advance()
        assert sum(row["sums"][19] for row in harness.rows["part"]) == 2

    def test_a_trips_score_is_that_of_its_sums_and_needs_ten_kilometres(self):
        (trip,) = tables(seconds((600, {"speed": 90.0, "speed_limit": 80})))["trip"].values()
        tally = Tally(distance_um=trip["sums"][5], drive_ms=599_000, minor_ms=599_000)
        found = score(additive(), tally)
        assert (trip["score"], trip["penalty_speeding"], trip["score_state"]) == (found.score, 100.0, 0)
        (short,) = tables(seconds((30, {"speed": 90.0})))["trip"].values()
        assert (short["score"], short["score_band"], short["score_state"]) == (None, -1, 1)


@pytest.mark.parametrize("backlog", [True, False])
def test_a_backlog_changes_what_counts_behind_it(backlog):
    """Which events count, when speeding began and what is derived, once what was before is known."""
    rng = random.Random(1)
    samples = [
        {
            "t": T0 + n * 1000,
            "speed": 60.0 + 12 * (n % 40 == 0),
            "speed_limit": 50,
            "accel_x": -5.0 if rng.random() < 0.05 else None,
        }
        for n in range(600)
    ]
    messages = list(cut_into(samples, 10))
    harness = VehicleHarness()
    harness.feed(messages[:5] + messages[15:] + messages[5:15] if backlog else messages)
    harness.advance()
    assert (harness.counters["corrections"] > 0) == backlog
    (event,) = (row for row in harness.tables()["driver_event"].values() if row["type"] == "speeding")
    assert (event["start_ms"], event["duration_s"]) == (T0, 599)
    (trip,) = harness.tables()["trip"].values()
    assert trip["sums"][19] == run(messages)["trip"]["", T0, "v"]["sums"][19]
