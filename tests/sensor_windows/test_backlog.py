"""When rows come: at once; but in a backlog nobody waits for five minutes of an hour of the past: with the hour."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.sensor_windows.sensor_operator import CROWD_MESSAGES
from jobs.sensor_windows.sums import p95
from tests.sensor_windows.harness import T0, Harness, content, expected, sent

HOUR_MS = 3_600_000


def crowd(minutes: int = 60) -> list[dict]:
    """So many messages that they are a backlog: a minute's reading of several sensors after the other."""
    sensors = CROWD_MESSAGES // minutes + 1
    return [sent([60 * n], sensor=f"s{k}", pm10=[n % 7 + k]) for n in range(minutes) for k in range(sensors)]


def test_in_a_backlog_five_minutes_are_written_with_their_hour():
    log = crowd()
    harness = Harness(live=True)
    harness.feed(log)
    harness.advance(T0 + HOUR_MS - 2)
    assert not harness.writes("sensor_5min")
    harness.advance(T0 + HOUR_MS - 1)
    sensors = len({each["sensor_id"] for each in log})
    assert len(harness.writes("sensor_5min")) == 12 * sensors
    harness.advance()
    assert content(harness.tables()) == content(expected(log))


def test_where_few_messages_come_nothing_waits():
    harness = Harness(live=True)
    for each in crowd()[:20]:
        harness.feed([each])
    harness.advance(T0 + 300_000 - 1)
    assert harness.writes("sensor_5min")


def test_a_live_row_of_a_later_index_is_written_later_however_old_the_hour_is():
    harness = Harness()
    harness.feed([sent([0, 3700, 90_000], pm10=[10.0, 20.0, 30.0])])
    for hour in (1, 2):
        harness.advance(T0 + hour * HOUR_MS - 1)
    (_, first), (_, second) = (write for write in harness.writes("sensor_live"))
    times = [written for written, _ in harness.writes("sensor_live")]
    assert first["index_hour"] != second["index_hour"]
    assert times[0] < times[1]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200))
def test_p95_is_the_value_of_its_rank(values):
    found = p95(np.array(values), len(values))
    assert found == sorted(values)[int(0.95 * (len(values) - 1))]
