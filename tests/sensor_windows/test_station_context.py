"""What a station's hour was like by all its sensors, and the rows of the terms that fit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.context import text_index
from jobs.sensor_windows.derived import NAMES
from jobs.sensor_windows.groups import Parts, fold
from jobs.sensor_windows.places import geohash, is_south
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.station_context import Condition, StationContext, station_context

START = 1_763_704_800_000
"""2025-11-21T06:00:00Z."""


@pytest.fixture(scope="module")
def context() -> StationContext:
    return station_context(Settings.load())


def hour(*given: Condition) -> Parts[Condition]:
    found: Parts[Condition] = {}
    for each in given:
        fold(found, each)
    return found


def part(
    quantity: str,
    mean: float,
    sensor: str = "s",
    *,
    changes: int = 24,
    south: bool = False,
    surroundings: str = "",
) -> Condition:
    return Condition(START, NAMES.index(quantity), 24, changes, mean, sensor, south, surroundings)


FOG = (part("temperature", 4.0, "w"), part("humidity", 98.0, "w"), part("dew_point", 3.7, "w"))


def test_an_hour_is_like_what_all_sensors_of_the_station_say(context: StationContext) -> None:
    dust = part("pm2_5", 40.0, "d", surroundings="London, a street in the City")
    assert context.conditions(hour(*FOG, dust)) == {
        "season:autumn",
        "weather:fog",
        "weather:damp",
        "pollutant:particulates",
        "place:town",
    }
    assert context.conditions(hour(part("o3", 20.0, south=True))) == {"season:spring"}


def test_of_several_sensors_the_median_counts_and_a_corrected_mean_before_a_raw_one(
    context: StationContext,
) -> None:
    def polluted(*parts: Condition) -> bool:
        return "pollutant:particulates" in context.conditions(hour(*parts))

    clean, clean_too, dirty = part("pm2_5", 5.0, "a"), part("pm2_5", 6.0, "b"), part("pm2_5", 400.0, "c")
    assert polluted(dirty)
    assert not polluted(clean, clean_too, dirty)
    assert not polluted(dirty, part("pm2_5_corrected", 6.0, "c"))
    assert not polluted(part("pm2_5", math.nan))


def test_rows_have_the_best_term_first_each_with_its_passage(context: StationContext) -> None:
    writes = list(context.rows(hour(*FOG, part("pm10", 200.0, "d")), 0))
    assert [each.columns["rank"] for each in writes] == [1, 2, 3, 4, 5]
    best = writes[0].columns
    assert best["source"].startswith("Charles Dickens, Bleak House")
    assert best["term"] in " ".join(best["passage"].lower().replace("-", " ").split())
    assert best["conditions"] == "pollutant:particulates,season:autumn,weather:damp,weather:fog"
    assert set(best["about"].split(",")) <= set(best["conditions"].split(","))
    assert best["n_samples"] == 4 * 24


def test_an_hour_that_no_term_fits_has_no_row_and_its_former_rows_become_void(
    context: StationContext,
) -> None:
    before = list(context.rows(hour(*FOG), 0))
    dry = part("humidity", 50.0, "w", changes=25)
    assert list(context.rows(hour(*FOG, dry), 0)) == []
    after = list(context.rows(hour(*FOG, dry), len(before)))
    assert [each.columns for each in after] == [
        {"rank": rank, "superseded_by": START} for rank in range(1, len(before) + 1)
    ]
    assert after[0].write_us > before[0].write_us


@settings(deadline=None)
@given(
    given=st.permutations([*FOG, part("humidity", 50.0, "w", changes=3), part("pm2_5", 60.0, "d"), FOG[0]])
)
def test_neither_order_nor_copies_nor_older_parts_matter(
    context: StationContext, given: list[Condition]
) -> None:
    assert list(context.rows(hour(*given), 0)) == list(context.rows(hour(*FOG, part("pm2_5", 60.0, "d")), 0))


def test_without_an_index_there_are_no_terms_and_the_hash_tells_texts_apart() -> None:
    none = station_context(Settings.load(["context.index=''"]))
    assert list(none.rows(hour(*FOG), 0)) == []
    bundled = station_context(Settings.load())
    assert bundled.params_hash != none.params_hash
    assert text_index().sources


def test_a_geohash_tells_the_half_of_the_world() -> None:
    assert [is_south(geohash(lat, lon)) for lat, lon in ((57.1, -2.1), (-33.9, 18.4), (-0.1, -60))] == [
        False,
        True,
        True,
    ]
    assert not is_south("")
