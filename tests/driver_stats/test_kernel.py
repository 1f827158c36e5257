"""The vehicle kernel: each rule of the contracts' semantics by literal samples."""

from __future__ import annotations

import pytest

from jobs.driver_stats.row_buffer import RowBuffer
from tests.driver_stats.harness import END, VehicleHarness, cut_into, run

T0 = 1_700_000_040_000  # a minute's first millisecond
assert T0 % 60_000 == 0


def drive(*speeds: float | None, step_s: float = 1, start: int = T0, **columns):
    """Samples ``step_s`` apart; further columns as lists."""
    return [
        {
            "t": start + round(index * step_s * 1000),
            "speed": speed,
            **{name: values[index] for name, values in columns.items()},
        }
        for index, speed in enumerate(speeds)
    ]


def one_minute(samples, *overrides, **fields):
    (row,) = run(list(cut_into(samples, 1000, **fields)), overrides)["vehicle_minute"].values()
    return row


def trips(samples, *overrides, **fields):
    rows = run(list(cut_into(samples, 7, **fields)), overrides)["trip"]
    return sorted(rows.values(), key=lambda row: row["start_ms"])


def events(samples, *overrides, **fields):
    rows = run(list(cut_into(samples, 7, **fields)), overrides)["driver_event"]
    return sorted(rows.values(), key=lambda row: (row["start_ms"], row["type"]))


def test_a_sample_covers_the_time_since_the_one_before_at_its_own_speed():
    row = one_minute(drive(50, 36, 72))
    assert row["distance_km"] == pytest.approx((36 + 72) / 3600)
    assert (row["drive_s"], row["idle_s"], row["stopped_s"], row["n_samples"]) == (2, 0, 0, 3)
    assert row["max_speed_kmh"] == 72
    assert row["mean_speed_kmh"] == pytest.approx(54)


def test_the_first_sample_of_a_vehicle_covers_nothing():
    row = one_minute(drive(50))
    assert (row["distance_km"], row["drive_s"], row["n_samples"], row["mean_speed_kmh"]) == (0, 0, 1, None)


def test_standing_is_idle_with_the_ignition_on_or_unknown_and_stopped_with_it_off():
    row = one_minute(drive(0, 0, 0.9, 0, 0, ignition=[None, None, True, False, False]), "trip.stop_s=0")
    assert (row["idle_s"], row["stopped_s"], row["drive_s"]) == (2, 2, 0)


def test_drive_idle_and_stopped_add_up_to_the_covered_time():
    samples = drive(0, 5, None, 0, 30, 0, ignition=[True, True, True, False, False, True])
    row = one_minute(samples, "trip.stop_s=0")
    # the last sample starts a new trip, because the ignition was off, and covers nothing
    assert row["drive_s"] + row["idle_s"] + row["stopped_s"] == 4


@pytest.mark.parametrize(("gap_s", "covered_s"), [(30, 30), (30.001, 0), (200, 0)])
def test_a_longer_gap_than_sample_max_gap_counts_nothing(gap_s, covered_s):
    rows = run(list(cut_into(drive(50, 50, step_s=gap_s), 1000)))["vehicle_minute"].values()
    assert sum(row["drive_s"] for row in rows) == pytest.approx(covered_s)


@pytest.mark.parametrize(("gap_s", "idle_s"), [(31, 31), (200, 200), (200.001, 0)])
def test_between_two_standing_samples_a_gap_up_to_idle_max_gap_is_standing(gap_s, idle_s):
    rows = run(list(cut_into(drive(0, 0, step_s=gap_s), 1000)), ["trip.stop_s=0"])["vehicle_minute"].values()
    assert sum(row["idle_s"] for row in rows) == pytest.approx(idle_s)


def test_a_span_over_a_minutes_edge_is_split_in_whole_milliseconds_and_micrometres():
    samples = [{"t": T0 + 59_500, "speed": 10}, {"t": T0 + 60_333, "speed": 36.1}]
    first, second = run(list(cut_into(samples, 10)))["vehicle_minute"].values()
    assert (first["drive_s"], second["drive_s"]) == (0.5, 0.333)
    total_um = round(36.1 * 833 * 1e9 / 3.6e6)
    assert round((first["distance_km"] + second["distance_km"]) * 1e9) == total_um
    assert round(first["distance_km"] * 1e9) == total_um * 500 // 833
    assert (first["max_speed_kmh"], second["max_speed_kmh"]) == (10, 36.1)
    assert (first["n_samples"], second["n_samples"]) == (1, 1)


def test_a_long_stand_has_rows_for_the_minutes_without_samples():
    rows = run(list(cut_into(drive(0, 0, step_s=150), 10)), ["trip.stop_s=0"])["vehicle_minute"]
    assert [(row["idle_s"], row["n_samples"]) for row in rows.values()] == [(60, 1), (60, 0), (30, 1)]


