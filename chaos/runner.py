"""A run: traffic through the whole pipeline, faults by schedule, and all tables compared at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from chaos import log
from chaos.faults import Broken, World, execute
from chaos.feed import Feed
from chaos.job import Ends, Job, wait_until
from chaos.link import Link
from chaos.memory import Memory
from chaos.probe import Probe
from chaos.schedule import Fault
from chaos.tables import Compared, Rows, compare, read_cassandra
from chaos.traffic import Traffic
from connectors.cassandra import connect
from jobs.driver_stats.oracle import oracle_tables
from kappafleet.connections import CassandraConnection, rabbitmq_connection
from kappafleet.places import LOOPBACK
from kappafleet.stack.stack import Stack
from kappafleet.streams import ASSIGNMENTS, StreamSettings, declare, declare_results, stream_names

JOB = "driver_stats"
PARTITIONS = 3
LINES = "lines.jsonl"
HISTORY = ("window.allowed_lateness_s=0", "watermark.idle_s=5", "assignments.enabled=true")
"""Event time lies in the past, so nothing is too late; quiet streams close their windows soon; drivers log in."""

IN_ORDER = log.Disorder(0, 0)

RECOVERY_LIMIT_S = 180.0
FIRST_RESULT_LIMIT_S = 240.0
"""The first job of a new stack compiles the kernels, half a minute of computing."""

STILL_S = 90.0
"""When Cassandra's tables have not changed for so long, nothing more will come."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    traffic: Traffic
    rate: float
    minutes: float
    faults: tuple[Fault, ...]
    name: str = "chaos"
    """Names the exchange, its streams and the keyspace."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault that was, in seconds; ``recovered_s`` None: results did not flow again within the limit."""

    fault: Fault
    victim: str
    at_s: float
    down_s: float
    """From its begin until what was broken answered again."""
    recovered_s: float | None
    """From its begin to the first result of a later message."""
    after_restart_s: float | None
    """The same, from the moment when what was down was started again."""
    silent_s: float
    """The longest time without any result until then."""


