"""The streaming tests of QARTOD are those of ioos_qc, flag by flag, on regular series."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from ioos_qc import qartod
from numpy.typing import NDArray

from conf.quality import Attenuated, FlatLine, Limits, Spike, Thresholds, quality
from jobs.sensor_windows.cleansing import (
    ATTENUATED,
    DEVICE,
    FAIL,
    FLAT,
    GOOD,
    JUDGED,
    MISSING,
    NOT_EVALUATED,
    RANGE,
    RATE,
    SPIKE,
    SUSPECT,
    Rules,
    compiled_rules,
    failed_names,
    flag_of,
    flush,
    judge,
    judged_series,
    state_dtype,
    worst,
)
from jobs.sensor_windows.quantities import QUANTITIES

NAN = math.nan
STEP_S = 150


def rules_of(**tests: Any) -> Rules:
    """Rules with these tests of pm2_5, for all models."""
    base = quality()
    rules = compiled_rules(base.model_copy(update={"limits": {"pm2_5": Limits(**tests)}}))
    return rules._replace(dtype=state_dtype(256))  # one layout: what is compiled depends on it


def times(n: int) -> NDArray[np.int64]:
    return 1_763_701_200_000 + np.arange(n) * STEP_S * 1000


def ours(test: int, x: Sequence[float], **tests: Any) -> list[int]:
    judged = judged_series(rules_of(**tests), "pm2_5", times(len(x)), x)
    assert judged["t"].tolist() == times(len(x)).tolist()
    return [int(flag) for flag in flag_of(judged["flags"], test)]


def seconds(n: int) -> NDArray[np.datetime64]:
    return times(n).astype("datetime64[ms]")


def flags(result: Any) -> list[int]:
    return [int(flag) for flag in result]


# Tenths, as sensors tell them: often the same value again, sometimes none.
value = st.one_of(
    st.integers(0, 30).map(lambda tenths: tenths / 10),
    st.integers(-500, 20000).map(lambda tenths: tenths / 10),
    st.just(NAN),
)
calm = st.one_of(st.integers(0, 6).map(lambda tenths: 20 + tenths / 10), st.just(NAN))
series = st.lists(value, min_size=1, max_size=60)
calm_series = st.lists(calm, min_size=3, max_size=80)
some = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40)


@settings(deadline=None)  # the first call compiles
@given(st.one_of(series, some))
@example([-0.1, 0, 0.4, 0.5, 500, 500.1, 999.9, 1000, NAN])
def test_gross_range(x: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = qartod.gross_range_test(x, (0, 999.9), (0.5, 500))
    assert ours(RANGE, x, fail=(0, 999.9), suspect=(0.5, 500)) == flags(expected)


@settings(deadline=None)  # the first call compiles
@given(st.one_of(series, some), st.sampled_from(["average", "differential"]))
@example([1, 1, 50, 1, NAN, 3, 4], "average")
@example([0, 0.5, 0, 5.5, 0], "average")
@example([0, 0.5, 0, 5.5, 0], "differential")
def test_spike(x: list[float], method: str) -> None:
    expected = qartod.spike_test(x, 0.5, 5.5, method)
    assert ours(SPIKE, x, spike=Spike(suspect=0.5, fail=5.5, method=method)) == flags(expected)  # type: ignore[arg-type]


@settings(deadline=None)  # the first call compiles
@given(st.one_of(series, some))
@example([0, 1.5, 3.5, 18.5, 40])
def test_rate_of_change(x: list[float]) -> None:
    expected = qartod.rate_of_change_test(x, seconds(len(x)), 0.01, 0.1)
    assert ours(RATE, x, rate_per_s=Thresholds(suspect=0.01, fail=0.1)) == flags(expected)


def enough_values(x: list[float], n: int) -> bool:
    """Whether the windows of n rows that end with a value all have 3 or more: a stream's run needs so many."""
    present = [not math.isnan(each) for each in x]
    return all(sum(present[i - n : i + 1]) >= 3 for i in range(n, len(x)) if present[i])


