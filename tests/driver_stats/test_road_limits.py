"""Limits of roads: which one a sample gets, compiled and interpreted, beside the words of the schema."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.reference import Place, ReferenceTable
from jobs.driver_stats import road_limits
from jobs.driver_stats.road_limits import ROAD_LIMITS, RoadLimits
from tests.driver_stats.roads import Message, geohash, limit_at, road_limit

LAT, LON = 52.5170, 13.3888
NAN = math.nan


def samples(*places: tuple[int, float, float, float], own: float = NAN) -> dict[str, np.ndarray]:
    """Columns of samples given as time, latitude, longitude and heading."""
    t, lat, lon, heading = (list(column) for column in zip(*places, strict=True))
    return {
        "t": np.array(t, np.int64),
        "lat": np.array(lat, np.float64),
        "lon": np.array(lon, np.float64),
        "heading": np.array(heading, np.float64),
        "speed_limit": np.full(len(t), own),
    }


def roads(*rows: Message) -> tuple[ReferenceTable, RoadLimits]:
    table = ReferenceTable(ROAD_LIMITS)
    put(table, rows)
    return table, RoadLimits(table)


def put(table: ReferenceTable, rows: Any, first: int = 0) -> None:
    for offset, row in enumerate(rows, first):
        table.put(json.dumps(row).encode(), Place(1, "road_limits-0", offset))


def limits(of: RoadLimits, *places: tuple[int, float, float, float], own: float = NAN) -> list[float | None]:
    return [None if math.isnan(kmh) else kmh for kmh in of.limits(samples(*places, own=own)).tolist()]


def test_a_cell_is_the_geohash_of_its_place() -> None:
    rng = np.random.default_rng(1)
    for lat, lon in [
        (LAT, LON),
        (-33.9, 151.2),
        (89.9999, -179.9999),
        (0.0, 0.0),
        (-90, 180),
        *rng.uniform(-89, 89, (40, 2)),
    ]:
        for characters in (1, 5, 9):
            cell = geohash(float(lat), float(lon), characters)
            _, of = roads(road_limit(cell, 50, 0))
            assert limits(of, (0, lat, lon, NAN)) == [50], (lat, lon, cell)
            assert limits(of, (0, -lat - 1, lon, NAN)) == [None] or characters == 1


def test_the_samples_own_limit_counts_first_and_zero_is_none() -> None:
    _, of = roads(road_limit(geohash(LAT, LON, 7), 50, 0))
    here = (1, LAT, LON, 0.0)
    assert limits(of, here, own=80.0) == [80]
    assert limits(of, here, own=0.0) == [50]
    assert limits(of, (1, LAT + 1, LON, 0.0), own=0.0) == [0], "which the kernel takes for none"


def test_an_empty_table_changes_nothing() -> None:
    _, of = roads()
    columns = samples((1, LAT, LON, 0.0), own=30.0)
    assert of.limits(columns) is columns["speed_limit"]


def test_without_a_place_there_is_no_limit() -> None:
    _, of = roads(road_limit(geohash(LAT, LON, 3), 50, 0))
    assert limits(of, (1, NAN, LON, 0.0), (1, LAT, NAN, 0.0)) == [None, None]


def test_the_longest_cell_counts_and_where_it_knows_nothing_the_next() -> None:
    _, of = roads(
        road_limit(geohash(LAT, LON, 4), 100, 0), road_limit(geohash(LAT, LON, 8), 30, 10, valid_to=20)
    )
    assert limits(of, *((t, LAT, LON, NAN) for t in (-1, 0, 10, 19, 20))) == [None, 100, 30, 30, 100]


@pytest.mark.parametrize(
    ("heading", "kmh"),
    [(350, 80), (0, 80), (10, 80), (11, 60), (90, 60), (200, 50), (349, 50), (NAN, 50), (360, 80)],
)
def test_the_narrowest_direction_counts(heading: float, kmh: float) -> None:
    cell = geohash(LAT, LON, 7)
    _, of = roads(
        road_limit(cell, 50, 0),
        road_limit(cell, 40, 0, heading_from=0, heading_to=360, valid_to=1),
        road_limit(cell, 60, 0, heading_from=0, heading_to=180),
        road_limit(cell, 80, 0, heading_from=350, heading_to=10),
        road_limit(cell, 10, 100, heading_from=350, heading_to=10),
    )
    assert limits(of, (5, LAT, LON, heading)) == [kmh]


def test_a_row_that_comes_later_counts_from_the_next_batch_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where so many have come that all are compiled anew."""
    monkeypatch.setattr(road_limits, "_MOST_RECENT", 3)
    cells = [geohash(LAT + step / 100, LON, 7) for step in range(40)]
    places = [(5, LAT + step / 100, LON, 0.0) for step in range(40)]
    table, of = roads(*(road_limit(cell, 50, 0) for cell in cells))
    assert limits(of, *places) == [50] * 40
    for changed in range(40):
        put(table, [road_limit(cells[changed], 30, 0)], first=100 + changed)
        assert limits(of, *places) == [30] * (changed + 1) + [50] * (39 - changed)


HEADINGS = st.integers(0, 24).map(lambda each: each * 15)
ROWS = st.lists(
    st.builds(
        lambda characters, step, kmh, start, length, version, headings: road_limit(
            geohash(LAT + step * 0.02, LON, characters),
            kmh,
            start,
            valid_to=None if length is None else start + length,
            version=version,
            heading_from=headings[0],
            heading_to=headings[1],
        ),
        st.sampled_from([4, 5, 7]),
        st.integers(0, 2),
        st.none() | st.integers(1, 13).map(lambda each: each * 10),
        st.integers(0, 9),
        st.none() | st.integers(1, 9),
        st.integers(0, 2),
        st.just((None, None)) | st.tuples(HEADINGS, HEADINGS),
    ),
    max_size=14,
)
PLACES = st.lists(
    st.tuples(
        st.integers(-1, 15),
        st.integers(0, 2).map(lambda step: LAT + step * 0.02),
        st.just(LON),
        st.integers(0, 359).map(float) | st.just(NAN),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(rows=ROWS, cut=st.integers(0, 14), places=PLACES)
def test_each_sample_gets_the_limit_that_the_schema_words_say(
    rows: list[Message], cut: int, places: list[tuple[int, float, float, float]]
) -> None:
    table, of = roads(*rows[:cut])
    of.limits(samples(*places))
    put(table, rows[cut:], first=cut)
    expected = [
        limit_at(rows, t, lat, lon, None if math.isnan(heading) else heading)
        for t, lat, lon, heading in places
    ]
    assert limits(of, *places) == expected
