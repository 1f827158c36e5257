"""A ZooKeeper server from Flink's own jar: what the JobManager must find again after its death is noted here.

That is which process leads the cluster, which jobs run, and where their newest checkpoints are: a few kilobytes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kappafleet.flink_home import FlinkHome
from kappafleet.places import LOOPBACK, LocalPorts, java_home
from kappafleet.stack.flink import cluster_home, jobs_folder
from kappafleet.stack.server import Server

HEAP = "32m"
TICK_MS = 1000
"""ZooKeeper notices the end of a session this much late at most, and grants none shorter than two of it."""

# Beside Flink's own starter, FlinkZooKeeperQuorumPeer, this one purges old logs.
_CLASS = "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.quorum.QuorumPeerMain"


class ZooKeeper(Server):
    """One server, on 127.0.0.1; a confirmed write is on disk."""

    stop_limit_s = 5.0

    def __init__(self, home: Path, ports: LocalPorts, environment: Mapping[str, str] = os.environ) -> None:
        """Nothing happens yet.

        Args:
            home: The stack's folder.
            ports: The stack's ports.
            environment: Base of the server's environment.
        """
        super().__init__("zookeeper", home, {"clients": ports.zookeeper})
        self._ports = ports
        self._environment = environment
        self._folder = jobs_folder(home) / "zookeeper"

    def spawn(self) -> None:
        """See :meth:`Server.spawn`."""
        installation = cluster_home(self.home, self._ports, self._environment)
        for each in (self._folder, self.log.parent):
            each.mkdir(parents=True, exist_ok=True)
        settings = self._folder / "zoo.cfg"
        settings.write_text(self._settings(), encoding="utf-8")
        command = [
            str(java_home(self._environment) / "bin" / "java"),
            "-Xms16m",
            f"-Xmx{HEAP}",
            "-XX:MaxMetaspaceSize=48m",
            "-XX:ReservedCodeCacheSize=16m",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            f"-XX:ErrorFile={self.log.parent}/zookeeper-crash-%p.log",
            "-Djava.net.preferIPv4Stack=true",
            "-Dzookeeper.jmx.log4j.disable=true",
            f"-Dlog.file={self.log}",
            "-Dconsole.log.level=OFF",
            f"-Dlog4j.configurationFile={(installation.conf / 'log4j-console.properties').as_uri()}",
            "-classpath",
            _class_path(installation),
            _CLASS,
            str(settings),
        ]
        variables = {**self._environment, "MAX_LOG_FILE_NUMBER": "3"}
        self.daemon.start(command, variables, self._folder)

    def serves(self) -> bool:
        """Whether it says that it serves clients, and is not still reading its log."""
        return "Mode: standalone" in self._ask("srvr")

    def _ask(self, word: str) -> str:
        """Its answer to one of its four-letter words; empty while it gives none."""
        answer = b""
        with suppress(OSError), socket.create_connection((LOOPBACK, self._ports.zookeeper), 5) as connection:
            connection.sendall(word.encode())
            while part := connection.recv(4096):
                answer += part
        return answer.decode(errors="replace")

    def _settings(self) -> str:
        settings = {
            "dataDir": self._folder / "data",
            "clientPort": self._ports.zookeeper,
            "clientPortAddress": LOOPBACK,
            "tickTime": TICK_MS,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "srvr",
            # A checkpoint is a handful of entries: a new log every 20,000 of them (about an hour of one job, some
            # megabytes), and the three newest are kept.
            "snapCount": 20_000,
            "preAllocSize": 1024,
            "autopurge.snapRetainCount": 3,
            "autopurge.purgeInterval": 1,
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())


def _class_path(installation: FlinkHome) -> str:
    lib = installation.path / "lib"
    return ":".join(
        str(each) for pattern in ("flink-dist-*.jar", "log4j-*.jar") for each in lib.glob(pattern)
    )
