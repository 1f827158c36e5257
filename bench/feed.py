"""What the live feed takes: followers over WebSocket while rows change, and some that never read.

Rows of vehicle_live are published to the exchange `results` as a job does, at an even pace over all fleets; each fleet
has its share of the followers, which are one process of their own, and the publisher another. A row says when it was
published: a latency is from there to the follower that has parsed it. Of a row that changes twice within a tick a
follower gets the newest values, so it may get fewer changes than were published; in the end it must have the last one
of each row, or the run is no result. Nothing is timed ahead: publishing begins when all follow a feed that is live.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import orjson
import pika
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.outputs import Different
from kappafleet.connections import rabbitmq_connection
from kappafleet.streams import RESULTS, declare_results
from serving.store import keyspace_of

JOB = "driver_stats"
AT_ONCE = 20
READY_LIMIT_S = 300.0
MOST_MS = 60_000
MINUTE_S = 60.0
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What to try.

    Attributes:
        clients: followers that read.
        slow: followers that never read after their snapshot; they come back when the server has closed them.
        updates: changes a second, over all fleets.
        fleets: so many.
        vehicles: of each fleet.
        seconds: for how long.
        settle_s: so long after the last change the followers may take to have it.
    """

    clients: int = 500
    slow: int = 20
    updates: int = 1000
    fleets: int = 20
    vehicles: int = 200
    seconds: float = 60.0
    settle_s: float = 30.0


@dataclass(slots=True)
class Heard:
    """What the followers got.

    Attributes:
        latencies: how many changes took so many milliseconds.
        changes: of each follower that reads.
        wrong: of these, how many do not have the last change of each row.
    """

    latencies: array[int] = field(default_factory=lambda: array("Q", bytes(8 * (MOST_MS + 1))))
    changes: list[int] = field(default_factory=list)
    wrong: int = 0

    def at(self, share: float) -> float:
        """Milliseconds within which so large a share of the changes came."""
        wanted, seen = share * sum(self.latencies), 0
        for ms, count in enumerate(self.latencies):
            seen += count
            if count and seen >= wanted:
                return float(ms)
        return float(MOST_MS)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took.

    Attributes:
        heard: by the followers.
        seconds: from the first publication to the last.
        published: so many changes.
        cores: processor time of the server by the clock's.
        memory_mb: resident, each half second.
    """

    heard: Heard
    seconds: float
    published: int
    cores: float
    memory_mb: list[float]

    def memory(self, last: bool) -> float:
        """The median of the first minute, or of the last one; of a short run, of its thirds."""
        count = max(1, min(round(MINUTE_S / LOOK_EVERY_S), len(self.memory_mb) // 3))
        return statistics.median(self.memory_mb[-count:] if last else self.memory_mb[:count])


def run(load: Load, port: int, version: int, server: psutil.Process) -> Taken:
    """Follows, publishes and measures.

    Args:
        load: what.
        port: where the server is, on this machine.
        version: the active one of driver_stats' tables.
        server: its process.

    Raises:
        Different: a follower got other than what was published, or a process failed.
    """
    with (
        _Child("followers", _follow_all, load, port) as followers,
        _Child("publisher", _publish, load, version) as of,
    ):
        of.heard(READY_LIMIT_S)
        followers.heard(READY_LIMIT_S)
        begin, used = time.monotonic(), sum(server.cpu_times()[:2])
        memory = [server.memory_info().rss / 1e6]
        of.tell(None)
        while not of.has_something(LOOK_EVERY_S):
            memory.append(server.memory_info().rss / 1e6)
            if time.monotonic() - begin > load.seconds * 2 + READY_LIMIT_S:
                raise Different("serve: the publisher does not come to its end")
        seconds = time.monotonic() - begin
        cores = (sum(server.cpu_times()[:2]) - used) / seconds
        last: dict[str, dict[str, int]] = of.heard(1.0)
        followers.tell(last)
        heard: Heard = followers.heard(load.settle_s + READY_LIMIT_S)
    if heard.wrong:
        raise Different(
            f"serve: {heard.wrong} of {load.clients} followers do not have what was published last"
        )
    return Taken(heard, seconds, round(load.updates * load.seconds), cores, memory)


class _Child:
    """A process that says things over a pipe; it ends with the block."""

    def __init__(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        self._name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_told, args=(target, there, *arguments), name=name)
        self._process.start()
        there.close()

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def tell(self, what: object) -> None:
        self._pipe.send(what)

    def has_something(self, limit_s: float) -> bool:
        return self._pipe.poll(limit_s)

    def heard(self, limit_s: float) -> Any:
        """What it says next.

        Raises:
            Different: nothing within the limit, or why it failed.
        """
        if not self._pipe.poll(limit_s):
            raise Different(f"serve: the {self._name} said nothing for {limit_s:.0f} s")
        try:
            found = self._pipe.recv()
        except EOFError:
            raise Different(f"serve: the {self._name} ended") from None
        if isinstance(found, _Failure):
            raise Different(f"serve: the {self._name} failed: {found.why}")
        return found


@dataclass(frozen=True, slots=True)
class _Failure:
    why: str


def _told(target: Callable[..., None], pipe: Connection, *arguments: object) -> None:
    try:
        target(pipe, *arguments)
    except Exception as error:  # for whoever waits at the other end
        pipe.send(_Failure(repr(error)))


# ---------------------------------------------------------------- the publisher


def fleet_name(number: int) -> str:
    return f"load-{number}"


def _publish(pipe: Connection, load: Load, version: int) -> None:
    """Publishes at an even pace from the moment it is told to; says what came last of each row."""
    last: dict[str, dict[str, int]] = {fleet_name(each): {} for each in range(load.fleets)}
    with rabbitmq_connection() as connection:
        declare_results(connection)
        channel = connection.channel()
        pipe.send("ready")
        pipe.recv()
        begin = time.time()
        sent, count = 0, round(load.updates * load.seconds)
        while sent < count:
            due = min(count, int((time.time() - begin) * load.updates))
            for number in range(sent, due):
                fleet = fleet_name(number % load.fleets)
                vehicle = f"van-{number // load.fleets % load.vehicles}"
                row, properties = _row(fleet, vehicle, number, version)
                channel.basic_publish(RESULTS, f"vehicle_live.{fleet}.{vehicle}", row, properties)
                last[fleet][vehicle] = number
            sent = max(sent, due)
            connection.process_data_events(0.005)
    pipe.send(last)


def _row(fleet: str, vehicle: str, number: int, version: int) -> tuple[bytes, pika.BasicProperties]:
    """A row with the columns that a vehicle on its way has; its odometer is the change's number."""
    now = time.time()
    values = {
        "fleet_id": fleet, "vehicle_id": vehicle, "driver_id": f"driver-{vehicle}", "state": "driving",
        "event_time": "2026-11-21T05:00:00.000Z", "lat": 52.52 + number % 97 / 1000, "lon": 13.4, "heading": 80.0,
        "speed_kmh": float(number % 90), "number": number, "published_at": now,
    }  # fmt: skip
    properties = pika.BasicProperties(
        message_id=f"vehicle_live/{fleet}/{vehicle}@{round(now * 1e6)}-ff",
        type="vehicle_live",
        app_id=keyspace_of(JOB, version),
        headers={"write_us": round(now * 1e6)},
    )
    return json.dumps(values).encode(), properties


