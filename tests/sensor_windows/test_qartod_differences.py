"""Where the streaming tests are meant to differ from ioos_qc, one test for each difference that cleansing.py names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ioos_qc import qartod
from numpy.typing import NDArray

from conf.quality import Attenuated, FlatLine, Limits, Spike, Thresholds, quality
from jobs.sensor_windows.cleansing import (
    ATTENUATED,
    FAIL,
    FLAT,
    GOOD,
    NOT_EVALUATED,
    ORDER,
    RANGE,
    RATE,
    SPIKE,
    STEPS,
    SUSPECT,
    Rules,
    compiled_rules,
    flag_of,
    judged_series,
    state_dtype,
)

NAN = math.nan
T0 = 1_763_701_200_000


def rules_of(**tests: Any) -> Rules:
    base = quality()
    rules = compiled_rules(base.model_copy(update={"limits": {"pm2_5": Limits(**tests)}}))
    return rules if rules.dtype["ring_t"].shape != (1,) else rules._replace(dtype=state_dtype(256))


def ours(test: int, t_s: list[float], x: list[float], model: str | None = None, **tests: Any) -> list[int]:
    judged = judged_series(rules_of(**tests), "pm2_5", [T0 + round(t * 1000) for t in t_s], x, model)
    return [int(flag) for flag in flag_of(judged["flags"], test)]


def at(t_s: list[float]) -> NDArray[np.datetime64]:
    return np.array([T0 + round(t * 1000) for t in t_s]).astype("datetime64[ms]")


def test_device_codes_are_no_readings() -> None:
    t, x = [0.0, 150, 300, 450, 600], [10.0, 11, 999.9, 11, 10]
    spike, rate = Spike(suspect=5), Thresholds(suspect=0.1)
    assert qartod.spike_test(x, 5).tolist() == [2, 3, 3, 3, 2]
    assert ours(SPIKE, t, x, "SDS011", fail=(0, 999.9), spike=spike) == [2, 2, 2, 2, 2]
    assert qartod.rate_of_change_test(x, at(t), 0.1).tolist() == [1, 1, 3, 3, 1]
    assert ours(RATE, t, x, "SDS011", fail=(0, 999.9), rate_per_s=rate) == [1, 1, 2, 1, 1]


def test_infinities_are_missing() -> None:
    x = [math.inf, 1.0, -math.inf]
    assert qartod.gross_range_test(x, (0, 5)).tolist() == [4, 1, 4]
    assert ours(RANGE, [0.0, 150, 300], x, fail=(0, 5)) == [9, 1, 9]


def test_gap() -> None:
    """conf/quality_1.yaml: 3 hours."""
    t, x = [0.0, 150, 300, 300 + 10801, 11251, 11401], [1.0, 1, 1, 30, 30, 30]
    assert qartod.spike_test(x, 5).tolist() == [2, 1, 3, 3, 1, 2]
    assert ours(SPIKE, t, x, spike=Spike(suspect=5)) == [2, 1, 2, 2, 1, 2]
    assert ours(RATE, t, x, rate_per_s=Thresholds(suspect=1e-4)) == [1] * 6
    still = [5.0] * 6
    rule = FlatLine(tolerance=0.1, suspect_s=10000)
    assert ours(FLAT, t, still, flat_line=rule) == [1] * 6
    t[3:] = [300 + 10800, 11250, 11400]  # not longer than that
    assert ours(FLAT, t, still, flat_line=rule) == [1, 1, 1, 3, 3, 3]


def test_rate_in_milliseconds() -> None:
    t, x = [0.0, 1.9], [0.0, 1.8]
    assert qartod.rate_of_change_test(x, at(t), 1.0).tolist() == [1, 3]
    assert ours(RATE, t, x, rate_per_s=Thresholds(suspect=1.0)) == [1, 1]


def test_flat_line_by_time() -> None:
    rule = FlatLine(tolerance=0.1, suspect_s=600)
    t, x = [0.0, 100, 200, 300, 3000, 3100, 3200], [5.0] * 7
    # Rows of the median interval, 100 s, are 6 to 600 s; by time, the fourth row after it began was long after that.
    assert qartod.flat_line_test(x, at(t), 600, 10**6, 0.1).tolist() == [1, 1, 1, 1, 1, 1, 3]
    assert ours(FLAT, t, x, flat_line=rule) == [1, 1, 1, 1, 3, 3, 3]
    # 500 s are no multiple of 200 s: ioos_qc is content with 400 s at the beginning of a series.
    t = [200.0 * i for i in range(5)]
    assert qartod.flat_line_test([5.0] * 5, at(t), 500, 10**6, 0.1).tolist() == [1, 1, 3, 3, 3]
    assert ours(FLAT, t, [5.0] * 5, flat_line=FlatLine(tolerance=0.1, suspect_s=500)) == [1, 1, 1, 3, 3]


def test_a_run_has_three_values() -> None:
    t, x = [0.0, 150, 300, 450], [5.0, NAN, NAN, 5]
    assert qartod.flat_line_test(x, at(t), 300, 10**6, 0.1).tolist() == [1, 9, 9, 3]
    assert ours(FLAT, t, x, flat_line=FlatLine(tolerance=0.1, suspect_s=300)) == [1, 9, 9, 1]


def test_flat_line_of_many_steps() -> None:
    """With up to STEPS different values it is exact; with more, values next to each other are taken for one."""
    for n, step in ((STEPS, 0.001), (10 * STEPS, 0.0001)):
        x = [5 + step * i for i in range(n)]
        t = [150.0 * i for i in range(n)]
        rule = FlatLine(tolerance=0.1, suspect_s=600)
        assert ours(FLAT, t, x, flat_line=rule) == [1] * 4 + [3] * (n - 4)


@settings(deadline=None)
@given(st.lists(st.floats(-0.02, 0.05), min_size=3, max_size=200), st.sampled_from([4, 25]))
def test_a_run_of_many_steps_is_never_flat_by_mistake(steps: list[float], rows: int) -> None:
    x = np.cumsum(steps).tolist()
    t = [150.0 * i for i in range(len(x))]
    found = ours(FLAT, t, x, flat_line=FlatLine(tolerance=0.3, suspect_s=rows * 150))
    exact = [
        3 if i >= rows and max(x[i - rows : i + 1]) - min(x[i - rows : i + 1]) < 0.3 else 1
        for i in range(len(x))
    ]
    assert all(flag in (GOOD, true) for flag, true in zip(found, exact, strict=True))
    if rows < STEPS:
        assert found == exact


def test_attenuated_signal_by_period() -> None:
    t, x = [150.0 * i for i in range(6)], [5.0, 5.1, 5, 5.1, 5, 5.1]
    full = Attenuated(period_s=450, suspect=1, fail=0.01, check="range", max_obs=256)
    assert ours(ATTENUATED, t, x, attenuated=full) == [FAIL, 3, 3, 3, 3, 3]
    found = ours(ATTENUATED, t, [5, NAN, 5.1, 5.1, 5, 5], attenuated=full)
    assert found == [FAIL, 9, SUSPECT, FAIL, SUSPECT, SUSPECT]  # ioos_qc: 2 where NAN is in the period
    dense = [0.5 * i for i in range(258)]  # 257 of them within 129 s: one has no room
    crowded = Attenuated(period_s=128.2, suspect=0.5, fail=0.01)
    found = ours(ATTENUATED, dense, [5.0, 7.0] * 129, attenuated=crowded)
    assert found[1:] == [GOOD] * 255 + [NOT_EVALUATED] * 2


def test_order() -> None:
    t, x = [0.0, 150, 100, 150, 300], [1.0, 2, 3000, 4, 2]
    tests: dict[str, Any] = {"fail": (0, 999.9), "rate_per_s": Thresholds(suspect=0.1)}
    judged = judged_series(rules_of(**tests), "pm2_5", [T0 + int(s * 1000) for s in t], x)
    assert judged["x"].tolist() == [1, 2, 3000, 2]  # the copy of the row at 150 is dropped, the first counts
    assert judged["flag"].tolist() == [GOOD, GOOD, FAIL, GOOD]
    late = judged[2]["flags"]
    assert [flag_of(late, test) for test in (RANGE, RATE, ORDER)] == [FAIL, 0, NOT_EVALUATED]
