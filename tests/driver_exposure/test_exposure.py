"""Rules of the join, each on a few messages whose numbers can be worked out by hand."""

from __future__ import annotations

import pytest

from conf.parameters import ParameterError
from jobs.driver_exposure.settings import Settings
from tests.driver_exposure.harness import T0, content, drive, expected, readings, run

HOUR = [10.0] * 24
"""A whole hour of readings."""

HERE, THERE = 52.5, 52.9
"""In two cells, 44 km apart."""


def exposure(log, **given):
    """The only row of driver_exposure."""
    (row,) = run(log, **given).tables()["driver_exposure"].values()
    return row


def test_exposure_is_concentration_times_time() -> None:
    # 361 samples 5 s apart: half an hour on the road, all of it at 10 µg/m³.
    row = exposure([drive(0, [HERE] * 361), readings(0, pm2_5=HOUR)])
    assert row["on_road_s"] == row["known_s"] == 1800
    assert row["pm2_5_ug_h"] == 5.0
    assert row["pm2_5_mean"] == row["pm2_5_max"] == 10.0
    # The last sample stands at the edge: all of the time before it lies in the minutes before.
    assert (row["minutes"], row["minutes_known"], row["coverage"]) == (30, 30, 1.0)
    assert row["sensors"] == 1


def test_where_no_sensor_is_near_nothing_is_known_and_the_coverage_says_so() -> None:
    # 10 minutes where it is 10 µg/m³, then 30 where nothing is measured.
    lats = [HERE] * 120 + [THERE] * 360
    row = exposure([drive(0, lats), readings(0, pm2_5=HOUR)])
    assert (row["minutes"], row["minutes_known"], row["coverage"]) == (40, 10, 0.25)
    assert row["on_road_s"] == 479 * 5
    assert row["known_s"] == 600
    assert row["pm2_5_ug_h"] == pytest.approx(10 / 6, abs=1e-12)
    assert row["pm2_5_mean"] == 10.0
    assert row["cells"] == 2


def test_without_any_sensor_the_values_are_null() -> None:
    row = exposure([drive(0, [HERE] * 60)])
    assert row["pm2_5_ug_h"] is row["pm2_5_mean"] is row["pm2_5_max"] is None
    assert (row["coverage"], row["known_s"], row["minutes"]) == (0.0, 0.0, 5)


def test_a_minute_without_a_place_is_driven_but_not_known() -> None:
    row = exposure([drive(0, [None] * 60), readings(0, pm2_5=HOUR)])
    assert (row["minutes"], row["minutes_known"], row["cells"]) == (5, 0, 0)


def test_each_hour_has_the_air_of_that_hour() -> None:
    log = [drive(3540, [HERE] * 24), readings(0, pm2_5=HOUR), readings(3600, pm2_5=[40.0] * 24)]
    first, second = sorted(run(log).tables()["driver_exposure"].values(), key=lambda row: row["hour_start"])
    assert (first["pm2_5_mean"], second["pm2_5_mean"]) == (10.0, 40.0)
    assert first["hour_start"] == "2025-11-21T00:00:00.000Z"


def test_the_cell_has_the_median_of_its_sensors() -> None:
    sensors = [readings(0, sensor=f"s-{n}", pm2_5=[value] * 24) for n, value in enumerate((9.0, 11.0, 900.0))]
    row = exposure([drive(0, [HERE] * 60), *sensors])
    assert (row["pm2_5_mean"], row["sensors"]) == (11.0, 3)


def test_a_corrected_value_takes_the_place_of_the_raw_one() -> None:
    smoke = readings(0, model="PurpleAir", step_s=120, pm2_5=[50.0] * 30, humidity=[60.0] * 30)
    row = exposure([drive(0, [HERE] * 60), smoke])
    assert row["pm2_5_mean"] == pytest.approx(26.58, abs=0.02)  # domain.md: x = 50, RH = 60
    assert row["sensors"] == 1


def test_an_hour_with_too_few_readings_does_not_count() -> None:
    few = readings(0, pm2_5=[10.0] * 17)
    assert exposure([drive(0, [HERE] * 60), few])["minutes_known"] == 0
    assert exposure([drive(0, [HERE] * 60), few], overrides=["min_completeness=0.7"])["minutes_known"] == 5


def test_a_failure_code_is_no_concentration() -> None:
    row = exposure([drive(0, [HERE] * 60), readings(0, pm2_5=[999.9, *HOUR[1:]])])
    assert row["pm2_5_mean"] == 10.0


def test_standing_with_the_ignition_off_is_not_on_the_road() -> None:
    parked = drive(0, [HERE] * 60, speed=0.0)
    parked["samples"]["ignition"] = [False] * 60
    assert run([parked, readings(0, pm2_5=HOUR)]).tables()["driver_exposure"] == {}
    idling = drive(0, [HERE] * 60, speed=0.0)
    assert exposure([idling, readings(0, pm2_5=HOUR)])["on_road_s"] == 295


