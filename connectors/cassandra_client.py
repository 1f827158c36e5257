"""Cassandra by its Python driver: sessions, the creation of tables, and which version of them is active.

It knows no Flink, so that what only reads tables need not load it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Protocol

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    OperationTimedOut,
    RequestExecutionException,
    Unauthorized,
    UnresolvableContactPoints,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import SimpleStatement

from kappafleet.errors import AddressError, ServerError, UserError
from schemas.tables import Table

META_KEYSPACE = "kf_meta"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_STATEMENT_PART = re.compile(
    r"""(?P<comment>--[^\n]*|//[^\n]*|/\*.*?\*/)
      | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$.*?\$\$)
      | (?P<end>;)
      | (?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)


class Servers(Protocol):
    """A cluster and who asks there; ``kappafleet.connections.CassandraConnection`` is one."""

    @property
    def hosts(self) -> Sequence[str]:
        """Names or addresses of some nodes."""

    @property
    def port(self) -> int:
        """Their CQL port."""

    @property
    def datacenter(self) -> str:
        """The datacenter to talk to."""

    @property
    def user(self) -> str | None:
        """None: nobody logs in."""

    @property
    def password(self) -> str | None:
        """Of the user."""

    @property
    def tls(self) -> bool:
        """Whether to encrypt, and to check the servers' names."""

    @property
    def ca_file(self) -> Path | None:
        """Certificates to trust; None: the system's."""


@contextmanager
def connect(to: Servers, *, timeout_s: float = 20.0) -> Iterator[Session]:
    """A session for the duration of a ``with`` block.

    Args:
        to: Where to connect, and as whom; without a user nobody logs in.
        timeout_s: Bound of connecting and of each request.

    Raises:
        ServerError: No host can be reached; or, of what the block asks, it refuses the user or a request for want of
            rights, has too few replicas, or does not answer in time.
    """
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=to.datacenter)),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        request_timeout=timeout_s,
    )
    try:
        cluster = Cluster(
            list(to.hosts),
            port=to.port,
            auth_provider=PlainTextAuthProvider(to.user, to.password or "") if to.user else None,
            ssl_context=_ssl_context(to.ca_file) if to.tls else None,
            connect_timeout=timeout_s,
            control_connection_timeout=timeout_s,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        )
    except UnresolvableContactPoints as error:
        raise ServerError(
            f"no address is known for {', '.join(to.hosts)}: correct KF_CASSANDRA_HOSTS"
        ) from error
    try:
        try:
            session = cluster.connect()
        except NoHostAvailable as error:
            # Without errors some node has answered, and none of this datacenter takes requests.
            asked = isinstance(error.errors, Mapping) and error.errors
            raise ServerError(_explained(to, _first(error)) if asked else _elsewhere(to)) from error
        try:
            yield session
        except Unauthorized as error:
            said = str(error).rpartition('message="')[2].rstrip('"')
            raise ServerError(f"Cassandra refuses user {to.user!r} something: {said}") from error
        except (NoHostAvailable, OperationTimedOut, RequestExecutionException) as error:
            raise ServerError(_interrupted(to, error)) from error
    finally:
        cluster.shutdown()


def create_tables(session: Session, keyspace: str, cql_text: str, *, replication_factor: int = 1) -> None:
    """Creates a keyspace and the tables of a CQL file in it where they are missing; existing ones stay.

    Args:
        session: Its own keyspace is neither used nor changed.
        keyspace: Lower case letters, digits and underscores.
        cql_text: ``CREATE TABLE IF NOT EXISTS`` statements without a keyspace, as in ``schemas/*.cql``.
        replication_factor: Copies of each row per datacenter, for a new keyspace.

    Raises:
        ValueError: The keyspace's name is not of that form, or the factor is below 1.
    """
    if not _NAME.fullmatch(keyspace):
        raise ValueError(
            f"{keyspace!r} is not a keyspace name: use lower case letters, digits and underscores"
        )
    if replication_factor < 1:
        raise ValueError(f"the replication factor must be at least 1, not {replication_factor}")
    session.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replication_factor}}}"
    )
    # A session of its own: USE would change the caller's.
    inside = session.cluster.connect(keyspace)
    try:
        for statement in statements(cql_text):
            inside.execute(statement)
    finally:
        inside.shutdown()


def add_missing_columns(session: Session, keyspace: str, tables: Iterable[Table]) -> None:
    """Brings tables that an earlier version made up to the columns of this one; what they hold stays.

    Args:
        session: Its own keyspace is neither used nor changed.
        keyspace: has the tables.
        tables: as this version writes them.

    Raises:
        UserError: a column is there with another type, which cannot be changed.
    """
    if not _NAME.fullmatch(keyspace):
        raise ValueError(f"{keyspace!r} is not a keyspace name")
    found = session.execute(
        "SELECT table_name, column_name, type FROM system_schema.columns WHERE keyspace_name = %s",
        (keyspace,),
    )
    types = {(row.table_name, row.column_name): row.type for row in found}
    for table in tables:
        for column in table.columns:
            there = types.get((table.name, column.name))
            if there is None:
                session.execute(f"ALTER TABLE {keyspace}.{table.name} ADD {column.name} {column.cql_type}")
            elif there != column.cql_type:
                raise UserError(
                    f"column {column.name} of {keyspace}.{table.name} is {there}, this version writes "
                    f"{column.cql_type}: write to another keyspace, or drop this one and compute it again from the log"
                )


