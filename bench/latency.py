"""Mode ``latency``: from a message's scheduled moment of publishing until its row can be read in ``vehicle_live``.

10,000 vehicles send one sample every 2 s, 5,000 messages a second in all. Half of that rate is published first:
interpreters start and compilers work while it is, and what they delay is not what a service that has run for a minute
has to work off. A sample's time is the moment at which it is due to be published; the publisher's own delay counts. One
fleet's partition is read over and over; when a vehicle's event_time has changed, the age of the new one is a latency.
So the time of the reading query and the pause between two are in it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from cassandra.cluster import Session

from bench.cluster_job import ClusterJob, JobOptions
from bench.figures import Figure, figure
from bench.java_tools import Program
from bench.outputs import Different
from bench.progress import Progress
from bench.servers import streams, tables
from bench.traffic import publisher
from kappafleet.errors import UserError
from kappafleet.stack.stack import Stack

EXCHANGE, KEYSPACE = "bench-latency", "bench_latency"
VEHICLES = 10_000
RATE = 5_000.0
WARM_UP_S = 30.0
SLOW = 2
SLOW_S = 60.0
PROBED = 50
PAUSE_S = 0.01
MANY = 100
"""Fewer latencies than this say nothing about p99."""


def run(
    servers: Stack, progress: Progress, seconds: float, options: JobOptions, rate: float = RATE
) -> list[Figure]:
    """Publishes at a rate and reads rows meanwhile."""
    with (
        streams(EXCHANGE) as names,
        tables(KEYSPACE) as session,
        ClusterJob(servers, names, KEYSPACE, options) as job,
    ):
        job.await_running()
        slow = rate / SLOW
        progress.stage("latency: starting with half of the rate")
        with publisher(
            servers,
            names,
            samples=1,
            vehicles=VEHICLES,
            messages=int(slow * SLOW_S),
            rate=slow,
            period_ms=VEHICLES / slow * 1000,
        ) as first:
            first.last()
        feed = publisher(
            servers,
            names,
            samples=1,
            vehicles=VEHICLES,
            messages=int(rate * (WARM_UP_S + seconds)),
            rate=rate,
            period_ms=VEHICLES / rate * 1000,
        )
        found, query_ms, late_ms = _measure(feed, session, progress)
        job.check()
    if len(found) < MANY:
        raise Different(f"latency: only {len(found)} rows changed while they were watched")
    values = np.array(found)
    p50, p90, p99 = (float(np.percentile(values, each)) for each in (50, 90, 99))
    progress.tell(
        f"latency  p50 {p50:.0f} ms, p90 {p90:.0f}, p99 {p99:.0f}, worst {values.max():.0f}, of {len(found):,} rows; "
        f"one query took {query_ms:.1f} ms, the publisher was late by {late_ms:.0f} ms at the most"
    )
    return [
        figure("latency/p50_ms", "ms", p50, "less"),
        figure("latency/p90_ms", "ms", p90, "less"),
        figure("latency/p99_ms", "ms", p99, "less"),
        figure("latency/query_ms", "ms", query_ms, "less"),
        figure("latency/publisher_late_ms", "ms", late_ms, "less"),
        figure("latency/rows", "rows", len(found), None),
    ]


def _measure(feed: Program, session: Session, progress: Progress) -> tuple[list[float], float, float]:
    """Latencies in ms; the median time of a query; by how much the publisher was late at the most."""
    late: list[float] = []
    failure: list[UserError] = []

    def listen() -> None:
        try:
            late.extend(
                float(line["late_ms"]) for line in feed.lines() if line["s"] > WARM_UP_S and not line["done"]
            )
        except UserError as error:
            failure.append(error)

    # Every tenth vehicle is of this fleet: these are 50 of its rows, in one partition.
    ids = [f"vehicle-{number * 10:07d}" for number in range(PROBED)]
    query = session.prepare(
        f"SELECT vehicle_id, event_time FROM {KEYSPACE}.vehicle_live WHERE fleet_id = 'fleet-0' AND vehicle_id IN ?"
    )
    seen: dict[str, float] = {}
    found: list[float] = []
    queries: list[float] = []
    with feed:
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        begin = told = time.monotonic()
        while thread.is_alive():
            asked = time.monotonic()
            rows = session.execute(query, (ids,)).all()
            now_ms = time.time() * 1000
            warm = asked - begin > WARM_UP_S
            ages = _changes(seen, rows, now_ms)
            if warm:
                found += ages
            queries.append(time.monotonic() - asked)
            if asked - told > 1:
                told = asked
                progress.stage(f"latency: {len(found):,} rows seen" if warm else "latency: warming up")
            time.sleep(PAUSE_S)
        thread.join()
    if failure:
        raise failure[0]
    return found, float(np.median(queries)) * 1000, max(late, default=0.0)


def _changes(seen: dict[str, float], rows: Sequence[tuple[str, datetime]], now_ms: float) -> list[float]:
    """Ages of the rows that are newer than what was seen of them."""
    ages = []
    for vehicle, event_time in rows:
        event_ms = event_time.replace(tzinfo=UTC).timestamp() * 1000
        before = seen.get(vehicle)
        if before is None or event_ms > before:
            seen[vehicle] = event_ms
            if before is not None:
                ages.append(now_ms - event_ms)
    return ages
