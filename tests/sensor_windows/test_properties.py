"""However the input is cut, ordered, doubled and overtaken by the watermark, the tables are the oracle's."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sensor_windows.harness import T0, Harness, content, expected, sent

SENSORS = {"dust": "SDS011", "weather": "DHT22", "smoke": "PurpleAir", "other": None}
QUANTITIES = {
    "dust": ("pm2_5", "pm10"),
    "weather": ("temperature", "humidity"),
    "smoke": ("pm2_5", "humidity"),
    "other": ("no2", "o3", "co"),
}


@st.composite
def logs(draw):
    """Messages of some sensors, with copies and readings of one time that differ, in any order."""
    found = []
    for _ in range(draw(st.integers(1, 8))):
        sensor = draw(st.sampled_from(sorted(SENSORS)))
        size = draw(st.integers(1, 6))
        steps = st.one_of(st.integers(0, 40).map(lambda n: 150 * n), st.integers(0, 90_000))
        times = sorted(draw(st.lists(steps, min_size=size, max_size=size)))
        values = st.one_of(
            st.none(), st.floats(-1, 45), st.sampled_from([0.0, -0.0, 20.0, 20.1, 999.9, 1999.9, 85.5, 101.0])
        )
        arrays = {
            name: draw(st.lists(values, min_size=size, max_size=size))
            for name in QUANTITIES[sensor]
            if draw(st.integers(0, 3))
        }
        place = draw(st.sampled_from([{}, {"lat": 57.1, "lon": -2.1}, {"lat": 57.2, "lon": -2.1}]))
        found.append(sent(times, sensor=sensor, model=SENSORS[sensor], **place, **arrays))
    return draw(st.permutations(found + draw(st.lists(st.sampled_from(found), max_size=4))))


def run(log, cuts=(), watermarks=None, *, live=False):
    harness = Harness(live=live)
    edges = sorted({0, len(log), *(cut for cut in cuts if 0 < cut < len(log))})
    for index, (start, end) in enumerate(pairwise(edges)):
        harness.feed(log[start:end])
        if watermarks:
            harness.advance(T0 + 1000 * watermarks[index % len(watermarks)])
    harness.advance()
    return harness


@settings(max_examples=60, deadline=None)
@given(log=logs(), data=st.data())
def test_any_cut_and_order_and_copies_give_the_oracles_tables(log, data):
    tables = run(log, data.draw(st.lists(st.integers(1, 12)))).tables()
    assert tables == expected(log)
    assert tables == run(data.draw(st.permutations(log))).tables()


@settings(max_examples=60, deadline=None)
@given(
    log=logs(),
    cuts=st.lists(st.integers(1, 12)),
    watermarks=st.lists(st.integers(0, 200_000), min_size=1, max_size=4),
    live=st.booleans(),
)
def test_late_readings_correct_the_tables_to_the_oracles(log, cuts, watermarks, live):
    harness = run(log, cuts, watermarks, live=live)
    found = harness.tables()
    assert content(found) == content(expected(log))
    for name in ("sensor_5min", "sensor_hour", "sensor_day", "air_quality"):
        for row in found[name].values():
            assert row["final"]
        finals = {}
        for _, row in harness.writes(name):
            if row["final"]:
                finals.setdefault(tuple(row.values())[:4], []).append(row["revision"])
        for revisions in finals.values():
            assert revisions == sorted(set(revisions)), "each correction is a revision of its own"


def test_a_long_log_of_days_in_any_order_gives_the_oracles_tables():
    rng = random.Random(7)
    log = []
    for at in range(0, 3 * 86_400, 1500):
        times = [at + 150 * step for step in range(10)]
        dust = [rng.choice([rng.lognormvariate(2, 1), 999.9, None]) for _ in times]
        log.append(
            sent(times, sensor="dust", pm2_5=dust, pm10=[rng.uniform(0, 300) for _ in times], lat=1, lon=2)
        )
        warm = [20 + rng.choice([0, 0.1, 9]) if at % 80_000 > 60_000 else 20.0 for _ in times]
        log.append(
            sent(
                times,
                sensor="weather",
                model="DHT22",
                temperature=warm,
                humidity=[rng.uniform(1, 99) for _ in times],
            )
        )
    log += rng.sample(log, 20)
    late = rng.sample(log, len(log))
    found = run(late, range(0, 400, 37), [40_000, 90_000, 180_000, 260_000], live=True).tables()
    assert content(found) == content(expected(log))
    assert max(row["revision"] for row in found["sensor_hour"].values()) > 0
    assert {row["qc_flag"] for row in found["sensor_flag"].values()} >= {3, 4}
