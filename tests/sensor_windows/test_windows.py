"""Rules of the sensors' windows, each on a few readings."""

from __future__ import annotations

import json

import pytest

from connectors.columnar_runtime import NO_TIMER
from jobs.sensor_windows.groups import fold
from jobs.sensor_windows.neighbours import Mean, rows
from jobs.sensor_windows.places import geohash
from jobs.sensor_windows.settings import Settings
from tests.sensor_windows.harness import T0, Harness, sent

HOUR = 3600


def only(found: dict, name: str, **where) -> dict:
    (row,) = (
        row for row in found[name].values() if all(row[column] == value for column, value in where.items())
    )
    return row


def test_a_failure_code_is_flagged_and_left_out_and_its_value_kept():
    harness = Harness()
    harness.feed([sent([0, 150, 300], pm10=[10, 999.9, 20])])
    harness.advance()
    found = harness.tables()
    hour = only(found, "sensor_hour", quantity="pm10")
    assert (hour["mean"], hour["min"], hour["max"], hour["n_samples"], hour["n_used"]) == (15, 10, 20, 3, 2)
    assert (hour["n_failed"], hour["qc_flag"], hour["qc_tests"]) == (1, 4, "device")
    assert hour["raw_mean"] == pytest.approx((10 + 999.9 + 20) / 3)
    (flag,) = found["sensor_flag"].values()
    assert (flag["value"], flag["qc_flag"], flag["qc_tests"]) == (999.9, 4, "device")


def test_completeness_counts_what_was_used_against_what_the_model_sends():
    harness = Harness()
    harness.feed([sent([150 * n for n in range(12)], pm10=[5] * 12)])
    harness.advance()
    hour = only(harness.tables(), "sensor_hour", quantity="pm10")
    assert (hour["n_expected"], hour["completeness"]) == (24, 0.5)


def test_a_window_is_final_with_the_watermark_and_a_late_reading_makes_a_revision():
    harness = Harness(live=True)
    harness.feed([sent([0], pm10=[10])])
    harness.advance(T0 + 300_000 - 2)
    assert not harness.writes("sensor_5min")
    harness.advance(T0 + 300_000 - 1)
    ((_, row),) = harness.writes("sensor_5min")
    assert (row["mean"], row["final"], row["revision"]) == (10, True, 0)
    ((_, hour),) = harness.writes("sensor_hour")
    assert (hour["mean"], hour["final"]) == (10, False)
    harness.feed([sent([150], pm10=[30])])
    harness.advance(T0 + 300_000)
    row = harness.writes("sensor_5min")[-1][1]
    assert (row["mean"], row["n_samples"], row["revision"]) == (20, 2, 1)


def test_a_copy_changes_nothing_and_is_counted():
    harness = Harness(live=True)
    message = sent([0, 150], pm10=[10, 20])
    harness.feed([message])
    harness.advance(T0 + 300_000)
    written = len(harness.writes("sensor_5min"))
    harness.feed([message, message])
    harness.advance(T0 + 300_001)
    assert len(harness.writes("sensor_5min")) == written
    assert harness.keys.counters["copies"] == 4


def test_a_spike_is_known_with_the_next_reading_and_corrects_a_closed_window():
    rules = Settings.load().rules.model_dump(mode="json", exclude_unset=True)
    rules["limits"]["pm10"]["spike"] = {"suspect": 50}
    harness = Harness(rules=rules, live=True)
    harness.feed([sent([0, 150], pm10=[10, 200])])
    harness.advance(T0 + 300_000)
    first = only(harness.tables(), "sensor_5min", quantity="pm10")
    assert (first["n_suspect"], first["revision"]) == (0, 0)
    harness.feed([sent([300], pm10=[10])])
    harness.advance()
    found = harness.tables()
    row = only(found, "sensor_5min", quantity="pm10", window_start="2025-11-21T00:00:00.000Z")
    assert (row["n_suspect"], row["qc_tests"], row["revision"]) == (1, "spike", 1)
    assert [(flag["value"], flag["qc_tests"]) for flag in found["sensor_flag"].values()] == [(200, "spike")]


def test_after_a_restart_a_late_reading_corrects_what_was_closed_though_the_watermark_is_behind():
    harness = Harness(live=True)
    harness.feed([sent([0, 150], pm10=[10, 10])])
    harness.advance(T0 + 2 * HOUR * 1000)
    harness.watermark = NO_TIMER  # as of a job that was restored
    harness.feed([sent([200], pm10=[40])])
    harness.advance(T0 + 300_000)
    hour = only(harness.tables(), "sensor_hour", quantity="pm10")
    assert (hour["mean"], hour["final"], hour["revision"]) == (20, True, 1)


def test_the_state_of_a_silent_sensor_is_forgotten():
    harness = Harness()
    harness.feed([sent([0, 150], pm10=[10, 10])])
    harness.advance(T0 + 86_400_000)
    assert harness.keys.states
    harness.advance(T0 + 13 * 86_400_000)
    assert not harness.keys.states
    assert not harness.keys.store
    assert not harness.keys.timers


