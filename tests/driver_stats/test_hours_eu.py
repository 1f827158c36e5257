"""Regulation (EC) 561/2006, article by article, with the vectors of domain.md."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.hours import hours, hours_classes
from conf.parameters import ParameterError
from jobs.driver_stats.hours import BREACH, POSSIBLE, WARNING, Activity, from_bytes, replay, to_bytes
from jobs.driver_stats.hours_eu import DAY_MS, WEEK_MS, EuHours, EuState, week_start
from tests.driver_stats.duty import HOUR, MIN, MONDAY, PROPERTY, cut_at, ms, plan

assert week_start(MONDAY) == MONDAY
assert week_start(MONDAY - 1) == MONDAY - WEEK_MS
EU = EuHours(hours("eu_561_2006_1"))


def alerts(text, *kinds, start=MONDAY + 6 * HOUR, begin=None):
    _, found = replay(EU, plan(text, start), begin)
    return [alert for alert in found if alert.kind in (kinds or (BREACH,))]


def rules_of(text, *kinds, **more):
    return [alert.rule for alert in alerts(text, *kinds, **more)]


class TestBreaks:
    """Article 7."""

    @pytest.mark.parametrize(
        ("text", "breaches"),
        [
            ("4:30 +45 1:00", []),
            ("2:00 +15 2:30 +30 1:00", []),
            ("2:00 +30 2:30 +15 0:10", ["continuous_driving"]),
            ("4:30", []),
            ("4:31", ["continuous_driving"]),
            ("4:00 +44 0:31", ["continuous_driving"]),
            ("2:00 +14 2:30 +30 0:01", ["continuous_driving"]),
            ("2:00 +15 2:00 +29 0:31", ["continuous_driving"]),
            ("1:00 +15 1:00 +20 1:00 +30 4:30", []),
            ("2:00 +15 2:30 +30 2:00 +30 2:31", ["continuous_driving"]),
            ("4:31 +45 4:31", ["continuous_driving"] * 2),
            ("4:31 +10 1:00 +14 1:00", ["continuous_driving"]),
        ],
    )
    def test_vectors(self, text, breaches):
        assert rules_of(text) == breaches

    def test_the_warning_comes_at_4_15_and_the_breach_after_4_30(self):
        warning, breach = alerts("2:00 +10 3:00", WARNING, BREACH)
        at = MONDAY + 6 * HOUR + 10 * MIN
        assert (warning.rule, warning.article, warning.at_ms - at) == ("continuous_driving", "7", ms("4:15"))
        assert (breach.rule, breach.article, breach.at_ms - at) == ("continuous_driving", "7", ms("4:30"))
        assert (breach.value_ms, breach.limit_ms) == (ms("4:30"), ms("4:30"))

    def test_a_stop_is_a_possible_break_and_says_from_when_to_when(self):
        found = alerts("1:00 +15 1:00 +5 1:00 +30 1:00 +50 1:00", POSSIBLE)
        assert [(alert.rule, alert.value_ms // MIN) for alert in found] == [
            ("break_first_part", 15),
            ("break", 30),
            ("break", 50),
        ]
        assert (found[0].at_ms, found[0].end_ms) == (MONDAY + 7 * HOUR, MONDAY + 7 * HOUR + 15 * MIN)

    def test_standing_with_the_engine_on_is_no_driving(self):
        busy = [
            *plan("4:00"),
            Activity(MONDAY + 10 * HOUR, MONDAY + 11 * HOUR, "on_duty"),
            *plan("4:00", MONDAY + 11 * HOUR),
        ]
        assert [alert.kind for alert in replay(EU, busy)[1]] == [POSSIBLE]


class TestDays:
    """Article 6(1)."""

    def test_a_day_may_have_ten_hours_twice_a_week(self):
        day = "4:30 +45 4:30 +45 1:00 +11:15"
        days = " ".join([day] * 3)
        assert rules_of(days) == ["daily_driving_extensions"]
        assert rules_of(" ".join([day] * 2)) == []
        (breach,) = alerts(days)
        assert (breach.article, breach.value_ms) == ("6(1)", 9 * HOUR)

    def test_the_two_are_counted_anew_on_monday(self):
        day = "4:30 +45 4:30 +45 1:00 +11:15"
        # Thursday and Friday, a weekly rest of 45 h and more, and Monday
        text = f"{day} {day} +47:00 {day} {day}"
        assert rules_of(text, start=MONDAY + 3 * DAY_MS + 6 * HOUR) == []

    def test_more_than_ten_hours_are_a_breach_whatever_is_left(self):
        (breach,) = alerts("4:30 +45 4:30 +45 1:01")
        assert (breach.rule, breach.limit_ms) == ("daily_driving", 10 * HOUR)

    def test_warnings_come_before(self):
        found = [
            (a.rule, a.value_ms // MIN)
            for a in alerts("4:10 +45 4:10 +45 1:40", WARNING)
            if "daily" in a.rule
        ]
        assert found == [("daily_driving", 510), ("daily_driving_extended", 540), ("daily_driving", 570)]

    def test_without_an_extension_nobody_is_warned_of_the_tenth_hour(self):
        spent = EuState(MONDAY, week=MONDAY, extensions=2, day_start=MONDAY, weekly_rest_end=MONDAY)
        found = [a.rule for a in alerts("4:10 +45 4:10 +45 1:30", WARNING, start=MONDAY, begin=spent)]
        assert found.count("daily_driving") == 1

    def test_driving_after_a_night_is_another_day(self):
        assert rules_of("4:30 +45 4:30 +11:00 4:30 +45 4:30") == []


class TestWeeks:
    """Articles 6(2) and 6(3)."""

    DAY9 = "4:30 +45 4:30 +14:15"
    DAY10 = "4:30 +45 4:30 +45 1:00 +12:30"

    def test_more_than_56_hours_are_a_breach(self):
        six = " ".join([self.DAY10] * 2 + [self.DAY9] * 4)
        assert rules_of(six) == []
        (breach,) = alerts(" ".join([self.DAY10] * 2 + [self.DAY9] * 3 + ["4:30 +45 4:30 +45 0:01"]))[-1:]
        assert (breach.rule, breach.article) == ("weekly_driving", "6(2)")

    def test_more_than_90_in_two_weeks_are_a_breach(self):
        week = " ".join([self.DAY9] * 5) + " +48:00 "
        assert rules_of(week * 2) == []
        found = alerts(week + " ".join([self.DAY9] * 5) + " 0:01")
        assert [(alert.rule, alert.article) for alert in found] == [("fortnightly_driving", "6(3)")]
        # the third week is compared with the second only
        assert rules_of(week * 2 + "+9:00 " + self.DAY9) == []

    def test_a_drive_over_midnight_of_sunday_is_divided(self):
        state, _ = replay(EU, plan("2:00", start=MONDAY - HOUR))
        assert (state.week, state.week_ms, state.week_before_ms) == (MONDAY, HOUR, HOUR)

    def test_a_week_off_counts_as_none(self):
        state, _ = replay(EU, plan(f"2:00 +{14 * 24}:00 1:00"))
        assert (state.week_ms, state.week_before_ms) == (HOUR, 0)

    def test_a_week_beyond_90_hours_tells_of_the_next_one_too(self):
        before = EuState(
            MONDAY - 50 * HOUR, week=MONDAY - WEEK_MS, week_ms=95 * HOUR, day_start=0, weekly_rest_end=0
        )
        assert rules_of("1:00 +1:00 1:00", start=MONDAY, begin=before) == ["fortnightly_driving"]


class TestDailyRest:
    """Articles 8(2) and 8(4)."""

    def test_nine_hours_have_to_fit_into_the_24_after_the_last_rest(self):
        ok = "4:00 +3:00 4:00 +3:30 0:30"  # ends 15 h after it began
        assert rules_of(ok) == []
        (warning,) = [a for a in alerts(ok, WARNING) if a.rule == "daily_rest"]
        assert (warning.article, warning.value_ms) == ("8(2)", ms("14:30"))
        (breach,) = alerts(ok + " +5 0:10")
        assert (breach.rule, breach.article, breach.value_ms) == ("daily_rest", "8(2)", ms("15:05"))

    def test_it_is_told_once_a_day(self):
        assert rules_of("4:00 +3:00 4:00 +4:30 0:10 +30 0:10 +9:00 1:00") == ["daily_rest"]

    def test_three_reduced_rests_between_two_weekly_ones(self):
        night = "4:00 +10:00 "
        assert rules_of(night * 3 + "4:00 +11:00 4:00") == []
        (breach,) = alerts(night * 4 + "4:00")
        assert (breach.rule, breach.article) == ("reduced_daily_rests", "8(4)")
        assert rules_of(night * 3 + "4:00 +24:00 " + night * 3 + "4:00") == []

    def test_when_all_three_are_used_eleven_hours_have_to_fit(self):
        assert rules_of("4:00 +10:00 " * 3 + "4:00 +3:00 4:00 +2:10 0:10") == []  # split: 3 h and then 9 h
        found = alerts("4:00 +10:00 " * 3 + "4:00 +2:50 4:00 +2:20 0:10")
        assert [(a.rule, a.limit_ms) for a in found] == [("daily_rest", 13 * HOUR)]

    def test_three_hours_and_then_nine_are_a_regular_rest(self):
        state, found = replay(EU, plan("4:00 +3:00 4:00 +9:00 1:00"))
        assert state.reduced_rests == 0
        assert [a.rule for a in found if a.kind == POSSIBLE] == ["break", "daily_rest"]
        assert replay(EU, plan("4:00 +2:59 4:00 +9:00 1:00"))[0].reduced_rests == 1

    def test_a_rest_of_less_than_nine_hours_ends_no_day(self):
        assert rules_of("4:30 +8:59 4:30 +45 0:10") == ["daily_rest"]


class TestWeeklyRest:
    """Article 8(6)."""

    def days(self, count, last_rest=""):
        return "4:00 +20:00 " * (count - 1) + f"4:00 {last_rest} "

    def test_it_begins_within_six_days_of_the_last_one(self):
        assert rules_of(self.days(6)) == []
        (breach,) = alerts(self.days(6) + "+20:00 0:10")
        assert (breach.rule, breach.article, breach.value_ms) == ("weekly_rest", "8(6)", 144 * HOUR)
        assert [
            a.value_ms for a in alerts(self.days(6, "+17:00") + "2:00", WARNING) if a.rule == "weekly_rest"
        ] == [142 * HOUR]

    @pytest.mark.parametrize(("first", "second", "breaches"), [
        ("+45:00", "+24:00", []),
        ("+24:00", "+45:00", []),
        ("+24:00", "+44:59", ["reduced_weekly_rests"]),
    ])  # fmt: skip
    def test_two_reduced_ones_in_a_row_are_a_breach(self, first, second, breaches):
        assert rules_of(self.days(3, first) + self.days(3, second) + "1:00") == breaches

    def test_what_a_reduced_one_lacks_is_owed_and_paid_en_bloc(self):
        text = self.days(3, "+30:00")
        state, _ = replay(EU, plan(text + "1:00"))
        assert state.owed == ((15 * HOUR, MONDAY + 4 * WEEK_MS),)
        assert replay(EU, plan(text + "1:00 +59:59 1:00"))[0].owed == state.owed
        assert replay(EU, plan(text + "1:00 +60:00 1:00"))[0].owed == ()

    def test_what_is_still_owed_after_three_weeks_is_a_breach(self):
        week = self.days(4, "+60:00")
        found = alerts(self.days(3, "+25:00") + ("4:00 +20:00 " * 4 + "4:00 +50:00 ") * 4 + "4:00")
        assert [(a.rule, a.at_ms >= MONDAY + 4 * WEEK_MS) for a in found] == [
            ("weekly_rest_compensation", True)
        ]
        assert rules_of(self.days(3, "+30:00") + week * 4 + "4:00") == []


class TestLeft:
    def test_before_the_first_drive_everything_is_left(self):
        found = EU.left(EU.start(), MONDAY)
        assert (found.rule, found.minutes) == ("continuous_driving", 270)
        assert found.by_rule["daily_driving"] == 10 * HOUR
        assert found.by_rule["daily_rest"] == 15 * HOUR

    def test_a_break_that_has_become_long_enough_counts(self):
        state, _ = replay(EU, plan("4:00"))
        assert EU.left(state, state.last_end).minutes == 30
        assert EU.left(state, state.last_end + 45 * MIN - 1).minutes == 30
        assert EU.left(state, state.last_end + 45 * MIN).minutes == 270

    def test_the_rule_that_bites_first_is_named(self):
        state, _ = replay(EU, plan("4:30 +45 4:30 +45 0:50"))
        assert (EU.left(state, state.last_end).rule, EU.left(state, state.last_end).minutes) == (
            "daily_driving",
            10,
        )

    def test_without_extensions_nine_hours_are_all(self):
        state = EuState(
            MONDAY, week=MONDAY, extensions=2, day_ms=8 * HOUR, day_start=MONDAY, weekly_rest_end=MONDAY
        )
        assert EU.left(state, MONDAY).by_rule["daily_driving"] == HOUR
        assert EU.left(state, MONDAY + WEEK_MS).by_rule["daily_driving"] == 10 * HOUR


DRIVES = st.lists(st.tuples(st.integers(0, 60 * 24), st.integers(1, 700)), min_size=1, max_size=40)
"""Minutes of standing, and then of driving."""


@st.composite
def drives(draw):
    at, found = MONDAY, []
    for stands, drives_for in draw(DRIVES):
        at += stands * MIN
        found.append(Activity(at, at + drives_for * MIN))
        at += drives_for * MIN
    return found


@PROPERTY
@given(drives(), st.lists(st.integers(0, 40 * 24 * 60 * MIN), max_size=30))
def test_cutting_a_drive_changes_nothing(whole, cuts):
    assert replay(EU, cut_at(whole, cuts)) == replay(EU, whole)


@PROPERTY
@given(drives())
def test_alerts_come_in_order_and_inside_the_activity(whole):
    state = EU.start()
    for activity in whole:
        before = state
        state, found = EU.step(state, activity)
        assert [a.at_ms for a in found] == sorted(a.at_ms for a in found)
        assert all(activity.start_ms <= a.at_ms <= activity.end_ms for a in found if a.kind != POSSIBLE)
        assert all(
            a.value_ms >= a.limit_ms for a in found if a.kind == BREACH and a.rule == "continuous_driving"
        )
        assert before.last_end <= activity.start_ms


@PROPERTY
@given(drives(), st.integers(0, 3 * 24 * 60))
def test_whoever_drives_as_long_as_is_left_breaks_no_rule_and_a_minute_more_does(whole, rest):
    state, _ = replay(EU, whole)
    now = state.last_end + rest * MIN
    left = EU.left(state, now)
    if left.least_ms > 0:
        told = [a for a in EU.step(state, Activity(now, now + left.least_ms))[1] if a.kind == BREACH]
        # Rests that were too short are told when driving begins, however little.
        assert {a.rule for a in told} <= {
            "reduced_daily_rests",
            "reduced_weekly_rests",
            "weekly_rest_compensation",
        }
    # A limit that was broken before is told once only.
    if left.least_ms > 0:
        more = [
            a.rule for a in EU.step(state, Activity(now, now + left.least_ms + MIN))[1] if a.kind == BREACH
        ]
        assert any(rule.startswith(left.rule) for rule in more)


@PROPERTY
@given(drives())
def test_state_survives_its_bytes(whole):
    state, _ = replay(EU, whole)
    assert asdict(from_bytes(EuState, to_bytes(state))) == asdict(state)


def test_state_of_another_version_is_refused():
    with pytest.raises(ValueError, match="version 0"):
        from_bytes(EuState, b"[0]")


def test_activities_must_come_in_order():
    state, _ = replay(EU, plan("1:00"))
    with pytest.raises(ValueError, match="begins before"):
        EU.step(state, Activity(state.last_end - 1, state.last_end + 1))


def test_a_vehicle_class_is_under_its_rules():
    classes = hours_classes()
    assert classes.rules_of("truck").id == "eu_561_2006@1"
    assert classes.rules_of("van_light") is classes.rules_of("unheard-of") is None
    us = hours_classes(("classes.truck=us_fmcsa_property_1",))
    assert us.rules_of("truck").id == "us_fmcsa_property@1"


@pytest.mark.parametrize(
    "override", ["continuous.first_part_s=2000", "daily.extended_s=1", "weekly.limit_s=0"]
)
def test_parameters_that_make_no_sense_are_refused(override):
    with pytest.raises(ParameterError):
        hours("eu_561_2006_1", (override,))
