"""The local servers as one: RabbitMQ, Cassandra, and a Flink session cluster with its ZooKeeper."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from kappafleet import places
from kappafleet.errors import ServerError
from kappafleet.places import LocalPorts
from kappafleet.stack.cassandra import Cassandra
from kappafleet.stack.flink import JobManager, TaskManager, cluster_home
from kappafleet.stack.rabbitmq import RabbitMQ
from kappafleet.stack.server import START_LIMIT_S, Server, ServerStatus
from kappafleet.stack.serving import ServingLayer
from kappafleet.stack.zookeeper import ZooKeeper

TASKMANAGERS, SLOTS = 1, 2
"""One process for both cores: a second one would compile the same code and hold the same libraries once more. On two
cores shared with broker and database, draining a backlog so takes 33 instead of 47 s (make bench). Slots of a JVM share
Python's lock, but the kernels work without it; where a TaskManager has a core of its own, give each one slot (k8s/)."""

_POLL_S = 0.1

Report = Callable[[str, str, float], object]
"""Takes a server's name, what it does now (``starting``, ``up``, ``was up``), and the seconds since the start."""


class Stack:
    """All local servers of one folder.

    ``up`` and ``down`` of one folder exclude each other, between processes too. Each server can also be started,
    stopped and killed alone: ``stack.cassandra.kill()``, ``stack.cassandra.start()``.
    """

    def __init__(
        self,
        home: Path,
        port_offset: int = 0,
        *,
        taskmanagers: int = TASKMANAGERS,
        slots: int = SLOTS,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Nothing happens yet.

        Args:
            home: Folder of all state, logs and pids.
            port_offset: Added to every port.
            taskmanagers: How many.
            slots: Of each TaskManager.
            environment: Base of the servers' environment.
        """
        self.home = home.absolute()
        self.ports = LocalPorts(port_offset)
        self._environment = environment
        self.rabbitmq = RabbitMQ(self.home, self.ports, environment)
        self.cassandra = Cassandra(self.home, self.ports, environment)
        self.zookeeper = ZooKeeper(self.home, self.ports, environment)
        self.jobmanager = JobManager(self.home, self.ports, environment)
        self.taskmanagers = tuple(
            TaskManager(number, self.home, self.ports, environment, slots=slots)
            for number in range(1, taskmanagers + 1)
        )
        self.serving = ServingLayer(self.home, self.ports, environment)
        """Started by itself, when there is something to see; ended with the servers."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Stack:
        """The stack of ``KAPPAFLEET_HOME`` and ``KAPPAFLEET_PORT_OFFSET``."""
        return cls(places.home(environment), places.port_offset(environment), environment=environment)

    @property
    def servers(self) -> tuple[Server, ...]:
        """All of them; the slowest to start first."""
        return (self.cassandra, self.rabbitmq, self.zookeeper, self.jobmanager, *self.taskmanagers)

    def client_environment(self) -> dict[str, str]:
        """The environment of a client of this stack: ``flink run``, a connector, ``kappafleet`` itself."""
        rabbitmq, ports = self.rabbitmq.connection, self.ports
        return {
            **cluster_home(self.home, ports, self._environment).environment(self._environment),
            **rabbitmq.variables(),
            "KF_CASSANDRA_HOSTS": places.LOOPBACK,
            "KF_CASSANDRA_PORT": str(ports.cql),
            "KAPPAFLEET_HOME": str(self.home),
            "KAPPAFLEET_PORT_OFFSET": str(ports.offset),
        }

    def up(self, report: Report | None = None, limit_s: float = START_LIMIT_S) -> None:
        """Starts what does not run, all at once, and waits until everything serves.

        If one server cannot start, those started here are ended again, and those that ran before stay.

        Args:
            report: Told of each server's progress.
            limit_s: Bound of the whole start, in seconds.

        Raises:
            UserError: something is missing, a port is taken, or a server died or does not serve in time; the
                message names the log.
        """
        tell = report or (lambda *_: None)
        with self._alone():
            begun = time.monotonic()
            missing = [each for each in self.servers if not each.alive]
            for each in missing:
                each.check_ports()
            try:
                for each in missing:
                    tell(each.name, "starting", time.monotonic() - begun)
                    each.spawn()
                self._await_all(missing, tell, begun, limit_s)
            except BaseException:  # Ctrl-C too: nothing half started stays behind
                _stop(missing)
                raise

    def _await_all(self, started: Sequence[Server], tell: Report, begun: float, limit_s: float) -> None:
        waiting = list(self.servers)
        with ThreadPoolExecutor(len(waiting)) as threads:
            while waiting:
                # At the same time: a server that is slow to answer must not hide that another has died.
                answers = list(threads.map(lambda each: each.ready(), waiting))
                for each in [server for server, ready in zip(waiting, answers, strict=True) if ready]:
                    waiting.remove(each)
                    tell(each.name, "up" if each in started else "was up", time.monotonic() - begun)
                for each in self.servers:
                    each.check_alive()
                if waiting and time.monotonic() - begun > limit_s:
                    late = waiting[0]
                    raise ServerError(
                        f"{late.name} runs, but does not serve after {limit_s:.0f} s; log: {late.log}"
                    )
                time.sleep(_POLL_S if waiting else 0)

    def down(self) -> None:
        """Ends all servers of this folder, and no other process; their data stay."""
        with self._alone():
            self.serving.stop()
            _stop(self.servers)

    def status(self) -> list[ServerStatus]:
        """How each server is now, and the serving layer if it runs."""
        shown = [*self.servers, *([self.serving] if self.serving.alive else [])]
        with ThreadPoolExecutor(len(shown)) as threads:
            return list(threads.map(lambda each: each.status(), shown))

    def restart_taskmanagers(self) -> None:
        """Gives all TaskManagers new processes.

        Python modules live as long as their process: changed code of a job takes effect only in a new one.
        """
        with self._alone():
            _stop(self.taskmanagers)
            for each in self.taskmanagers:
                each.spawn()
            for each in self.taskmanagers:
                each.await_ready()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _stop(servers: Sequence[Server]) -> None:
    """All at once, but ZooKeeper last: a JobManager that ends gives its place back there."""
    _stop_all([each for each in servers if not isinstance(each, ZooKeeper)])
    _stop_all([each for each in servers if isinstance(each, ZooKeeper)])


def _stop_all(servers: Sequence[Server]) -> None:
    with ThreadPoolExecutor(len(servers) or 1) as threads:
        list(threads.map(lambda each: each.stop(), servers))
