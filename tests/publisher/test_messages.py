"""What routing needs of a line, found where it is and done without where it is not."""

import gzip
from pathlib import Path

import pytest

from kappafleet.errors import UserError
from kappafleet.messages import Message, line_files, lines, message


def test_a_telemetry_line_is_addressed_by_vehicle_sequence_and_last_time() -> None:
    body = b'{"schema":"telemetry/1","vehicle_id":"v","seq":7,"samples":{"t":[1000,2000]}}'
    assert message(body) == Message(body, "telemetry", "v", "v:7", 2000, 2)


def test_an_observation_goes_to_its_own_exchange_by_sensor() -> None:
    body = b'{"schema":"observation/1","sensor_id":"s","vehicle_id":"no","samples":{"t":[5]}}'
    assert message(body) == Message(body, "observations", "s", "", 5, 1)


def test_a_log_in_goes_to_the_assignments_by_vehicle() -> None:
    body = b'{"schema":"assignment/1","vehicle_id":"v","driver_id":"d","t":5,"seq":2}'
    assert message(body) == Message(body, "assignments", "v", "v:2", 5, 0)


def test_a_limit_of_a_road_goes_to_its_own_exchange_by_cell_and_has_no_time() -> None:
    body = b'{"schema":"road_limit/1","cell":"u33db8m","limit_kmh":50,"valid_from":5,"t":7}'
    assert message(body) == Message(body, "road_limits", "u33db8m", "", None, 0)


def test_what_is_known_of_a_station_goes_to_its_own_exchange_by_station_and_has_no_time() -> None:
    body = b'{"schema":"station/1","station_id":"x","place":"Torry","valid_from":5,"t":7}'
    assert message(body) == Message(body, "stations", "x", "", None, 0)


def test_a_missing_schema_means_telemetry_and_a_given_exchange_wins() -> None:
    body = b'{"vehicle_id":"v"}'
    assert message(body) == Message(body, "telemetry", "v")
    assert message(body, "else") == Message(body, "else", "v")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[1,2]",
        b"NaN",
        b'{"vehicle_id":NaN}',
        b'{"vehicle_id":"v","samples":{"t":[1],"speed":[Infinity]}}',
        b'{"vehicle_id":7}',
        b'{"vehicle_id":""}',
        b'{"vehicle_id":null,"samples":[]}',
        b'{"vehicle_id":"\\ud800"}',
        b'{"vehicle_id":"' + b"x" * 256 + b'"}',
        b"[" * 100_000,
    ],
)
def test_a_line_without_a_usable_id_goes_out_as_it_is_without_a_key(body: bytes) -> None:
    assert message(body) == Message(body, "telemetry")


@pytest.mark.parametrize("time", [b"1.5", b'"1"', b"true", b"null", b"99999999999999999999"])
def test_an_unusable_last_time_is_left_out(time: bytes) -> None:
    body = b'{"vehicle_id":"v","samples":{"t":[1,' + time + b"]}}"
    assert message(body) == Message(body, "telemetry", "v", samples=2)


def test_a_message_id_beyond_a_short_string_is_left_out() -> None:
    key = "x" * 250
    assert message(b'{"vehicle_id":"%s","seq":123456}' % key.encode()).message_id == ""
    assert message(b'{"vehicle_id":"%s","seq":1}' % key.encode()).message_id == f"{key}:1"


def test_lines_are_the_bytes_between_line_ends(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(b" a \r\n\n\r\n\xff\nlast")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"first\n") + gzip.compress(b"second\n"))
    (tmp_path / ".hidden").write_bytes(b"no\n")
    (tmp_path / "folder").mkdir()
    assert list(lines(line_files(tmp_path))) == [b"first", b"second", b" a ", b"\xff", b"last"]


def test_unreadable_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder of message lines"):
        line_files(tmp_path / "absent")
    with pytest.raises(UserError, match="holds no files"):
        line_files(tmp_path)
    broken = tmp_path / "x.jsonl.gz"
    broken.write_bytes(gzip.compress(b"line\n" * 1000)[:-10])
    with pytest.raises(UserError, match=r"x\.jsonl\.gz can't be read"):
        list(lines([broken]))


def test_the_field_of_the_key_can_be_named():
    body = b'{"wearer_id": "w-1", "vehicle_id": "v", "seq": 3, "samples": {"t": [5]}}'
    assert message(body, "wearables", "wearer_id") == Message(body, "wearables", "w-1", "w-1:3", 5, 1)