def test_a_sample_on_a_minutes_edge_belongs_to_the_new_minute_and_its_span_to_the_old():
    samples = [{"t": T0 + 59_000, "speed": 36}, {"t": T0 + 60_000, "speed": 72}]
    first, second = run(list(cut_into(samples, 10)))["vehicle_minute"].values()
    assert (first["distance_km"], first["max_speed_kmh"]) == (0.02, 36)
    assert (second["distance_km"], second["max_speed_kmh"], second["n_samples"]) == (0, 72, 1)


def test_of_equal_times_the_first_counts():
    harness = VehicleHarness()
    samples = [{"t": T0, "speed": 10}, {"t": T0 + 1000, "speed": 20}, {"t": T0 + 1000, "speed": 99}]
    harness.feed(list(cut_into(samples, 10)))
    harness.advance()
    (row,) = harness.tables()["vehicle_minute"].values()
    assert (row["max_speed_kmh"], row["n_samples"]) == (20, 2)
    assert (harness.counters["samples"], harness.counters["samples_repeated"]) == (2, 1)


@pytest.mark.parametrize("missing", [None, "", "\0"])
def test_without_a_fleet_it_is_the_default_and_without_a_driver_unknown(missing):
    rows = run(list(cut_into(drive(36, 36), 1, fleet_id=missing, driver_id=missing)))
    assert [(row["fleet"], row["driver"]) for row in rows["vehicle_live"].values()] == [("default", "")]


def test_a_minute_goes_by_the_driver_of_its_last_sample():
    by = {"anna": T0 + 58_000, "ben": T0 + 59_000, "carl": T0 + 65_000}
    messages = [m for who, t in by.items() for m in cut_into(drive(0, start=t), 1, driver_id=who)]
    rows = run(messages)["vehicle_minute"].values()
    assert [(row["driver"], row["n_samples"], row["idle_s"]) for row in rows] == [
        ("ben", 2, 2),
        ("carl", 1, 5),
    ]


class TestDistance:
    def test_without_speed_it_is_the_odometers_difference(self):
        row = one_minute(drive(None, None, odometer=[1000, 1015.5]))
        assert row["distance_km"] == pytest.approx(0.0155, abs=1e-12)
        assert (row["drive_s"], row["max_speed_kmh"]) == (1, None)

    def test_without_speed_and_odometer_it_is_the_way_between_the_positions(self):
        row = one_minute(drive(None, None, lat=[52.0, 52.0001], lon=[13.0, 13.0]))
        assert row["distance_km"] == pytest.approx(0.0111195, rel=1e-5)

    @pytest.mark.parametrize(
        "columns",
        [
            {"odometer": [1000, 900]},
            {"odometer": [1000, 2000]},
            {"lat": [52.0, 53.0], "lon": [13.0, 13.0]},
            {"lat": [52.0, None], "lon": [13.0, 13.0]},
        ],
        ids=["odometer-backwards", "odometer-jump", "gps-jump", "gps-missing"],
    )
    def test_what_is_not_plausible_is_no_distance(self, columns):
        row = one_minute(drive(None, None, **columns))
        assert (row["distance_km"], row["drive_s"]) == (0, 1)

    def test_a_vehicle_whose_odometer_rests_is_standing(self):
        row = one_minute(drive(None, None, None, odometer=[1000, 1000, 1000]), "trip.stop_s=0")
        assert (row["idle_s"], row["drive_s"]) == (2, 0)