# ---------------------------------------------------------------- the followers


class _Follower:
    def __init__(self, fleet: str, port: int) -> None:
        self.fleet = fleet
        self.url = f"ws://127.0.0.1:{port}/v1/fleets/{fleet}/feed?tables=vehicle_live"
        self.live = asyncio.Event()
        self.changes = 0
        self.last: dict[str, int] = {}

    def connection(self) -> connect:
        # No pings of its own: the answers of a follower that does not read would wait behind what it does not read.
        return connect(self.url, compression=None, open_timeout=120, max_size=None, ping_interval=None)

    async def begin(self, socket: ClientConnection) -> None:
        """Reads until the feed is live."""
        while not self.live.is_set():
            event = orjson.loads(await socket.recv())
            if event["event"] in ("snapshot", "state") and event["data"]["live"]:
                self.live.set()

    async def read(self, latencies: array[int]) -> None:
        """Until it is cancelled."""
        async with self.connection() as socket:
            await self.begin(socket)
            while True:
                event = orjson.loads(await socket.recv(decode=False))
                if event["event"] == "changes":
                    now = time.time()
                    for change in event["data"]["changes"]:
                        row = change["row"]
                        latencies[min(MOST_MS, max(0, round((now - row["published_at"]) * 1000)))] += 1
                        self.last[row["vehicle_id"]] = row["number"]
                        self.changes += 1

    async def idle(self) -> None:
        """Never reads after the begin; comes back when the server has had enough of it."""
        while True:
            with suppress(ConnectionClosed, OSError):
                async with self.connection() as socket:
                    self.live.clear()
                    await self.begin(socket)
                    await socket.wait_closed()


def _follow_all(pipe: Connection, load: Load, port: int) -> None:
    asyncio.run(_followed(pipe, load, port))


async def _followed(pipe: Connection, load: Load, port: int) -> None:
    heard = Heard()
    readers = [_Follower(fleet_name(each % load.fleets), port) for each in range(load.clients)]
    idlers = [_Follower(fleet_name(each % load.fleets), port) for each in range(load.slow)]
    tasks: list[asyncio.Task[None]] = []
    everybody = [
        *((each, each.read(heard.latencies)) for each in readers),
        *((each, each.idle()) for each in idlers),
    ]
    for start in range(0, len(everybody), AT_ONCE):
        some = everybody[start : start + AT_ONCE]
        tasks += [asyncio.create_task(work) for _, work in some]
        live = asyncio.gather(*(each.live.wait() for each, _ in some))
        await _unless_one_fails(tasks, live)
    pipe.send("ready")
    last = await _unless_one_fails(tasks, asyncio.ensure_future(asyncio.to_thread(pipe.recv)))
    end = time.monotonic() + load.settle_s
    while any(each.last != last[each.fleet] for each in readers) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    heard.wrong = sum(each.last != last[each.fleet] for each in readers)
    heard.changes = [each.changes for each in readers]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    pipe.send(heard)


async def _unless_one_fails(tasks: list[asyncio.Task[None]], wanted: asyncio.Future[Any]) -> Any:
    """Waits for something; what a follower failed of comes first."""
    await asyncio.wait([*tasks, wanted], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            wanted.cancel()
            task.result()
    return await wanted
