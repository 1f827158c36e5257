"""Where minutes belong in their fleet's zone, and that parts are cut where hours are."""

from __future__ import annotations

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.local_time import LocalTime
from jobs.driver_stats.fleet_time import DAY_MS, Cuts, FleetTime, hour_date, hour_start, monday
from jobs.driver_stats.local_time import HOUR_MS, day_of, hour_of, week_of
from jobs.driver_stats.windows import day_text
from tests.driver_stats.test_local_time import PROPERTY, ZONES, at, near_changes

MINUTE_MS = 60_000


def fleet_time(zone: str = "UTC", **fleets: str) -> FleetTime:
    return FleetTime(LocalTime(version=1, zone=zone, fleets=fleets, rolling_days=28))


FLEETS = fleet_time(**{f"f{index}": zone for index, zone in enumerate(ZONES)})
CUTS = FLEETS.cuts()


@PROPERTY
@given(st.data())
def test_a_minute_is_in_the_hour_and_day_of_its_fleets_zone(data: st.DataObject) -> None:
    zone, ms = data.draw(near_changes())
    place = FLEETS.place(ms, f"f{ZONES.index(zone)}")
    hour, day, week = hour_of(ms, zone), day_of(ms, zone), week_of(ms, zone)
    assert (hour_start(place.hour), place.hour_end) == hour
    assert day_text(hour_date(place.hour)) == str(day_of(hour.start_ms, zone).date)
    assert (day_text(place.date), place.day_end) == (str(day.date), day.end_ms)
    assert day_text(monday(place.date)) == str(week.date)
    assert FLEETS.week_end(monday(place.date), f"f{ZONES.index(zone)}") == week.end_ms


@PROPERTY
@given(st.data())
def test_what_ends_is_found_again_by_its_end(data: st.DataObject) -> None:
    zone, ms = data.draw(near_changes())
    place = FLEETS.place(ms, f"f{ZONES.index(zone)}")
    assert place.hour in FLEETS.hours_ending(place.hour_end)
    assert place.hour_end <= FLEETS.hour_end(place.hour)
    assert place.date in FLEETS.days_ending(place.day_end)
    assert FLEETS.day_end(place.date, f"f{ZONES.index(zone)}") == place.day_end


@PROPERTY
@given(st.data())
def test_a_part_has_no_minutes_of_two_hours(data: st.DataObject) -> None:
    zone, ms = data.draw(near_changes())
    first = ms - ms % MINUTE_MS
    second = first + data.draw(st.integers(0, 59)) * MINUTE_MS
    fleet = f"f{ZONES.index(zone)}"
    in_one_part = first // CUTS.every_ms == second // CUTS.every_ms and (
        bisect_right(CUTS.at_ms, first) == bisect_right(CUTS.at_ms, second)
    )
    if in_one_part:
        assert FLEETS.place(first, fleet).hour == FLEETS.place(second, fleet).hour


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [
        ("UTC", 60),
        ("Europe/Berlin", 60),
        ("Asia/Kolkata", 30),
        ("Asia/Kathmandu", 15),
        ("Australia/Lord_Howe", 30),
    ],
)
def test_parts_are_cut_only_as_finely_as_a_zone_asks(zone: str, minutes: int) -> None:
    assert fleet_time(zone).cuts() == Cuts(minutes * MINUTE_MS, ())


def test_a_zone_that_changed_at_one_minute_past_midnight_cuts_there_too() -> None:
    change = at("America/St_Johns", 2010, 3, 14, 0, 1)
    assert change in fleet_time("America/St_Johns").cuts().at_ms


def test_two_fleets_share_an_hour_if_its_row_would_be_the_same() -> None:
    fleets = fleet_time(berlin="Europe/Berlin", paris="Europe/Paris", chicago="America/Chicago")
    ms = at("Europe/Berlin", 2026, 6, 1, 14, 20)
    assert fleets.place(ms, "berlin") == fleets.place(ms, "paris")
    assert fleets.place(ms, "berlin").hour == fleets.place(ms, "chicago").hour == fleets.place(ms, "x").hour
    night = at("Europe/Berlin", 2026, 6, 1, 0, 20)
    assert fleets.place(night, "berlin").hour - fleets.place(night, "chicago").hour == 1
    assert fleets.place(night, "berlin").date - fleets.place(night, "chicago").date == DAY_MS
    assert fleets.place(night, "berlin").hour_end == hour_of(night, "UTC").start_ms + HOUR_MS
