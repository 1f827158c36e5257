"""Where things are on this machine: the project, the folder of state and logs, ports, the Java runtime.

Two environment variables move a whole local stack: ``KAPPAFLEET_HOME`` (its folder) and
``KAPPAFLEET_PORT_OFFSET`` (added to each of its ports).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kappafleet.errors import AddressError, MissingPart

LOOPBACK = "127.0.0.1"
JAVA_VERSION = 17

_HIGHEST_OFFSET = 20_000
"""Keeps all ports below the range from which systems give out ephemeral ports, or at least below 65,536."""


@dataclass(frozen=True, slots=True)
class LocalPorts:
    """The ports of a local stack; all of them listen on 127.0.0.1 only."""

    offset: int = 0

    @property
    def amqp(self) -> int:
        """RabbitMQ, AMQP 0.9.1."""
        return 5682 + self.offset

    @property
    def stream(self) -> int:
        """RabbitMQ, stream protocol."""
        return 5562 + self.offset

    @property
    def management(self) -> int:
        """RabbitMQ, HTTP API and pages."""
        return 15682 + self.offset

    @property
    def prometheus(self) -> int:
        """RabbitMQ, metrics."""
        return 15702 + self.offset

    @property
    def distribution(self) -> int:
        """RabbitMQ, Erlang distribution (its own tools connect here)."""
        return 25682 + self.offset

    @property
    def epmd(self) -> int:
        """Erlang's port mapper, one of our own."""
        return 4379 + self.offset

    @property
    def cql(self) -> int:
        """Cassandra, CQL."""
        return 9242 + self.offset

    @property
    def storage(self) -> int:
        """Cassandra, between nodes."""
        return 7210 + self.offset

    @property
    def rest(self) -> int:
        """Flink, REST API and pages."""
        return 8281 + self.offset

    @property
    def flink_rpc(self) -> int:
        """Flink, between JobManager and TaskManagers."""
        return 6223 + self.offset

    @property
    def zookeeper(self) -> int:
        """ZooKeeper, clients."""
        return 2281 + self.offset

    @property
    def http(self) -> int:
        """The serving layer, API and dashboard; ``kappafleet serve`` listens there, the stack does not."""
        return 8480 + self.offset

    def all(self) -> tuple[int, ...]:
        """Those of the stack's servers."""
        rabbitmq = (self.amqp, self.stream, self.management, self.prometheus, self.distribution, self.epmd)
        return (*rabbitmq, self.cql, self.storage, self.rest, self.flink_rpc, self.zookeeper)


def project_root() -> Path:
    """The checkout that this package lies in."""
    return Path(__file__).resolve().parent.parent


def kernel_cache() -> Path:
    """Where compiled kernels are kept: one folder for all stacks and commands of this checkout."""
    return project_root() / "build" / "numba-cache"


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the local stack's state, logs and pids: ``KAPPAFLEET_HOME``, else ``.kappafleet``."""
    chosen = environment.get("KAPPAFLEET_HOME")
    return Path(chosen).absolute() if chosen else project_root() / ".kappafleet"


def port_offset(environment: Mapping[str, str] = os.environ) -> int:
    """``KAPPAFLEET_PORT_OFFSET``, else 0.

    Raises:
        AddressError: it is no number from 0 to 20000.
    """
    text = environment.get("KAPPAFLEET_PORT_OFFSET") or "0"
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > _HIGHEST_OFFSET:
        raise AddressError(f"KAPPAFLEET_PORT_OFFSET={text}: give a number from 0 to {_HIGHEST_OFFSET}")
    return int(text)


def connectors_jar(environment: Mapping[str, str] = os.environ) -> Path:
    """Our jar for Flink: ``KAPPAFLEET_JAR``, else what ``make setup`` built.

    Raises:
        MissingPart: there is no such file.
    """
    chosen = environment.get("KAPPAFLEET_JAR")
    built = project_root() / "connectors" / "java" / "target" / "kappafleet-connectors.jar"
    jar = Path(chosen).absolute() if chosen else built
    if not jar.is_file():
        hint = "correct KAPPAFLEET_JAR" if chosen else "run: make setup"
        raise MissingPart(f"there is no connectors jar {jar}; {hint}")
    return jar


def java_home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of a Java 17 runtime: ``JAVA_HOME`` if it is one, else the one of ``java`` on the path, else
    what the system keeps under /usr/lib/jvm.

    Cassandra 5 runs on nothing newer, and Flink and Cassandra share it.

    Raises:
        MissingPart: there is none.
    """
    candidates = [Path(environment["JAVA_HOME"])] if environment.get("JAVA_HOME") else []
    on_path = shutil.which("java", path=environment.get("PATH"))
    if on_path:
        candidates.append(Path(on_path).resolve().parent.parent)
    candidates += sorted(Path("/usr/lib/jvm").glob(f"*{JAVA_VERSION}*"))
    for candidate in candidates:
        if _java_version(candidate) == JAVA_VERSION:
            return candidate
    raise MissingPart(
        f"no Java {JAVA_VERSION} found in JAVA_HOME, on PATH or in /usr/lib/jvm; run: make setup"
    )


def _java_version(folder: Path) -> int | None:
    """From the file `release`, which every JDK has: asking `java -version` would cost a JVM start."""
    try:
        release = (folder / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
    return int(found[1]) if found and (folder / "bin" / "java").exists() else None
