"""Connection settings from the environment, and the addresses of --from and --to."""

from __future__ import annotations

from pathlib import Path

import pytest

from kappafleet.connections import (
    Address,
    CassandraAddress,
    CassandraConnection,
    FileAddress,
    RabbitMQAddress,
    RabbitMQConnection,
    parse_uri,
    rabbitmq_connection,
)
from kappafleet.errors import AddressError, ServerError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rabbitmq:", RabbitMQAddress()),
        ("rabbitmq:?start=last", RabbitMQAddress(start="last")),
        ("rabbitmq://broker", RabbitMQAddress("broker")),
        ("rabbitmq://broker:5552/", RabbitMQAddress("broker", 5552)),
        ("rabbitmq://[::1]:5552/a%2Fb", RabbitMQAddress("::1", 5552, "a/b")),
        (
            "rabbitmq://broker:5552/fleet?start=offset:17&streams=a,b&bounded=1",
            RabbitMQAddress("broker", 5552, "fleet", "offset:17", ("a", "b"), bounded=True),
        ),
        (
            "rabbitmq:?start=timestamp:1700000000000&bounded=0",
            RabbitMQAddress(start="timestamp:1700000000000"),
        ),
        ("cassandra:", CassandraAddress()),
        ("cassandra://db", CassandraAddress("db")),
        ("cassandra://db:9042/kf_driver_stats_v2", CassandraAddress("db", 9042, "kf_driver_stats_v2")),
        ("file:a.jsonl", FileAddress(Path("a.jsonl"))),
        ("file:/a/b", FileAddress(Path("/a/b"))),
        ("file:///a/b", FileAddress(Path("/a/b"))),
        ("file:../with space?and=more#x", FileAddress(Path("../with space?and=more#x"))),
    ],
)
def test_an_address_is_understood(text: str, expected: Address) -> None:
    assert parse_uri(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "starts with rabbitmq:"),
        ("trips.jsonl", "file:PATH"),
        ("kafka://x", "starts with rabbitmq:"),
        ("file:", "file:PATH"),
        ("file://host/path", "another machine"),
        ("rabbitmq:broker", "rabbitmq://HOST"),
        ("rabbitmq://", "rabbitmq://HOST"),
        ("rabbitmq://:5552", "rabbitmq://HOST"),
        ("rabbitmq://broker:high", "rabbitmq://HOST"),
        ("rabbitmq://broker:70000", "rabbitmq://HOST"),
        ("rabbitmq:?start=yesterday", "offset:N"),
        ("rabbitmq:?start=offset:-1", "offset:N"),
        ("rabbitmq:?start=", "offset:N"),
        ("rabbitmq:?bounded=yes", "0 or 1"),
        ("rabbitmq:?streams=,", "streams=telemetry-0"),
        ("rabbitmq:?from=first", "it takes start, streams, bounded"),
        ("cassandra:?start=first", "no options"),
        ("cassandra://db/No-Name", "lower case"),
        ("rabbitmq://me:secret@broker", "KF_RABBITMQ_PASSWORD"),
        ("cassandra://me:secret@db", "KF_CASSANDRA_PASSWORD"),
    ],
)
def test_a_wrong_address_is_refused_with_the_right_form_and_without_its_password(
    text: str, hint: str
) -> None:
    with pytest.raises(AddressError) as error:
        parse_uri(text)
    assert hint in str(error.value)
    assert "secret" not in str(error.value)


def test_without_settings_the_local_stack_is_meant_with_its_port_offset() -> None:
    assert RabbitMQConnection.from_environment({}) == RabbitMQConnection("127.0.0.1", 5682, 5562)
    assert CassandraConnection.from_environment({}) == CassandraConnection(("127.0.0.1",), 9242)
    moved = {"KAPPAFLEET_PORT_OFFSET": "1000"}
    assert RabbitMQConnection.from_environment(moved).amqp_port == 6682
    assert CassandraConnection.from_environment(moved).port == 10242


def test_settings_come_from_the_environment_and_go_to_other_processes_without_the_password(
    tmp_path: Path,
) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    given = {
        "KF_RABBITMQ_HOST": "broker",
        "KF_RABBITMQ_AMQP_PORT": "1",
        "KF_RABBITMQ_STREAM_PORT": "2",
        "KF_RABBITMQ_VHOST": "fleet",
        "KF_RABBITMQ_USER": "me",
        "KF_RABBITMQ_TLS": "1",
        "KF_RABBITMQ_CA_FILE": "/ca.pem",
        "KF_CASSANDRA_HOSTS": "a,b",
        "KF_CASSANDRA_PORT": "3",
        "KF_CASSANDRA_DATACENTER": "dc",
        "KF_CASSANDRA_USER": "you",
        "KF_CASSANDRA_TLS": "1",
        "KF_CASSANDRA_CA_FILE": "/ca.pem",
    }
    secrets = {"KF_RABBITMQ_PASSWORD_FILE": str(file), "KF_CASSANDRA_PASSWORD": "s3cret"}
    rabbitmq = RabbitMQConnection.from_environment({**given, **secrets})
    cassandra = CassandraConnection.from_environment({**given, **secrets})
    assert (rabbitmq.password, cassandra.password) == ("s3cret", "s3cret")
    assert "s3cret" not in f"{rabbitmq!r} {cassandra!r}"
    assert {**rabbitmq.variables(), **cassandra.variables()} == given


@pytest.mark.parametrize(
    "wrong",
    [
        {"KF_RABBITMQ_AMQP_PORT": "many"},
        {"KF_RABBITMQ_STREAM_PORT": "0"},
        {"KF_RABBITMQ_STREAM_PORT": "65536"},
        {"KF_RABBITMQ_STREAM_PORT": "٣"},
        {"KF_RABBITMQ_HOST": "a..b"},
        {"KF_RABBITMQ_TLS": "perhaps"},
        {"KF_RABBITMQ_PASSWORD_FILE": "/no/such/file"},
        {"KAPPAFLEET_PORT_OFFSET": "-1"},
        {"KAPPAFLEET_PORT_OFFSET": "30000"},
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(AddressError, match=next(iter(wrong))):
        RabbitMQConnection.from_environment(wrong)


@pytest.mark.parametrize("hosts", [",", "a,b..c", "x" * 64])
def test_hosts_of_cassandra_that_can_be_none_are_refused(hosts: str) -> None:
    with pytest.raises(AddressError, match=r"KF_CASSANDRA_HOSTS=.* is no host"):
        CassandraConnection.from_environment({"KF_CASSANDRA_HOSTS": hosts})


def test_an_unreachable_broker_is_one_clear_error() -> None:
    with pytest.raises(
        ServerError, match=r"RabbitMQ at 127\.0\.0\.1:1 does not answer: .*kappafleet stack up"
    ):
        rabbitmq_connection(RabbitMQConnection("127.0.0.1", 1, 2))
