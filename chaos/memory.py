"""Peak memory of each process: resident, and what the JVMs of Flink use of their heaps."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

import psutil

from kappafleet.stack.flink import rest
from kappafleet.stack.stack import Stack

EVERY_S = 1.0
_HEAP = "Status.JVM.Memory.Heap.Used"
OURSELVES = "chaos"


@dataclass(frozen=True, slots=True)
class Usage:
    """One look: seconds on the monotonic clock, megabytes."""

    at: float
    mb: float


class Memory:
    """Looks once a second, from a thread of its own."""

    def __init__(self, stack: Stack) -> None:
        """Nothing happens yet."""
        self._stack = stack
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self.resident: dict[str, list[Usage]] = {}
        self.heap: dict[str, list[Usage]] = {}

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._ends.set()
        self._thread.join(15)

    def peaks_mb(self) -> dict[str, tuple[int, int | None]]:
        """By process: most resident memory, and most used heap where there is one."""
        return {
            name: (
                round(max(each.mb for each in usages)),
                round(max(each.mb for each in self.heap[name])) if self.heap.get(name) else None,
            )
            for name, usages in self.resident.items()
        }

    def _run(self) -> None:
        while not self._ends.wait(EVERY_S):
            now = time.monotonic()
            for server in self._stack.servers:
                self._note(self.resident, server.name, now, server.memory_mb())
            ours = psutil.Process(os.getpid()).memory_info().rss / 1e6
            self._note(self.resident, OURSELVES, now, ours)
            for name, mb in self._heaps():
                self._note(self.heap, name, now, mb)

    def _heaps(self) -> list[tuple[str, float]]:
        ports = self._stack.ports
        found = []
        if mb := _heap_mb(rest(ports, f"jobmanager/metrics?get={_HEAP}")):
            found.append((self._stack.jobmanager.name, mb))
        for each in (rest(ports, "taskmanagers") or {}).get("taskmanagers", []):
            name = str(each["id"]).rpartition("-")[0]
            if mb := _heap_mb(rest(ports, f"taskmanagers/{each['id']}/metrics?get={_HEAP}")):
                found.append((name, mb))
        return found

    @staticmethod
    def _note(where: dict[str, list[Usage]], name: str, at: float, mb: float) -> None:
        if mb:
            where.setdefault(name, []).append(Usage(at, mb))


def _heap_mb(answer: object) -> float | None:
    """Flink answers with a list of one metric."""
    if not isinstance(answer, list) or not answer:
        return None
    return float(answer[0]["value"]) / 1e6
