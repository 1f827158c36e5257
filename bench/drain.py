"""Mode ``drain``: a backlog of one-sample messages in RabbitMQ, until its windows are closed in Cassandra.

The streams are filled first; then the job is submitted, as users do, unbounded and with checkpoints every 2 s. A few
minutes of event time behind the backlog follow two messages of each vehicle that close its windows. The clock starts
when all tasks run (deploying a job is not draining; connecting, compiling and warming up are) and stops when all
vehicles' last minutes are in Cassandra, final. Nothing lost and nothing counted twice is checked by the sum of samples
over all minutes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from bench.cluster_job import TABLES, ClusterJob, JobOptions, Meter
from bench.figures import Figure, figure
from bench.outputs import Different
from bench.progress import Progress
from bench.servers import streams, tables
from bench.traffic import publisher, read_bare
from kappafleet.stack.stack import Stack

EXCHANGE, KEYSPACE = "bench-drain", "bench_drain"
VEHICLES = 1000
LIMIT_S = 900.0
MINUTE_MS = 60_000
CLOSING_PERIOD_MS = 40_000
CLOSING_S = 150
"""Event time of the closing messages behind the backlog: beyond the watermark's delay and a minute's length."""


@dataclass(frozen=True, slots=True)
class Drained:
    """One drain."""

    seconds: float
    mean_per_s: float
    warm_per_s: float
    gc_share: float
    upserts_per_message: float


def run(servers: Stack, progress: Progress, messages: int, options: JobOptions) -> list[Figure]:
    """Fills, reads with the bare client, drains."""
    messages -= messages % VEHICLES
    with streams(EXCHANGE) as names, tables(KEYSPACE) as session:
        filled = _fill(servers, progress, names, messages)
        total = messages + 2 * VEHICLES
        progress.stage(f"drain: the bare stream client reads {total:,} messages")
        bare = read_bare(servers, names, total)
        bare_per_s = total / bare["s"]
        bare_warm = total / 2 / bare["second_half_s"]
        progress.tell(
            f"drain  bare stream client {bare_per_s:,.0f} messages/s ({bare_warm:,.0f} in its second half), "
            f"{total / bare['chunks']:.0f} messages to a chunk"
        )
        done = _drain(servers, progress, session, names, messages, filled, options)
        progress.tell(
            f"drain  {messages:,} messages in {done.seconds:.1f} s: {done.mean_per_s:,.0f} messages/s, "
            f"{done.warm_per_s:,.0f} once warm, {done.upserts_per_message:.2f} upserts a message; all samples are in "
            "Cassandra, once"
        )
    return [
        figure("drain/mean_messages_per_s", "messages/s", done.mean_per_s),
        figure("drain/warm_messages_per_s", "messages/s", done.warm_per_s),
        figure("drain/bare_client_messages_per_s", "messages/s", bare_per_s),
        figure("drain/bare_client_warm_messages_per_s", "messages/s", bare_warm),
        figure("drain/share_of_bare_client", "", done.warm_per_s / bare_warm),
        figure("drain/gc_share", "of the time", done.gc_share, "less"),
        figure("drain/upserts_per_message", "upserts", done.upserts_per_message, "less"),
        figure("drain/messages", "messages", messages, None),
    ]


def _fill(servers: Stack, progress: Progress, names: Sequence[str], messages: int) -> int:
    """Publishes the backlog and what closes it; returns the last minute of the backlog, epoch ms."""
    now = time.time_ns() // 1_000_000
    last_ms = now - CLOSING_S * 1000
    last_ms -= last_ms % MINUTE_MS + 1  # the backlog ends with a minute
    with publisher(
        servers, names, samples=1, vehicles=VEHICLES, messages=messages, last_ms=last_ms
    ) as backlog:
        for line in backlog.lines():
            progress.stage(f"drain: filling the streams, {line['confirmed']:,} of {messages:,} messages")
    progress.tell(
        f"drain  {messages:,} messages published in {line['s']:.1f} s, {messages / line['s']:,.0f}/s"
    )
    # Two messages a vehicle: what is within order.buffer_s of the second waits, and the first, which does not, ends the
    # vehicle's last minute, as any message of a fleet that goes on does.
    closing = publisher(
        servers,
        names,
        samples=1,
        vehicles=VEHICLES,
        messages=2 * VEHICLES,
        period_ms=CLOSING_PERIOD_MS,
        last_ms=last_ms + CLOSING_S * 1000,
    )
    with closing:
        closing.last()
    return last_ms - last_ms % MINUTE_MS


def _drain(
    servers: Stack,
    progress: Progress,
    session: Session,
    names: Sequence[str],
    messages: int,
    last_minute_ms: int,
    options: JobOptions,
) -> Drained:
    with ClusterJob(servers, names, KEYSPACE, options) as job:
        job.await_running()
        begin, before = time.monotonic(), job.memory()
        meter = Meter(job)
        closed = _Closed(session, last_minute_ms)
        next_look = 0.0
        while True:
            count = meter.look()
            progress.stage(f"drain: {count:,} of {messages:,} messages")
            if count >= messages and closed.all():
                break
            if time.monotonic() - begin > LIMIT_S:
                job.check()
                raise Different(f"drain: not done after {LIMIT_S:.0f} s, {count:,} messages were taken")
            if time.monotonic() > next_look:
                job.check()
                next_look = time.monotonic() + 2
            time.sleep(0.1)
        seconds = time.monotonic() - begin
        gc_share, upserts = job.gc_share(before, seconds), job.records_in(TABLES)
        job.check()
    found = _samples(session, last_minute_ms)
    if found != messages:
        raise Different(f"drain: {messages:,} samples were published, Cassandra's minutes hold {found:,}")
    _no_rejects(session)
    return Drained(
        seconds,
        messages / seconds,
        _warm(meter.seen, messages),
        gc_share,
        upserts / messages,
    )


def _warm(seen: Sequence[tuple[float, int]], messages: int) -> float:
    """The rate of the second half of the messages."""
    later = [(at, count) for at, count in seen if count >= messages / 2]
    if len(later) < 2:
        return 0.0
    (begin, first), (end, last) = later[0], later[-1]
    return (last - first) / (end - begin)


class _Closed:
    """Which vehicles' last minutes of the backlog are in Cassandra; each is asked for until it is there."""

    def __init__(self, session: Session, last_minute_ms: int) -> None:
        moment = datetime.fromtimestamp(last_minute_ms / 1000, UTC)
        self._session = session
        self._query = session.prepare(
            f"SELECT n_samples, final FROM {KEYSPACE}.vehicle_minute "
            "WHERE vehicle_id = ? AND day = ? AND minute_start = ?"
        )
        self._open = [(vehicle_id(n), moment.strftime("%Y-%m-%d"), moment) for n in range(VEHICLES)]

    def all(self) -> bool:
        """Whether all of them are; asks no further than the first hundred that are not."""
        while self._open:
            asked = self._open[:100]
            answers = execute_concurrent_with_args(self._session, self._query, asked, concurrency=50)
            rows = [answer.result_or_exc.one() for answer in answers]
            missing = [
                each
                for each, row in zip(asked, rows, strict=True)
                if row is None or not row.final or row.n_samples < MINUTE_MS // 1000
            ]
            self._open[:100] = missing
            if missing:
                return False
        return True


def vehicle_id(number: int) -> str:
    """As the publisher names them."""
    return f"vehicle-{number:07d}"


def _samples(session: Session, last_minute_ms: int) -> int:
    """Of the backlog's minutes; the messages behind it have minutes of their own."""
    last = datetime.fromtimestamp(last_minute_ms / 1000, UTC).replace(tzinfo=None)
    rows = session.execute(f"SELECT minute_start, n_samples FROM {KEYSPACE}.vehicle_minute", timeout=120)
    return sum(row.n_samples or 0 for row in rows if row.minute_start <= last)


def _no_rejects(session: Session) -> None:
    row = session.execute(f"SELECT reason FROM {KEYSPACE}.reject LIMIT 1").one()
    if row is not None:
        raise Different(f"drain: the job refused a message: {row.reason}")
