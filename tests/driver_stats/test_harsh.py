"""Derived accelerations are those of the road, and a jump of the GPS is never an event."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.harsh import harsh
from conf.parameters import ParameterError
from jobs.driver_stats.harsh import (
    axis_value,
    compiled_rules,
    credible_kmh,
    derive,
    nothing_known,
    value_or,
)
from jobs.driver_stats.layout import AXES, CRASH_AXIS, EVENT_TYPES
from tests.driver_stats.harness import cut_into, run

PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
RULES = compiled_rules(harsh())
NAN = math.nan
T0 = 1_700_000_000_000
M_PER_DEGREE = 6_371_008.8 * math.pi / 180


def sample(t_s, speed=NAN, heading=NAN, yaw_rate=NAN, lat=NAN, lon=NAN):
    return (T0 + round(t_s * 1000), float(speed), float(heading), float(yaw_rate), float(lat), float(lon))


def derived(*samples):
    state = nothing_known()[0]
    return [derive(RULES, state, *each) for each in samples]


def last(*samples):
    return pytest.approx(derived(*samples)[-1], nan_ok=True)


class TestDerive:
    def test_forward_is_the_difference_of_speeds_by_time(self):
        assert last(sample(0, 36), sample(1, 46.8)) == (3.0, NAN)
        assert last(sample(0, 72), sample(2, 36)) == (-5.0, NAN)

    def test_lateral_is_speed_times_yaw_rate_to_the_left(self):
        assert last(sample(0, 72), sample(1, 72, yaw_rate=10)) == (0, 20 * math.radians(10))

    @pytest.mark.parametrize(
        ("before", "after", "left"), [(0, 10, -10), (355, 5, -10), (5, 355, 10), (90, 70, 20), (180, 180, 0)]
    )
    def test_without_a_yaw_rate_it_is_the_change_of_heading(self, before, after, left):
        assert last(sample(0, 72, before), sample(1, 72, after)) == (0, 20 * math.radians(left))

    def test_the_yaw_rate_goes_first(self):
        assert last(sample(0, 36, 0), sample(1, 36, 20, yaw_rate=-10)) == (0, -10 * math.radians(10))

    @pytest.mark.parametrize(
        ("before", "after", "jumps"),
        [
            ((0, 179.9999), (0, -179.9999), False),
            ((80, 13), (80, 13.002), False),
            ((80, 13), (80, 13.01), True),
        ],
    )
    def test_positions_are_compared_on_the_globe(self, before, after, jumps):
        """22 m over the date line; 0.002 degrees are 223 m at the equator and 39 m at 80 degrees north."""
        (x, _) = derived(
            sample(0, 50, lat=before[0], lon=before[1]), sample(1, 50, lat=after[0], lon=after[1])
        )[-1]
        assert (x != x) == jumps

    @pytest.mark.parametrize(("gap_s", "known"), [(1, True), (3, True), (3.001, False), (30, False)])
    def test_it_is_refused_when_samples_are_further_apart_than_three_seconds(self, gap_s, known):
        x, y = derived(sample(0, 72, 0), sample(gap_s, 68, 5))[-1]
        assert (x == x, y == y) == (known, known)

    def test_the_first_sample_and_missing_speeds_tell_nothing(self):
        found = derived(sample(0, 50), sample(1), sample(2, 50), sample(3, 50))
        assert [x == x for x, _ in found] == [False, False, False, True]

    def test_samples_that_come_too_soon_are_compared_over_half_a_second(self):
        """10 Hz, speeds in whole km/h: a step of 1 km/h in 0.1 s is no 2.8 m/s²; what was derived holds meanwhile."""
        found = derived(*(sample(n / 10, 50 + (n >= 3)) for n in range(11)))
        assert [round(x, 3) for x, _ in found[5:]] == [round(1 / 3.6 / 0.5, 3)] * 5 + [0]
        assert all(x != x for x, _ in found[:5])

    def test_each_minutes_first_sample_is_a_fix(self):
        """However often a vehicle samples: so a backlog before a minute changes nothing that is derived behind it."""
        for first in (59.7, 59.8, 59.9):
            found = derived(*(sample(first + n / 10 - T0 / 1000 % 60, 50 + n) for n in range(12)))
            since = round((60 - first) * 10)
            assert [x == x for x, _ in found] == [n >= since + 5 for n in range(12)]

    @pytest.mark.parametrize(
        ("samples", "why"),
        [
            ([sample(0, 50), sample(1, 75)], "6.9 m/s² forward"),
            ([sample(0, 150), sample(1, 100)], "13.9 m/s² of braking"),
            ([sample(0, 72, 0), sample(1, 72, 180)], "63 m/s² sideways"),
        ],
    )
    def test_what_no_vehicle_can_do_is_not_believed(self, samples, why):
        x, y = derived(*samples)[-1]
        assert x != x or y != y, why


class TestCrash:
    @pytest.mark.parametrize(
        ("x", "y", "value"),
        [
            (-20, 15, 25),
            (-30, NAN, 30),
            (NAN, 26, 26),
            (0, 0, 0),
            (NAN, NAN, NAN),
            (-24.516625, 0, 24.516625),
        ],
    )
    def test_its_axis_is_the_horizontal_vector(self, x, y, value):
        assert axis_value(CRASH_AXIS, float(x), float(y)) == pytest.approx(value, nan_ok=True)

    def test_each_axis_has_its_value_and_its_type(self):
        assert [axis_value(axis, -3.0, -4.0) for axis in range(AXES)] == [-3, 3, 4, 5]
        assert EVENT_TYPES[:AXES] == ("harsh_accel", "harsh_brake", "harsh_corner", "possible_crash")

    def test_it_takes_2_5_g(self):
        assert RULES.crash == pytest.approx(2.5 * 9.80665)


class TestCredibleSpeed:
    def speeds(self, *pairs):
        """With places that lie apart as the speeds say: a GPS that made them of the places."""
        state, north, before, found = nothing_known()[0], 0.0, 0, []
        for t, speed in pairs:
            north += speed / 3.6 * (t - before)
            before = t
            lat = 52 + north / M_PER_DEGREE
            found.append(credible_kmh(RULES, state, T0 + round(t * 1000), float(speed), lat, 13.0))
        return found

    @pytest.mark.parametrize("jump", [200, 3600, -1])
    def test_a_speed_made_of_a_jump_is_none(self, jump):
        found = self.speeds((0, 50), (1, jump), (2, 51), (3, 52))
        assert found[1] != found[1]
        assert (found[0], *found[2:]) == (50, 51, 52)

    def test_a_fall_is_credible_whatever_it_is(self):
        assert self.speeds((0, 120), (1, 0), (2, 0)) == [120, 0, 0]

    def test_it_may_rise_as_fast_as_a_vehicle_can(self):
        assert self.speeds((0, 0), (1, 26), (2, 50)) == [0, 26, 50]

    def test_a_wrong_refusal_ends_after_three_seconds(self):
        found = self.speeds((0, 10), (1, 200), (2, 200), (3, 200), (4, 200))
        assert [speed == speed for speed in found] == [True, False, False, False, True]

    def test_without_a_jump_of_the_place_it_is_believed(self):
        """It need not come from a GPS: telemetry/1 says that the speed goes first."""
        state = nothing_known()[0]
        places = [(NAN, NAN), (NAN, NAN), (52.0, 13.0), (52.0, 13.0005)]
        speeds = [50.0, 120.0, 20.0, 90.0]
        found = [
            credible_kmh(RULES, state, T0 + n * 1000, speed, *place)
            for n, (speed, place) in enumerate(zip(speeds, places, strict=True))
        ]
        assert found == speeds

    def test_after_a_gap_any_possible_speed_is_credible(self):
        assert self.speeds((0, 0), (3.001, 120)) == [0, 120]


def test_what_is_measured_goes_first():
    assert (value_or(1.0, 2.0), value_or(NAN, 2.0)) == (1, 2)


def track(speeds, headings):
    """A 1 Hz track that moves as its speeds and headings say."""
    lat, lon, found = 52.0, 13.0, []
    for t, (speed, heading) in enumerate(zip(speeds, headings, strict=True)):
        lat += speed / 3.6 * math.cos(math.radians(heading)) / M_PER_DEGREE
        lon += speed / 3.6 * math.sin(math.radians(heading)) / M_PER_DEGREE / math.cos(math.radians(lat))
        found.append([t, speed, heading, NAN, lat, lon])
    return found


def tables(rows):
    """Types of the events, and the kilometres, that the kernel makes of samples without accelerations."""
    names = ("speed", "heading", "yaw_rate", "lat", "lon")
    samples = []
    for row in rows:
        t, *values = sample(*row)
        samples.append({"t": t, **{n: None if v != v else v for n, v in zip(names, values, strict=True)}})
    found = run(list(cut_into(samples, 1000)))
    kilometres = sum(row["distance_km"] for row in found["vehicle_minute"].values())
    assert all(row["derived"] for row in found["driver_event"].values())
    return sorted(row["type"] for row in found["driver_event"].values()), kilometres


CALM = [50.0] * 60
STRAIGHT = [90.0] * 60


@pytest.fixture(scope="module")
def calm_km():
    events, kilometres = tables(track(CALM, STRAIGHT))
    assert (events, kilometres) == ([], pytest.approx(59 * 50 / 3600))
    return kilometres


def test_harsh_driving_is_found_without_an_accelerometer():
    speeds = [50.0] * 20 + [36.0, 22.0] + [22.0] * 10 + [36.5] + [36.5] * 20
    headings = [90.0] * 40 + [115.0] + [115.0] * 12
    assert tables(track(speeds, headings)) == (
        ["harsh_accel", "harsh_brake", "harsh_corner"],
        pytest.approx(0.555, abs=0.1),
    )


@pytest.mark.parametrize("seconds", [1, 2, 10])
@pytest.mark.parametrize("metres", [200, 1000, 100_000])
@pytest.mark.parametrize("made", ["position", "heading", "speed"])
def test_a_jump_of_the_gps_is_no_event_and_no_distance(calm_km, seconds, metres, made):
    """The position alone, the heading that a receiver makes of it too, and the speed as well."""
    rows = track(CALM, STRAIGHT)
    for row in rows[30 : 30 + seconds]:
        row[4] += metres / M_PER_DEGREE
    for at, towards in ((30, 0.0), (30 + seconds, 180.0)):
        if made != "position":
            rows[at][2] = towards
        if made == "speed":
            rows[at][1] = metres * 3.6
    events, kilometres = tables(rows)
    assert events == []
    assert kilometres <= calm_km + 1e-9
    assert kilometres >= calm_km - 0.030


@settings(PROPERTY, max_examples=40)
@given(
    at=st.integers(5, 50),
    north=st.floats(-5000, 5000),
    east=st.floats(-5000, 5000),
    heading=st.one_of(st.none(), st.floats(0, 360)),
)
def test_no_jump_anywhere_is_an_event(at, north, east, heading):
    """Beyond what a fix may be off by; below that it is a fix like any other, and has to have a heading like one."""
    rows = track(CALM, STRAIGHT)
    rows[at][4] += north / M_PER_DEGREE
    rows[at][5] += east / M_PER_DEGREE / math.cos(math.radians(52))
    if heading is not None and math.hypot(north, east) > 70:
        rows[at][2] = heading
    assert tables(rows)[0] == []


@PROPERTY
@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.5, 1, 3, 3.5]), st.floats(0, 250), st.floats(0, 360)), max_size=30
    )
)
def test_what_is_derived_is_what_a_vehicle_can_do(steps):
    t, rows = 0.0, []
    for gap, speed, heading in steps:
        t += gap
        rows.append(sample(t, speed, heading))
    for x, y in derived(*rows):
        assert x != x or -11.8 <= x <= 6
        assert y != y or abs(y) <= 11.8


@pytest.mark.parametrize("override", ["derived.min_gap_s=4", "jump.distance_ratio=0.5", "crash.vector_ms2=0"])
def test_parameters_that_make_no_sense_are_refused(override):
    with pytest.raises(ParameterError):
        harsh(overrides=(override,))
