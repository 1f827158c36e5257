"""What ``GET driver day`` takes: drivers' days over connections that stay open, asked as fast as they are answered.

The client is one process with a few lines of HTTP/1.1: a client library would need more of the two cores than the
server does.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from bench.outputs import Different
from schemas.tables import Column, table

DRIVERS = 500
MONTH = date(2026, 11, 1)
DAYS = 30
WARM_UP_S = 3.0
_TEXTS = {"score_state": "ok", "formula": "score/1", "params_hash": "0123456789abcdef", "final": True}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one way of asking took.

    Attributes:
        latencies_ms: of each request, in order of length.
        per_s: requests.
        requests: all of them, those of the warm-up, too.
    """

    latencies_ms: list[float]
    per_s: float
    requests: int

    def at(self, share: float) -> float:
        """Milliseconds within which so large a share was answered."""
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(share * len(self.latencies_ms)))]


def fill(session: Session, keyspace: str) -> None:
    """Writes a month of days of each driver, with all columns that a day has."""
    columns = [each for each in table("driver_stats", "driver_day").columns if each.name != "superseded_by"]
    names, marks = ", ".join(each.name for each in columns), ", ".join("?" for _ in columns)
    insert = session.prepare(f"INSERT INTO {keyspace}.driver_day ({names}) VALUES ({marks})")
    rows = (
        [_value(column, driver, day) for column in columns]
        for driver, day in itertools.product(range(DRIVERS), range(DAYS))
    )
    execute_concurrent_with_args(session, insert, rows, concurrency=20)


def _value(column: Column, driver: int, day: int) -> Any:
    at = MONTH + timedelta(days=day)
    keys = {
        "driver_id": f"driver-{driver}",
        "month": MONTH.strftime("%Y-%m"),
        "day": at.isoformat(),
        "fleet_id": "load",
    }
    if column.name in keys | _TEXTS:
        return (keys | _TEXTS)[column.name]
    if column.cql_type == "timestamp":
        return datetime(at.year, at.month, at.day, 23, 59, 59, tzinfo=UTC)
    if column.cql_type == "boolean":
        return False
    if column.cql_type == "text":
        return f"{column.name} {driver % 7}"
    return driver * 31 + day if column.cql_type in ("int", "bigint") else (driver * 31 + day) / 8


def path(driver: int, days: int) -> str:
    """The address of a driver's first days of the month."""
    last = MONTH + timedelta(days=days - 1)
    return f"/v1/drivers/driver-{driver % DRIVERS}/days?from={MONTH}&to={last}"


def ask(port: int, connections: int, days: int, seconds: float) -> Asked:
    """Asks from a process of its own.

    Args:
        port: where the server is, on this machine.
        connections: each has one request under way.
        days: rows of an answer.
        seconds: for how long, after a warm-up.

    Raises:
        Different: an answer is not the driver's days.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_ask, (port, connections, days, seconds))


def _ask(port: int, connections: int, days: int, seconds: float) -> Asked:
    return asyncio.run(_asked(port, connections, days, seconds))


async def _asked(port: int, connections: int, days: int, seconds: float) -> Asked:
    numbers = itertools.count()
    before = await _together(port, connections, days, WARM_UP_S, numbers)
    begin = time.perf_counter()
    found = await _together(port, connections, days, seconds, numbers)
    took = time.perf_counter() - begin
    return Asked(sorted(found), len(found) / took, len(before) + len(found))


async def _together(
    port: int, connections: int, days: int, seconds: float, numbers: Iterable[int]
) -> list[float]:
    end = time.perf_counter() + seconds
    several = [_one(port, days, end, iter(numbers)) for _ in range(connections)]
    return [each for found in await asyncio.gather(*several) for each in found]


async def _one(port: int, days: int, end: float, numbers: Iterable[int]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    try:
        for number in numbers:
            request = f"GET {path(number, days)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n"
            begin = time.perf_counter()
            if begin > end:
                break
            writer.write(request.encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            found.append((time.perf_counter() - begin) * 1000)
            wanted = f'"driver-{number % DRIVERS}"'.encode()
            if not head.startswith(b"http/1.1 200") or body.count(wanted) != days:
                raise Different(f"serve: {path(number, days)} was answered with {head[:40]!r} {body[:300]!r}")
    finally:
        writer.close()
    return found
