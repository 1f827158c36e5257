"""However the input is cut, ordered, doubled and overtaken by the watermark, the tables are the oracle's."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metrics.harness import T0, Harness, content, defined, expected, sent

DEFINITION = defined(
    fields={
        "v": {
            "aggregates": ["rate", "sum", "mean", "min", "max"],
            "percentiles": [5, 50, 99],
            "accuracy": 0.05,
        },
        "w": {"percentiles": [50], "accuracy": 0, "min": -9, "max": 9, "decimals": 1},
    },
    windows=[{"length": "1m"}, {"length": "6m", "slide": "2m"}, {"length": "1h"}],
    thresholds=[
        {"name": "high", "field": "v", "aggregate": "p50", "above": 3, "event": True},
        {"name": "few", "field": "w", "aggregate": "count", "below": 3, "event": True},
        {"name": "low", "field": "w", "aggregate": "mean", "below": 0, "window": "1m"},
    ],
)


@st.composite
def logs(draw):
    """Messages of two keys, some numbered, with copies, in any order."""
    found = []
    for _ in range(draw(st.integers(1, 8))):
        size = draw(st.integers(1, 6))
        times = sorted(draw(st.lists(st.integers(0, 1200), min_size=size, max_size=size)))
        numbers = st.one_of(st.none(), st.floats(-1e4, 1e4), st.just(-0.0))
        message = sent(
            times,
            draw(st.lists(numbers, min_size=size, max_size=size)),
            id=draw(st.sampled_from("ab")),
            seq=draw(st.one_of(st.none(), st.integers(0, 3))),
        )
        if draw(st.booleans()):
            small = st.one_of(st.none(), st.integers(-90, 90).map(lambda tenths: tenths / 10))
            message["samples"]["w"] = draw(st.lists(small, min_size=size, max_size=size))
        found.append(message)
    numbered = [each for each in unlike(found) if "seq" in each]
    copies = draw(st.lists(st.sampled_from(numbered), max_size=4)) if numbered else []
    return draw(st.permutations(unlike(found) + copies))


def unlike(messages):
    """Without those of another one's number and time but with other content: which of them counts, the log decides."""
    seen = set()
    found = []
    for each in messages:
        identity = each["id"], each.get("seq"), each["samples"]["t"][0]
        if "seq" not in each or identity not in seen:
            found.append(each)
        seen.add(identity)
    return found


def run(log, cuts, watermarks=None, flushes=None):
    harness = Harness(DEFINITION)
    edges = sorted({0, len(log), *(cut for cut in cuts if 0 < cut < len(log))})
    for index, (start, end) in enumerate(pairwise(edges)):
        harness.feed(log[start:end], live=flushes is not None)
        if watermarks:
            harness.advance(T0 + 1000 * watermarks[index % len(watermarks)])
        if flushes and flushes[index % len(flushes)]:
            harness.flush()
    harness.flush()
    harness.advance()
    return harness


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("definitions")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs(), data=st.data())
def test_any_cut_and_order_and_copies_give_the_oracles_tables(folder, log, data):
    cuts = data.draw(st.lists(st.integers(1, 12)))
    tables = run(log, cuts).tables()
    oracle = expected(DEFINITION, log, folder)
    assert tables == {name: oracle[name] for name in tables}
    assert tables == run(data.draw(st.permutations(log)), []).tables()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    log=logs(),
    cuts=st.lists(st.integers(1, 12)),
    watermarks=st.lists(st.integers(0, 4000), min_size=1, max_size=4),
    flushes=st.one_of(st.none(), st.lists(st.booleans(), min_size=1, max_size=3)),
)
def test_late_samples_correct_the_tables_to_the_oracles(folder, log, cuts, watermarks, flushes):
    harness = run(log, cuts, watermarks, flushes)
    assert content(harness.tables()) == content(expected(DEFINITION, log, folder))
    for rows in _finals(harness).values():
        assert [row["revision"] for row in rows] == list(range(len(rows)))


def _finals(harness):
    """The final rows of each window in the order of writing."""
    found = {}
    for name, _, row in harness.writes:
        if name == "metric_window" and row["final"]:
            found.setdefault((row["id"], row["window"], row["window_start"], row["field"]), []).append(row)
    return found


def test_a_long_log_of_busy_keys_gives_the_oracles_tables(folder):
    rng = random.Random(7)
    log = []
    for seq in range(300):
        times = sorted(rng.uniform(10 * seq, 10 * seq + 90) for _ in range(rng.randint(1, 120)))
        message = sent(
            times,
            [rng.choice([None, rng.lognormvariate(2, 3)]) for _ in times],
            id=rng.choice("abc"),
            seq=seq,
        )
        message["samples"]["w"] = [rng.randint(-90, 90) / 10 for _ in times]
        log += [message] * rng.choice([1, 1, 1, 2])
    tables = run(rng.sample(log, len(log)), range(0, 400, 17), [600, 1200, 1800, 2400]).tables()
    assert content(tables) == content(expected(DEFINITION, log, folder))