class TestTrips:
    def test_a_gap_of_trip_gap_ends_a_trip(self):
        samples = drive(50, 50) + drive(50, 50, start=T0 + 301_000)
        assert [(row["start_ms"] - T0, row["end_ms"] - T0) for row in trips(samples)] == [
            (0, 1000),
            (301_000, 302_000),
        ]
        assert len(trips(drive(50, 50) + drive(50, 50, start=T0 + 300_999))) == 1

    def test_the_first_sample_of_a_trip_covers_nothing(self):
        samples = drive(36, 36, 36, ignition=[True, False, True])
        first, second = trips(samples, "trip.stop_s=0")
        assert (first["distance_km"], first["end_ms"]) == (0, T0)
        assert (second["distance_km"], second["start_ms"]) == (0, T0 + 2000)

    def test_without_trip_stop_standing_belongs_to_the_trip(self):
        (row,) = trips(drive(0, *[36] * 5, *[0] * 400), "trip.stop_s=0")
        assert (row["start_ms"], row["end_ms"]) == (T0, T0 + 405_000)
        assert (row["drive_s"], row["idle_s"], row["n_samples"]) == (5, 400, 406)

    def test_standing_for_trip_stop_ends_it_at_the_last_moving_sample(self):
        (row,) = trips(drive(0, 0, *[36] * 5, *[0] * 400))
        assert (row["start_ms"], row["end_ms"]) == (T0 + 2000, T0 + 6000)
        assert (row["drive_s"], row["idle_s"], row["n_samples"]) == (4, 0, 5)

    def test_a_shorter_stand_belongs_to_the_trip(self):
        (row,) = trips(drive(36, 36, *[0] * 299, 36))
        assert (row["idle_s"], row["drive_s"], row["end_ms"] - T0) == (299, 2, 301_000)

    def test_the_next_moving_sample_starts_the_next_trip(self):
        first, second = trips(drive(36, 36, *[0] * 300, 36, 36))
        assert (first["end_ms"] - T0, second["start_ms"] - T0) == (1000, 302_000)

    def test_a_gap_ends_it_at_its_last_sample_standing_included(self):
        first, _ = trips(drive(36, 36, 0, 0) + drive(36, 36, start=T0 + 400_000))
        assert (first["end_ms"] - T0, first["idle_s"]) == (3000, 2)

    def test_ignition_off_ends_it_at_the_last_sample_with_the_ignition_on(self):
        (row,) = trips(drive(36, 36, 0, 0, ignition=[True, True, True, False]))
        assert (row["end_ms"] - T0, row["idle_s"], row["stopped_s"]) == (2000, 1, 0)

    def test_a_change_of_driver_ends_it(self):
        first = list(cut_into(drive(36, 36), 10, driver_id="anna"))
        second = list(cut_into(drive(36, 36, start=T0 + 2000), 10, driver_id="ben"))
        rows = run(first + second)["trip"]
        assert [(key[0], row["end_ms"] - T0) for key, row in rows.items()] == [("anna", 1000), ("ben", 3000)]

    def test_a_trip_knows_where_it_began_and_ended(self):
        columns = {"lat": [52.0, 52.1, 52.2, None], "lon": [13.0, 13.1, 13.2, None]}
        (row,) = trips(drive(36, 36, 36, 36, **columns))
        assert (row["start_lat"], row["start_lon"], row["end_lat"], row["end_lon"]) == (
            52.0,
            13.0,
            52.2,
            13.2,
        )

    def test_a_timer_publishes_it_early_and_a_later_sample_extends_it(self):
        harness = VehicleHarness(live=True)
        samples = drive(36, 36) + drive(36, start=T0 + 200_000)
        first, last = list(cut_into(samples, 2))
        harness.feed([first])
        harness.advance(T0 + 400_000)
        (early,) = harness.tables()["trip"].values()
        assert (early["end_ms"] - T0, early["revision"]) == (1000, 0)
        harness.feed([last])
        harness.advance()
        (row,) = harness.tables()["trip"].values()
        assert (row["end_ms"] - T0, row["revision"]) == (200_000, 1)

    def test_one_published_by_a_timer_loses_the_standing_that_turns_out_to_end_it(self):
        harness = VehicleHarness(live=True)
        first, last = list(cut_into(drive(36, 36, 0) + drive(0, start=T0 + 301_500), 3))
        harness.feed([first])
        harness.advance(T0 + 400_000)
        assert [row["idle_s"] for row in harness.tables()["trip"].values()] == [1]
        harness.feed([last])
        harness.advance()
        (row,) = harness.tables()["trip"].values()
        assert (row["end_ms"] - T0, row["idle_s"], row["revision"]) == (1000, 0, 1)