def test_the_weather_at_a_harsh_event_is_that_of_its_place_and_hour() -> None:
    braked = drive(600, [HERE] * 30, brakes=[12], step_s=1)
    # Of the weather a few readings are enough.
    weather = readings(0, model="DHT22", temperature=[3.0] * 9, humidity=[90.0] * 9)
    elsewhere = readings(
        0, sensor="far", model="DHT22", lat=THERE, temperature=[30.0] * 24, humidity=[20.0] * 24
    )
    dust = readings(0, sensor="dust", pm2_5=HOUR)
    tables = run([braked, weather, elsewhere, dust]).tables()
    (event,) = tables["event_weather"].values()
    assert event["event_time"] == "2025-11-21T00:10:12.000Z"
    assert (event["type"], event["vehicle_id"], event["driver_id"]) == ("harsh_brake", "v", "d")
    assert (event["temperature"], event["humidity"], event["pm2_5"]) == (3.0, 90.0, 10.0)
    assert event["pressure"] is None
    assert event["hour_start"] == "2025-11-21T00:00:00.000Z"
    (row,) = tables["driver_exposure"].values()
    assert row["harsh_events"] == 1


def test_an_event_far_from_any_sensor_has_a_row_without_values() -> None:
    (event,) = run([drive(600, [HERE] * 30, brakes=[12], step_s=1)]).tables()["event_weather"].values()
    assert event["temperature"] is event["humidity"] is event["pm2_5"] is None
    assert event["sensors"] == 0
    assert event["cell"] == "u33d8"


def test_each_driver_has_the_minutes_of_his_own_way() -> None:
    log = [
        drive(0, [HERE] * 61),
        drive(600, [HERE] * 61, driver="other"),
        drive(0, [HERE] * 61, vehicle="w", driver=None),
        readings(0, pm2_5=HOUR),
    ]
    found = run(log).tables()["driver_exposure"]
    assert {key[0] for key in found} == {"d", "other", "unknown:w"}
    assert all(row["known_s"] == 300 for row in found.values())


def test_late_readings_and_late_minutes_are_the_next_revision() -> None:
    on_time = [drive(0, [HERE] * 61, seq=1), readings(0, pm2_5=HOUR)]
    late_air = readings(0, sensor="late", pm2_5=[30.0] * 24)
    late_way = drive(1800, [HERE] * 61, vehicle="w")
    harness = run([*on_time, late_air, late_way], cuts=[2, 3], watermarks=[7300, 7400])
    rows = [row for name, _, row in harness.writes if name == "driver_exposure"]
    assert [(row["revision"], row["pm2_5_mean"], row["on_road_s"]) for row in rows] == [
        (0, 10.0, 300.0),
        (1, 20.0, 300.0),
        (2, 20.0, 600.0),
    ]
    assert all(row["final"] for row in rows)


def test_a_minute_that_gets_another_driver_is_taken_from_the_one_before() -> None:
    # A minute goes by the driver of its last sample, as in vehicle_minute.
    log = [
        drive(540, [HERE] * 16),
        readings(0, pm2_5=HOUR),
        drive(640, [HERE] * 4, driver="e"),
        drive(0, [HERE] * 4, driver="f", vehicle="w"),
        drive(40, [HERE] * 4, driver="g", vehicle="w"),
    ]
    harness = run(log, cuts=[2, 3, 4], watermarks=[7300, 7400, 7500, 7600])
    found = harness.tables()
    assert content(found) == expected(log)
    rows = {key[0]: row for key, row in found["driver_exposure"].items()}
    assert {driver: row["minutes"] for driver, row in rows.items()} == {"d": 1, "e": 1, "g": 1}
    (void,) = (row for _, _, row in harness.writes if row["superseded_by"] is not None)
    assert (void["driver_id"], void["minutes"], void["revision"]) == ("f", 0, 1)


def test_state_ends_when_messages_may_no_longer_come() -> None:
    kept = []
    log = [
        drive(0, [HERE] * 61, brakes=[3]),
        readings(0, pm2_5=HOUR),
        readings(9 * 86_400, pm2_5=HOUR),
    ]
    run(
        log,
        cuts=[2],
        watermarks=[86_400, 10 * 86_400],
        seen=lambda harness: kept.append((harness.ways.hours, harness.cells.hours, harness.drivers.hours)),
    )
    assert all(kept[0])
    ways, cells, drivers = kept[1]
    assert (ways, drivers) == (0, 0)
    assert cells == 1  # that of the newest readings


def test_the_halves_are_overridden_under_their_names() -> None:
    settings = Settings.load(["driver_stats.harsh.brake_ms2=2.5", "sensor_windows.window.use=good", "cell=4"])
    assert settings.vehicles.harsh.brake_ms2 == 2.5
    assert settings.sensors.window.use == "good"
    assert settings.params_hash != Settings.load(["cell=4"]).params_hash
    assert Settings.load(["window.allowed_lateness_s=0"]).sensors.window.allowed_lateness_s == 0


@pytest.mark.parametrize(
    "override",
    ["cell=0", "cell=x", "driver_stats.nothing=1", "sensor_windows.window.allowed_lateness_s=5",
     "driver_stats.assignments.enabled=true", "driver_stats.road_limits.enabled=true",
     "sensor_windows.stations.enabled=true", "nothing=1"],
)  # fmt: skip
def test_what_is_refused_is_named(override: str) -> None:
    with pytest.raises(ParameterError, match=override.partition("=")[0].rpartition(".")[2]):
        Settings.load([override])


def test_t0_begins_a_day() -> None:
    assert T0 % 86_400_000 == 0
