"""The set of readings: what is put behind it as bytes is what joins it."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.sensor_windows.kernel import DAY_MS, HOUR_MS
from jobs.sensor_windows.series import (
    ABSENT,
    FLIPPED,
    KINDS,
    REPLACED,
    WORDS,
    Origin,
    Series,
    appended,
    hour_name,
    unpacked,
    window_name,
)

VALUES = st.sampled_from([ABSENT, math.nan, 0.0, -0.0, 1.5, 999.9])


def words(readings: list[tuple[int, list[float]]]) -> np.ndarray:
    """As a tail holds them."""
    found = np.zeros((len(readings), WORDS), np.int64)
    for row, (t, values) in zip(found, readings, strict=True):
        row[0] = t
        row[2:] = np.array([*values, *[ABSENT] * 6]).view(np.int64)
    return found


def logs(times: st.SearchStrategy[int]) -> st.SearchStrategy[list[tuple[int, list[float]]]]:
    reading = st.tuples(times, st.lists(VALUES, min_size=3, max_size=3))
    return st.lists(reading, min_size=1, max_size=6)


@settings(deadline=None)
@given(before=logs(st.integers(0, 20)), after=logs(st.integers(0, 60)))
def test_what_is_appended_is_what_joins(before, after):
    series = Series()
    series.number_of(Origin("SDS011", "s", 52.0, 13.0))
    series.join(words(before))
    series.revisions[7] = 1
    data = series.packed()
    found = appended(data, words(after))
    times = [t for t, _ in after]
    of_order = times == sorted(set(times)) and times[0] > max(t for t, _ in before)
    known = {place for _, values in before for place, value in enumerate(values) if value != ABSENT}
    more = {place for _, values in after for place, value in enumerate(values) if value != ABSENT}
    assert (found is not None) == (of_order and more <= known)
    if found is not None:
        joined = unpacked(data)
        assert joined.join(words(after)) == len(after)
        assert joined.packed() == found


def test_the_first_readings_are_not_appended():
    assert appended(b"", words([(1, [1.0] * 3)])) is None
    assert appended(Series().packed(), words([(1, [1.0] * 3)])) is None


def test_with_the_readings_of_a_day_goes_what_was_counted_of_it():
    days = (0, DAY_MS)
    kept = {}
    series = Series()
    series.number_of(Origin("SDS011", "s", 52.0, 13.0))
    series.join(words([(day + 3 * HOUR_MS, [1.0] * 3) for day in days]))
    for day in days:
        counted = [window_name(day + 23 * HOUR_MS, kind) for kind in range(KINDS)]
        counted += [hour_name(day + hour * HOUR_MS, kind) for hour in (0, 23) for kind in (REPLACED, FLIPPED)]
        kept = dict.fromkeys(counted, 1)
        series.revisions.update(kept)
    assert len(series.revisions) == 2 * len(kept)
    series.forget(DAY_MS)
    assert series.revisions == kept
