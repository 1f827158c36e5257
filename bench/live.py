"""Mode ``live``: publisher, broker, Flink and Cassandra at once, at a fixed rate; does the job keep up?

Each message has 20 samples. A quarter of the rate is published first, until interpreters and compilers have done most
of their work. Then the publisher keeps its rate whatever the job does; how far the job is behind is what is published
less what the operator keyed by vehicle has taken. Flat means: the median of the second half is not above
that of the first by more than a second's worth of messages.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bench.cluster_job import ClusterJob, JobOptions
from bench.drain import vehicle_id
from bench.figures import Figure, figure
from bench.java_tools import Program, Told
from bench.outputs import Different
from bench.progress import Progress
from bench.servers import streams, tables
from bench.traffic import publisher
from kappafleet.errors import UserError
from kappafleet.stack.stack import Stack

EXCHANGE, KEYSPACE = "bench-live", "bench_live"
SAMPLES = 20
HZ = 500
"""So few vehicles make the rate that their live rows, one a second each, are few beside it."""
SLOW = 4
SLOW_S = 40.0
WARM_UP_S = 30.0
CAUGHT_UP_S = 60.0
EVERY_S = 1.0
PROBED = 20
SUB_BATCH = 50
"""Messages in an entry of the log, as a gateway that forwards so many would publish them."""
SETTINGS = ("order.buffer_s=0.2", "order.max_head=100", "batch.max_delay_ms=200", "batch.max_bytes=16777216")
"""State is read and written whole at each mini-batch. What waits to be put in order belongs to it: 5,000 samples of 80
bytes a vehicle in the default 10 s, 100 in these 200 ms. So do the first 3,000 samples of a vehicle, until it is known
that they depend on none before: at 500 Hz 6 s, too few to be of use, and 480 MB of 2,000 vehicles. Larger mini-batches
have more messages of each vehicle."""


@dataclass(slots=True)
class Heard:
    """What the publisher said last, from a thread of its own."""

    line: Told = field(default_factory=dict)
    late_ms: list[float] = field(default_factory=list)
    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """One look: seconds since the begin, published, taken by the job."""

    at: float
    published: int
    taken: int

    @property
    def messages(self) -> int:
        """How many are in between."""
        return max(0, self.published - self.taken)


def run(
    servers: Stack, progress: Progress, samples_per_s: float, seconds: float, options: JobOptions
) -> tuple[list[Figure], list[Behind]]:
    """Publishes at a rate for some time beside the job."""
    rate = samples_per_s / SAMPLES
    vehicles = round(samples_per_s / HZ)
    with streams(EXCHANGE) as names, tables(KEYSPACE) as session:
        options = replace(options, overrides=(*SETTINGS, *options.overrides))
        with ClusterJob(servers, names, KEYSPACE, options) as job:
            job.await_running()
            progress.stage("live: starting with a quarter of the rate")
            start = int(rate / SLOW * SLOW_S)
            with publisher(
                servers,
                names,
                samples=SAMPLES,
                vehicles=vehicles,
                hz=HZ,
                sub_batch=SUB_BATCH,
                messages=start,
                rate=rate / SLOW,
                period_ms=vehicles / rate * 1000 * SLOW,
            ) as start_feed:
                start_feed.last()
            _await_taken(job, start)
            feed = publisher(
                servers,
                names,
                samples=SAMPLES,
                vehicles=vehicles,
                hz=HZ,
                sub_batch=SUB_BATCH,
                messages=int(rate * (WARM_UP_S + seconds)),
                rate=rate,
                period_ms=vehicles / rate * 1000,
            )
            before = job.memory()
            begin = time.monotonic()
            seen = _watch(feed, job, progress, samples_per_s, start)
            gc_share = job.gc_share(before, time.monotonic() - begin)
            job.check()
            steady = [each for each in seen if each.at >= WARM_UP_S]
            if len(steady) < 4:
                raise Different("live: over before there was something to see; give it more seconds")
            checkpoint = job.checkpoints()
        live = session.prepare(
            f"SELECT vehicle_id FROM {KEYSPACE}.vehicle_live WHERE fleet_id = ? AND vehicle_id = ?"
        )
        shown = sum(
            session.execute(live, (f"fleet-{n % 10}", vehicle_id(n))).one() is not None for n in range(PROBED)
        )
        reject = session.execute(f"SELECT reason FROM {KEYSPACE}.reject LIMIT 1").one()
        if reject is not None:
            raise Different(f"live: the job refused a message: {reject.reason}")
    first, last = steady[0], steady[-1]
    span = last.at - first.at
    taken = (last.taken - first.taken) / span * SAMPLES
    published = (last.published - first.published) / span * SAMPLES
    half = len(steady) // 2
    early = statistics.median(each.messages for each in steady[:half])
    late = statistics.median(each.messages for each in steady[half:])
    flat = late - early <= rate
    progress.tell(
        f"live   {published:,.0f} samples/s published, {taken:,.0f} processed; behind by {early:,.0f} messages in the "
        f"first half, {late:,.0f} in the second: {'flat' if flat else 'GROWING'}"
        + ("" if shown == PROBED else f"; only {shown} of {PROBED} vehicles have a live row yet")
    )
    return [
        figure("live/published_samples_per_s", "samples/s", published),
        figure("live/processed_samples_per_s", "samples/s", taken),
        figure("live/behind_s", "s", [each.messages / rate for each in steady], "less"),
        figure("live/flat", "1 = yes", float(flat)),
        figure("live/gc_share", "of the time", gc_share, "less"),
        figure("live/checkpoint_ms", "ms", checkpoint["ms"], "less"),
    ], seen


def _await_taken(job: ClusterJob, messages: int) -> None:
    end = time.monotonic() + CAUGHT_UP_S
    while job.records_in() < messages:
        if time.monotonic() > end:
            raise Different(
                f"live: a quarter of the rate is too much: {messages - job.records_in():,} messages behind"
            )
        time.sleep(0.5)


def _watch(
    feed: Program, job: ClusterJob, progress: Progress, samples_per_s: float, before: int
) -> list[Behind]:
    """Looks once a second until the publisher has done; ``before`` messages were taken before it began."""
    told = Heard()
    seen: list[Behind] = []
    with feed:
        thread = threading.Thread(target=_listen, args=(feed.lines(), told), daemon=True)
        thread.start()
        begin = time.monotonic()
        while thread.is_alive():
            thread.join(EVERY_S)
            if not told.line:
                continue
            # Flink's figure is up to 2 s old, the publisher's up to 1 s: what is shown is rather too large.
            seen.append(
                Behind(time.monotonic() - begin, int(told.line["published"]), job.records_in() - before)
            )
            progress.stage(
                f"live at {samples_per_s:,.0f} samples/s: {seen[-1].published:,} messages published, "
                f"{seen[-1].messages:,} behind"
            )
    if told.failure is not None:
        raise told.failure
    return seen[:-1]  # the last line comes with the end


def _listen(lines: Iterable[Told], told: Heard) -> None:
    try:
        for line in lines:
            told.line = line
            told.late_ms.append(float(line["late_ms"]))
    except UserError as error:
        told.failure = error
