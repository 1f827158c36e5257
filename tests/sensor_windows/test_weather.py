"""Units, dew point, heat index, and the corrections of one model: the documents' vectors, then properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.quality import quality
from jobs.sensor_windows.comfort import dew_point_c, heat_index_c, heat_index_f
from jobs.sensor_windows.corrections import channels_agree, corrected_pm2_5
from jobs.sensor_windows.units import (
    MOLAR_MASS,
    in_unit_of_standard,
    litres_per_mole,
    to_ppb,
    to_ppm,
    to_ug_m3,
)


@pytest.mark.parametrize(
    ("t", "rh", "expected"), [(25, 60, 16.70), (20, 50, 9.26), (-5, 80, -7.92), (35, 20, 8.70)]
)
def test_dew_point_vectors(t: float, rh: float, expected: float) -> None:
    assert round(dew_point_c(t, rh), 2) == expected


def test_dew_point_has_bounds() -> None:
    found = dew_point_c(np.array([61, -41, 20, 20, 20, np.nan]), np.array([50, 50, 0, -1, 100.1, 50]))
    assert np.isnan(found).all()


@given(st.floats(-40, 60), st.floats(0.1, 100))
def test_dew_point_is_never_above_the_temperature(t: float, rh: float) -> None:
    assert dew_point_c(t, rh) <= t + 1e-9
    assert dew_point_c(t, 100) == pytest.approx(t, abs=1e-9)


@pytest.mark.parametrize(
    ("t", "rh", "expected"),
    [
        (70, 50, 69.05),
        (80, 40, 79.58),
        (90, 70, 105.92),
        (86, 90, 105.39),
        (100, 10, 94.12),
        (95, 55, 108.95),
    ],
)
def test_heat_index_vectors(t: float, rh: float, expected: float) -> None:
    assert round(heat_index_f(t, rh), 2) == expected
    assert heat_index_c((t - 32) / 1.8, rh) == pytest.approx((heat_index_f(t, rh) - 32) / 1.8, abs=1e-9)


@given(st.floats(-40, 130), st.floats(0, 100))
def test_arrays_and_numbers_are_the_same(t: float, rh: float) -> None:
    assert heat_index_f(np.array([t]), np.array([rh]))[0] == heat_index_f(t, rh)
    assert math.isnan(heat_index_f(t, math.nan))


def test_a_mole_of_gas_at_stated_conditions() -> None:
    assert litres_per_mole() == pytest.approx(24.465, abs=5e-4)
    assert litres_per_mole(0) == pytest.approx(22.414, abs=5e-4)
    assert to_ppb("no2", 100.0) == pytest.approx(53.18, abs=0.01)
    assert to_ppb("no2", 100.0, temperature_c=20) == pytest.approx(
        52.29, abs=0.01
    )  # Europe: 1 ppb = 1.9125 µg/m³
    assert to_ppm("co", 10.0) == pytest.approx(8.735, abs=1e-3)
    assert in_unit_of_standard("o3", 137.0, "ppm") == pytest.approx(0.0698, abs=1e-4)
    assert in_unit_of_standard("co", 10.0, "ppm") == pytest.approx(to_ppm("co", 10.0))
    assert in_unit_of_standard("pm2_5", 12.5, "µg/m³") == 12.5


@given(st.sampled_from(sorted(MOLAR_MASS)), st.floats(0, 1e4), st.floats(-40, 60), st.floats(500, 1100))
def test_units_go_there_and_back(gas: str, value: float, t: float, p: float) -> None:
    assert to_ug_m3(gas, to_ppb(gas, value, t, p), t, p) == pytest.approx(value)


def test_purpleair_vectors() -> None:
    assert round(corrected_pm2_5("purpleair_fasm", 400, 60), 2) == 249.85
    assert round(corrected_pm2_5("purpleair_fasm", 50, 60), 2) == 26.59
    assert round(corrected_pm2_5("purpleair_barkjohn", 50, 60), 3) == 26.778
    assert math.isnan(corrected_pm2_5("purpleair_barkjohn", 570, 60))
    assert corrected_pm2_5("purpleair_fasm", 0, 100) == 0
    assert math.isnan(corrected_pm2_5("purpleair_fasm", 50, math.nan))
    assert corrected_pm2_5("purpleair_fasm", 400, math.nan) == pytest.approx(
        249.85
    )  # takes no humidity there


def test_only_purpleair_is_corrected() -> None:
    rules = quality()
    assert {name for name, model in rules.models.items() if model.correction} == {"PurpleAir"}
    assert corrected_pm2_5(None, 50, 60) == 50
    with pytest.raises(ValueError, match="no correction"):
        corrected_pm2_5("linear", 50, 60)


def test_purpleair_channels_must_differ_by_both_to_be_refused() -> None:
    a, b = np.array([10, 10, 2, 100]), np.array([14, 30, 6, 120])
    assert channels_agree(a, b).tolist() == [True, False, True, True]
