"""Starts a job: addresses to ends, parameters to settings, then one Flink graph, executed here or on a cluster.

``kappafleet run`` calls :func:`launch` with a Flink of its own in this process' mini cluster; ``flink run -py
jobs/JOB/job.py`` calls :func:`main`, where Flink is the cluster that runs it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from conf.parameters import ParameterError
from kappafleet import places
from kappafleet.connections import (
    Address,
    CassandraAddress,
    CassandraConnection,
    FileAddress,
    RabbitMQAddress,
    RabbitMQConnection,
    check_stream_port,
    parse_uri,
    rabbitmq_connection,
)
from kappafleet.errors import AddressError, UserError, of_file

if TYPE_CHECKING:
    from conf.results import Results
    from connectors.ends import LogSource, RowSink
    from schemas.results import Route

JOBS = ("driver_stats", "sensor_windows", "driver_exposure", "metrics")
FIRST_VERSION = 1
CHECKPOINT_INTERVAL_MS = 2000


@dataclass(frozen=True, slots=True)
class JobFailed(Exception):
    """The job ran and failed; ``reason`` is the innermost cause in one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run.

    Attributes:
        job: a name of JOBS.
        source, sink: addresses as ``--from`` and ``--to`` take them.
        overrides: ``name=value`` over the job's parameters.
        parallelism: of the whole job; None: as Flink is configured.
        detached: only submit, where Flink is a cluster.
    """

    job: str
    source: str
    sink: str
    overrides: Sequence[str] = ()
    parallelism: int | None = None
    detached: bool = False


def check(what: Launch) -> None:
    """Refuses what could not run, before anything is started.

    Raises:
        UserError: the job, an address or a parameter is wrong.
    """
    if what.job not in JOBS:
        raise UserError(f"there is no job {what.job}; jobs are: {', '.join(JOBS)}")
    source, sink = parse_uri(what.source), parse_uri(what.sink)
    if isinstance(source, CassandraAddress):
        raise AddressError(f"--from {what.source}: a job reads rabbitmq: or file:PATH")
    if isinstance(sink, RabbitMQAddress):
        raise AddressError(f"--to {what.sink}: a job writes cassandra: or file:DIRECTORY")
    if isinstance(source, FileAddress) and not source.path.exists():
        raise AddressError(f"--from {what.source}: there is no file or folder {source.path}")
    if isinstance(sink, FileAddress) and sink.path.exists() and not sink.path.is_dir():
        raise AddressError(f"--to {what.sink}: {sink.path} is a file; give a folder")
    _settings(what)


def launch(what: Launch, flink_settings: Mapping[str, str] | None = None) -> None:
    """Builds the job's graph and executes it.

    Args:
        what: What to run.
        flink_settings: Flink's, beside those of its own files.

    Raises:
        UserError: see :func:`check`; or Cassandra does not answer.
        JobFailed: the job was executed and failed.
    """
    check(what)
    from py4j.protocol import Py4JError
    from pyflink.common import Configuration
    from pyflink.datastream import StreamExecutionEnvironment

    module = importlib.import_module(f"jobs.{what.job}.job")
    settings = _settings(what)
    # A job reads one exchange, unless its parameters say which one.
    exchange: str = getattr(settings, "exchange", None) or module.EXCHANGE
    # Servers first: whether they answer is known long before Flink has started.
    address = parse_uri(what.source)
    if isinstance(address, RabbitMQAddress):
        address = _resolved(address)
        _check_streams(exchange, address)
        beside = getattr(module, "exchanges_beside", None)  # of a job that reads more than one
        for other in beside(settings) if beside else ():
            _check_streams(other, replace(address, streams=()))
    source, sink = _source(exchange, address), _sink(what.job, parse_uri(what.sink))
    routes = _routes(what.job, settings)
    if routes and source.live and isinstance(address, RabbitMQAddress):
        sink = _with_results(what.job, routes, address, sink)
    configuration = Configuration()
    for name, value in (flink_settings or {}).items():
        configuration.set_string(name, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    if what.parallelism is not None:
        env.set_parallelism(what.parallelism)
    if source.live and env.get_checkpoint_interval() <= 0:
        # Exactly once must not depend on whether somebody thought of it in Flink's configuration.
        env.enable_checkpointing(CHECKPOINT_INTERVAL_MS)
    module.build(env, source, sink, settings)
    try:
        if what.detached:
            env.execute_async(what.job)
        else:
            env.execute(what.job)
    except Py4JError as error:
        raise JobFailed(root_cause(error)) from error


def root_cause(error: BaseException) -> str:
    """The innermost cause of a failure that Java reported, in one line."""
    java = getattr(error, "java_exception", None)
    if java is None:
        return " ".join(str(error).split())
    while java.getCause() is not None:
        java = java.getCause()
    message = java.getMessage() or java.getClass().getSimpleName()
    return " ".join(str(message).split())


def main(job: str, arguments: Sequence[str]) -> None:
    """The entry of ``jobs/JOB/job.py``, for ``flink run -py``; ends the process with 2 after a mistake."""
    parser = argparse.ArgumentParser(prog=f"jobs/{job}/job.py", description=f"Runs {job} on a Flink cluster.")
    # `flink run` takes a --from for its own --fromSavepoint, hence the other names.
    parser.add_argument(
        "--source", "--from", dest="source", default="rabbitmq:", help="rabbitmq:… or file:PATH"
    )
    parser.add_argument(
        "--sink", "--to", dest="sink", default="cassandra:", help="cassandra:… or file:DIRECTORY"
    )
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--parallelism", type=int, default=None)
    given = parser.parse_args(arguments)
    try:
        launch(Launch(job, given.source, given.sink, given.overrides, given.parallelism))
    except UserError as error:
        print(f"{job}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        message = of_file(error)
        if message is None:
            raise
        print(f"{job}: {message}", file=sys.stderr)
        sys.exit(2)
    except JobFailed as failure:
        print(f"{job} failed: {failure.reason}", file=sys.stderr)
        sys.exit(1)


def keyspace_of(job: str, version: int) -> str:
    """The keyspace of a job's version."""
    return f"kf_{job}_v{version}"