@dataclass(slots=True)
class Result:
    """How it went."""

    seconds: float = 0.0
    messages: int = 0
    copies: int = 0
    repeated: int = 0
    reconnects: int = 0
    lost: int = 0
    """Confirmed messages that the log does not hold."""
    disorder: log.Disorder = IN_ORDER
    faults: list[Happened] = field(default_factory=list)
    tables: list[Compared] = field(default_factory=list)
    equal_after_s: float = 0.0
    """From the last message to equal tables."""
    age_ms: float = 0.0
    """Median age of a result when it was seen in Cassandra."""
    deaths: list[str] = field(default_factory=list)
    """Servers that nobody ended."""
    peaks_mb: dict[str, tuple[int, int | None]] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether every row of every table is as it should be, and every fault was recovered from."""
        return (
            bool(self.tables)
            and not self.lost
            and all(each.same for each in self.tables)
            and all(each.recovered_s is not None for each in self.faults)
        )


class Told:
    """Is told how a run goes on; this one does not care."""

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def tick(self, seconds: float, messages: int) -> None:
        """Some time has passed."""

    def fault(self, fault: Fault) -> None:
        """A fault begins."""

    def happened(self, happened: Happened) -> None:
        """It is over."""


@dataclass(slots=True)
class Pipeline:
    """Everything that a run has started."""

    world: World
    probe: Probe
    memory: Memory
    ends: Ends


def run(stack: Stack, plan: Plan, folder: Path, told: Told) -> Result:
    """Runs a plan on servers that are up, and leaves neither job nor streams nor tables behind.

    Args:
        stack: It is up, and its client environment is this process'.
        plan: What to do.
        folder: Takes the lines.
        told: Is told of progress.

    Raises:
        UserError: a server cannot be started again, or the job cannot be resumed.
    """
    result = Result()
    with pipeline(stack, plan, folder, told) as of:
        begun = time.monotonic()
        for fault in plan.faults:
            _until(of, told, begun, begun + fault.at_s)
            told.fault(fault)
            happened = _one(of, told, begun, fault)
            result.faults.append(happened)
            told.happened(happened)
        _until(of, told, begun, begun + plan.minutes * 60)
        result.seconds = time.monotonic() - begun
        judge(of, stack, folder, told, result)
    return result


def judge(of: Pipeline, stack: Stack, folder: Path, told: Told, result: Result) -> None:
    """Ends the traffic, and compares all that is in Cassandra with all that was published.

    Raises:
        UserError: the last messages cannot be published.
    """
    feed, lines = of.world.feed, folder / LINES
    told.stage("the last messages")
    feed.finish()
    ended = time.monotonic()
    result.messages, result.copies = feed.lines, feed.copies
    result.repeated, result.reconnects = feed.totals.repeated, feed.totals.reconnects
    told.stage("what the tables should be")
    expected = oracle_tables(lines, HISTORY)
    streams = (*of.ends.streams, *stream_names(ASSIGNMENTS, PARTITIONS))
    held = log.read(stack.rabbitmq.connection, streams, feed.totals.confirmed)
    result.lost, result.disorder = log.missing(held, lines), log.disorder(held, lines)
    told.stage("tables row by row")
    result.tables = _compared(of.ends.keyspace, expected, held.copies)
    result.equal_after_s = time.monotonic() - ended
    ages = of.probe.ages_s()
    result.deaths = of.world.deaths
    result.age_ms = median(ages) * 1000 if ages else 0.0
    of.memory.stop()
    result.peaks_mb = of.memory.peaks_mb()


@contextmanager
def pipeline(stack: Stack, plan: Plan, folder: Path, told: Told) -> Iterator[Pipeline]:
    """Streams, links, job, publisher, probe: all at work, until the block ends."""
    exchange, keyspace = f"telemetry-of-{plan.name}", f"kf_test_{plan.name}"
    streams = tuple(stream_names(exchange, PARTITIONS))
    broker = stack.rabbitmq.connection
    with ExitStack() as undo:
        undo.callback(_forget, stack, exchange, streams, keyspace)
        _forget(stack, exchange, streams, keyspace)
        with rabbitmq_connection(broker) as connection:
            declare(connection, exchange, StreamSettings(partitions=PARTITIONS))
            declare(connection, ASSIGNMENTS, StreamSettings(partitions=PARTITIONS))
            declare_results(connection)
        broker_link, cassandra_link = Link(stack.ports.stream), Link(stack.ports.cql)
        undo.callback(broker_link.close)
        undo.callback(cassandra_link.close)
        ends = Ends(broker_link.port, streams, cassandra_link.port, keyspace)
        job = Job(stack, ends, HISTORY)
        undo.callback(job.cancel)
        told.stage("job by flink run")
        job.submit(1)
        job.await_running()
        folder.mkdir(parents=True, exist_ok=True)
        feed = Feed(plan.traffic, plan.rate, exchange, PARTITIONS, broker, folder / LINES)
        undo.callback(feed.stop)
        world = World(stack, job, feed, broker_link, cassandra_link)
        undo.callback(world.interrupted.set)
        probe = Probe(stack.ports.cql, keyspace, feed.probes)
        undo.callback(probe.stop)
        memory = Memory(stack)
        undo.callback(memory.stop)
        feed.start()
        probe.start()
        memory.start()
        told.stage("first results")
        begun = time.monotonic()
        wait_until(
            lambda: probe.first_after(begun) is not None,
            FIRST_RESULT_LIMIT_S,
            lambda: "a first result in Cassandra",
        )
        told.stage("faults")
        yield Pipeline(world, probe, memory, ends)


def _one(of: Pipeline, told: Told, begun: float, fault: Fault) -> Happened:
    """A fault from its begin until results flow again."""
    broken: Broken = execute(of.world, fault)
    limit = time.monotonic() + RECOVERY_LIMIT_S
    while (recovered := of.probe.first_after(broken.counts_from)) is None and time.monotonic() < limit:
        of.world.supervise()
        _tick(of, told, begun)
    return Happened(
        fault=fault,
        victim=broken.victim,
        at_s=broken.begun - begun,
        down_s=broken.mended - broken.begun,
        recovered_s=None if recovered is None else recovered - broken.begun,
        after_restart_s=None
        if recovered is None or broken.restarted is None
        else max(0.0, recovered - broken.restarted),
        silent_s=of.probe.silence_s(broken.begun, recovered or time.monotonic()),
    )


def _until(of: Pipeline, told: Told, begun: float, moment: float) -> None:
    while time.monotonic() < moment:
        _tick(of, told, begun)


def _tick(of: Pipeline, told: Told, begun: float) -> None:
    of.world.feed.check()
    told.tick(time.monotonic() - begun, of.world.feed.totals.confirmed)
    time.sleep(0.1)


def _compared(keyspace: str, expected: Mapping[str, Rows], copies: Mapping[str, int]) -> list[Compared]:
    """The comparison, once all is equal, or nothing has changed for a while."""
    changed = time.monotonic()
    before: list[Compared] = []
    with connect(CassandraConnection.from_environment(), timeout_s=60) as session:
        while True:
            found = compare(read_cassandra(session, keyspace, JOB), expected, copies)
            if found != before:
                before, changed = found, time.monotonic()
            if all(each.same for each in found) or time.monotonic() - changed > STILL_S:
                return found
            time.sleep(1)


def _forget(stack: Stack, exchange: str, streams: Sequence[str], keyspace: str) -> None:
    with rabbitmq_connection(stack.rabbitmq.connection) as connection:
        channel = connection.channel()
        for stream in (*streams, *stream_names(ASSIGNMENTS, PARTITIONS)):
            channel.queue_delete(stream)
        channel.exchange_delete(exchange)
        channel.exchange_delete(ASSIGNMENTS)
    cluster = CassandraConnection((LOOPBACK,), stack.ports.cql)
    with connect(cluster, timeout_s=60) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")
