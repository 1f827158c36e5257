"""Indices: the vectors of the standards' documents, properties, and EPA's own published index."""

import csv
import gzip
import json
import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.air_quality import STANDARDS, Epa, in_force, standard
from jobs.sensor_windows.air_quality import (
    air_quality,
    category_of,
    index_of,
    indices_of,
    indices_of_decimals,
    nowcast,
)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "epa-airdata-aqi"
NONE = math.nan

PM2_5 = [
    (0, 0), (4.5, 25), (9.0, 50), (9.09, 50), (9.1, 51), (12.0, 56), (35.4, 100), (35.49, 100), (35.5, 101),
    (55.4, 150), (55.5, 151), (125.4, 200), (125.5, 201), (150.0, 225), (225.4, 300), (225.5, 301), (300, 449),
    (325.4, 500), (400, 649),
]  # fmt: skip
PM10 = [
    (54, 50), (54.9, 50), (55, 51), (154, 100), (155, 101), (254, 150), (354, 200), (424, 300), (425, 301),
    (604, 500),
]  # fmt: skip
O3 = [(0.054, 50), (0.0545, 50), (0.055, 51), (0.070, 100), (0.105, 200), (0.0874125, 154), (0.2, 300)]
O3_1H = [(0.125, 101), (0.164, 150), (0.204, 200), (0.404, 300), (0.604, 500)]


@pytest.mark.parametrize(
    ("pollutant", "vectors"), [("pm2_5", PM2_5), ("pm10", PM10), ("o3", O3), ("o3_1h", O3_1H)]
)
def test_vectors_of_2024(pollutant: str, vectors: list[tuple[float, int]]) -> None:
    concentrations, expected = zip(*vectors, strict=True)
    assert indices_of("epa-2024", pollutant, np.array(concentrations, float)).tolist() == list(expected)
    decimals = [Decimal(str(value)) for value in concentrations]
    assert indices_of_decimals("epa-2024", pollutant, decimals).tolist() == list(expected)


def test_each_upper_edge_is_the_index_of_its_band() -> None:
    for name in ("epa-2012", "epa-2024"):
        rules = standard(name)
        assert isinstance(rules, Epa)
        for pollutant, scale in rules.pollutants.items():
            found = indices_of_decimals(name, pollutant, list(scale.upper)).tolist()
            assert found == list(scale.edges), (name, pollutant)
            unit = Decimal(1).scaleb(-scale.decimals)
            after = indices_of_decimals(name, pollutant, [value + unit for value in scale.upper[:-1]])
            assert after.tolist() == [edge + 1 for edge in scale.edges[:-1]], (name, pollutant)


def test_the_tables_of_2012_and_2024_differ_in_pm2_5_only() -> None:
    old, new = standard("epa-2012"), standard("epa-2024")
    differing = [name for name in new.pollutants if old.pollutants[name] != new.pollutants[name]]
    assert differing == ["pm2_5"]
    edges = [12.0, 12.1, 35.4, 150.4, 250.4, 350.4, 350.5, 500.4]
    assert indices_of("epa-2012", "pm2_5", np.array(edges)).tolist() == [50, 51, 100, 200, 300, 400, 401, 500]


def test_what_a_table_does_not_define_has_no_index() -> None:
    assert index_of("epa-2024", "o3", 0.201) is None  # the mean of 8 hours says nothing above 300
    assert index_of("epa-2024", "o3_1h", 0.124) is None
    assert index_of("eaqi-2024", "co", 1.0) is None
    assert index_of("epa-2024", "pm2_5", NONE) is None
    assert index_of("epa-2024", "so2", 305) == 201  # of the mean of 24 hours


def test_a_decimal_number_is_cut_however_long_it_is() -> None:
    nearly = [Decimal("9.0" + "9" * 60), Decimal("1e999999"), Decimal("1e-999999")]
    assert indices_of_decimals("epa-2024", "pm2_5", nearly)[::2].tolist() == [50, 0]


def test_below_zero_counts_as_zero() -> None:
    assert [index_of(name, "pm2_5", -1.2) for name in STANDARDS] == [0, 0, 1, 1]


def test_standards_have_their_days() -> None:
    assert in_force(date(2019, 7, 1)) == ("epa-2012", "eaqi-2019")
    assert in_force(date(2024, 5, 5))[0] == "epa-2012"
    assert in_force(date(2024, 5, 6))[0] == "epa-2024"
    assert in_force(date(2026, 1, 1)) == ("epa-2024", "eaqi-2024")


