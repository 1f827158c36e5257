"""The score: published examples, exact terms, counts and kilometres in place of means of scores."""

from __future__ import annotations

import random
from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.parameters import ParameterError
from conf.score import additive, weighted
from jobs.driver_stats.layout import NONE
from jobs.driver_stats.score import Tally, additive_per_100km, band, counts_for_score, score, weighted_percent

PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

KM, MIN = 10**9, 60_000
ADDITIVE, PERCENT, SAMSARA = additive(), weighted(), additive("score_samsara_1")
TALLIES = st.builds(
    Tally,
    distance_um=st.integers(0, 5000 * KM),
    drive_ms=st.integers(0, 10**9),
    **{each.name: st.integers(0, 1000 if "ms" not in each.name else 10**8) for each in fields(Tally)[2:]},
)


def test_samsaras_worked_example_gives_66_49_under_its_own_weights_and_units():
    """5 harsh events, 247 miles, 69 of 520 minutes over the limit; their page prints 67."""
    example = Tally(round(247 * 1.609344 * KM), 520 * MIN, harsh_brake=5, major_ms=69 * MIN)
    found = additive_per_100km(SAMSARA, example)
    assert found.score == pytest.approx(66.49, abs=0.005)
    assert found.score == pytest.approx(100 - 1000 * 5 / 247 - 100 * 69 / 520, abs=1e-6)
    assert round(found.score) == 66  # 67 on their page


def test_additive_by_hand():
    tally = Tally(100 * KM, 3_600_000, 400_000, 1, 2, 0, minor_ms=36_000, severe_ms=72_000)
    found = additive_per_100km(ADDITIVE, tally)
    assert found.terms == pytest.approx(
        {
            "event_harsh_accel": 16.0934,
            "event_harsh_brake": 32.1868,
            "event_harsh_corner": 0,
            "speeding_minor": 1,
            "speeding_major": 0,
            "speeding_severe": 2,
            "idle": 0,
        },
        abs=1e-6,
    )
    assert (found.score, found.band) == (pytest.approx(48.7198, abs=1e-6), "high")
    assert found.columns() == {
        "score": found.score,
        "score_unclamped": found.unclamped,
        "score_band": "high",
        "score_state": "ok",
        "penalty_events": pytest.approx(48.2802, abs=1e-6),
        "penalty_speeding": pytest.approx(3, abs=1e-6),
        "penalty_idle": 0,
        "formula": "additive_per_100km@1",
        "params_hash": ADDITIVE.params_hash,
    }


def test_idling_costs_where_a_fleet_wants_it():
    rules = additive(overrides=("idle_weight=0.5",))
    assert additive_per_100km(rules, Tally(20 * KM, 300_000, 100_000)).penalty_idle == 12.5


@pytest.mark.parametrize("rules", [ADDITIVE, PERCENT], ids=lambda rules: rules.id)
@PROPERTY
@given(tally=TALLIES)
def test_the_terms_add_up_to_100_minus_the_unclamped_score_exactly(rules, tally):
    found = score(rules, tally)
    if tally.distance_um < 10 * KM:
        assert (found.state, found.score, found.band) == ("insufficient_distance", None, None)
        assert (found.penalty_events, dict(found.terms)) == (None, {})
        return
    terms = list(found.terms.values())
    random.Random(0).shuffle(terms)
    assert 100 - sum(terms) == found.unclamped  # floats, any order, no tolerance
    assert 100 - (found.penalty_events + found.penalty_speeding + found.penalty_idle) == found.unclamped
    assert found.score == min(max(found.unclamped, 0), 100)
    assert all(term >= 0 for term in terms)


@pytest.mark.parametrize(("um", "state"), [(10 * KM - 1, "insufficient_distance"), (10 * KM, "ok")])
def test_below_ten_kilometres_there_is_no_score(um, state):
    assert score(ADDITIVE, Tally(um, 600_000)).state == score(PERCENT, Tally(um, 600_000)).state == state


def test_without_any_distance_samsaras_rules_give_none_either():
    assert score(SAMSARA, Tally(0, 600_000)).state == "insufficient_distance"