def test_an_hour_that_is_not_complete_enough_has_no_index():
    harness = Harness()
    times = [150 * n for n in range(72)]
    harness.feed(
        [sent([t for t in times if not 3600 <= t < 5400 + 1800 - 600], pm2_5=[9.0] * 52, pm10=[54] * 52)]
    )
    harness.advance()
    found = harness.tables()
    row = only(found, "air_quality", standard="epa-2024", hour_start="2025-11-21T02:00:00.000Z")
    assert (row["index_value"], row["responsible"], row["scope"]) == (50, "pm2_5", "PM sub-index")
    assert (
        only(found, "air_quality", standard="epa-2024", hour_start="2025-11-21T00:00:00.000Z")["index_value"]
        is None
    )
    assert {row["standard"] for row in found["air_quality"].values() if row["in_force"]} == {
        "epa-2024",
        "eaqi-2024",
    }


def test_a_late_reading_of_the_weather_tells_where_the_sensor_stood_when_its_hour_ended():
    harness = Harness()
    harness.feed([sent([150 * n for n in range(20)], pm10=[9.0] * 20, lat=1, lon=2)])
    harness.advance(T0 + 1000 * HOUR)
    harness.feed([sent([HOUR - 1], humidity=[50.0], lat=3, lon=4)])
    harness.advance()
    row = only(harness.tables(), "air_quality", standard="epa-2024")
    assert (row["geohash"], row["revision"]) == (geohash(3, 4), 1)


def test_weather_has_a_dew_point():
    harness = Harness()
    harness.feed([sent([0], model="BME280", temperature=[25], humidity=[60])])
    harness.advance()
    assert only(harness.tables(), "sensor_hour", quantity="dew_point")["mean"] == pytest.approx(
        16.70, abs=0.005
    )


def station(valid_from_s, **known):
    told = {"schema": "station/1", "station_id": "x", "valid_from": T0 + 1000 * valid_from_s, **known}
    return json.dumps(told).encode()


def test_station_metadata_is_what_held_at_the_windows_start():
    harness = Harness(["stations.enabled=true"])
    table = harness.keys._function.references["stations"]
    table.put(station(HOUR, place="Altona", region="Hamburg"))
    table.put(station(-HOUR, place="Köln"))
    harness.feed([sent([0, HOUR, 2 * HOUR], pm10=[1, 2, 3], station_id="x")])
    harness.advance(T0 + 2000 * HOUR)
    table.put(station(2 * HOUR, surroundings="traffic"))
    harness.advance()
    rows = sorted(harness.tables()["sensor_hour"].values(), key=lambda row: row["hour_start"])
    found = [tuple(row[name] for name in ("place", "region", "surroundings")) for row in rows]
    assert found == [("Köln", None, None), ("Altona", "Hamburg", None), (None, None, "traffic")]


def test_geohashes_are_the_published_ones():
    assert geohash(57.64911, 10.40744, 11) == "u4pruydqqvj"
    assert geohash(float("nan"), 1.0) == ""


def test_a_sensor_that_is_far_from_the_median_of_the_others_disagrees():
    means: dict = {}
    for sensor, mean in (("a", 10.0), ("b", 12.0), ("c", 11.0), ("d", 40.0)):
        assert fold(means, Mean(T0, 1, 24, 24, mean, sensor))
    assert not fold(means, Mean(T0, 1, 24, 24, 99.0, "a")), "a row that was sent twice"
    found = {each.columns["sensor_id"]: each.columns for each in rows(means, Settings.load().neighbours)}
    assert [(s, found[s]["neighbours_median"], found[s]["disagrees"]) for s in "abcd"] == [
        ("a", 12.0, False),
        ("b", 11.0, False),
        ("c", 12.0, False),
        ("d", 11.0, True),
    ]
    assert Mean.unpacked(means[1, "d"].packed()) == means[1, "d"]


def test_a_sensor_that_moves_leaves_a_void_row_in_the_area_it_left():
    harness = Harness(live=True)
    harness.feed([sent([0], pm10=[1])])
    harness.feed([sent([150], pm10=[2], lat=57.1, lon=-2.1)])
    harness.advance(T0 + 300_000)
    found = {area: row for (area, _), row in harness.tables()["sensor_live"].items()}
    assert found["none"]["superseded_by"] == "2025-11-21T00:02:30.000Z"
    assert found["gfns"]["superseded_by"] is None
    harness.feed([sent([300], pm10=[3], lat=57.2, lon=-2.1), sent([450], pm10=[4], lat=57.1, lon=-2.1)])
    harness.advance(T0 + 600_000)
    live = {
        area for (area, _), row in harness.tables()["sensor_live"].items() if row["superseded_by"] is None
    }
    assert live == {"gfns"}
