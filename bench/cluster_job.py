"""driver_stats on the benchmark's Flink cluster: submitted, and watched through the REST API."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.servers import JOB, wait_until
from kappafleet.commands.submit import submit_job
from kappafleet.errors import ServerError
from kappafleet.places import LOOPBACK
from kappafleet.stack.flink import rest
from kappafleet.stack.stack import Stack

ENDED = ("FINISHED", "CANCELED", "FAILED")
VEHICLES, TABLES = "vehicles", "tables"
"""Begins of the names of the operator keyed by vehicle, and of the sink."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How jobs are submitted: on so many slots, with parameters over those of conf/."""

    parallelism: int = 2
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """Sums over the TaskManagers since their start."""

    gc_ms: float
    gc_runs: float


class ClusterJob:
    """One submission; cancelled when the block ends."""

    def __init__(self, servers: Stack, streams: Sequence[str], keyspace: str, options: JobOptions) -> None:
        self._servers = servers
        ports = servers.ports
        self._source = f"rabbitmq://{LOOPBACK}:{ports.stream}?streams={','.join(streams)}"
        self._sink = f"cassandra://{LOOPBACK}:{ports.cql}/{keyspace}"
        self._options = options
        self.job_id = ""

    def __enter__(self) -> ClusterJob:
        self.job_id = submit_job(
            JOB,
            self._source,
            self._sink,
            list(self._options.overrides),
            parallelism=self._options.parallelism,
            home=self._servers.home,
            port_offset=self._servers.ports.offset,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.job_id and self.state() not in (*ENDED, "unknown"):
            with suppress(OSError, ServerError):
                request = urllib.request.Request(self._url(f"jobs/{self.job_id}?mode=cancel"), method="PATCH")
                urllib.request.urlopen(request, timeout=10).close()
                wait_until(lambda: self.state() in ENDED, 60, lambda: "the cancelled job to end")

    def state(self) -> str:
        """Flink's word for it; ``unknown`` while the JobManager does not answer."""
        found = rest(self._servers.ports, f"jobs/{self.job_id}")
        return "unknown" if found is None else str(found["state"])

    def await_running(self, limit_s: float = 120.0) -> None:
        """Waits until all its tasks run.

        Raises:
            ServerError: they do not, within the limit.
        """
        wait_until(self._all_run, limit_s, lambda: f"the job to run; it is {self.state()}")

    def check(self) -> None:
        """Raises if it failed or was restarted.

        Raises:
            ServerError: with Flink's reason.
        """
        found = rest(self._servers.ports, f"jobs/{self.job_id}/exceptions?maxExceptions=1") or {}
        entries = found.get("exceptionHistory", {}).get("entries", [])
        if entries:
            reason = str(entries[0].get("stacktrace", "")).strip().splitlines() or ["?"]
            raise ServerError(f"the job failed while it was measured: {reason[0]}")

    def records_in(self, operator: str = VEHICLES) -> int:
        """Records that an operator has taken so far, that of the messages by default; as of up to 2 s ago."""
        found = rest(self._servers.ports, f"jobs/{self.job_id}")
        if found is None:
            return 0
        return sum(
            int(vertex["metrics"]["read-records"])
            for vertex in found["vertices"]
            if vertex["name"].startswith(operator)
        )

    def checkpoints(self) -> dict[str, float]:
        """Completed checkpoints, and the newest one's size and duration."""
        found = rest(self._servers.ports, f"jobs/{self.job_id}/checkpoints") or {}
        newest = (found.get("latest") or {}).get("completed") or {}
        counts = found.get("counts") or {}
        return {
            "completed": float(counts.get("completed", 0)),
            "failed": float(counts.get("failed", 0)),
            "bytes": float(newest.get("state_size", 0)),
            "ms": float(newest.get("end_to_end_duration", 0)),
        }

    def gc_share(self, before: Memory, seconds: float) -> float:
        """Time in collections of garbage since a moment, of all time of a TaskManager that works."""
        return (self.memory().gc_ms - before.gc_ms) / 1000 / seconds / self._options.parallelism

    def memory(self) -> Memory:
        """Garbage collection in all TaskManagers since their start."""
        names = ("Status.JVM.GarbageCollector.All.Time", "Status.JVM.GarbageCollector.All.Count")
        values = dict.fromkeys(names, 0.0)
        for each in (rest(self._servers.ports, "taskmanagers") or {"taskmanagers": []})["taskmanagers"]:
            for metric in self._metrics(f"taskmanagers/{each['id']}/metrics?get={','.join(names)}"):
                values[metric["id"]] += float(metric["value"])
        return Memory(values[names[0]], values[names[1]])

    def _metrics(self, path: str) -> list[dict[str, Any]]:
        """A list, which :func:`rest` is not made for."""
        try:
            with urllib.request.urlopen(self._url(path), timeout=5) as answer:
                found: list[dict[str, Any]] = json.load(answer)
        except (OSError, ValueError):
            return []
        return found

    def _all_run(self) -> bool:
        found = rest(self._servers.ports, f"jobs/{self.job_id}")
        if found is None or found["state"] != "RUNNING":
            return False
        return all(vertex["status"] == "RUNNING" for vertex in found["vertices"])

    def _url(self, path: str) -> str:
        return f"http://{LOOPBACK}:{self._servers.ports.rest}/{path}"


class Meter:
    """Messages taken by the job over time, looked at as often as it is called."""

    def __init__(self, job: ClusterJob) -> None:
        self._job = job
        self.seen: list[tuple[float, int]] = []

    def look(self) -> int:
        """Takes one look."""
        count = self._job.records_in()
        if not self.seen or count != self.seen[-1][1]:
            self.seen.append((time.monotonic(), count))
        return count