@PROPERTY
@given(st.lists(TALLIES, min_size=1, max_size=6), st.randoms())
def test_a_window_is_scored_from_its_sums_in_any_order(parts, rng):
    total = sum(parts, Tally())
    rng.shuffle(parts)
    assert score(ADDITIVE, sum(parts, Tally())) == score(ADDITIVE, total)


def test_a_score_of_sums_is_no_mean_of_scores():
    short, long = Tally(10 * KM, 600_000, harsh_brake=1), Tally(990 * KM, 36_000_000)
    both = score(ADDITIVE, short + long)
    assert score(ADDITIVE, short).score == 0
    assert both.score == pytest.approx(100 - 1.60934, abs=1e-6)


@PROPERTY
@given(TALLIES, st.sampled_from([each.name for each in fields(Tally)[3:]]))
def test_more_of_what_is_penalised_never_improves_a_score(tally, name):
    more = tally + Tally(**{name: 1})
    for rules in (ADDITIVE, PERCENT):
        if score(rules, tally).state == "ok":
            assert score(rules, more).unclamped <= score(rules, tally).unclamped


@pytest.mark.parametrize(("miles", "lost"), [(50, 12.5), (500, 2.5)])
def test_weighted_ten_violations_in_fifty_miles_are_far_worse_than_in_five_hundred(miles, lost):
    """10 percent of 80 that are measured: at the most 12.5 points; 10 * 1000 / 500 = 20 % of them."""
    found = weighted_percent(PERCENT, Tally(round(miles * 1.60934 * KM), 3_600_000, harsh_brake=10))
    assert dict(found.terms)["event_harsh_brake"] == pytest.approx(lost, abs=1e-6)
    assert found.score == pytest.approx(100 - lost, abs=1e-6)


def test_weighted_loses_everything_at_the_most():
    worst = Tally(20 * KM, 1, 0, 999, 999, 999, 999, speeding_um=20 * KM)
    assert weighted_percent(PERCENT, worst).score == pytest.approx(0, abs=1e-5)
    speeding = weighted_percent(PERCENT, Tally(20 * KM, 1, speeding_um=5 * KM))
    assert speeding.score == pytest.approx(100 - 25 * 0.25, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "risk"),
    [
        (100, "low"),
        (90, "low"),
        (89.99, "mild"),
        (75, "mild"),
        (74.9, "medium"),
        (60, "medium"),
        (59, "high"),
        (0, "high"),
    ],
)
def test_bands_are_geotabs(value, risk):
    assert band(ADDITIVE, value) == band(PERCENT, value) == risk


def counted(starts, deduplicate_ms=60_000):
    kept, last = [], NONE
    for start in starts:
        if counts_for_score(start, last, deduplicate_ms):
            last = start
            kept.append(start)
    return kept


def test_events_within_sixty_seconds_count_once():
    assert counted([0, 1, 59_999, 60_000, 60_001, 119_999, 500_000]) == [0, 60_000, 500_000]
    assert counted([0, 59_000, 118_000, 177_000]) == [0, 118_000]
    assert counted([0, 0, 1], deduplicate_ms=0) == [0, 0, 1]


@PROPERTY
@given(st.lists(st.integers(0, 10**6)).map(sorted))
def test_counted_events_are_a_minute_apart_and_every_other_is_within_one(starts):
    kept = counted(starts)
    assert all(b - a >= 60_000 for a, b in pairwise(kept))
    assert all(any(0 <= start - each < 60_000 for each in kept) for start in starts)


def test_the_hash_says_which_parameters_and_nothing_else():
    assert ADDITIVE.params_hash == additive().params_hash == additive(overrides=("min_km=10.0",)).params_hash
    changed = additive(overrides=("event_weights.harsh_brake=2",))
    assert changed.id == ADDITIVE.id
    assert len({ADDITIVE.params_hash, PERCENT.params_hash, SAMSARA.params_hash, changed.params_hash}) == 4


@pytest.mark.parametrize("override", ["weights.speeding=21", "bands.mild=95", "min_km=-1", "weight=1"])
def test_parameters_that_make_no_sense_are_refused(override):
    with pytest.raises(ParameterError):
        weighted(overrides=(override,))