@settings(deadline=None)  # the first call compiles
@given(
    calm_series, st.sampled_from([(2, 4), (3, 9), (5, 5), (12, 30)]), st.sampled_from([0.05, 0.25, 0.45, 3.0])
)
def test_flat_line(x: list[float], steps: tuple[int, int], tolerance: float) -> None:
    assume(all(enough_values(x, n) for n in steps))
    suspect, fail = (n * STEP_S for n in steps)
    expected = qartod.flat_line_test(x, seconds(len(x)), suspect, fail, tolerance)
    rule = FlatLine(tolerance=tolerance, suspect_s=suspect, fail_s=fail)
    assert ours(FLAT, x, flat_line=rule) == flags(expected)


@settings(deadline=None)  # the first call compiles
@given(calm_series, st.integers(1, 20), st.integers(1, 6), st.sampled_from(["std", "range"]))
def test_attenuated_signal(x: list[float], steps: int, least: int, check: str) -> None:
    if check == "range":  # with a missing value it differs by intention
        x = [20 if math.isnan(each) else each for each in x]
    period = steps * STEP_S
    rule = Attenuated(period_s=period, suspect=0.1717, fail=0.0313, check=check, min_obs=least)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = qartod.attenuated_signal_test(
            x, seconds(len(x)), 0.1717, 0.0313, test_period=period, min_obs=least, check_type=check
        )
    assert ours(ATTENUATED, x, attenuated=rule) == flags(expected)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.sampled_from([1, 2, 3, 4, 9]), min_size=1, max_size=6))
def test_the_worst_flag_counts_as_in_ioos(found: list[int]) -> None:
    expected = qartod.qartod_compare([np.array([flag]) for flag in found])
    flag = 0
    for each in found:
        flag = worst(flag, each)
    assert flag == int(expected[0])


EVERYTHING: dict[str, Any] = {
    "fail": (0, 999.9),
    "suspect": (0.5, 500),
    "spike": Spike(suspect=0.55, fail=5.5),
    "rate_per_s": Thresholds(suspect=0.01, fail=0.1),
    "flat_line": FlatLine(tolerance=0.25, suspect_s=600, fail_s=1200),
    "attenuated": Attenuated(period_s=1500, suspect=0.2, fail=0.03, min_obs=3),
}


@settings(deadline=None)  # the first call compiles
@given(series)
def test_the_verdict_is_the_worst_and_names_the_tests_that_failed(x: list[float]) -> None:
    judged = judged_series(rules_of(**EVERYTHING), "pm2_5", times(len(x)), x)
    tests = [RANGE, SPIKE, RATE, FLAT, ATTENUATED]
    each = [flag_of(judged["flags"], test).astype(int) for test in tests]
    assert judged["flag"].tolist() == qartod.qartod_compare(each).tolist()
    failed = [
        sum(1 << test for test, f in zip(tests, row, strict=True) if f in (3, 4))
        for row in zip(*each, strict=True)
    ]
    assert judged["failed"].tolist() == failed
    np.testing.assert_array_equal(judged["x"], np.array(x))  # raw values are kept


@settings(deadline=None)  # the first call compiles
@given(
    # No missing values: a message without any value is not judged, so there the cut into messages matters.
    st.lists(st.tuples(st.integers(1, 8000), value.filter(math.isfinite)), min_size=1, max_size=40),
    st.lists(st.integers(1, 7), min_size=1, max_size=40),
)
def test_any_cut_into_batches_gives_the_same(rows: list[tuple[int, float]], sizes: list[int]) -> None:
    rules = rules_of(**EVERYTHING)
    t = np.cumsum([gap * 1000 for gap, _ in rows])
    x = np.array([each for _, each in rows])
    whole = judged_series(rules, "pm2_5", t, x)
    states, pieces, first, turn = rules.states(2), [], 0, 0
    while first < len(t):
        end = min(first + sizes[turn % len(sizes)], len(t))
        turn += 1
        pieces.append(batch(rules, states, t[first:end], x[first:end]))
        first = end
    rest = np.zeros(len(QUANTITIES) * 2, JUDGED)
    pieces.append(rest[: flush(states, 2**62, rest)])
    found = np.concatenate(pieces)
    found["key"] = 0
    np.testing.assert_array_equal(found, whole)


