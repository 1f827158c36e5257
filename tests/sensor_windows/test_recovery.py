"""What a job has written before it was killed never hides what it writes after it: of each row the newest write counts.

A job that is restored reads the log again from its checkpoint: each sensor's messages in the same order, but cut into
other batches, sensors beside each other otherwise, and with the watermark elsewhere. What it wrote before stays in
Cassandra. Here nothing was kept, the hardest case: all is read again.
"""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.sensor_windows.oracle import oracle_tables
from jobs.sensor_windows.settings import Settings
from schemas.tables import tables
from tests.sensor_windows.groups import Groups
from tests.sensor_windows.harness import OWN, T0, Harness, content, sent

OVERRIDES = ["neighbours.min_count=1"]
HOUR_S = 3600
TABLES = tables("sensor_windows")


class Attempt:
    """A job from its start to its end, which may be sudden: every write of it."""

    def __init__(self, log, cuts=(), watermarks=(), *, ends=True):
        self.harness = Harness(OVERRIDES)
        self.groups = Groups(Settings.load(OVERRIDES))
        self.seen = 0
        self.writes = []
        edges = sorted({0, len(log), *(cut for cut in cuts if 0 < cut < len(log))})
        for index, (start, end) in enumerate(pairwise(edges)):
            self.harness.feed(log[start:end])
            if watermarks:
                self._advance(T0 + 1000 * watermarks[index % len(watermarks)])
        if ends:
            self._advance(2**62)
        for name in set(OWN) - {"sensor_live"}:
            self.writes += [(name, write_us, row) for write_us, row in self.harness.writes(name)]

    def _advance(self, watermark):
        self.harness.advance(watermark)
        rows = self.harness.keys.rows["sensor_hour"]
        for sensor, row in rows[self.seen :]:
            self.groups.take(sensor, row)
        self.seen = len(rows)
        self.writes += self.groups.advance(self.harness.watermark)


def in_cassandra(*attempts):
    """Of each row what has the newest write time; of the same one it does not matter which."""
    keys = {each.name: each.primary_key for each in TABLES}
    found = {name: {} for name in keys if name != "reject"}
    for attempt in attempts:
        for name, write_us, row in attempt.writes:
            key = tuple(row[column] for column in keys[name])
            before = found[name].get(key)
            if before is None or before[0] <= write_us:
                told = {**row, "revision": 0} if "revision" in row else row
                assert before is None or before[0] < write_us or before[1] == told, (name, before[1], told)
                found[name][key] = write_us, told
    return content({name: {key: row for key, (_, row) in rows.items()} for name, rows in found.items()})


def expected(log):
    found = oracle_tables([json.dumps(each).encode() for each in log], OVERRIDES)
    del found["reject"]
    return content(found)


def beside_each_other(draw, log):
    """The same messages, each sensor's in the same order."""
    of_sensor = {}
    for each in log:
        of_sensor.setdefault(each["sensor_id"], []).append(each)
    order = draw(st.permutations([each["sensor_id"] for each in log]))
    nexts = {name: iter(own) for name, own in of_sensor.items()}
    return [next(nexts[name]) for name in order]


@st.composite
def logs(draw):
    """Readings of neighbours in two hours: most in order, some late, twice, or of one time with another value."""
    found = []
    for _ in range(draw(st.integers(1, 10))):
        size = draw(st.integers(1, 8))
        first = draw(st.integers(0, 40))
        values = st.lists(st.sampled_from([1.0, 2.0, 40.0, 300.0, 999.9, None]), min_size=size, max_size=size)
        times = [150 * (first + step) for step in range(size)]
        sensor = draw(st.sampled_from("abc"))
        found.append(sent(times, sensor=sensor, pm2_5=draw(values), pm10=draw(values), lat=57.1, lon=-2.1))
    return found + draw(st.lists(st.sampled_from(found), max_size=3))


CUTS = st.lists(st.integers(1, 12))
WATERMARKS = st.lists(st.sampled_from([0, HOUR_S - 1, HOUR_S, 5000, 2 * HOUR_S]), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(log=logs(), data=st.data())
def test_what_was_written_before_a_crash_hides_nothing_that_is_written_after_it(log, data):
    killed = beside_each_other(data.draw, log)[: data.draw(st.integers(0, len(log)))]
    first = Attempt(killed, data.draw(CUTS), data.draw(WATERMARKS), ends=data.draw(st.booleans()))
    second = Attempt(beside_each_other(data.draw, log), data.draw(CUTS), data.draw(WATERMARKS))
    found, theirs = in_cassandra(first, second), expected(log)
    del theirs["sensor_live"]  # a live job writes it; this one only when its windows close
    differing = [
        (name, key, found[name].get(key), theirs[name].get(key))
        for name in theirs
        for key in found[name].keys() | theirs[name].keys()
        if found[name].get(key) != theirs[name].get(key)
        # A reading that was suspect until a late one came is not cleared by a job that saw both at once.
        and not (name == "sensor_flag" and key not in theirs[name])
    ]
    assert not differing


def test_an_hour_that_was_closed_later_before_the_crash_does_not_hide_its_neighbours_correction():
    """Of a much more was there when its hour was closed first; the late reading of b is in the second run only."""
    hour = [
        sent([150 * step for step in range(24)], sensor=name, pm10=[9.0] * 24, lat=1, lon=2) for name in "ab"
    ]
    more = sent([HOUR_S + 150 * step for step in range(20)], sensor="a", pm10=[9.0] * 20, lat=1, lon=2)
    late = sent([75], sensor="b", pm10=[100.0], lat=1, lon=2)
    before = Attempt([*hour, more], ends=False, watermarks=[HOUR_S])
    after = Attempt([*hour, more, late], [2, 3], [HOUR_S])
    row = {key[-2:]: row for key, row in in_cassandra(before, after)["cell_hour"].items()}
    theirs = {key[-2:]: row for key, row in expected([*hour, more, late])["cell_hour"].items()}
    assert row == theirs
