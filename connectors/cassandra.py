"""Cassandra: the sink for table rows; and what ``connectors.cassandra_client`` offers without Flink.

The sink is the Python face of ``io.kappafleet.cassandra``. It reads user, password and TLS settings from the
environment of the TaskManager, never from arguments: ``KF_CASSANDRA_USER``, ``KF_CASSANDRA_PASSWORD`` or
``KF_CASSANDRA_PASSWORD_FILE``, ``KF_CASSANDRA_TLS=1``, ``KF_CASSANDRA_CA_FILE``.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyflink.datastream.connectors.base import Sink
from pyflink.java_gateway import get_gateway

from connectors.cassandra_client import (
    META_KEYSPACE,
    Servers,
    active_version,
    add_missing_columns,
    change_active_version,
    connect,
    create_meta,
    create_tables,
    statements,
)

__all__ = [
    "META_KEYSPACE",
    "CassandraSink",
    "Servers",
    "active_version",
    "add_missing_columns",
    "change_active_version",
    "connect",
    "create_meta",
    "create_tables",
    "statements",
]


class CassandraSink(Sink):  # type: ignore[misc]  # PyFlink has no types
    """Writes row frames as idempotent upserts ``INSERT … USING TIMESTAMP``, in effect exactly once.

    Use it on a stream of ``PRIMITIVE_ARRAY(BYTE)``: ``rows.sink_to(sink)``, at any parallelism. All rows are
    written before a checkpoint completes; a row that is written twice is the same row, and an older one never
    replaces a newer one. Time-outs, overload and servers that are down are retried with growing delays; a
    missing table or a refused row fails the job with one clear line.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        keyspace: str,
        tables: str,
        port: int = 9042,
        datacenter: str = "datacenter1",
        max_in_flight: int = 512,
        connect_timeout_s: float = 60.0,
        retry_timeout_s: float = 300.0,
    ) -> None:
        """Makes the sink; nothing is connected before the job runs.

        Args:
            hosts: Names or addresses of some nodes.
            keyspace: An existing keyspace with the tables (see :func:`create_tables`).
            tables: The tables as JSON, ``[{"name": …, "columns": [[name, type], …], "key": [[…], […]]}, …]``,
                in the order of the frames' table index.
            port: The nodes' CQL port.
            datacenter: The datacenter to write to.
            max_in_flight: Statements sent and not yet answered, per subtask. Thousands overrun a server. One holds an
                upsert, or some of one partition.
            connect_timeout_s: So long a subtask tries to connect at its start before the job fails.
            retry_timeout_s: So long writes may fail, without one success, before the job fails.
        """
        java = get_gateway().jvm.io.kappafleet.cassandra.CassandraSink
        super().__init__(
            java.of(
                ",".join(hosts),
                port,
                datacenter,
                keyspace,
                tables,
                max_in_flight,
                round(connect_timeout_s * 1000),
                round(retry_timeout_s * 1000),
            )
        )
