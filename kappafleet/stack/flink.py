"""A Flink session cluster from the PyFlink wheel: one JobManager and TaskManagers of one slot each.

The JVMs are started directly. Flink's scripts would run two more JVMs before each of them, only to compute from
the settings the few memory sizes that stand below.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import yaml

from kappafleet.connections import CassandraConnection, RabbitMQConnection
from kappafleet.flink_home import Config, FlinkHome, prepare
from kappafleet.places import LOOPBACK, LocalPorts, java_home
from kappafleet.stack.server import Server, answers

_JOBMANAGER_CLASS = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASKMANAGER_CLASS = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"

# A JobManager process of 600 MB, a TaskManager process of 1.4 GB, in MB. State is on the heap; Python's memory
# is outside all of this (about 150 MB in each TaskManager).
_METASPACE = 160
_JOBMANAGER_HEAP, _JOBMANAGER_OFF_HEAP = 312, 64
_FRAMEWORK_HEAP, _TASK_HEAP = 64, 224
# 128 MB off the heap were not enough for 50,000 messages of 20 samples a second: chunks wait there for their readers.
_FRAMEWORK_OFF_HEAP, _TASK_OFF_HEAP, _NETWORK = 64, 256, 32
_OVERHEAD = 96

SEGMENT_SIZE = "128kb"
"""Size of a network buffer."""

ROCKSDB = {
    "state.backend.rocksdb.use-bloom-filter": "true",
    "state.backend.rocksdb.compression.per.level": "NO_COMPRESSION",
}
"""For state in RocksDB, which is packed already: compressing it took half of all processor time, and without a filter a
read looks into each file of the first level."""

_UNRECOVERABLE = "Could not recover job"
_ENDED = ("CANCELLING", "CANCELED", "FAILED", "FINISHED", "SUSPENDED")


class FlinkProcess(Server):
    """What JobManager and TaskManager have in common."""

    stop_limit_s = 10.0

    def __init__(
        self,
        name: str,
        home: Path,
        ports: LocalPorts,
        environment: Mapping[str, str],
        own_ports: Mapping[str, int],
    ) -> None:
        """Nothing happens yet; see the subclasses."""
        super().__init__(name, home, own_ports)
        self._ports = ports
        self._environment = environment
        self._temporary = home / "flink-tmp" / name

    def _run(self, main_class: str, memory: list[str], arguments: list[str]) -> None:
        installation = cluster_home(self.home, self._ports, self._environment)
        # A killed process leaves unpacked Python folders and uploaded jars behind.
        shutil.rmtree(self._temporary, ignore_errors=True)
        for each in (self._temporary, self.log.parent):
            each.mkdir(parents=True, exist_ok=True)
        conf = installation.conf
        config = yaml.safe_load((conf / "config.yaml").read_text(encoding="utf-8"))
        command = [
            str(java_home(self._environment) / "bin" / "java"),
            *memory,
            f"-XX:MaxMetaspaceSize={_METASPACE}m",
            "-XX:+UseG1GC",
            "-XX:-UsePerfData",
            f"-XX:ErrorFile={self.log.parent}/{self.name}-crash-%p.log",
            *config["env"]["java"]["opts"]["all"].split(),
            f"-Dlog.file={self.log}",
            "-Dconsole.log.level=OFF",
            f"-Dlog4j.configurationFile={(conf / 'log4j-console.properties').as_uri()}",
            "-classpath",
            _class_path(installation.path / "lib"),
            main_class,
            "--configDir",
            str(conf),
            "-D",
            f"io.tmp.dirs={self._temporary}",
            *_high_availability(self.home, self._ports),
            *arguments,
        ]
        self.daemon.start(command, self._variables(installation), self.home)

    def _variables(self, installation: FlinkHome) -> dict[str, str]:
        """With the addresses of the servers: connectors read them, and passwords, where they run."""
        settings = {**self._environment, "KAPPAFLEET_PORT_OFFSET": str(self._ports.offset)}
        return {
            **installation.environment(settings),
            **RabbitMQConnection.from_environment(settings).variables(),
            **CassandraConnection.from_environment(settings).variables(),
            "FLINK_LOG_DIR": str(self.log.parent),
            "MAX_LOG_FILE_NUMBER": "3",
        }


class JobManager(FlinkProcess):
    """Takes jobs at its REST port and gives their parts to the TaskManagers.

    Its jobs outlive it: whether it was killed or stopped, the next one goes on with them, under the same ids, from
    their last checkpoints.
    """

    def __init__(self, home: Path, ports: LocalPorts, environment: Mapping[str, str] = os.environ) -> None:
        """Nothing happens yet.

        Args:
            home: The stack's folder.
            ports: The stack's ports.
            environment: Base of the process' environment.
        """
        own = {"REST": ports.rest, "RPC": ports.flink_rpc}
        super().__init__("jobmanager", home, ports, environment, own)

    def spawn(self) -> None:
        """See :meth:`Server.spawn`."""
        heap = f"{_JOBMANAGER_HEAP}m"
        # It computes little: without the optimising compiler it serves after 3.7 s of CPU time instead of 6.8.
        options = [f"-Xms{heap}", f"-Xmx{heap}", "-XX:TieredStopAtLevel=1"]
        self._run(_JOBMANAGER_CLASS, options, ["--executionMode", "cluster"])

    def serves(self) -> bool:
        """Whether it leads the cluster and answers at its REST port."""
        return rest(self._ports, "overview") is not None

    def advice(self) -> str:
        """See :meth:`Server.advice`."""
        # A JVM that dies may begin another log on its last line.
        logs = sorted(self.log.parent.glob(f"{self.log.name}*"), key=lambda each: each.stat().st_mtime)[-2:]
        if not any(_UNRECOVERABLE in each.read_text(errors="replace") for each in logs):
            return ""
        return f"; to forget the jobs that ran, delete {jobs_folder(self.home)}: their checkpoints stay"


class TaskManager(FlinkProcess):
    """Runs the share of some slots of a job, with one Python interpreter inside its JVM."""

    def __init__(
        self,
        number: int,
        home: Path,
        ports: LocalPorts,
        environment: Mapping[str, str] = os.environ,
        *,
        slots: int = 1,
    ) -> None:
        """Nothing happens yet.

        Args:
            number: Names it, from 1.
            home: The stack's folder.
            ports: The stack's ports.
            environment: Base of the process' environment; it should hold the passwords of RabbitMQ and Cassandra.
            slots: Each has the memory of a TaskManager of one slot.
        """
        self._slots = slots
        super().__init__(f"taskmanager-{number}", home, ports, environment, {})
        self._id_file = home / "run" / f"{self.name}.id"

    def spawn(self) -> None:
        """See :meth:`Server.spawn`."""
        identity = f"{self.name}-{uuid.uuid4().hex[:8]}"
        self._id_file.parent.mkdir(parents=True, exist_ok=True)
        self._id_file.write_text(identity, encoding="utf-8")
        task_heap, task_off_heap, network = (
            self._slots * each for each in (_TASK_HEAP, _TASK_OFF_HEAP, _NETWORK)
        )
        heap = _FRAMEWORK_HEAP + task_heap
        direct = _FRAMEWORK_OFF_HEAP + task_off_heap + network
        settings = {
            "resource-id": identity,
            "numberOfTaskSlots": self._slots,
            "cpu.cores": float(self._slots),
            "memory.process.size": f"{heap + direct + _METASPACE + _OVERHEAD}m",
            "memory.task.heap.size": f"{task_heap}m",
            "memory.task.off-heap.size": f"{task_off_heap}m",
            "memory.network.min": f"{network}m",
            "memory.network.max": f"{network}m",
        }
        self._run(
            _TASKMANAGER_CLASS,
            [f"-Xms{heap}m", f"-Xmx{heap}m", f"-XX:MaxDirectMemorySize={direct}m"],
            [word for key, value in settings.items() for word in ("-D", f"taskmanager.{key}={value}")],
        )

    def serves(self) -> bool:
        """Whether this very process, and not one that died before it, has joined the cluster."""
        members = rest(self._ports, "taskmanagers")
        if members is None or not self._id_file.exists():
            return False
        identity = self._id_file.read_text(encoding="utf-8")
        return any(each["id"] == identity for each in members["taskmanagers"])


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that has not ended."""

    job_id: str
    name: str
    state: str
    """``RUNNING``, or what precedes it: ``INITIALIZING``, ``CREATED``, ``RESTARTING``, ``FAILING``."""