def _settings(what: Launch) -> object:
    module = importlib.import_module(f"jobs.{what.job}.settings")
    try:
        settings: object = module.Settings.load(what.overrides)
    except ParameterError as error:
        raise UserError(str(error)) from error
    _routes(what.job, settings)
    return settings


def _routes(job: str, settings: object) -> list[Route]:
    """The tables whose rows are published, with their routing keys; none where results are off.

    Raises:
        UserError: one is no table of the job.
    """
    from schemas.results import route
    from schemas.tables import tables

    results: Results | None = getattr(settings, "results", None)
    if results is None:
        return []
    known = {table.name: table for table in tables(job)}
    strange = [name for name in results.tables if name not in known]
    if strange:
        raise UserError(
            f"parameter results.tables: {job} has no table {', '.join(strange)}; it has {', '.join(known)}"
        )
    return [route(known[name]) for name in results.tables] if results.enabled else []


def _resolved(address: RabbitMQAddress) -> RabbitMQAddress:
    """The address with what it leaves open taken from the environment here, where it is checked, too."""
    broker = RabbitMQConnection.from_environment()
    return replace(
        address,
        host=address.host or broker.host,
        stream_port=address.stream_port or broker.stream_port,
        vhost=address.vhost or broker.vhost,
    )


def _check_streams(exchange: str, address: RabbitMQAddress) -> None:
    """Sees to it that there is something to read, before a job is started that could only fail.

    Raises:
        ServerError: the broker does not answer, refuses, or goes away.
        UserError: a stream that the address names does not exist.
    """
    from kappafleet.streams import StreamSettings, declare, exists, failures_told, stream_names

    broker = RabbitMQConnection.from_environment()
    broker = replace(
        broker,
        host=address.host or places.LOOPBACK,
        stream_port=address.stream_port or broker.stream_port,
        vhost=address.vhost or "/",
    )
    check_stream_port(broker)
    with rabbitmq_connection(broker) as connection, failures_told(f"looking for the streams of {exchange}"):
        for stream in address.streams:
            if not exists(connection, stream):
                raise UserError(f"there is no stream {stream} at {broker.host}; publish something first")
        if not address.streams and not exists(connection, stream_names(exchange, 1)[0]):
            declare(connection, exchange, StreamSettings())


def _source(exchange: str, address: Address) -> LogSource:
    from connectors.ends import FileLines, RabbitStreams

    if isinstance(address, FileAddress):
        return FileLines(address.path)
    if not isinstance(address, RabbitMQAddress):
        raise AddressError(f"a job cannot read {address}")
    return RabbitStreams(
        prefix=exchange,
        streams=address.streams,
        start=address.start or "first",
        bounded=address.bounded,
        host=address.host,
        port=address.stream_port,
        vhost=address.vhost,
    )


def _with_results(job: str, routes: Sequence[Route], address: RabbitMQAddress, sink: RowSink) -> RowSink:
    """The sink, and beside it the exchange ``results`` of the broker that is read, which is made if it is missing."""
    from connectors.ends import CassandraTables
    from connectors.results import TablesAndResults
    from kappafleet.streams import declare_results

    broker = RabbitMQConnection.from_environment()
    broker = replace(broker, host=address.host or broker.host, vhost=address.vhost or broker.vhost)
    with rabbitmq_connection(broker) as connection:
        declare_results(connection)
    producer = sink.keyspace if isinstance(sink, CassandraTables) else job
    return TablesAndResults(sink, routes, producer, broker.host, broker.amqp_port, broker.vhost)


def _sink(job: str, address: Address) -> RowSink:
    """The sink; for Cassandra, its keyspace and tables are made first."""
    from connectors.ends import CassandraTables, FileTables

    if isinstance(address, FileAddress):
        return FileTables(address.path)
    if not isinstance(address, CassandraAddress):
        raise AddressError(f"a job cannot write {address}")
    from connectors.cassandra import (
        active_version,
        add_missing_columns,
        change_active_version,
        connect,
        create_meta,
        create_tables,
    )
    from schemas.tables import cql_text, tables

    cluster = CassandraConnection.from_environment()
    if address.host:
        cluster = replace(cluster, hosts=(address.host,))
    if address.port:
        cluster = replace(cluster, port=address.port)
    with connect(cluster) as session:
        create_meta(session)
        version = active_version(session, job)
        if version is None:
            change_active_version(session, job, expected=None, version=FIRST_VERSION)
            version = active_version(session, job) or FIRST_VERSION
        keyspace = address.keyspace or keyspace_of(job, version)
        create_tables(session, keyspace, cql_text(job))
        add_missing_columns(session, keyspace, tables(job))
    return CassandraTables(cluster.hosts, cluster.port, cluster.datacenter, keyspace)