EUROPEAN = {
    "eaqi-2024": {
        "pm2_5": [5, 15, 50, 90, 140],
        "pm10": [15, 45, 120, 195, 270],
        "no2": [10, 25, 60, 100, 150],
        "o3": [60, 100, 120, 160, 180],
        "so2": [20, 40, 125, 190, 275],
    },
    "eaqi-2019": {
        "pm2_5": [10, 20, 25, 50, 75],
        "pm10": [20, 40, 50, 100, 150],
        "no2": [40, 90, 120, 230, 340],
        "o3": [50, 100, 130, 240, 380],
        "so2": [100, 200, 350, 500, 750],
    },
}


@pytest.mark.parametrize("name", sorted(EUROPEAN))
def test_an_upper_edge_belongs_to_the_band_below(name: str) -> None:
    for pollutant, edges in EUROPEAN[name].items():
        at, above = np.array(edges, float), np.nextafter(np.array(edges, float), np.inf)
        assert indices_of(name, pollutant, at).tolist() == [1, 2, 3, 4, 5]
        assert indices_of(name, pollutant, above).tolist() == [2, 3, 4, 5, 6]
        decimals = [Decimal(f"{edge}.{'0' * 40}1") for edge in edges]
        assert indices_of_decimals(name, pollutant, decimals).tolist() == [2, 3, 4, 5, 6]


def test_the_worst_pollutant_is_responsible() -> None:
    found = air_quality("epa-2024", {"pm2_5": 9.1, "o3": 0.0874125, "no2": 20.0, "pm10": NONE})
    assert found is not None
    assert (found.index, found.category, found.responsible) == (154, "Unhealthy", "o3")
    assert (found.pollutants, found.label, found.beyond) == (("pm2_5", "no2", "o3"), "AQI", False)


def test_particulate_matter_alone_is_a_sub_index() -> None:
    for name in STANDARDS:
        found = air_quality(name, {"pm2_5": 3.0, "pm10": 4.0})
        assert found is not None
        assert (found.label, found.pollutants) == ("PM sub-index", ("pm2_5", "pm10"))
    whole = air_quality("eaqi-2024", {"pm2_5": 3.0, "no2": 61.0, "o3": 10.0})
    assert whole is not None
    assert (whole.label, whole.index, whole.category, whole.responsible) == ("EAQI", 4, "Poor", "no2")


def test_beyond_the_scale_the_last_band_goes_on() -> None:
    found = air_quality("epa-2024", {"pm2_5": 400.0})
    assert found is not None
    assert (found.index, found.category, found.beyond) == (649, "Hazardous", True)
    assert air_quality("epa-2024", {}) is None


def test_categories() -> None:
    assert [category_of("epa-2024", index) for index in (50, 51, 300, 301)] == [
        "Good", "Moderate", "Very Unhealthy", "Hazardous",
    ]  # fmt: skip


def by_the_equation(name: str, pollutant: str, text: str) -> int | None:
    """The document's equation, band after band, in fractions."""
    rules = standard(name)
    assert isinstance(rules, Epa)
    scale = rules.pollutants[pollutant]  # type: ignore[index]
    unit = Fraction(1, 10**scale.decimals)
    c = Fraction(text) // unit * unit
    low, index_low = (
        (Fraction(0), 0) if scale.above is None else (Fraction(scale.above[0]) + unit, scale.above[1] + 1)
    )
    if c < low:
        return None
    for upper, edge in zip(scale.upper, scale.edges, strict=True):
        high = Fraction(upper)
        if c <= high or (edge == scale.edges[-1] and scale.open_end):
            return math.floor((edge - index_low) / (high - low) * (c - low) + index_low + Fraction(1, 2))
        low, index_low = high + unit, edge + 1
    return None


@given(
    st.sampled_from(["epa-2012", "epa-2024"]),
    st.sampled_from(["pm2_5", "pm10", "no2", "o3", "o3_1h", "so2", "co"]),
    st.decimals(0, 700, places=5),
    st.integers(0, 3),
)
def test_the_index_is_that_of_the_equation(name: str, pollutant: str, value: Decimal, shift: int) -> None:
    value = value.scaleb(-shift)
    expected = by_the_equation(name, pollutant, str(value))
    found = indices_of_decimals(name, pollutant, [value]).tolist()
    assert found == [-1 if expected is None else expected]
    assert (
        index_of(name, pollutant, float(value)) == expected
    )  # a float counts as the number that is printed for it


