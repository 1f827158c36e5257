"""Speeding: both conditions, no limit is unknown, episodes of a minute."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.parameters import ParameterError
from conf.speeding import speeding
from jobs.driver_stats import speeding as rules_of
from jobs.driver_stats.layout import ACCUMULATORS, MINOR_MS, SEVERE_UM, UNKNOWN_MS, UNKNOWN_UM
from jobs.driver_stats.speeding import BANDS, MAJOR, MINOR, OK, SEVERE, UNKNOWN

PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
RULES = rules_of.compiled_rules(speeding())
FIXED = rules_of.compiled_rules(speeding(overrides=("limit_kmh=80",)))
NAN = math.nan
UM_PER_KMH_S = 1e9 / 3600


def follow(samples, rules=RULES):
    """Events and sums of samples (t_s, covered_s, km/h, limit), as the kernel is to call it."""
    state = rules_of.no_episode()[0]
    sums, events = np.zeros(ACCUMULATORS, "<i8"), []

    def close():
        if rules_of.is_event(rules, state):
            events.append(
                {
                    "start_s": int(state["speeding_start"]) / 1000,
                    "end_s": int(state["speeding_end"]) / 1000,
                    "severity": BANDS[rules_of.severity_of(rules, state)],
                    "over": float(state["speeding_over_kmh"]),
                    "kmh": float(state["speeding_kmh"]),
                    "limit": float(state["speeding_limit_kmh"]),
                    "lat": float(state["speeding_lat"]),
                    "samples": int(state["speeding_samples"]),
                }
            )
        rules_of.clear_episode(state)

    for t, covered, speed, of_sample in samples:
        ms = round(covered * 1000)
        um = round(speed * covered * UM_PER_KMH_S) if speed == speed else 0
        limit = rules_of.limit_kmh(rules, of_sample, NAN)
        band = rules_of.band_of(rules, speed, limit)
        rules_of.add_span(sums, band, ms, um)
        if rules_of.ends_episode(state, ms, band):
            close()
        rules_of.extend_episode(state, round(t * 1000), ms, um, band, speed, limit, float(t), NAN)
    close()
    by_band = np.zeros((2, len(BANDS)), "<i8")
    by_band[:, MINOR:UNKNOWN] = sums[MINOR_MS : SEVERE_UM + 1].reshape(2, -1)
    by_band[:, UNKNOWN] = sums[[UNKNOWN_MS, UNKNOWN_UM]]
    return events, by_band


def hertz(*stretches, start=0):
    """Samples a second apart: stretches of (seconds, km/h, limit)."""
    found, t = [], start
    for seconds, speed, limit in stretches:
        for _ in range(seconds):
            t += 1
            found.append((t, 1, speed, limit))
    return found


@pytest.mark.parametrize(
    ("speed", "limit", "band"),
    [
        (50, 50, OK), (56.4, 50, OK), (56.5, 50, MINOR),        # 6.4 km/h, 12 % would be 56
        (106.5, 100, OK), (112, 100, OK), (112.1, 100, MINOR),  # 12 %, 6.4 km/h would be 106.4
        (66.1, 50, MINOR), (66.2, 50, MAJOR),                   # 16.1 km/h, 25 % would be 62.5
        (125, 100, MINOR), (125.1, 100, MAJOR),                 # 25 %
        (80.6, 50, MAJOR), (80.7, 50, SEVERE),                  # 30.6 km/h
        (140, 100, MAJOR), (140.1, 100, SEVERE),                # 40 %
        (36.5, 30, MINOR), (36.4, 30, OK),
        (50, NAN, UNKNOWN), (NAN, 50, UNKNOWN), (250, 130, SEVERE), (250.1, 130, UNKNOWN),
        (0, 50, OK), (0, NAN, UNKNOWN),
    ],
)  # fmt: skip
def test_both_conditions_must_hold(speed, limit, band):
    assert BANDS[rules_of.band_of(RULES, speed, limit)] == BANDS[band]


@pytest.mark.parametrize(
    ("rules", "of_sample", "of_road", "limit"),
    [
        (RULES, 50, 70, 50), (RULES, NAN, 70, 70), (RULES, NAN, NAN, NAN), (RULES, 0, 70, 70), (RULES, -1, 0, NAN),
        (FIXED, 50, 70, 50), (FIXED, NAN, 70, 80), (FIXED, NAN, NAN, 80), (FIXED, 0, NAN, 80),
    ],
)  # fmt: skip
def test_the_limit_is_the_samples_else_the_fixed_one_else_the_roads(rules, of_sample, of_road, limit):
    assert rules_of.limit_kmh(rules, of_sample, of_road) == pytest.approx(limit, nan_ok=True)


class TestEpisodes:
    @pytest.mark.parametrize(("seconds", "count"), [(59, 0), (60, 1), (61, 1)])
    def test_an_event_lasts_a_minute_at_least(self, seconds, count):
        events, sums = follow(hertz((10, 50, 50), (seconds, 60, 50), (10, 50, 50)))
        assert len(events) == count
        assert sums[0, MINOR] == seconds * 1000  # what is too short for an event counts all the same

    def test_it_says_from_when_to_when_how_bad_and_where(self):
        ((event), _) = follow(hertz((10, 50, 50), (70, 60, 50), (5, 70, 50), (30, 60, 50), (9, 50, 50)))
        assert event == [
            {
                "start_s": 10, "end_s": 115, "severity": "minor", "over": 20, "kmh": 70, "limit": 50,
                "lat": 81, "samples": 105,
            }
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("stretches", "severity"),
        [
            ([(60, 82, 50)], "severe"),
            ([(59, 82, 50), (10, 70, 50)], "major"),
            ([(59, 82, 50), (10, 60, 50)], "minor"),
            ([(30, 82, 50), (10, 60, 50), (30, 82, 50)], "severe"),
            ([(40, 70, 50), (20, 82, 50), (40, 60, 50)], "major"),
        ],
    )
    def test_its_severity_is_what_it_was_for_a_minute(self, stretches, severity):
        (event,), _ = follow(hertz(*stretches))
        assert event["severity"] == severity

    @pytest.mark.parametrize("between", [(50, 50), (60, NAN), (NAN, 50), (300, 50)], ids=str)
    def test_ok_and_unknown_end_one(self, between):
        assert follow(hertz((40, 60, 50), (1, *between), (40, 60, 50)))[0] == []
        assert len(follow(hertz((60, 60, 50), (1, *between), (60, 60, 50)))[0]) == 2

    def test_a_gap_ends_one(self):
        """After a gap a sample covers nothing, and the next one begins at it."""
        before, after = hertz((60, 60, 50)), hertz((61, 60, 50), start=500)
        after[0] = (501, 0, 60, 50)
        events, sums = follow(before + after)
        assert [(event["start_s"], event["end_s"]) for event in events] == [(0, 60), (501, 561)]
        assert sums[0, MINOR] == 120_000

    def test_a_change_of_limit_is_followed(self):
        """The same speed: ok, then over a lower limit; the peak is the greatest excess, not the highest speed."""
        (event,), _ = follow(hertz((100, 100, 100), (40, 90, 80), (30, 80, 50)))
        assert (event["start_s"], event["over"], event["kmh"], event["limit"]) == (100, 30, 80, 50)

    def test_one_sample_may_cover_all_of_it(self):
        (event,), _ = follow([(0, 0, 60, 50), (60, 60, 60, 50)])
        assert (event["start_s"], event["end_s"], event["samples"]) == (0, 60, 1)


STRETCHES = st.lists(
    st.tuples(
        st.integers(1, 90),
        st.sampled_from([0, 50, 57, 70, 82, 120, 260, NAN]),
        st.sampled_from([30, 50, 50, 50, 100, NAN]),
    ),
    min_size=1,
    max_size=12,
)


@PROPERTY
@given(STRETCHES)
def test_all_driving_time_is_in_one_band(stretches):
    samples = hertz(*stretches)
    _, sums = follow(samples)
    bands = [rules_of.band_of(RULES, speed, limit) for _, _, speed, limit in samples]
    apart = [each for each, band in zip(samples, bands, strict=True) if band != OK]
    assert sums[0].sum() == len(apart) * 1000
    assert sums[1].sum() == sum(round(speed * UM_PER_KMH_S) for _, _, speed, _ in apart if speed == speed)


@PROPERTY
@given(STRETCHES)
def test_events_are_the_runs_of_a_minute(stretches):
    samples = hertz(*stretches)
    runs, at = [], 0
    for speeding_now, run in groupby(
        samples, lambda s: MINOR <= rules_of.band_of(RULES, s[2], s[3]) <= SEVERE
    ):
        length = len(list(run))
        if speeding_now and length >= 60:
            runs.append((at, at + length))
        at += length
    assert [(event["start_s"], event["end_s"]) for event in follow(samples)[0]] == runs


@PROPERTY
@given(STRETCHES)
def test_no_limit_is_never_ok(stretches):
    _, sums = follow(hertz(*((seconds, speed, NAN) for seconds, speed, _ in stretches)))
    assert sums[0, :UNKNOWN].sum() == 0


@pytest.mark.parametrize(
    "override", ["bands.major.over_kmh=5", "limit_kmh=0", "max_kmh=-1", "bands.minor.over=1"]
)
def test_parameters_that_make_no_sense_are_refused(override):
    with pytest.raises(ParameterError):
        speeding(overrides=(override,))
