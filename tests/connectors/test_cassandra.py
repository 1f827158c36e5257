"""The sink's Python face, the creation of tables and the active version, against a real Cassandra."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cassandra.cluster import Session
from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment

from connectors.cassandra import (
    META_KEYSPACE,
    CassandraSink,
    active_version,
    add_missing_columns,
    change_active_version,
    connect,
    create_meta,
    create_tables,
    statements,
)
from connectors.rows import FrameEncoder
from kappafleet.connections import CassandraConnection
from kappafleet.errors import AddressError, ServerError, UserError
from schemas.tables import cql_text, parse, to_json

KEYSPACE = "kf_test_python_sink"
KEYSPACE_OF_THREE = "kf_test_three_copies"
CQL = """
-- A comment; with a semicolon.
CREATE TABLE IF NOT EXISTS readings (
    id text, at timestamp, value double, PRIMARY KEY ((id), at)
) WITH CLUSTERING ORDER BY (at DESC) AND comment = 'a -- text; not a comment';
"""

needs_cassandra = pytest.mark.skipif(
    not os.environ.get("KF_TEST_CASSANDRA_PORT"),
    reason="needs a Cassandra: set KF_TEST_CASSANDRA_PORT (make test starts one)",
)


def server() -> CassandraConnection:
    return CassandraConnection(("127.0.0.1",), int(os.environ["KF_TEST_CASSANDRA_PORT"]))


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect(server()) as opened:
        opened.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")
        yield opened
        opened.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")


def test_statements_are_split_at_semicolons_outside_of_texts_and_comments() -> None:
    text = """
    -- one; two
    CREATE TABLE a (b text); // three;
    /* four; */ INSERT INTO a (b) VALUES ('it''s; --not a comment') ;
    ALTER TABLE "c;d" ADD e $$f;g$$
    """
    assert statements(text) == [
        "CREATE TABLE a (b text)",
        "INSERT INTO a (b) VALUES ('it''s; --not a comment')",
        'ALTER TABLE "c;d" ADD e $$f;g$$',
    ]
    assert statements(" -- nothing\n;;") == []


@needs_cassandra
def test_tables_are_created_once_and_keep_their_rows(session: Session) -> None:
    create_tables(session, KEYSPACE, CQL)
    session.execute(f"INSERT INTO {KEYSPACE}.readings (id, at, value) VALUES ('a', 0, 1.0)")

    create_tables(session, KEYSPACE, CQL, replication_factor=1)

    assert session.execute(f"SELECT count(*) FROM {KEYSPACE}.readings").one()[0] == 1
    assert session.keyspace is None, "the session's own keyspace is left alone"
    replication = session.execute(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", (KEYSPACE,)
    ).one()[0]
    assert replication["datacenter1"] == "1"


@needs_cassandra
def test_all_tables_of_the_jobs_are_valid(session: Session) -> None:
    create_tables(session, KEYSPACE, cql_text("driver_stats"))

    found = session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (KEYSPACE,)
    )
    assert {row.table_name for row in found} >= {"driver_hour", "vehicle_minute", "reject"}


@needs_cassandra
def test_tables_of_an_earlier_version_get_the_columns_they_lack(session: Session) -> None:
    create_tables(session, KEYSPACE, CQL)
    (grown,) = parse(CQL.replace("value double,", "value double, unit text,"))

    add_missing_columns(session, KEYSPACE, [grown])
    add_missing_columns(session, KEYSPACE, [grown])

    found = session.execute(
        "SELECT type FROM system_schema.columns "
        "WHERE keyspace_name = %s AND table_name = %s AND column_name = 'unit'",
        (KEYSPACE, grown.name),
    )
    assert found.one().type == "text"
    (other,) = parse(CQL.replace("value double,", "value double, unit bigint,"))
    with pytest.raises(UserError, match=r"unit of .* is text, this version writes bigint"):
        add_missing_columns(session, KEYSPACE, [other])


@needs_cassandra
def test_keyspace_name_is_checked(session: Session) -> None:
    for name in ("", "Upper", "1st", "a-b", "a; DROP KEYSPACE x", "a" * 49):
        with pytest.raises(ValueError, match="keyspace name"):
            create_tables(session, name, CQL)
    with pytest.raises(ValueError, match="replication factor"):
        create_tables(session, KEYSPACE, CQL, replication_factor=0)


@needs_cassandra
def test_active_version_changes_only_from_what_was_expected(session: Session) -> None:
    create_meta(session)
    create_meta(session)
    job = "test_active_version"
    session.execute(f"DELETE FROM {META_KEYSPACE}.active_version WHERE job = %s IF EXISTS", (job,))

    assert active_version(session, job) is None
    assert not change_active_version(session, job, expected=1, version=2)
    assert change_active_version(session, job, expected=None, version=1)
    assert not change_active_version(session, job, expected=None, version=5)
    assert change_active_version(session, job, expected=1, version=2)
    assert not change_active_version(session, job, expected=1, version=3)
    assert active_version(session, job) == 2


@needs_cassandra
def test_of_two_who_change_the_active_version_at_once_one_wins(session: Session) -> None:
    create_meta(session)
    job = "test_race"
    session.execute(f"DELETE FROM {META_KEYSPACE}.active_version WHERE job = %s IF EXISTS", (job,))
    assert change_active_version(session, job, expected=None, version=0)

    def try_to_make_active(version: int) -> bool:
        return change_active_version(session, job, expected=0, version=version)

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(try_to_make_active, range(1, 5)))

    assert won.count(True) == 1
    assert active_version(session, job) == 1 + won.index(True)


@needs_cassandra
def test_rows_of_a_job_land_in_the_tables(session: Session, env: StreamExecutionEnvironment) -> None:
    create_tables(session, KEYSPACE, CQL)
    session.execute(f"TRUNCATE {KEYSPACE}.readings")
    tables = tuple(parse(CQL.replace("-- A comment; with a semicolon.", "")))
    encoder = FrameEncoder(tables[0])
    frames = [encoder.encode(2, ("v1", 60_000, 2.5)), encoder.encode(1, ("v1", 60_000, 1.5))]

    sink = CassandraSink(
        ["127.0.0.1"], port=server().port, keyspace=KEYSPACE, tables=to_json(tables), connect_timeout_s=10
    )
    rows = env.from_collection(frames).map(bytes, output_type=Types.PRIMITIVE_ARRAY(Types.BYTE()))
    rows.sink_to(sink)
    env.execute()

    found = session.execute(f"SELECT id, value, writetime(value) AS written FROM {KEYSPACE}.readings").all()
    assert [(row.id, row.value, row.written) for row in found] == [("v1", 2.5, 2)]


@needs_cassandra
def test_missing_tables_fail_the_job_with_a_clear_line(
    session: Session, env: StreamExecutionEnvironment
) -> None:
    tables = tuple(parse("CREATE TABLE IF NOT EXISTS nowhere (id text, PRIMARY KEY ((id)));"))
    sink = CassandraSink(["127.0.0.1"], port=server().port, keyspace=KEYSPACE, tables=to_json(tables))
    create_tables(session, KEYSPACE, CQL)
    rows = env.from_collection([b""]).map(bytes, output_type=Types.PRIMITIVE_ARRAY(Types.BYTE()))
    rows.sink_to(sink)

    with pytest.raises(Exception, match=f"table {KEYSPACE}.nowhere does not take the job's rows"):
        env.execute()


def test_unreachable_server_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                ServerError, match=f"Cassandra at 127.0.0.1 port {port} cannot be reached"
            ) as error,
            connect(CassandraConnection(("127.0.0.1",), port), timeout_s=3),
        ):
            pass
    assert "\n" not in str(error.value)


@needs_cassandra
def test_too_few_replicas_are_one_clear_line(session: Session) -> None:
    create_tables(session, KEYSPACE_OF_THREE, CQL, replication_factor=3)
    try:
        with pytest.raises(ServerError) as refused, connect(server()) as opened:
            opened.execute(f"SELECT * FROM {KEYSPACE_OF_THREE}.readings")
    finally:
        session.execute(f"DROP KEYSPACE {KEYSPACE_OF_THREE}")
    assert "does not do what it was asked: Unavailable, Error from server: code=1000" in str(refused.value)
    assert str(refused.value).endswith("are up (kappafleet stack status) and not overloaded, and repeat")


@needs_cassandra
def test_an_answer_that_comes_too_late_is_one_clear_line() -> None:
    with (
        pytest.raises(ServerError, match=r"asked: OperationTimedOut, .*; see to it"),
        connect(server()) as opened,
    ):
        opened.execute("SELECT * FROM system_schema.columns", timeout=1e-6)


@needs_cassandra
def test_a_datacenter_that_is_not_there_is_one_clear_line() -> None:
    with (
        pytest.raises(ServerError, match="KF_CASSANDRA_DATACENTER"),
        connect(replace(server(), datacenter="none")) as to,
    ):
        to.execute("SELECT * FROM system.local")


def test_certificate_file_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    missing = CassandraConnection(("127.0.0.1",), 1, tls=True, ca_file=tmp_path / "ca.pem")
    with pytest.raises(AddressError, match="KF_CASSANDRA_CA_FILE"), connect(missing):
        pass
