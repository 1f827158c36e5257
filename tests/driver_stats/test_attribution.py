"""Who drove depends on the log-ins alone; a late one moves the minutes that it covers, and no other."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.attribution import attribution
from conf.hours import hours
from jobs.driver_stats.attribution import (
    NOBODY,
    Login,
    Minute,
    Stretch,
    affected,
    driver_of,
    forget,
    moves,
    stretches,
    with_login,
)
from jobs.driver_stats.driver_hours import DriverHours, machine
from jobs.driver_stats.layout import ACCUMULATORS, DRIVE_MS, FOLDS
from jobs.driver_stats.windows import WindowSums

PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
RULES = attribution()
SHIFT = attribution(overrides=("holds_s=600",))
T0, MIN = 1_700_438_400_000, 60_000
UNKNOWN = "unknown:v"


def at(minutes, driver, order=0):
    return Login(T0 + round(minutes * MIN), order, driver)


def logins_of(*logins):
    found = ()
    for login in logins:
        found = with_login(found, login)
    return found


def minute(index, drive_ms=60_000):
    sums = [0] * ACCUMULATORS
    sums[DRIVE_MS], sums[FOLDS] = drive_ms, 7
    return Minute(T0 + index * MIN, "fleet", tuple(sums), 50.0 + index)


def drivers(logins, count, rules=RULES):
    return [driver_of(rules, logins, "v", T0 + index * MIN) for index in range(count)]


class TestWhoDrove:
    def test_before_the_first_log_in_nobody_is_known(self):
        assert drivers((), 2) == [UNKNOWN] * 2
        assert drivers(logins_of(at(1, "anna")), 3) == [UNKNOWN, "anna", "anna"]

    def test_a_minute_goes_by_who_is_logged_in_at_its_end(self):
        assert drivers(logins_of(at(0, "anna"), at(1.99, "ben")), 3) == ["anna", "ben", "ben"]
        assert drivers(logins_of(at(0, "anna"), at(2, "ben")), 3) == ["anna", "anna", "ben"]

    def test_two_drivers_in_a_day_and_a_log_out_between(self):
        logins = logins_of(at(0, "anna"), at(2, NOBODY), at(4, "ben"))
        assert drivers(logins, 6) == ["anna", "anna", UNKNOWN, UNKNOWN, "ben", "ben"]

    def test_of_two_at_one_time_the_later_in_the_log_counts(self):
        right, wrong = at(1, "ben", 8), at(1, "anna", 7)
        assert logins_of(wrong, right) == logins_of(right, wrong) == (right,)

    def test_a_log_in_that_nobody_ended_may_expire(self):
        assert drivers(logins_of(at(0, "anna")), 12, SHIFT) == ["anna"] * 10 + [UNKNOWN] * 2
        assert drivers(logins_of(at(0.5, "anna")), 12, SHIFT) == ["anna"] * 10 + [UNKNOWN] * 2

    def test_a_change_of_driver_divides_a_trip(self):
        logins = logins_of(at(-5, "anna"), at(2.5, "ben"), at(4, "ben"), at(6, NOBODY))
        assert list(stretches(RULES, logins, "v", T0 + 500, T0 + 7 * MIN + 3)) == [
            Stretch(T0 + 500, T0 + 2 * MIN, "anna"),
            Stretch(T0 + 2 * MIN, T0 + 6 * MIN, "ben"),
            Stretch(T0 + 6 * MIN, T0 + 7 * MIN + 3, UNKNOWN),
        ]
        assert list(stretches(RULES, (), "v", T0, T0 + 1)) == [Stretch(T0, T0 + 1, UNKNOWN)]


class TestLateLogIn:
    def test_it_moves_the_minutes_it_covers_and_no_other(self):
        before = logins_of(at(0, "anna"), at(6, "carl"))
        after = with_login(before, at(3, "ben"))
        found = list(moves(RULES, "v", before, after, [minute(index) for index in range(9)]))
        assert [((move.minute.start_ms - T0) // MIN, move.from_driver, move.to_driver) for move in found] == [
            (3, "anna", "ben"),
            (4, "anna", "ben"),
            (5, "anna", "ben"),
        ]
        assert affected(after, at(3, "ben")) == (T0 + 3 * MIN, T0 + 6 * MIN)
        assert affected(after, at(6, "carl")) == (T0 + 6 * MIN, None)

    def test_one_that_says_what_was_known_moves_nothing(self):
        before = logins_of(at(0, "anna"))
        assert list(moves(RULES, "v", before, with_login(before, at(3, "anna")), map(minute, range(9)))) == []

    def test_it_takes_from_one_window_and_gives_to_the_other(self):
        (move,) = moves(RULES, "v", (), logins_of(at(0, "anna")), [minute(0)])
        (loser, taken), (winner, given_) = move.parts()
        assert (loser, winner) == (UNKNOWN, "anna")
        window = WindowSums()
        window.add(move.minute.sums, move.minute.max_kmh)
        window.add(taken.sums, taken.max_kmh)
        assert window.is_void
        assert window.corrected
        assert window.sums[FOLDS] == 14, "the corrected row is the newer one"
        assert (given_.sums, given_.max_kmh, math.isnan(taken.max_kmh)) == (move.minute.sums, 50, True)

    def test_hours_of_driving_go_with_it(self):
        """Five hours of one driver are a breach; a late log-in after two of them makes it none."""
        minutes = [minute(index) for index in range(300)]
        log = defaultdict(lambda: DriverHours(machine(hours("eu_561_2006_1"))))
        before = logins_of(at(0, "anna"))
        for each in minutes:
            log["anna"].add(each.start_ms, each.sums[DRIVE_MS], 0)
        assert [alert.kind for alert in log["anna"].judge(T0 + 400 * MIN).added] == [
            "hours_warning",
            "hours_breach",
        ]
        for move in moves(RULES, "v", before, with_login(before, at(120, "ben")), minutes):
            for driver, part in move.parts():
                log[driver].add(part.minute_start, part.sums[DRIVE_MS], 0)
        changes = {driver: log[driver].judge(T0 + 400 * MIN) for driver in ("anna", "ben")}
        assert [alert.kind for alert in changes["anna"].withdrawn] == ["hours_warning", "hours_breach"]
        assert changes["ben"].added == []
        assert log["ben"].left(T0 + 300 * MIN).minutes == 270 - 180


LOGINS = st.lists(
    st.tuples(
        st.integers(-30, 130), st.integers(0, 59_999), st.sampled_from(["anna", "ben", "carl", NOBODY])
    ),
    max_size=10,
).map(lambda drawn: [Login(T0 + m * MIN + ms, order, who) for order, (m, ms, who) in enumerate(drawn)])


@PROPERTY
@given(LOGINS, st.randoms(use_true_random=False), st.sampled_from([RULES, SHIFT]))
def test_the_order_of_arrival_does_not_matter(logins, rng, rules):
    """Log-ins and minutes in any order, each late log-in corrected by moves: as if all had been known at once."""
    expected = drivers(logins_of(*logins), 100, rules)
    arrivals = [*logins, *logins[:2], *map(minute, range(100))]
    rng.shuffle(arrivals)
    known, kept, held = (), {}, defaultdict(lambda: defaultdict(int))
    for arrival in arrivals:
        if isinstance(arrival, Minute):
            kept[arrival.start_ms] = arrival
            held[driver_of(rules, known, "v", arrival.start_ms)][arrival.start_ms] += arrival.sums[DRIVE_MS]
            continue
        after = with_login(known, arrival)
        begin, end = affected(after, arrival)
        near = [kept[start] for start in sorted(kept) if start >= begin and (end is None or start < end)]
        found = list(moves(rules, "v", known, after, near))
        assert found == list(moves(rules, "v", known, after, [kept[start] for start in sorted(kept)]))
        for move in found:
            for driver, part in move.parts():
                held[driver][part.minute_start] += part.sums[DRIVE_MS]
        known = after
    for index, driver in enumerate(expected):
        shares = {who: each[T0 + index * MIN] for who, each in held.items() if each[T0 + index * MIN]}
        assert shares == {driver: 60_000}


@PROPERTY
@given(LOGINS, st.integers(-40 * MIN, 140 * MIN), st.sampled_from([RULES, SHIFT]))
def test_what_is_forgotten_is_not_missed(logins, before, rules):
    known = logins_of(*logins)
    kept = forget(known, T0 + before)
    assert len(kept) <= len(known)
    for ms in range(T0 + before, T0 + 150 * MIN, 17_000):
        assert driver_of(rules, kept, "v", ms) == driver_of(rules, known, "v", ms)


@PROPERTY
@given(LOGINS, st.integers(0, 50 * MIN), st.integers(0, 50 * MIN), st.sampled_from([RULES, SHIFT]))
def test_the_stretches_of_a_trip_are_those_of_its_minutes(logins, start, length, rules):
    known = logins_of(*logins)
    begin, end = T0 + start, T0 + start + length
    found = list(stretches(rules, known, "v", begin, end))
    assert (found == []) == (length == 0)
    assert [a.end_ms for a in found[:-1]] == [b.start_ms for b in found[1:]]
    assert all(a.driver_id != b.driver_id for a, b in pairwise(found))
    for ms in range(begin, end, 9_999):
        (driver,) = [each.driver_id for each in found if each.start_ms <= ms < each.end_ms]
        assert driver == driver_of(rules, known, "v", ms)


def test_parameters_name_their_version():
    assert (RULES.id, SHIFT.id, RULES.params_hash == SHIFT.params_hash) == (
        "attribution@1",
        "attribution@1",
        False,
    )


@pytest.mark.parametrize("override", ["holds_s=-1", "hold_s=1"])
def test_parameters_that_make_no_sense_are_refused(override):
    with pytest.raises(ValueError):
        attribution(overrides=(override,))