def running_jobs(ports: LocalPorts) -> list[RunningJob]:
    """The jobs of the local cluster that have not ended; none while its JobManager does not answer."""
    overview = rest(ports, "jobs/overview") or {"jobs": []}
    jobs = [RunningJob(str(job["jid"]), str(job["name"]), str(job["state"])) for job in overview["jobs"]]
    return [job for job in jobs if job.state not in _ENDED]


def cluster_home(home: Path, ports: LocalPorts, environment: Mapping[str, str] = os.environ) -> FlinkHome:
    """The Flink installation with the local cluster's settings; ``flink run`` with its environment submits to it.

    Raises:
        MissingPart: see :func:`kappafleet.flink_home.prepare`.
    """
    return prepare(home, environment=environment, conf_name="conf-cluster", settings=_settings(home, ports))


def rest(ports: LocalPorts, path: str) -> dict[str, Any] | None:
    """What the JobManager's REST API says at ``/PATH``; None while it does not answer."""
    if not answers(ports.rest):
        return None
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{ports.rest}/{path}", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
    except (OSError, HTTPException, ValueError):
        return None
    return found


def _settings(home: Path, ports: LocalPorts) -> Config:
    state = home / "flink-state"
    return {
        "jobmanager": {
            "rpc": {"address": LOOPBACK, "port": ports.flink_rpc},
            "bind-host": LOOPBACK,
            "memory": {
                "process": {"size": "600m"},
                "jvm-metaspace": {"size": f"{_METASPACE}m"},
                "heap": {"size": f"{_JOBMANAGER_HEAP}m"},
                "off-heap": {"size": f"{_JOBMANAGER_OFF_HEAP}m"},
                "jvm-overhead": {"min": "64m", "max": "64m"},
            },
        },
        "taskmanager": {
            "host": LOOPBACK,
            "bind-host": LOOPBACK,
            "memory": {
                "framework": {
                    "heap": {"size": f"{_FRAMEWORK_HEAP}m"},
                    "off-heap": {"size": f"{_FRAMEWORK_OFF_HEAP}m"},
                },
                # Four times Flink's: so that more of a mini-batch of large messages is on its way to a vehicle's task
                # while it works on the one before (1.36 and 1.97 M samples/s with 20 a message, same run).
                "segment-size": SEGMENT_SIZE,
                "managed": {"size": "0"},
                "jvm-metaspace": {"size": f"{_METASPACE}m"},
                "jvm-overhead": {"min": f"{_OVERHEAD}m", "max": f"{_OVERHEAD}m"},
            },
        },
        "rest": {
            "address": LOOPBACK,
            "bind-address": LOOPBACK,
            "port": ports.rest,
            "bind-port": str(ports.rest),
        },
        "parallelism": {"default": 2},
        "state": {"backend": {"type": "hashmap"}},
        "execution": {
            "checkpointing": {
                "interval": "2 s",
                "timeout": "2 min",
                "dir": (state / "checkpoints").as_uri(),
                "savepoint-dir": (state / "savepoints").as_uri(),
                "externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
                "num-retained": 3,
                # A full disk is mended while the job runs on; what it reads meanwhile it would read again anyway.
                "tolerable-failed-checkpoints": 30,
            },
        },
        # On a busy machine a JobManager that takes over a job needs longer than 10 s, and would end itself.
        "pekko": {"ask": {"timeout": "60 s"}},
        # The REST API's figures, memory among them, are of the last 2 seconds instead of 10.
        "metrics": {"fetcher": {"update-interval": "2 s"}},
        # A dead TaskManager is noticed in 10 s instead of 50.
        "heartbeat": {"interval": "2 s", "timeout": "10 s"},
        "restart-strategy": {
            "type": "exponential-delay",
            "exponential-delay": {
                "initial-backoff": "500 ms",
                "max-backoff": "10 s",
                "reset-backoff-threshold": "1 min",
            },
        },
    }