@given(
    st.sampled_from(STANDARDS),
    st.sampled_from(["pm2_5", "pm10", "no2"]),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
def test_more_is_never_better(name: str, pollutant: str, one: float, other: float) -> None:
    less, more = indices_of(name, pollutant, np.array(sorted((one, other))))
    assert less <= more


NOWCAST = [
    ([13, 16, 10, 21, 74, 64, 53, 82, 90, 75, 80, 50], 17.4, None),
    ([10] * 12, 10.0, 53),
    ([20, NONE, 20] + [10] * 9, 18.3, 68),
    ([NONE, NONE] + [10] * 5 + [NONE] * 5, NONE, None),
    ([NONE, 12, 14, 16] + [NONE] * 8, 13.6, 59),
    ([60, 55, 50, 45, 40, 38, 36, 34, 33, 32, 31, 30], 55.2, 150),
    ([0] * 12, 0.0, 0),
]


@pytest.mark.parametrize(("hours", "expected", "index"), NOWCAST)
def test_nowcast_vectors(hours: list[float], expected: float, index: int | None) -> None:
    found = float(nowcast(hours))
    if math.isnan(expected):
        assert math.isnan(found)
        assert index_of("epa-2024", "pm2_5", found) is None
        return
    assert math.floor(found * 10 + 1e-9) / 10 == expected
    if index is not None:
        assert index_of("epa-2024", "pm2_5", found) == index


hourly = st.one_of(st.just(NONE), st.floats(0, 1000))


@given(st.lists(hourly, min_size=12, max_size=12))
def test_nowcast_lies_within_its_hours_and_arrays_give_the_same(hours: list[float]) -> None:
    found = float(nowcast(hours))
    rows = nowcast([hours, [1.0] * 12])
    assert rows[1] == 1.0
    assert rows[0] == found or (math.isnan(rows[0]) and math.isnan(found))
    recent = sum(not math.isnan(value) for value in hours[:3])
    assert math.isnan(found) == (recent < 2)
    if recent >= 2:
        present = [value for value in hours if not math.isnan(value)]
        assert min(present) * (1 - 1e-12) <= found <= max(present) * (1 + 1e-12)


def test_nowcast_vectors_of_another_project() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"EPA's published values are not here ({SHARED})")
    for vector in json.loads((SHARED / "nowcast_vectors.json").read_text()):
        hours = [NONE if value is None else value for value in vector["newest_first"]]
        found = float(nowcast(hours))
        pollutant = {"PM25": "pm2_5", "PM10": "pm10"}[vector["pollutant"]]
        if vector["expected_aqi"] is None:
            assert math.isnan(found)
            continue
        assert found == pytest.approx(vector["nowcast"], abs=6e-4)
        expected = (
            56 if "note" in vector else vector["expected_aqi"]
        )  # the origin does not cut the concentration
        assert index_of("epa-2012", pollutant, found) == expected


FILES = {
    "no2_NY2018": ("epa-2012", "no2", 2394),
    "o3_NY2018": ("epa-2012", "o3", 362),
    "pm10_LA2020": ("epa-2012", "pm10", 941),
    "pm10_LA2021": ("epa-2012", "pm10", 988),
    "pm25_2012bp_MD2019": ("epa-2012", "pm2_5", 1611),
    "pm25_2024bp_NY2022": ("epa-2024", "pm2_5", 6776),
}


def published(file: Path) -> Iterator[tuple[str, int]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            (value,) = (cell for name, cell in row.items() if "Concentration" in name)
            (index,) = (
                cell for name, cell in row.items() if name.lower().replace(" ", "_") == "daily_aqi_value"
            )
            if not value.startswith("-"):
                yield value, int(index)


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_row_that_epa_published(name: str) -> None:
    file = SHARED / f"{name}.csv.gz"
    if not file.is_file():
        pytest.skip(f"EPA's published values are not here ({file})")
    table, pollutant, rows = FILES[name]
    values, expected = zip(*published(file), strict=True)
    assert len(values) == rows
    assert indices_of_decimals(table, pollutant, [Decimal(value) for value in values]).tolist() == list(
        expected
    )
    assert indices_of(table, pollutant, np.array(values, float)).tolist() == list(expected)
