"""driver_stats on the stack's Flink: submitted, watched, stopped with a savepoint, resumed."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError

from kappafleet.commands.submit import submit_job
from kappafleet.errors import ServerError, UserError
from kappafleet.places import LOOPBACK
from kappafleet.stack.flink import TaskManager, rest
from kappafleet.stack.stack import Stack

POLL_S = 0.1
ENDED = ("FINISHED", "CANCELED", "FAILED")
SUBMIT_ATTEMPTS = 3


class ChaosError(UserError):
    """The run cannot go on: what it waited for did not come."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the job reads and writes: ports of links or of the servers themselves."""

    stream_port: int
    streams: tuple[str, ...]
    cql_port: int
    keyspace: str

    @property
    def source(self) -> str:
        """For ``--from``."""
        return f"rabbitmq://{LOOPBACK}:{self.stream_port}?streams={','.join(self.streams)}"

    @property
    def sink(self) -> str:
        """For ``--to``."""
        return f"cassandra://{LOOPBACK}:{self.cql_port}/{self.keyspace}"


class Job:
    """The job; after a resumption it is another one to Flink."""

    def __init__(self, stack: Stack, ends: Ends, overrides: Sequence[str]) -> None:
        """Nothing is submitted yet."""
        self._stack = stack
        self._ends = ends
        self._overrides = list(overrides)
        self.job_id = ""
        self.parallelism = 1

    def submit(self, parallelism: int, savepoint: str | None = None) -> None:
        """Submits it, from a savepoint if one is given.

        Raises:
            UserError: Flink does not take it.
        """
        for attempt in range(1, SUBMIT_ATTEMPTS + 1):
            try:
                self.job_id = submit_job(
                    "driver_stats",
                    self._ends.source,
                    self._ends.sink,
                    self._overrides,
                    parallelism=parallelism,
                    savepoint=savepoint,
                    home=self._stack.home,
                    port_offset=self._stack.ports.offset,
                )
                self.parallelism = parallelism
                return
            except UserError:
                if attempt == SUBMIT_ATTEMPTS:
                    raise

    def state(self) -> str:
        """Flink's word for it; ``unknown`` while the JobManager does not answer."""
        found = rest(self._stack.ports, f"jobs/{self.job_id}")
        return "unknown" if found is None else str(found["state"])

    def await_running(self, limit_s: float = 120.0) -> None:
        """Waits until all its tasks run."""
        wait_until(self._all_run, limit_s, lambda: f"the job to run; it is {self.state()}")

    def checkpoints(self) -> dict[str, int]:
        """Counts of completed and failed checkpoints since the JobManager knows the job."""
        found = rest(self._stack.ports, f"jobs/{self.job_id}/checkpoints")
        return {name: int((found or {}).get("counts", {}).get(name, 0)) for name in ("completed", "failed")}

    def restarts(self) -> int:
        """How often it failed and was restarted since the JobManager knows it."""
        found = rest(self._stack.ports, f"jobs/{self.job_id}/exceptions?maxExceptions=1000")
        return len((found or {}).get("exceptionHistory", {}).get("entries", []))

    def taskmanagers(self) -> list[TaskManager]:
        """Those that run tasks of it."""
        found = rest(self._stack.ports, f"jobs/{self.job_id}")
        ids = set()
        for vertex in (found or {}).get("vertices", []):
            where = rest(self._stack.ports, f"jobs/{self.job_id}/vertices/{vertex['id']}/taskmanagers")
            ids |= {each.get("taskmanager-id") for each in (where or {}).get("taskmanagers", [])}
        return [each for each in self._stack.taskmanagers if any(_is(each, str(one)) for one in ids)]

    def stop_with_savepoint(self, limit_s: float = 120.0) -> str:
        """Stops it and returns the savepoint's path; tried again while the job is being restarted.

        Raises:
            ChaosError: no savepoint within the limit.
        """
        end = time.monotonic() + limit_s
        reason = "the job does not run"
        while time.monotonic() < end:
            with suppress(ChaosError):
                self.await_running(max(1.0, end - time.monotonic()))
            path, reason = self._savepoint(end)
            if path:
                wait_until(lambda: self.state() in ENDED, 30, lambda: "the stopped job to end")
                return path
        raise ChaosError(f"no savepoint within {limit_s:.0f} s: {reason}")

    def cancel(self) -> None:
        """Ends it, if it runs."""
        if self.job_id and self.state() not in (*ENDED, "unknown"):
            with suppress(ServerError, ChaosError):
                self._call(f"jobs/{self.job_id}?mode=cancel", "PATCH")
                wait_until(lambda: self.state() in ENDED, 60, lambda: "the cancelled job to end")

    def _savepoint(self, end: float) -> tuple[str, str]:
        """A path, or why there is none."""
        try:
            trigger = self._call(f"jobs/{self.job_id}/stop", "POST", {"drain": False})["request-id"]
        except ServerError as error:
            return "", str(error)
        while time.monotonic() < end:
            found = rest(self._stack.ports, f"jobs/{self.job_id}/savepoints/{trigger}")
            if found and found["status"]["id"] == "COMPLETED":
                operation = found["operation"]
                if "location" in operation:
                    return str(operation["location"]), ""
                return "", str(operation["failure-cause"]["stack-trace"]).splitlines()[0]
            time.sleep(POLL_S)
        return "", "it was not finished in time"

    def _all_run(self) -> bool:
        found = rest(self._stack.ports, f"jobs/{self.job_id}")
        if found is None or found["state"] != "RUNNING":
            return False
        return all(vertex["status"] == "RUNNING" for vertex in found["vertices"])

    def _call(self, path: str, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self._stack.ports.rest}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except HTTPError as error:
            raise ServerError(
                f"Flink refuses {path}: {error.read().decode(errors='replace')[:500]}"
            ) from error
        except (URLError, OSError) as error:
            raise ServerError(f"Flink does not answer {path}: {error}") from error
        found: dict[str, Any] = json.loads(text) if text.strip() else {}
        return found


def wait_until(condition: Callable[[], bool], limit_s: float, what: Callable[[], str]) -> None:
    """Polls.

    Raises:
        ChaosError: the condition does not hold within the limit.
    """
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise ChaosError(f"waited {limit_s:.0f} s in vain for {what()}")
        time.sleep(POLL_S)


def _is(server: TaskManager, resource_id: str) -> bool:
    """The stack names each TaskManager's process by its own name and a random end."""
    return resource_id.startswith(f"{server.name}-")
