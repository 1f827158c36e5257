"""What the live feed takes: followers over WebSocket while rows change, against the servers of the environment.

    python -m bench.feed --clients 500 --updates 1000 --fleets 20 --seconds 60

Starts `kappafleet serve`, publishes changes of vehicle_live to the exchange `results` as a job does, spread over the
fleets, and follows each fleet with its share of the clients, in one process of their own. A row says when it was
published: the latency is from there to the client that has parsed it. Of a row that changes twice within a tick a
client gets the newest values, so it may get less than was published. CPU is the server's share of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
import pika
import psutil
from websockets.asyncio.client import connect

from connectors.cassandra_client import active_version
from connectors.cassandra_client import connect as cassandra
from kappafleet.connections import CassandraConnection, rabbitmq_connection
from kappafleet.streams import RESULTS, declare_results

JOB = "driver_stats"
START_LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Load:
    """What to try."""

    clients: int
    updates: int
    fleets: int
    vehicles: int
    seconds: float


def fleet_name(number: int) -> str:
    return f"load-{number}"


@contextmanager
def server(port: int) -> Iterator[psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "-m", "kappafleet", "serve", "--port", str(port), "--rate", "0"]
    )
    try:
        end = time.monotonic() + START_LIMIT_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit("kappafleet serve does not answer") from None
                time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def publish(load: Load, version: int, begin: float) -> None:
    """Publishes at an even pace from a moment on."""
    with rabbitmq_connection() as connection:
        declare_results(connection)
        channel = connection.channel()
        sent, count = 0, round(load.updates * load.seconds)
        while sent < count:
            due = min(count, int((time.time() - begin) * load.updates))
            for number in range(sent, due):
                fleet = fleet_name(number % load.fleets)
                vehicle = f"van-{number // load.fleets % load.vehicles}"
                now = time.time()
                row = {
                    "fleet_id": fleet, "vehicle_id": vehicle, "driver_id": f"driver-{vehicle}", "state": "driving",
                    "event_time": "2026-11-21T05:00:00.000Z", "lat": 52.52 + number % 97 / 1000, "lon": 13.4,
                    "heading": 80.0, "speed_kmh": number % 90, "updated_at": now,
                }  # fmt: skip
                properties = pika.BasicProperties(
                    message_id=f"vehicle_live/{fleet}/{vehicle}@{round(now * 1e6)}-ff",
                    type="vehicle_live",
                    app_id=f"kf_{JOB}_v{version}",
                    headers={"write_us": round(now * 1e6)},
                )
                channel.basic_publish(
                    RESULTS, f"vehicle_live.{fleet}.{vehicle}", json.dumps(row).encode(), properties
                )
            sent = max(sent, due)
            connection.process_data_events(0.005)


async def follow(url: str, until: float, latencies: list[float], counts: list[int], index: int) -> None:
    async with connect(url, compression=None, open_timeout=120, max_size=None) as socket:
        while (left := until - time.time()) > 0:
            try:
                message = await asyncio.wait_for(socket.recv(), left)
            except TimeoutError:
                return
            event = orjson.loads(message)
            if event["event"] == "changes":
                now = time.time()
                changes = event["data"]["changes"]
                counts[index] += len(changes)
                latencies.extend(now - each["row"]["updated_at"] for each in changes)


def clients(load: Load, port: int, ready: multiprocessing.connection.Connection) -> None:
    """All followers; sends their figures."""

    async def run() -> None:
        latencies: list[float] = []
        counts = [0] * load.clients
        begin = ready.recv()
        tasks = []
        for index in range(load.clients):
            url = (
                f"ws://127.0.0.1:{port}/v1/fleets/{fleet_name(index % load.fleets)}/feed?tables=vehicle_live"
            )
            tasks.append(asyncio.create_task(follow(url, begin + load.seconds + 2, latencies, counts, index)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
        latencies.sort()
        ready.send((latencies, counts))

    asyncio.run(run())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.feed")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--updates", type=int, default=1000, help="a second, over all fleets")
    parser.add_argument("--fleets", type=int, default=20)
    parser.add_argument("--vehicles", type=int, default=200, help="of each fleet")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=18_480)
    given = parser.parse_args()
    load = Load(given.clients, given.updates, given.fleets, given.vehicles, given.seconds)
    with cassandra(CassandraConnection.from_environment()) as session:
        version = active_version(session, JOB) or 1
    multiprocessing.set_start_method("spawn")
    with server(given.port) as process:
        here, there = multiprocessing.Pipe()
        following = multiprocessing.Process(target=clients, args=(load, given.port, there))
        following.start()
        begin = time.time() + 10 + load.clients * 0.02
        here.send(begin)
        publishing = multiprocessing.Process(target=publish, args=(load, version, begin))
        publishing.start()
        while time.time() < begin + 1:
            time.sleep(0.1)
        cpu, memory = sum(process.cpu_times()[:2]), [process.memory_info().rss / 1e6]
        started = time.time()
        while time.time() < begin + load.seconds:
            time.sleep(min(5.0, max(0.1, begin + load.seconds - time.time())))
            memory.append(process.memory_info().rss / 1e6)
        used = (sum(process.cpu_times()[:2]) - cpu) / (time.time() - started)
        latencies, counts = here.recv()
        publishing.join()
        following.join()

    def at(share: float) -> float:
        return (
            float(latencies[min(len(latencies) - 1, int(share * len(latencies)))] * 1000)
            if latencies
            else 0.0
        )

    wanted = load.updates * load.seconds / load.fleets
    print(
        f"{load.clients} clients, {load.updates}/s over {load.fleets} fleets, {load.seconds:.0f} s, "
        f"{os.cpu_count()} cores: "
        f"latency p50 {at(0.5):.0f} ms, p99 {at(0.99):.0f} ms, max {at(1.0):.0f} ms; changes of a client "
        f"{min(counts)} to {max(counts)} of {wanted:.0f}; server {used * 100:.0f} % of a core, memory from "
        f"{memory[0]:.0f} to {memory[-1]:.0f} MB, at most {max(memory):.0f} MB"
    )


if __name__ == "__main__":
    main()
