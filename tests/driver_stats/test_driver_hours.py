"""A driver's minutes: which of them are driving, and late ones that change what was said."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.hours import hours
from jobs.driver_stats.day_record import DAY_MS, DayRecord, Minutes
from jobs.driver_stats.driver_hours import DriverHours, machine
from jobs.driver_stats.hours import (
    BREACH,
    DRIVING,
    ON_DUTY,
    WARNING,
    Activity,
    Alert,
    activities,
    replay,
    to_bytes,
)
from jobs.driver_stats.hours_eu import EuState

PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

MIN = 60_000
T0 = 1_700_438_400_000  # a Monday, 00:00 UTC
EU, US = machine(hours("eu_561_2006_1")), machine(hours("us_fmcsa_property_1"))

# When the long-haul drive cycle of NREL/fastsim (resources/cycles/longHaulDriveCycle.csv) drives, in seconds: a sample
# covers the second before it, and 1 km/h or more is driving.
LONG_HAUL_S = [
    (0, 185), (1672, 1740), (1742, 1911), (1923, 1972), (2074, 2925), (2977, 17369), (20169, 22892), (22901, 23404),
    (23469, 23500), (23837, 25018), (26054, 30471), (30511, 32415), (32472, 32508), (32519, 32643), (32651, 32666),
    (32686, 38709), (38743, 38865), (39392, 39438), (39442, 39490), (41033, 41049), (41078, 41106), (45255, 45333),
    (45424, 45762), (52840, 52902), (52908, 52962),
]  # fmt: skip
DRIVE, IDLE, NOTHING = (60_000, 0), (0, 60_000), (0, 0)


def by_minute(stretches_s):
    minutes = defaultdict(lambda: [0, 0])
    for start, end in stretches_s:
        for second in range(start, end):
            minutes[T0 + second * 1000 // MIN * MIN][0] += 1000
    return {minute: tuple(sums) for minute, sums in minutes.items()}


def minutes_of(*kinds):
    return {T0 + index * MIN: kind for index, kind in enumerate(kinds) if kind != NOTHING}


@pytest.mark.parametrize("read", ["seconds", "minutes"])
def test_the_long_haul_cycle_has_exactly_one_stretch_over_4_h_30(read):
    if read == "seconds":
        drives = [Activity(T0 + start * 1000, T0 + end * 1000) for start, end in LONG_HAUL_S]
    else:
        drives = list(activities(by_minute(LONG_HAUL_S)))
    breaches = [alert for alert in replay(EU, drives)[1] if alert.kind == BREACH]
    assert [(alert.rule, alert.article) for alert in breaches] == [("continuous_driving", "7")]
    # since the stop of 46 min that ended at 20169 s
    assert 20169 + 16200 < (breaches[0].at_ms - T0) / 1000 < 41106


class TestActivities:
    @pytest.mark.parametrize(
        ("kinds", "found"),
        [
            ([DRIVE, DRIVE], [(0, 2, DRIVING)]),
            ([DRIVE, IDLE, DRIVE], [(0, 3, DRIVING)]),  # a red light
            ([DRIVE, NOTHING, DRIVE], [(0, 3, DRIVING)]),
            ([DRIVE, IDLE, IDLE, DRIVE], [(0, 1, DRIVING), (1, 3, ON_DUTY), (3, 4, DRIVING)]),
            ([IDLE, DRIVE, NOTHING, NOTHING, IDLE], [(0, 1, ON_DUTY), (1, 2, DRIVING), (4, 5, ON_DUTY)]),
            ([(30_000, 30_000), IDLE, NOTHING], [(0, 1, DRIVING), (1, 2, ON_DUTY)]),
            ([(29_999, 0)], []),
            ([(20_000, 10_000)], [(0, 1, ON_DUTY)]),
            ([(90_000, 0)], [(0, 1, DRIVING)]),  # two vehicles at once
            ([DRIVE, NOTHING, (29_000, 0)], [(0, 1, DRIVING)]),
        ],
    )
    def test_a_minute_is_what_fills_half_of_it(self, kinds, found):
        expected = [Activity(T0 + start * MIN, T0 + end * MIN, kind) for start, end, kind in found]
        assert list(activities(minutes_of(*kinds))) == expected
        assert list(activities(minutes_of(*kinds), T0, T0 + 60 * MIN)) == expected


KINDS = st.sampled_from([DRIVE, DRIVE, IDLE, (20_000, 20_000), (31_000, 0)])


class Recorded(list):
    """Parts of minutes over some days: stretches of one kind and of nothing."""

    def __repr__(self):
        return repr([(activity.start_ms, activity.end_ms, activity.kind) for activity in _stretches(self)])


def _stretches(parts):
    return activities({minute: sums for minute, *sums in parts})


@st.composite
def recorded(draw):
    at, parts = draw(st.integers(0, 3000)), Recorded()
    for gap, kind, length in draw(
        st.lists(st.tuples(st.integers(0, 800), KINDS, st.integers(1, 320)), min_size=1, max_size=14)
    ):
        at += gap
        parts += [(T0 + (at + n) * MIN, *kind) for n in range(length)]
        at += length
    return parts


def judged(machine, parts, closed):
    log = DriverHours(machine)
    for part in parts:
        log.add(*part)
    log.judge(closed)
    return log


def standing(log):
    return [alert for _, record in sorted(log.days.items()) for alert in record.alerts]


@pytest.mark.parametrize("machine", [EU, US], ids=lambda machine: machine.rules.id)
@PROPERTY
@given(parts=recorded(), data=st.data())
def test_alerts_that_stand_depend_on_the_minutes_and_not_on_their_order(machine, parts, data):
    closed = max(minute for minute, _, _ in parts) + 2 * MIN
    once = judged(machine, parts, closed)
    assert standing(once) == replay(machine, _stretches(parts))[1]

    late = data.draw(st.integers(0, len(parts)))
    backlog = data.draw(st.integers(0, len(parts) - late))
    live = [*parts[:late], *parts[late + backlog :]]
    asked = sorted(data.draw(st.lists(st.integers(0, len(live)), max_size=6)))
    log, stands = DriverHours(machine), Counter()
    for place, (minute, drive_ms, idle_ms) in enumerate([*live, *parts[late : late + backlog]]):
        log.add(minute, drive_ms // 3, idle_ms)  # in two parts
        log.add(minute, drive_ms - drive_ms // 3, 0)
        if place in asked:
            _follow(stands, log.judge(minute + data.draw(st.integers(-3, 3)) * MIN))
    _follow(stands, log.judge(closed))
    assert standing(log) == standing(once)
    assert stands == Counter(standing(once))
    assert log.left(closed) == once.left(closed)


def _follow(stands, changes):
    assert not Counter(changes.withdrawn) - stands, "what is withdrawn was told"
    stands.subtract(changes.withdrawn)
    stands.update(changes.added)
    for alert in [alert for alert, count in stands.items() if count == 0]:
        del stands[alert]


@PROPERTY
@given(recorded())
def test_minutes_that_are_taken_out_again_leave_nothing(parts):
    closed = max(minute for minute, _, _ in parts) + 2 * MIN
    log = judged(EU, parts, closed)
    told = standing(log)
    for minute, drive_ms, idle_ms in parts:
        log.add(minute, -drive_ms, -idle_ms)
    changes = log.judge(closed)
    assert (Counter(changes.withdrawn), changes.added, standing(log)) == (Counter(told), [], [])


@PROPERTY
@given(recorded(), st.integers(0, 20))
def test_forgotten_days_leave_their_state(parts, days):
    closed = max(minute for minute, _, _ in parts) + 2 * MIN
    log, whole = judged(EU, parts, closed), judged(EU, parts, closed)
    log.forget(T0 + days * DAY_MS)
    assert all(day + DAY_MS > T0 + days * DAY_MS or day + DAY_MS > closed - MIN for day in log.days)
    for each in (log, whole):
        for minute in range(closed, closed + 300 * MIN, MIN):
            each.add(minute, 60_000, 0)
    assert log.judge(closed + 310 * MIN) == whole.judge(closed + 310 * MIN)


@PROPERTY
@given(recorded())
def test_a_day_survives_its_bytes(parts):
    for rules in (EU, US):
        for record in judged(rules, parts, max(minute for minute, _, _ in parts) + 2 * MIN).days.values():
            assert DayRecord.from_bytes(record.to_bytes()) == record


@PROPERTY
@given(recorded(), st.integers(0, 2000), st.sampled_from([EU, US]))
def test_a_restored_driver_goes_on_as_if_nothing_had_been(parts, cut, rules):
    closed = max(minute for minute, _, _ in parts) + 2 * MIN
    going, restored = DriverHours(rules), DriverHours(rules)
    for place, part in enumerate(parts):
        going.add(*part)
        restored.add(*part)
        if place == cut:
            assert going.judge(part[0]) == restored.judge(part[0])
            days = {day: DayRecord.from_bytes(record.to_bytes()) for day, record in restored.days.items()}
            restored = DriverHours.from_bytes(rules, restored.head_to_bytes(), days)
    assert going.judge(closed) == restored.judge(closed)
    assert (restored.days, restored.head_to_bytes()) == (going.days, going.head_to_bytes())


def test_a_minute_is_judged_when_the_next_one_is_closed():
    log = DriverHours(EU)
    for minute in range(255):
        log.add(T0 + minute * MIN, 60_000, 0)
    assert log.judge(T0 + 255 * MIN).added == []
    assert [alert.kind for alert in log.judge(T0 + 256 * MIN).added] == [WARNING]
    assert log.left(T0 + 255 * MIN).minutes == 15


def test_a_late_break_withdraws_a_breach():
    """The stop of 45 minutes was no stop: a backlog fills it; and another driver's log-in takes it away again."""
    log = DriverHours(EU)
    for minute in [*range(200), *range(245, 400)]:
        log.add(T0 + minute * MIN, 60_000, 0)
    assert [alert.rule for alert in log.judge(T0 + 500 * MIN).added] == ["break"]
    for minute in range(200, 245):
        log.add(T0 + minute * MIN, 60_000, 0)
    changes = log.judge(T0 + 500 * MIN)
    assert [alert.rule for alert in changes.withdrawn] == ["break"]
    assert [(alert.kind, alert.at_ms - T0) for alert in changes.added] == [
        (WARNING, 255 * MIN),
        (BREACH, 270 * MIN),
    ]
    for minute in range(200, 245):
        log.add(T0 + minute * MIN, -60_000, 0)
    changes = log.judge(T0 + 500 * MIN)
    assert [len(changes.withdrawn), [alert.rule for alert in changes.added]] == [2, ["break"]]