def batch(
    rules: Rules, states: NDArray[np.void], t: NDArray[np.int64], x: NDArray[np.float64]
) -> NDArray[np.void]:
    """Judges one message of the second of two keys."""
    values = np.full((len(QUANTITIES), len(t)), NAN)
    values[0] = x
    judged = np.zeros(2 * values.size, JUDGED)
    one = np.array([1], np.int32)
    made = judge(
        rules.limits, states, t, values, np.array([len(t)], np.int32), one, np.zeros(1, np.int32), judged
    )
    assert (judged["key"][:made] == 1).all()
    return judged[:made]


def test_a_batch_has_many_keys_quantities_and_models() -> None:
    rules = compiled_rules(quality())
    values = np.full((len(QUANTITIES), 5), NAN)
    values[QUANTITIES.index("pm10")] = [5, 999.9, 6, 999.9, NAN]
    values[QUANTITIES.index("temperature"), 4] = 20
    judged = np.zeros(2 * values.size, JUDGED)
    sds011, other = rules.code_of("SDS011"), rules.code_of("SDS198")
    made = judge(
        rules.limits,
        rules.states(2),
        times(5),
        values,
        np.array([3, 2], np.int32),
        np.array([1, 0], np.int32),
        np.array([sds011, other], np.int32),
        judged,
    )
    found = [
        (row["key"], QUANTITIES[row["quantity"]], row["x"], row["flag"], failed_names(row["failed"]))
        for row in judged[:made]
    ]
    assert found[:4] == [
        (1, "pm10", 5.0, GOOD, ()),
        (1, "pm10", 999.9, FAIL, ("device",)),
        (1, "pm10", 6.0, GOOD, ()),
        (0, "pm10", 999.9, GOOD, ()),  # another model: just the end of its range
    ]
    assert [(row[1], row[3]) for row in found[4:]] == [
        ("pm10", MISSING),
        ("temperature", MISSING),
        ("temperature", GOOD),
    ]


def test_failure_codes_of_the_sds011() -> None:
    rules = compiled_rules(quality())
    judged = judged_series(rules, "pm2_5", times(4), [12, 999.9, 1999.9, 12], model="SDS011")
    assert judged["flag"].tolist() == [GOOD, FAIL, FAIL, GOOD]
    assert [failed_names(mask) for mask in judged["failed"]] == [(), ("device",), ("device", "range"), ()]


def test_a_spike_is_judged_one_row_late_and_the_last_row_when_asked_for() -> None:
    rules = rules_of(fail=(0, 999.9), spike=Spike(suspect=5))
    states = rules.states(2)
    given_out = [
        batch(rules, states, times(4)[i : i + 1], np.array([x])) for i, x in enumerate([1.0, 50, 1, 1])
    ]
    assert [row["t"].tolist() for row in given_out] == [[], [times(1)[0]], [times(2)[1]], [times(3)[2]]]
    assert [int(row["flag"][0]) for row in given_out[1:]] == [GOOD, SUSPECT, SUSPECT]
    rest = np.zeros(2 * len(QUANTITIES), JUDGED)
    assert flush(states, times(4)[3] - 1, rest) == 0
    assert flush(states, times(4)[3], rest) == 1
    assert flag_of(rest[0]["flags"], SPIKE) == NOT_EVALUATED
    assert rest[0]["flag"] == GOOD
    assert flush(states, times(4)[3], rest) == 0


def test_default_rules_find_a_frozen_thermometer() -> None:
    rules = compiled_rules(quality())
    n = 12 * 3600 // STEP_S + 1
    judged = judged_series(rules, "temperature", times(n), [20.0] * n)
    assert judged["flag"].tolist() == [GOOD] * (n - 1) + [SUSPECT]
    assert failed_names(judged["failed"][-1]) == ("flat_line",)
    assert flag_of(judged["flags"][-1], DEVICE) == 0
    assert judged_series(rules, "temperature", times(1), [86])["flag"].tolist() == [FAIL]
    assert judged_series(rules, "humidity", times(3), [0, 100, 100.1])["flag"].tolist() == [GOOD, GOOD, FAIL]


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_quantity_has_a_range(quantity: str) -> None:
    judged = judged_series(compiled_rules(quality()), quantity, times(2), [-1e6, 1e6])
    assert judged["flag"].tolist() == [FAIL, FAIL]