class TestHarshEvents:
    def test_braking_is_an_event_from_its_threshold_to_the_re_arm_level(self):
        accel = [-3.0, -3.73, -5.0, -3.2, -3.0, -3.2]
        (row,) = events(drive(60, 55, 50, 45, 40, 38, accel_x=accel))
        assert (row["type"], row["severity"]) == ("harsh_brake", "medium")
        assert (row["start_ms"] - T0, row["end_ms"] - T0, row["duration_s"]) == (1000, 3000, 2)
        assert (row["peak"], row["speed_kmh"], row["n_samples"]) == (5.0, 50, 3)

    def test_a_value_at_the_re_arm_level_continues_it(self):
        rows = events(drive(60, 60, 60, accel_x=[4, 2, 1.9]), "harsh.accel_ms2=4", "harsh.rearm_ratio=0.5")
        assert [row["n_samples"] for row in rows] == [2]

    def test_each_axis_has_its_own_event(self):
        rows = events(drive(60, 60, accel_x=[4, 0], accel_y=[-6, 0]))
        assert [(row["type"], row["peak"], row["severity"]) for row in rows] == [
            ("harsh_accel", 4, "low"),
            ("harsh_corner", 6, "high"),
        ]

    def test_thresholds_come_from_the_vehicle_class(self):
        samples = drive(60, 60, accel_x=[3.5, 0])
        assert events(samples) == []
        assert events(samples, vehicle_class="unheard-of") == []
        assert len(events(samples, vehicle_class="van")) == 1
        assert len(events(samples, "harsh.accel_ms2=3.5", vehicle_class="strict_log")) == 1

    @pytest.mark.parametrize(
        ("speed", "accel_x", "accel_y", "count"),
        [(9.9, 4, 0, 0), (10, 4, 0, 1), (None, 4, 0, 0), (29.9, 0, 4, 0), (30, 0, 4, 1)],
    )
    def test_there_is_none_below_the_minimum_speed(self, speed, accel_x, accel_y, count):
        assert len(events(drive(speed, accel_x=[accel_x], accel_y=[accel_y]))) == count

    def test_a_minimum_speed_of_zero_lets_missing_speeds_pass(self):
        assert len(events(drive(None, accel_x=[4]), "harsh.min_speed_kmh=0")) == 1

    @pytest.mark.parametrize("accel", [[4, None, 4], [4, 0, 4]], ids=["missing", "below"])
    def test_a_missing_value_ends_one(self, accel):
        assert [row["n_samples"] for row in events(drive(60, 60, 60, accel_x=accel))] == [1, 1]

    @pytest.mark.parametrize(("gap_s", "count"), [(3, 1), (3.001, 2)])
    def test_a_gap_over_three_seconds_ends_one(self, gap_s, count):
        assert len(events(drive(60, 60, step_s=gap_s, accel_x=[4, 4]))) == count

    def test_counts_belong_to_the_minute_in_which_it_starts(self):
        samples = drive(60, 60, 60, start=T0 + 58_000, accel_x=[4, 4, 4])
        rows = run(list(cut_into(samples, 2)))["vehicle_minute"].values()
        assert [row["harsh_accel"] for row in rows] == [1, 0]

    def test_one_that_is_open_at_the_end_is_written(self):
        assert len(events(drive(60, 60, accel_x=[0, 4]))) == 1


class TestAdvance:
    """Timers publish; they decide nothing."""

    def test_a_minute_is_published_when_the_watermark_passes_its_end(self):
        harness = VehicleHarness(live=True)
        harness.feed(list(cut_into(drive(36, 36), 10)))
        harness.advance(T0 + 59_998)
        assert harness.tables()["vehicle_minute"] == {}
        harness.advance(T0 + 59_999)
        (row,) = harness.tables()["vehicle_minute"].values()
        assert (row["revision"], row["n_samples"]) == (0, 2)

    def test_a_late_sample_makes_the_next_revision_and_drivers_get_the_difference_only(self):
        harness = VehicleHarness(live=True)
        harness.feed(list(cut_into(drive(36, 36), 10)))
        harness.advance(T0 + 60_000)
        harness.feed(list(cut_into(drive(36, start=T0 + 5000), 10)))
        harness.advance()
        (row,) = harness.tables()["vehicle_minute"].values()
        assert (row["revision"], row["n_samples"], row["drive_s"]) == (1, 3, 5)
        assert [part["sums"][0] for part in harness.rows["part"]] == [2, 1]

    def test_a_silent_vehicle_is_forgotten(self):
        harness = VehicleHarness(live=True)
        harness.feed(list(cut_into(drive(36, 36), 10)))
        harness.advance(T0 + 1000 + 691_200_000 - 1)
        assert list(harness.states) == ["v"]
        harness.advance(T0 + 1000 + 691_200_000)
        assert not harness.states

    def test_the_newest_live_row_is_the_last_sample(self):
        harness = VehicleHarness(live=True)
        harness.feed(list(cut_into(drive(36, 36, 0, step_s=0.4, heading=[90, 90, 91]), 1, fleet_id="f")))
        harness.advance(END)
        row = harness.tables()["vehicle_live"]["f", "v"]
        assert (row["event_ms"] - T0, row["state"], row["heading"], row["trip_start"]) == (800, 1, 91, T0)
        assert len(harness.rows["vehicle_live"]) == 2, "the second came within a second of the first"


def test_more_rows_than_there_is_room_for_are_all_written():
    """The kernel stops in the middle of a message when its rows are nearly full, and goes on with more room."""
    accel = [4.0, 0.0] * 300
    messages = list(cut_into(drive(*[60] * 600, step_s=70, accel_x=accel), 250))
    roomy = VehicleHarness()
    roomy.feed(messages)
    tight = VehicleHarness()
    tight.operator._rows = RowBuffer(tight.operator._parameters, 1)
    tight.feed(messages)
    for harness in (roomy, tight):
        harness.advance()
    assert len(roomy.rows["driver_event"]) == 300
    assert tight.rows == roomy.rows
