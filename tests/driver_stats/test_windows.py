"""Hours and days: sums of integers, in any order."""

from __future__ import annotations

import math
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.driver_stats import layout, windows
from jobs.driver_stats.score import Tally
from jobs.driver_stats.windows import WindowSums

PARTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 10**12), min_size=layout.ACCUMULATORS, max_size=layout.ACCUMULATORS).map(
            tuple
        ),
        st.one_of(st.just(math.nan), st.floats(0, 300)),
    ),
    min_size=1,
    max_size=8,
)


def total(parts):
    sums = WindowSums()
    for part, max_kmh in parts:
        sums.add(part, max_kmh)
    return sums


@given(PARTS, st.randoms())
def test_the_order_of_parts_does_not_matter(parts, random):
    shuffled = random.sample(parts, len(parts))
    assert total(shuffled).to_bytes() == total(parts).to_bytes()


@given(PARTS, st.integers(0, 1000))
def test_sums_survive_flinks_state(parts, finals):
    sums = total(parts)
    sums.finals = finals
    again = WindowSums.from_bytes(sums.to_bytes())
    assert (again.to_bytes(), again.metrics()) == (sums.to_bytes(), sums.metrics())


@given(PARTS, st.lists(st.integers(-5, 5), min_size=layout.ACCUMULATORS, max_size=layout.ACCUMULATORS))
def test_a_part_folded_into_bytes_is_a_part_added(parts, last):
    stored = None
    sums = WindowSums()
    for part, max_kmh in [*parts, (tuple(last), math.nan)]:
        sums.add(part, max_kmh)
        stored = windows.folded(stored, part, max_kmh)
        assert stored == sums.to_bytes()


@given(PARTS)
def test_more_samples_or_being_final_make_a_later_write_time(parts):
    sums = WindowSums()
    before = sums.write_us(1000, final=True)
    for part, max_kmh in parts:
        grown = list(part)
        grown[layout.FOLDS] += 1
        sums.add(grown, max_kmh)
        assert before < sums.write_us(1000, final=False) < sums.write_us(1000, final=True)
        before = sums.write_us(1000, final=True)


def test_a_part_reads_as_the_kernel_wrote_it():
    row = np.zeros(1, layout.PART_ROW)
    row["fleet"][0] = np.frombuffer(b"north".ljust(64, b"\0"), "<u8")
    row["minute_start"] = 1_700_000_040_000
    row["sums"][0] = range(layout.ACCUMULATORS)
    row["max_kmh"] = 88.5
    part = windows.read_part(row.tobytes())
    assert part == windows.Part("north", 1_700_000_040_000, tuple(range(layout.ACCUMULATORS)), 88.5)


def test_metrics_have_their_units():
    sums = WindowSums()
    bands = [40_500, 400_000_000, 10_000, 20_000, 30_000, 1_000_000_000, 2_000_000_000, 3_000_000_000]
    sums.add([10, 12, 3_600_000, 1500, 500, 36_000_000_000, 1, 2, 3, *bands, 1, 1, 1, 2], 90.0)
    assert sums.metrics() == {
        "distance_km": 36.0,
        "drive_s": 3600.0,
        "idle_s": 1.5,
        "stopped_s": 0.5,
        "max_speed_kmh": 90.0,
        "mean_speed_kmh": 36.0,
        "harsh_accel": 1,
        "harsh_brake": 2,
        "harsh_corner": 3,
        "speeding_minor_s": 10.0,
        "speeding_major_s": 20.0,
        "speeding_severe_s": 30.0,
        "speed_limit_unknown_s": 40.5,
        "speeding_minor_km": 1.0,
        "speeding_major_km": 2.0,
        "speeding_severe_km": 3.0,
        "speed_limit_unknown_km": 0.4,
        "n_samples": 10,
    }
    assert WindowSums().metrics()["mean_speed_kmh"] is None
    assert sums.tally() == Tally(
        36_000_000_000, 3_600_000, 1500, 1, 1, 2, 1, 10_000, 20_000, 30_000, 6_000_000_000
    )


def test_windows_of_earlier_versions_are_read():
    """Their driving was of unknown limit, and each of their events counts."""
    old = [10, 12, 3_600_000, 1500, 500, 36_000_000_000, 1, 2, 3]
    for data in (struct.pack("<9qdi", *old, 90.0, 3), struct.pack("<9qdi?", *old, 90.0, 3, False)):
        found = WindowSums.from_bytes(data)
        assert (found.sums[:9], found.max_kmh, found.finals, found.corrected) == (old, 90.0, 3, False)
        assert found.metrics()["speed_limit_unknown_s"] == 3600
        assert (found.tally().harsh_accel, found.tally().harsh_brake, found.tally().harsh_corner) == (1, 2, 3)
        assert windows.folded(data, tuple(found.sums), 0.0) != data


def test_windows_are_in_utc():
    ms = 1_700_000_040_000
    assert windows.day_text(windows.day_start(ms)) == "2023-11-14"
    assert windows.month_text(ms) == "2023-11"
    assert (windows.hour_start(ms) % 3_600_000, ms - windows.hour_start(ms)) == (0, 840_000)
