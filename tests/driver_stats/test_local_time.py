"""Windows in local time follow one another without gap or overlap, whatever the clock does."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.local_time import local_time
from conf.parameters import ParameterError
from jobs.driver_stats.local_time import HOUR_MS, day_of, hour_of, in_rolling, rolling, week_of
from jobs.driver_stats.windows import day_start, day_text, hour_start

PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ZONES = [
    "UTC", "Europe/Berlin", "America/Chicago", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana",
    "Africa/Cairo", "Asia/Beirut", "America/Sao_Paulo", "Pacific/Apia", "America/St_Johns", "Asia/Kathmandu",
]  # fmt: skip
TIMES = st.integers(946_684_800_000, 4_102_444_799_999)  # 2000 to 2099, as messages may have


def at(zone, *when, fold=0):
    return int(datetime(*when, tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def local(ms, zone):
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone))


@cache
def near_changes():
    """Times around the changes of 2011 to 2026 in every zone, besides times anywhere."""
    edges = []
    for zone in ZONES:
        before = None
        for hour in range(0, 16 * 8766, 12):
            ms = 1_293_840_000_000 + hour * HOUR_MS
            offset = local(ms, zone).utcoffset()
            if before is not None and offset != before:
                edges.append((zone, ms))
            before = offset
    close = st.tuples(st.sampled_from(edges), st.integers(-26 * HOUR_MS, 26 * HOUR_MS)).map(
        lambda drawn: (drawn[0][0], drawn[0][1] + drawn[1])
    )
    return st.one_of(close, st.tuples(st.sampled_from(ZONES), TIMES))


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 11, 21), 24)], ids=str
)
def test_days_of_the_clocks_change_have_23_and_25_hours(day, hours):
    found = day_of(at("Europe/Berlin", *day, 12), "Europe/Berlin")
    assert (found.date, found.end_ms - found.start_ms) == (date(*day), hours * HOUR_MS)
    windows, ms = [], found.start_ms
    while ms < found.end_ms:
        windows.append(hour_of(ms, "Europe/Berlin"))
        ms = windows[-1].end_ms
    assert (len(windows), ms) == (hours, found.end_ms)


def test_an_hour_that_comes_twice_is_two_windows():
    first = hour_of(at("Europe/Berlin", 2026, 10, 25, 2, 30), "Europe/Berlin")
    second = hour_of(at("Europe/Berlin", 2026, 10, 25, 2, 30, fold=1), "Europe/Berlin")
    assert first.end_ms == second.start_ms
    assert local(first.start_ms, "Europe/Berlin").hour == local(second.start_ms, "Europe/Berlin").hour == 2


def test_hours_follow_the_local_clock_where_it_is_off_by_half_an_hour():
    found = hour_of(at("Asia/Kolkata", 2026, 5, 1, 9, 45), "Asia/Kolkata")
    assert (local(found.start_ms, "Asia/Kolkata").minute, found.start_ms % HOUR_MS) == (0, HOUR_MS // 2)


def test_a_change_within_an_hour_makes_pieces_of_it():
    """Lord Howe Island, 2026-04-05: at 02:00 the clock goes back to 01:30."""
    zone = "Australia/Lord_Howe"
    change = at(zone, 2026, 4, 5, 1, 30, fold=1)
    assert hour_of(change, zone) == (change, change + HOUR_MS // 2)
    assert hour_of(change - 1, zone) == (change - HOUR_MS, change)
    day = day_of(change, zone)
    assert day.end_ms - day.start_ms == 24.5 * HOUR_MS


def test_a_change_a_minute_after_the_hour_ends_that_hour():
    """St. John's, 2011-03-13: at 00:01 the clock leapt to 01:01."""
    zone = "America/St_Johns"
    midnight = at(zone, 2011, 3, 13)
    assert hour_of(midnight, zone) == (midnight, midnight + 60_000)
    assert hour_of(midnight + 60_000, zone) == (midnight + 60_000, midnight + HOUR_MS)


def test_a_day_that_never_was_has_no_window():
    zone = "Pacific/Apia"
    before = day_of(at(zone, 2011, 12, 29, 12), zone)
    assert (day_of(before.end_ms, zone).date, day_of(before.end_ms - 1, zone).date) == (
        date(2011, 12, 31),
        date(2011, 12, 29),
    )


@PROPERTY
@given(near_changes(), st.sampled_from([hour_of, day_of, week_of]))
def test_windows_follow_one_another_and_hold_their_time(drawn, window_of):
    zone, ms = drawn
    found = window_of(ms, zone)
    assert found.start_ms <= ms < found.end_ms
    assert window_of(found.start_ms, zone) == window_of(found.end_ms - 1, zone) == found
    assert window_of(found.end_ms, zone).start_ms == found.end_ms
    assert window_of(found.start_ms - 1, zone).end_ms == found.start_ms


@PROPERTY
@given(near_changes())
def test_every_hour_lies_in_one_day_and_every_day_in_one_week(drawn):
    zone, ms = drawn
    hour, day, week = hour_of(ms, zone), day_of(ms, zone), week_of(ms, zone)
    assert week.start_ms <= day.start_ms <= hour.start_ms < hour.end_ms <= day.end_ms <= week.end_ms
    assert day.date == local(ms, zone).date()
    assert (week.date.weekday(), week.date <= day.date <= week.date + timedelta(days=6)) == (0, True)


@PROPERTY
@given(TIMES)
def test_utc_is_what_it_was(ms):
    """The windows of the job as it is, so that a fleet in UTC sees no change."""
    assert hour_of(ms, "UTC") == (hour_start(ms), hour_start(ms) + HOUR_MS)
    assert (day_of(ms, "UTC").start_ms, day_of(ms, "UTC").date.isoformat()) == (day_start(ms), day_text(ms))


def test_a_rolling_window_is_28_local_days():
    zone, last = "Europe/Berlin", date(2026, 4, 10)
    span = rolling(last, 28, zone)
    assert span.end_ms - span.start_ms == (28 * 24 - 1) * HOUR_MS  # the clocks changed on 29 March
    assert (local(span.start_ms, zone).date(), span.end_ms) == (
        date(2026, 3, 14),
        day_of(span.end_ms, zone).start_ms,
    )
    by_day = {last: 1, date(2026, 3, 14): 2, date(2026, 3, 13): 4, date(2026, 4, 11): 8}
    assert list(in_rolling(by_day, last, 28)) == [2, 1]


def test_zones_come_from_the_fleet():
    parameters = local_time(("fleets.north=Europe/Oslo", "zone=Europe/Berlin"))
    assert [parameters.zone_of(fleet) for fleet in ("north", "other")] == ["Europe/Oslo", "Europe/Berlin"]


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "../etc/passwd", "Europe"])
def test_a_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(ParameterError, match="time zone"):
        local_time((f"zone={zone!r}",))
