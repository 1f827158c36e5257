"""49 CFR 395.3, paragraph by paragraph."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.hours import hours
from jobs.driver_stats.hours import (
    BREACH,
    DRIVING,
    ON_DUTY,
    POSSIBLE,
    WARNING,
    Activity,
    from_bytes,
    replay,
    to_bytes,
)
from jobs.driver_stats.hours_fmcsa import FmcsaHours, FmcsaState
from tests.driver_stats.duty import HOUR, MIN, MONDAY, PROPERTY, cut_at, ms, plan

US = FmcsaHours(hours("us_fmcsa_property_1"))
US60 = FmcsaHours(hours("us_fmcsa_property_1", ("cycle_s=216000", "cycle_days=7")))


def alerts(text, *kinds, machine=US):
    return [alert for alert in replay(machine, plan(text))[1] if alert.kind in (kinds or (BREACH,))]


def rules_of(text, *kinds, **more):
    return [alert.rule for alert in alerts(text, *kinds, **more)]


@pytest.mark.parametrize(
    ("text", "breaches"),
    [
        ("8:00 +30 3:00", []),
        ("8:00 +30 3:01", ["driving"]),
        ("8:01", ["unbroken_driving"]),
        ("8:00 w0:30 3:00", []),  # the interruption may be on duty
        ("8:00 +29 0:01", ["unbroken_driving"]),
        ("4:00 +30 8:00", ["driving"]),
        ("4:00 +5:00 4:00 +30 0:30", []),
        ("4:00 +5:00 4:00 +30 0:31", ["window"]),
        ("8:00 +30 3:00 +10:00 8:00 +30 3:00", []),
        ("8:00 +30 3:00 +9:59 0:01", ["driving", "window"]),
        ("w13:00 1:00", []),
        ("w14:00 0:01", ["window"]),
        ("w15:00", []),  # work beyond the 14th hour is none, driving is
    ],
)
def test_driving_window_and_break(text, breaches):
    assert rules_of(text) == breaches


def test_paragraphs_and_times():
    found = alerts("8:10 +30 2:30 +2:00 0:50 +10 0:20", BREACH, WARNING)
    start = MONDAY + 6 * HOUR
    assert [(a.kind == BREACH, a.rule, a.article, a.at_ms - start) for a in found] == [
        (False, "unbroken_driving", "395.3(a)(3)(ii)", ms("7:30")),
        (True, "unbroken_driving", "395.3(a)(3)(ii)", ms("8:00")),
        (False, "driving", "395.3(a)(3)(i)", ms("11:00")),
        (True, "driving", "395.3(a)(3)(i)", ms("13:30")),
        (False, "window", "395.3(a)(2)", ms("13:30")),
        (True, "window", "395.3(a)(2)", ms("14:10")),
    ]  # fmt: skip


def test_rests_that_may_have_been_taken():
    found = alerts("2:00 +30 2:00 +10:00 2:00 +34:00 2:00", POSSIBLE)
    assert [a.rule for a in found] == ["break", "off_duty", "off_duty", "restart"]


DAY = "w1:00 8:00 +30 1:00 +13:30 "  # 10 h on duty


class TestCycle:
    """60 hours in 7 days, 70 in 8."""

    def test_no_driving_after_70_hours_in_8_days(self):
        assert rules_of(DAY * 7) == []
        (breach,) = alerts(DAY * 7 + "0:10")
        assert (breach.rule, breach.article, breach.limit_ms) == ("cycle", "395.3(b)", 70 * HOUR)
        assert [a.rule for a in alerts(DAY * 7, WARNING) if a.rule == "cycle"] == ["cycle"]

    def test_no_driving_after_60_hours_in_7_days(self):
        assert rules_of(DAY * 6 + "0:10", machine=US60) == ["cycle"]

    def test_work_may_go_on_but_driving_after_it_may_not(self):
        assert rules_of(DAY * 7 + "w2:00") == []
        assert rules_of(DAY * 7 + "w2:00 0:10 w0:10 0:10") == ["cycle"]

    def test_34_hours_off_begin_it_anew(self):
        long = "w1:00 8:00 +30 3:00 +10:00 " * 5  # 60 h in less than five days
        assert rules_of(long + "+24:00 w1:00 8:00 +30 2:00") == []
        assert rules_of(long + "+23:59 w1:00 8:00 +30 2:00") == ["cycle"]

    def test_a_day_that_leaves_the_8_gives_its_hours_back(self):
        short = "w1:00 4:00 +19:00 "  # 5 h
        assert rules_of(DAY * 4 + short * 4 + DAY * 2) == []

    def test_days_are_those_of_the_home_terminal(self):
        chicago = FmcsaHours(hours("us_fmcsa_property_1", ("zone=America/Chicago",)))
        late = Activity(MONDAY + 4 * HOUR, MONDAY + 8 * HOUR)  # Sunday 22:00 to Monday 02:00 in Chicago
        assert [length for _, length in chicago.step(chicago.start(), late)[0].days] == [2 * HOUR, 2 * HOUR]
        assert [length for _, length in US.step(US.start(), late)[0].days] == [4 * HOUR]


class TestLeft:
    def test_what_is_left(self):
        state, _ = replay(US, plan("w1:00 6:00"))
        found = US.left(state, state.last_end)
        assert found.by_rule == {
            "driving": 5 * HOUR,
            "window": 7 * HOUR,
            "unbroken_driving": 2 * HOUR,
            "cycle": 63 * HOUR,
        }
        assert (found.rule, found.minutes) == ("unbroken_driving", 120)

    def test_time_off_counts(self):
        state, _ = replay(US, plan("8:00"))
        assert US.left(state, state.last_end).minutes == 0
        assert US.left(state, state.last_end + 30 * MIN).minutes == 180
        assert US.left(state, state.last_end + 10 * HOUR).minutes == 480

    def test_work_is_an_interruption_of_driving(self):
        state, _ = replay(US, plan("8:00 w0:30"))
        assert US.left(state, state.last_end).minutes == 180


@st.composite
def duties(draw):
    at, found = MONDAY, []
    for off, length, kind in draw(
        st.lists(
            st.tuples(
                st.one_of(st.integers(0, 60), st.integers(0, 40 * 60)),
                st.integers(1, 700),
                st.sampled_from([DRIVING, DRIVING, ON_DUTY]),
            ),
            min_size=1,
            max_size=40,
        )
    ):
        at += off * MIN
        found.append(Activity(at, at + length * MIN, kind))
        at += length * MIN
    return found


@PROPERTY
@given(duties(), st.lists(st.integers(0, 40 * 24 * 60 * MIN), max_size=30))
def test_cutting_an_activity_changes_nothing(whole, cuts):
    assert replay(US, cut_at(whole, cuts)) == replay(US, whole)


@PROPERTY
@given(duties(), st.integers(0, 3 * 24 * 60))
def test_whoever_drives_as_long_as_is_left_breaks_no_rule(whole, rest):
    state, _ = replay(US, whole)
    now = state.last_end + rest * MIN
    left = US.left(state, now).least_ms
    if left > 0:
        assert [a for a in US.step(state, Activity(now, now + left))[1] if a.kind == BREACH] == []


@PROPERTY
@given(duties())
def test_state_survives_its_bytes(whole):
    state, _ = replay(US, whole)
    assert asdict(from_bytes(FmcsaState, to_bytes(state))) == asdict(state)


def test_activities_must_come_in_order():
    state, _ = replay(US, plan("1:00"))
    with pytest.raises(ValueError, match="begins before"):
        US.step(state, Activity(state.last_end - 1, state.last_end + 1, ON_DUTY))