def test_a_day_that_an_earlier_version_stored_is_read() -> None:
    state = ["EuState", to_bytes(EuState(last_end=T0 + 3 * MIN, continuous_ms=2 * MIN)).decode()]
    alerts = [["hours_warning", "continuous_driving", "7", T0, T0, 1, 2]]
    # The order in which minutes came was kept.
    stored = json.dumps([T0 - T0 % DAY_MS, [[2, 60_000, 0], [0, 0, 30_000]], state, alerts]).encode()
    record = DayRecord.from_bytes(stored)
    day = T0 - T0 % DAY_MS
    assert dict(record.minutes) == {day: (0, 30_000), day + 2 * MIN: (60_000, 0)}
    assert record.after == EuState(last_end=T0 + 3 * MIN, continuous_ms=2 * MIN)
    assert record.alerts == [Alert("hours_warning", "continuous_driving", "7", T0, T0, 1, 2)]
    assert DayRecord.from_bytes(record.to_bytes()) == record


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.one_of(st.none(), st.tuples(st.integers(-9, 9), st.integers(0, 9))))
    ),
    st.integers(-2, 32),
    st.integers(-2, 32),
)
def test_minutes_are_a_dict_in_the_order_of_time(
    changes: list[tuple[int, tuple[int, int] | None]], begin: int, end: int
) -> None:
    expected: dict[int, tuple[int, int]] = {}
    minutes = Minutes()
    for index, sums in changes:
        if sums is None:
            assert minutes.pop(T0 + index * MIN, None) == expected.pop(T0 + index * MIN, None)
        else:
            minutes[T0 + index * MIN] = expected[T0 + index * MIN] = sums
    assert list(minutes.items()) == sorted(expected.items())
    assert Minutes(minutes.day, minutes.pack()) == expected
    first, last = T0 + begin * MIN, T0 + end * MIN
    assert minutes.between(first, last) == {at: sums for at, sums in expected.items() if first <= at < last}
