"""Tables and messages are read from their declarations; frames follow the tables."""

from __future__ import annotations

import struct

import pytest

from connectors.rows import FrameEncoder
from jobs.sensor_windows.quantities import QUANTITIES
from schemas.messages import message
from schemas.tables import parse, table, tables

CONTRACT_KEYS = {
    "driver_hour": (("driver_id", "day"), ("hour_start",)),
    "driver_day": (("driver_id", "month"), ("day",)),
    "driver_week": (("driver_id", "year"), ("week",)),
    "driver_rolling": (("driver_id", "month"), ("day",)),
    "fleet_day": (("fleet_id", "day"), ("driver_id",)),
    "trip": (("driver_id", "month"), ("start_time", "vehicle_id")),
    "driver_event": (("driver_id", "day"), ("event_time", "type", "vehicle_id")),
    "vehicle_minute": (("vehicle_id", "day"), ("minute_start",)),
    "vehicle_live": (("fleet_id",), ("vehicle_id",)),
    "reject": (("day", "source"), ("received_at", "offset")),
}
SENSOR_KEYS = {
    "sensor_5min": (("sensor_id", "day"), ("window_start", "quantity")),
    "sensor_hour": (("sensor_id", "month"), ("hour_start", "quantity")),
    "sensor_day": (("sensor_id", "year"), ("day", "quantity")),
    "air_quality": (("sensor_id", "month"), ("hour_start", "standard")),
    "sensor_live": (("area",), ("sensor_id",)),
    "sensor_flag": (("sensor_id", "day"), ("time", "quantity")),
    "cell_hour": (("cell", "day"), ("hour_start", "quantity", "sensor_id")),
    "context_hour": (("station_id", "month"), ("hour_start", "rank")),
    "reject": (("day", "source"), ("received_at", "offset")),
}
EXPOSURE_KEYS = {
    "driver_exposure": (("driver_id", "day"), ("hour_start",)),
    "event_weather": (("driver_id", "day"), ("event_time", "type", "vehicle_id")),
    "reject": (("day", "source"), ("received_at", "offset")),
}
SHARED_METRICS = {
    "distance_km",
    "drive_s",
    "idle_s",
    "stopped_s",
    "max_speed_kmh",
    "mean_speed_kmh",
    "harsh_accel",
    "harsh_brake",
    "harsh_corner",
    "speeding_minor_s",
    "speeding_major_s",
    "speeding_severe_s",
    "speed_limit_unknown_s",
    "score",
    "score_state",
    "penalty_events",
    "penalty_speeding",
    "penalty_idle",
    "formula",
    "params_hash",
    "n_samples",
    "final",
    "revision",
    "updated_at",
}


@pytest.mark.parametrize(
    ("job", "keys"),
    [("driver_stats", CONTRACT_KEYS), ("sensor_windows", SENSOR_KEYS), ("driver_exposure", EXPOSURE_KEYS)],
)
def test_the_tables_have_the_keys_that_users_rely_on(job, keys):
    assert {spec.name: (spec.partition_key, spec.clustering_key) for spec in tables(job)} == keys


@pytest.mark.parametrize(
    "name", ["sensor_5min", "sensor_hour", "sensor_day", "air_quality", "cell_hour", "context_hour"]
)
def test_windows_of_sensors_say_how_they_came_about(name):
    columns = {column.name for column in table("sensor_windows", name).columns}
    assert columns >= {"n_samples", "final", "revision", "updated_at", "params_hash"}


@pytest.mark.parametrize(
    "name", ["driver_hour", "driver_day", "driver_week", "driver_rolling", "fleet_day", "trip"]
)
def test_windows_carry_all_shared_metric_columns(name):
    assert {column.name for column in table("driver_stats", name).columns} >= SHARED_METRICS


def test_a_type_that_frames_do_not_carry_is_refused():
    with pytest.raises(ValueError, match=r"t\.b has type decimal"):
        list(parse("CREATE TABLE IF NOT EXISTS t (\n a text,\n b decimal,\n PRIMARY KEY ((a), b)\n);"))


def test_a_statement_in_another_form_is_refused_and_not_overlooked():
    with pytest.raises(ValueError, match="not of the form"):
        list(parse("CREATE TABLE t (a text PRIMARY KEY);"))


def test_a_frame_has_the_table_the_write_time_and_the_values_in_wire_format():
    (spec,) = parse(
        "CREATE TABLE IF NOT EXISTS t (\n k text,\n n int,\n m bigint,\n d double,\n b boolean,\n at timestamp,\n"
        " x blob,\n u text,\n PRIMARY KEY ((k), n)\n);"
    )
    frame = FrameEncoder(spec).encode(77, ["ä", 1, 2, 0.5, True, 3, b"\x00", None])
    assert frame == (
        struct.pack(">iq", 0, 77)
        + struct.pack(">i2s", 2, "ä".encode())
        + struct.pack(">ii", 4, 1)
        + struct.pack(">iq", 8, 2)
        + struct.pack(">id", 8, 0.5)
        + struct.pack(">ib", 1, 1)
        + struct.pack(">iq", 8, 3)
        + struct.pack(">ic", 1, b"\x00")
        + struct.pack(">i", -2)
    )


def test_a_frame_needs_a_value_for_every_column():
    (spec,) = parse("CREATE TABLE IF NOT EXISTS t (\n k text,\n n int,\n PRIMARY KEY ((k), n)\n);")
    with pytest.raises(ValueError, match="zip"):
        FrameEncoder(spec).encode(0, ["k"])


def test_the_message_schema_declares_the_contracts_fields():
    telemetry = message("telemetry/1")
    assert (telemetry.id_field, telemetry.texts) == ("vehicle_id", ("driver_id", "fleet_id", "vehicle_class"))
    assert [field.name for field in telemetry.number_samples] == [
        "speed",
        "accel_x",
        "accel_y",
        "lat",
        "lon",
        "heading",
        "yaw_rate",
        "odometer",
        "speed_limit",
    ]
    assert telemetry.boolean_samples == ("ignition",)


def test_the_observation_schema_declares_the_contracts_fields():
    observation = message("observation/1")
    assert (observation.id_field, observation.texts) == ("sensor_id", ("station_id", "sensor_model"))
    assert [field.name for field in observation.numbers] == ["lat", "lon"]
    assert tuple(field.name for field in observation.number_samples) == QUANTITIES
    assert observation.integers == ("seq",)