def jobs_folder(home: Path) -> Path:
    """What the cluster remembers of its jobs: without this folder they are forgotten, and their checkpoints stay."""
    return home / "flink-jobs"


def _high_availability(home: Path, ports: LocalPorts) -> list[str]:
    """What a JobManager needs to go on where the one before it was killed, and a TaskManager to find it.

    Given to the servers alone: with these settings `flink run` would ask ZooKeeper for the cluster, whatever its -m.
    """
    settings = {
        "type": "zookeeper",
        "cluster-id": "kappafleet",
        "storageDir": (jobs_folder(home) / "storage").as_uri(),
        "jobmanager.port": ports.flink_rpc,
        "zookeeper.quorum": f"{LOOPBACK}:{ports.zookeeper}",
        # For so long the place of a killed JobManager stays taken; a new one needs almost as much to start.
        "zookeeper.client.session-timeout": "6 s",
        "zookeeper.client.connection-timeout": "3 s",
        # A ZooKeeper that comes back within the session interrupts nothing.
        "zookeeper.client.tolerate-suspended-connections": "true",
        # JobManager and TaskManagers end themselves when they have tried in vain for so long; 29 is Curator's limit.
        # It is 2 minutes with these, and was 30 s with 15 times 2 s.
        "zookeeper.client.retry-wait": "500 ms",
        "zookeeper.client.max-retry-wait": "5 s",
        "zookeeper.client.max-retry-attempts": 29,
    }
    return [word for key, value in settings.items() for word in ("-D", f"high-availability.{key}={value}")]


def _class_path(lib: Path) -> str:
    """Flink's order: the jar of Flink itself last."""
    return ":".join(
        str(each) for each in sorted(lib.glob("*.jar"), key=lambda jar: ("flink-dist" in jar.name, jar.name))
    )
