"""The results exchange: changed rows to a RabbitMQ topic exchange, beside the tables.

The Python face of ``io.kappafleet.results``. Like the source, the sink reads user, password and TLS settings from the
environment of the TaskManager, never from arguments: ``KF_RABBITMQ_USER``, ``KF_RABBITMQ_PASSWORD`` or
``KF_RABBITMQ_PASSWORD_FILE``, ``KF_RABBITMQ_TLS=1``, ``KF_RABBITMQ_CA_FILE``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyflink.datastream import DataStream
from pyflink.datastream.connectors.base import Sink
from pyflink.java_gateway import get_gateway

from connectors.ends import RowSink
from schemas.results import EXCHANGE, Route, to_json

RESULTS_UID = "results"


class ResultsSink(Sink):  # type: ignore[misc]  # PyFlink has no types
    """Publishes row frames, at least once; the same row with the same content has the same message id.

    The broker has confirmed all rows before a checkpoint completes. One that is slow or away for a while holds the job
    back; one that stays away fails it with one clear line. The sink has no state: a job goes on from a savepoint with
    or without it.
    """

    def __init__(
        self,
        *,
        tables: str,
        routes: str,
        producer: str,
        host: str | None = None,
        port: int | None = None,
        vhost: str | None = None,
        exchange: str = EXCHANGE,
        max_unconfirmed: int = 1024,
        connect_timeout_s: float = 60.0,
        retry_timeout_s: float = 300.0,
    ) -> None:
        """Makes the sink; nothing is connected before the job runs.

        Args:
            tables: The tables as JSON, see :class:`connectors.cassandra.CassandraSink`.
            routes: Those to publish, as :func:`schemas.results.to_json` writes them.
            producer: Says which tables the rows are written to; the messages' ``app_id``.
            host: The broker's host, as seen by TaskManagers.
            port: Its AMQP port.
            vhost: The virtual host.
            exchange: An existing exchange.
            max_unconfirmed: Messages published and not yet confirmed, per subtask.
            connect_timeout_s: So long a subtask tries to connect at its start before the job fails.
            retry_timeout_s: So long messages may stay without one confirm before the job fails.
        """
        java = get_gateway().jvm.io.kappafleet
        super().__init__(
            java.results.ResultsSink.of(
                java.rabbitmq.BrokerAddress(host, port, vhost, None, None, None, False),
                exchange,
                producer,
                tables,
                routes,
                max_unconfirmed,
                round(connect_timeout_s * 1000),
                round(retry_timeout_s * 1000),
            )
        )


@dataclass(frozen=True, slots=True)
class TablesAndResults:
    """Rows to their tables, and those of some tables to the results exchange as well.

    Attributes:
        tables: where all rows go.
        routes: of the tables whose rows are published.
        producer: see :class:`ResultsSink`.
        host, port, vhost: the broker's, with its AMQP port.
    """

    tables: RowSink
    routes: Sequence[Route]
    producer: str
    host: str
    port: int
    vhost: str

    @property
    def keeps_columns(self) -> bool:
        """As the tables do."""
        return self.tables.keeps_columns

    def attach(self, rows: DataStream, tables_json: str) -> None:
        """Writes the rows to the tables, and publishes them."""
        self.tables.attach(rows, tables_json)
        routes = to_json(self.routes)
        java = get_gateway().jvm.io.kappafleet.results.ResultRows
        chosen = DataStream(java.of(rows._j_data_stream, tables_json, routes))
        sink = chosen.sink_to(
            ResultsSink(
                tables=tables_json,
                routes=routes,
                producer=self.producer,
                host=self.host,
                port=self.port,
                vhost=self.vhost,
            )
        )
        sink.uid(RESULTS_UID).name("results: RabbitMQ")