def statements(cql_text: str) -> list[str]:
    """The statements of a CQL text, without comments and semicolons."""
    found = [""]
    for part in _STATEMENT_PART.finditer(cql_text):
        if part["end"]:
            found.append("")
        elif part["comment"]:
            found[-1] += " "
        else:
            found[-1] += part[0]
    return [statement.strip() for statement in found if statement.strip()]


def create_meta(session: Session, *, replication_factor: int = 1) -> None:
    """Creates keyspace ``kf_meta`` with table ``active_version``, where they are missing."""
    cql_text = (resources.files("schemas") / "meta.cql").read_text(encoding="utf-8")
    create_tables(session, META_KEYSPACE, cql_text, replication_factor=replication_factor)


def active_version(session: Session, job: str) -> int | None:
    """The version of a job's tables that readers use; None when none was ever set.

    It is what the last finished transaction wrote, not what some replica still remembers.
    """
    query = SimpleStatement(
        f"SELECT version FROM {META_KEYSPACE}.active_version WHERE job = %s",
        consistency_level=ConsistencyLevel.SERIAL,
    )
    row = session.execute(query, (job,)).one()
    return None if row is None else int(row.version)


def change_active_version(session: Session, job: str, *, expected: int | None, version: int) -> bool:
    """Makes another version of a job's tables the one readers use, if nobody else did so in the meantime.

    Args:
        session: Any session.
        job: The job's name, such as ``driver_stats``.
        expected: The version that is active now; None when none was ever set.
        version: The version to make active.

    Returns:
        Whether it was changed; False when another version than ``expected`` is active.
    """
    if expected is None:
        query = f"INSERT INTO {META_KEYSPACE}.active_version (job, version) VALUES (%s, %s) IF NOT EXISTS"
        values: tuple[object, ...] = (job, version)
    else:
        query = f"UPDATE {META_KEYSPACE}.active_version SET version = %s WHERE job = %s IF version = %s"
        values = (version, job, expected)
    return bool(session.execute(query, values).was_applied)


def _first(error: NoHostAvailable) -> BaseException:
    """The first host's error."""
    errors = list(error.errors.values()) if isinstance(error.errors, Mapping) else []
    found = errors[0] if errors else error
    return found if isinstance(found, BaseException) else error


def _elsewhere(to: Servers) -> str:
    return (
        f"Cassandra at {', '.join(to.hosts)} port {to.port} answers, but no node of datacenter {to.datacenter!r} takes "
        "requests: correct KF_CASSANDRA_DATACENTER, or repeat when such nodes are up"
    )


def _interrupted(to: Servers, error: Exception) -> str:
    """Why a request failed once there was a connection, and what to do."""
    first = _first(error) if isinstance(error, NoHostAvailable) else error
    said = " ".join((str(first).splitlines() or [""])[0].split())
    return (
        f"Cassandra at {', '.join(to.hosts)} port {to.port} does not do what it was asked: {type(first).__name__}, "
        f"{said}; see to it that its nodes are up (kappafleet stack status) and not overloaded, and repeat"
    )


def _explained(to: Servers, error: BaseException) -> str:
    """Why there is no connection, and what to do."""
    where, reason = f"{', '.join(to.hosts)} port {to.port}", (str(error).splitlines() or [repr(error)])[0]
    if isinstance(error, AuthenticationFailed):
        who = f"user {to.user!r}" if to.user else "connections without a user"
        return f"Cassandra at {where} refuses {who}: set KF_CASSANDRA_USER and KF_CASSANDRA_PASSWORD"
    # The driver puts an SSLError's text and number into another OSError.
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        why = reason.rpartition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        return (
            f"the certificate of Cassandra at {where} is not trusted ({why}): set KF_CASSANDRA_CA_FILE to the "
            "certificate (PEM) of the authority that signed it, and KF_CASSANDRA_HOSTS to names that stand in it"
        )
    if "[SSL:" in reason:
        return f"no TLS is spoken at {where}: correct KF_CASSANDRA_PORT, or unset KF_CASSANDRA_TLS"
    if isinstance(error, ConnectionResetError) and not to.tls:
        return (
            f"Cassandra at {where} breaks off a connection without TLS: set KF_CASSANDRA_TLS=1 if it takes TLS only, "
            "or correct KF_CASSANDRA_PORT"
        )
    return (
        f"Cassandra at {where} cannot be reached: {reason}; start it (kappafleet stack up), or set "
        "KF_CASSANDRA_HOSTS and KF_CASSANDRA_PORT"
    )


def _ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise AddressError(f"KF_CASSANDRA_CA_FILE={ca_file} cannot be used: {error}") from error
