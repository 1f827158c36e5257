"""What the local servers have in common: ports, a log, and a start that is either ready or explained."""

from __future__ import annotations

import re
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from kappafleet.errors import ServerError
from kappafleet.places import LOOPBACK
from kappafleet.stack.daemon import Daemon

START_LIMIT_S = 120.0

_POLL_S = 0.1
_LOG_TAIL_BYTES = 20_000
_CAUSE_CHARACTERS = 240
_TELLING = re.compile(
    r"error|fatal|exception|failed|denied|refused|unable|cannot|can't|could not", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What `kappafleet stack status` shows of a server."""

    name: str
    state: str
    """``up``, ``not ready`` or ``down``."""
    pid: int | None
    port: int | None
    memory_mb: int
    log: Path


class Server(ABC):
    """A local server: one main process of ours, on ports of our own."""

    stop_limit_s = 20.0

    def __init__(self, name: str, home: Path, ports: Mapping[str, int]) -> None:
        """Nothing happens yet.

        Args:
            name: Names the process, its pid file and its log.
            home: The stack's folder.
            ports: What each port is for, the one to show first.
        """
        self.name = name
        self.home = home
        self.ports = dict(ports)
        self.log = home / "logs" / f"{name}.log"
        self.daemon = Daemon(name, home / "run", home / "logs" / f"{name}.out")

    @abstractmethod
    def spawn(self) -> None:
        """Starts the process and returns without waiting for it.

        Raises:
            UserError: something it needs is not there.
        """

    @abstractmethod
    def serves(self) -> bool:
        """Whether it answers in its own protocol; tells within seconds. Asked only while its process runs."""

    def ready(self) -> bool:
        """Whether its process runs, and serves."""
        return self.alive and self.serves()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.daemon.pid is not None

    def start(self, limit_s: float = START_LIMIT_S) -> None:
        """Starts it if it does not run, and waits until it serves.

        Raises:
            ServerError: one of its ports is taken, it died, or it does not serve within ``limit_s`` seconds.
        """
        if not self.alive:
            self.check_ports()
            self.spawn()
        self.await_ready(limit_s)

    def await_ready(self, limit_s: float = START_LIMIT_S) -> None:
        """Waits until it serves.

        Raises:
            ServerError: it died, or does not serve within ``limit_s`` seconds.
        """
        deadline = time.monotonic() + limit_s
        while not self.ready():
            self.check_alive()
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self.name} runs, but does not answer on port {self.port} after {limit_s:.0f} s; log: {self.log}"
                )
            time.sleep(_POLL_S)

    @property
    def port(self) -> int | None:
        """The port to show: its first one."""
        return next(iter(self.ports.values()), None)

    def check_alive(self) -> None:
        """Raises a ServerError with the likely cause and the log's place if its process has ended."""
        if not self.alive:
            log, cause = self._last_words()
            raise ServerError(f"{self.name} died{f': {cause}' if cause else ''}; log: {log}{self.advice()}")

    def advice(self) -> str:
        """What to do about its death, where that is known, as the end of a sentence; else empty."""
        return ""

    def check_ports(self) -> None:
        """Raises a ServerError if another program has one of its ports."""
        for purpose, port in self.ports.items():
            self.check_port(purpose, port)

    def check_port(self, purpose: str, port: int) -> None:
        """Raises a ServerError if another program has this port."""
        if not is_free(port):
            raise ServerError(
                f"port {port} ({self.name}, {purpose}) is taken{_owner(port)}: stop that program, or set "
                "KAPPAFLEET_PORT_OFFSET, say to 100, to move all ports of the local servers"
            )

    def stop(self) -> None:
        """Ends it in good order; its data stay. After ``stop_limit_s`` seconds it is killed."""
        self.daemon.stop(self.stop_limit_s)

    def kill(self) -> None:
        """Ends it as a crash would (``kill -9``)."""
        self.daemon.kill()

    def status(self) -> ServerStatus:
        """How it is now."""
        pid = self.daemon.pid
        state = "down" if pid is None else "up" if self.ready() else "not ready"
        return ServerStatus(self.name, state, pid, self.port, self.memory_mb(), self.log)

    def memory_mb(self) -> int:
        """Resident memory in MB."""
        return self.daemon.memory_mb()

    def _last_words(self) -> tuple[Path, str]:
        """The log that tells most, and its most telling line from the end."""
        for log in (self.log, self.daemon.output):
            lines = [line.strip() for line in _tail(log) if line.strip()]
            telling = [line for line in lines if _TELLING.search(line) and not line.startswith("at ")]
            if telling:
                return log, telling[-1][:_CAUSE_CHARACTERS]
        return (self.log if self.log.exists() else self.daemon.output), ""


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of the loopback address."""
    with socket.socket() as probe:
        # As servers do: connections that just ended are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether a TCP connection to a port of the loopback address is accepted."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _owner(port: int) -> str:
    """As far as this user may know it."""
    try:
        for each in psutil.net_connections("inet"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return f" by {psutil.Process(each.pid).name()} (pid {each.pid})"
    except psutil.Error:
        pass
    return " by another program"


def _tail(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
