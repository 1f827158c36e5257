"""What was written before the job was killed never hides what it writes after it: of each row the newest write counts.

A job that is restored reads both logs again from its checkpoint, beside each other otherwise and with the watermark
elsewhere; what it wrote before stays. Here nothing was kept, the hardest case: all is read again.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import table
from tests.driver_exposure.harness import OWN, content, drive, expected, readings, run
from tests.driver_exposure.test_properties import OVERRIDES, logs

JOB = "driver_exposure"
HERE, THERE = 52.5, 52.9


def in_cassandra(*attempts):
    """Of each row what has the newest write time, void ones left out."""
    found = {name: {} for name in OWN}
    for attempt in attempts:
        for name, write_us, row in attempt.writes:
            key = tuple(row[column] for column in table(JOB, name).primary_key)
            before = found[name].get(key)
            if before is None or before[0] <= write_us:
                told = {**row, "revision": 0}
                assert before is None or before[0] < write_us or before[1] == told, (before[1], told)
                found[name][key] = write_us, told
    return {
        name: {key: row for key, (_, row) in rows.items() if row["superseded_by"] is None}
        for name, rows in found.items()
    }


def hour(sensor, value=10.0, count=24, start_s=0, lat=HERE):
    return readings(start_s, sensor=sensor, lat=lat, pm2_5=[value] * count)


def test_an_hour_that_was_closed_later_before_the_crash_does_not_hide_a_correction_of_its_air():
    """Of a much more was there when the hour was closed first; the late reading of b is in the second run only."""
    way = drive(0, [HERE] * 60)
    begun = [way, hour("a"), hour("b")]
    more, late = hour("a", count=20, start_s=3600), readings(75, sensor="b", pm2_5=[100.0])
    before = run([*begun, more])
    after = run([*begun, late, more], [3, 4], [3600])
    assert in_cassandra(before, after) == expected([*begun, more, late])


def test_the_air_of_a_cell_that_was_left_again_does_not_hide_what_comes_after_the_crash():
    """The minute was first told where it began, where many sensors are; after the crash it is told once, elsewhere."""
    minute = [drive(0, [HERE] * 6, seq=0), drive(30, [THERE] * 6, seq=1)]
    air = [hour(name) for name in "abcdef"]
    before = run([minute[0], *air, minute[1]], [7], [3600])
    late = hour("z", 20.0, lat=THERE)
    after = run([*minute, *air, late])
    found = in_cassandra(before, after)
    assert found == expected([*minute, *air, late])
    (row,) = found["driver_exposure"].values()
    assert row["pm2_5_mean"] == 20.0


def test_a_row_that_stays_as_it_was_has_the_write_time_of_the_newer_air():
    """Both sensors' first correction leaves the median of three as it is: the row is written again all the same."""
    begun = [drive(0, [HERE] * 60), hour("a", 1.0), hour("b", 5.0), hour("c", 9.0)]
    late = readings(75, sensor="a", pm2_5=[1.0])
    harness = run([*begun, late], [4], [3600])
    (first, second) = [each for each in harness.writes if each[0] == JOB]
    assert second[1] > first[1]
    assert {**first[2], "revision": 0} == {**second[2], "revision": 0}
    assert second[2]["revision"] == 0


@settings(max_examples=20, deadline=None)
@given(log=logs(), data=st.data())
def test_what_was_written_before_a_crash_hides_nothing_that_is_written_after_it(log, data):
    messages, copies = log
    # A minute that changes its driver, corrected by late samples, may leave the row of before (README).
    messages = [{**each, "driver_id": "d"} if "vehicle_id" in each else each for each in messages]
    driven = [each for each in messages if "vehicle_id" in each]
    measured = data.draw(st.permutations([each for each in messages if "sensor_id" in each]))
    cuts = st.lists(st.integers(1, 20))
    watermarks = st.lists(st.sampled_from([0, 3599, 3600, 7200, 9000]), min_size=1, max_size=4)

    def attempt(share):
        halves = data.draw(st.permutations([driven, measured]))
        sent = [*halves[0], *halves[1], *copies][:share]
        return run(sent, data.draw(cuts), data.draw(watermarks), overrides=OVERRIDES)

    first = attempt(data.draw(st.integers(0, len(messages))))
    second = attempt(None)
    assert content(in_cassandra(first, second)) == expected(messages, OVERRIDES)
