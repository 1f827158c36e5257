"""Mode ``serve``: the HTTP API and the live feed of ``kappafleet serve``, beside the servers that the demo has.

The API: a driver's day, and a driver's month, over one connection and over 16. The feed: 500 followers over
WebSocket, 20 more that never read, and 1,000 changed rows a second over 20 fleets; the server's memory over the run.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import psutil

from bench import day, feed
from bench.feed import Load, Taken
from bench.figures import Figure, figure
from bench.progress import Progress
from bench.servers import JOB
from connectors.cassandra_client import active_version, connect, create_meta, create_tables
from kappafleet.connections import CassandraConnection
from kappafleet.errors import ServerError
from kappafleet.stack.stack import Stack
from schemas.tables import cql_text
from serving.store import FIRST_VERSION, keyspace_of

CONNECTIONS = (1, 16)
DAYS = (1, day.DAYS)
START_LIMIT_S = 120.0


def run(servers: Stack, progress: Progress, day_s: float, load: Load) -> tuple[list[Figure], dict[str, Any]]:
    """Asks, then follows.

    Args:
        servers: where the tables and the exchange are.
        progress: is told.
        day_s: for so long each way of asking.
        load: of the feed.
    """
    with connect(CassandraConnection.from_environment()) as session:
        create_meta(session)
        version = active_version(session, JOB) or FIRST_VERSION
        create_tables(session, keyspace_of(JOB, version), cql_text(JOB))
        day.fill(session, keyspace_of(JOB, version))
    figures = []
    with serving(servers.ports.http) as process:
        for days in DAYS:
            for connections in CONNECTIONS:
                figures += _asked(servers.ports.http, process, progress, days, connections, day_s)
    # The feed's memory is not to be that of what was asked before.
    with serving(servers.ports.http) as process:
        progress.stage(f"serve: {load.clients} followers, {load.updates} changes/s for {load.seconds:.0f} s")
        taken = feed.run(load, servers.ports.http, version, process)
    return figures + _followed(progress, load, taken), {"load": asdict(load), "memory_mb": taken.memory_mb}


@contextmanager
def serving(port: int) -> Iterator[psutil.Process]:
    """``kappafleet serve`` without a limit of rate, against the servers of the environment; it ends with the block.

    Raises:
        ServerError: it does not answer.
    """
    words = [sys.executable, "-m", "kappafleet", "serve", "--port", str(port), "--rate", "0"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_LIMIT_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise ServerError(f"kappafleet serve does not answer on port {port}") from None
                time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _asked(
    port: int, server: psutil.Process, progress: Progress, days: int, connections: int, seconds: float
) -> list[Figure]:
    what = "day" if days == 1 else "month"
    progress.stage(f"serve: GET a driver's {what}, {connections} at once")
    used = sum(server.cpu_times()[:2])
    asked = day.ask(port, connections, days, seconds)
    cpu_ms = (sum(server.cpu_times()[:2]) - used) / asked.requests * 1000
    progress.tell(
        f"serve  GET a driver's {what} ({days} row{'s' if days > 1 else ''}), {connections} at once: "
        f"{asked.per_s:,.0f} requests/s, p50 {asked.at(0.5):.2f} ms, p99 {asked.at(0.99):.2f} ms; "
        f"{cpu_ms:.2f} ms of the server's processor a request"
    )
    name = f"serve/{what}/{connections}"
    return [
        figure(f"{name}/requests_per_s", "requests/s", asked.per_s),
        figure(f"{name}/p50_ms", "ms", asked.at(0.5), "less"),
        figure(f"{name}/p99_ms", "ms", asked.at(0.99), "less"),
        figure(f"{name}/server_cpu_ms", "ms a request", cpu_ms, "less"),
    ]


def _followed(progress: Progress, load: Load, taken: Taken) -> list[Figure]:
    heard = taken.heard
    first, last = taken.memory(last=False), taken.memory(last=True)
    delivered, rate = sum(heard.changes), taken.published / taken.seconds
    wanted = taken.published * load.clients / load.fleets
    progress.tell(
        f"serve  {load.clients} followers and {load.slow} that never read, {rate:,.0f} changes/s over {load.fleets} "
        f"fleets for {taken.seconds:.0f} s: p50 {heard.at(0.5):.0f} ms, p99 {heard.at(0.99):.0f} ms, longest "
        f"{heard.at(1.0):.0f} ms; {delivered / taken.seconds:,.0f} changes/s delivered, {delivered / wanted:.1%} of "
        f"what was published; server {taken.cores:.2f} of a core; memory {first:.0f} MB in the first minute, "
        f"{last:.0f} MB in the last, at most {max(taken.memory_mb):.0f} MB"
    )
    return [
        figure("serve/feed/published_per_s", "changes/s", rate),
        figure("serve/feed/delivered_per_s", "changes/s", delivered / taken.seconds),
        figure("serve/feed/p50_ms", "ms", heard.at(0.5), "less"),
        figure("serve/feed/p99_ms", "ms", heard.at(0.99), "less"),
        figure("serve/feed/longest_ms", "ms", heard.at(1.0), "less"),
        figure("serve/feed/cores", "cores", taken.cores, "less"),
        figure("serve/feed/memory_first_minute_mb", "MB", first, "less"),
        figure("serve/feed/memory_last_minute_mb", "MB", last, "less"),
        figure("serve/feed/memory_growth", "last : first minute", last / first, "less"),
    ]
