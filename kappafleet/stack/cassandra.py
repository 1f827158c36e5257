"""A Cassandra server from its Maven artifacts: one node, 1 GB of heap, on 127.0.0.1."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from kappafleet.errors import MissingPart
from kappafleet.places import LOOPBACK, LocalPorts, java_home, project_root
from kappafleet.stack.server import Server, answers
from kappafleet.stack.unmounted_root import agent, is_on_a_known_mount

HEAP = "1g"

# Cassandra reaches into the JDK; this is what its own jvm17-server.options opens.
_EXPORTS = (
    "java.base/java.lang.ref",
    "java.base/java.lang.reflect",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
)
_OPENS = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
)

_LOGBACK = """\
<configuration>
  <appender name="FILE" class="ch.qos.logback.core.rolling.RollingFileAppender">
    <file>{log}</file>
    <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
      <fileNamePattern>{log}.%i</fileNamePattern>
      <maxIndex>3</maxIndex>
    </rollingPolicy>
    <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy">
      <maxFileSize>50MB</maxFileSize>
    </triggeringPolicy>
    <encoder><pattern>%date{{ISO8601}} %-5level [%thread] %logger{{1}} - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
"""


class Cassandra(Server):
    """One node, without log-in."""

    def __init__(self, home: Path, ports: LocalPorts, environment: Mapping[str, str] = os.environ) -> None:
        """Nothing happens yet.

        Args:
            home: The stack's folder.
            ports: The stack's ports.
            environment: Base of the server's environment; ``KAPPAFLEET_CASSANDRA_LIB`` names another folder of jars.
        """
        super().__init__("cassandra", home, {"CQL": ports.cql, "storage": ports.storage})
        self._ports = ports
        self._environment = environment
        self._folder = home / "cassandra"

    def spawn(self) -> None:
        """See :meth:`Server.spawn`."""
        jars = _jars(self._environment)
        java = java_home(self._environment)
        conf, temporary = self._folder / "conf", self._folder / "tmp"
        for each in (conf, temporary, self.log.parent):
            each.mkdir(parents=True, exist_ok=True)
        (conf / "cassandra.yaml").write_text(yaml.safe_dump(self.settings()), encoding="utf-8")
        (conf / "logback.xml").write_text(_LOGBACK.format(log=self.log), encoding="utf-8")
        command = [
            str(java / "bin" / "java"),
            *self._help_in_a_chroot(java, jars),
            f"-Xms{HEAP}",
            f"-Xmx{HEAP}",
            "-XX:+UseG1GC",
            "-XX:MaxDirectMemorySize=256m",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            f"-XX:ErrorFile={self.log.parent}/cassandra-crash-%p.log",
            *(f"--add-exports={each}=ALL-UNNAMED" for each in _EXPORTS),
            *(f"--add-opens={each}=ALL-UNNAMED" for each in _OPENS),
            "-Djdk.attach.allowAttachSelf=true",
            "-Djava.net.preferIPv4Stack=true",
            f"-Djava.io.tmpdir={temporary}",
            f"-Dcassandra.config={(conf / 'cassandra.yaml').as_uri()}",
            f"-Dcassandra.storagedir={self._folder}",
            f"-Dcassandra.logdir={self.log.parent}",
            # There is no other node to wait for.
            "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            "-Dcassandra.ring_delay_ms=0",
            "-Dcassandra.shutdown_announce_in_ms=0",
            "-Dcassandra.superuser_setup_delay_ms=0",
            "-cp",
            f"{conf}:{jars}/*",
            "org.apache.cassandra.service.CassandraDaemon",
        ]
        self.daemon.start(command, self._environment, self._folder)

    def serves(self) -> bool:
        """Whether it answers a CQL query."""
        if not answers(self._ports.cql):
            return False
        from cassandra import DriverException
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
        from cassandra.policies import RoundRobinPolicy

        profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=5)
        cluster = Cluster(
            [LOOPBACK],
            port=self._ports.cql,
            connect_timeout=5,
            control_connection_timeout=5,
            protocol_version=5,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        )
        try:
            with _quiet(logging.getLogger("cassandra")):
                row = cluster.connect().execute("SELECT release_version FROM system.local").one()
        except (NoHostAvailable, DriverException, OSError):
            return False
        finally:
            cluster.shutdown()
        return row is not None

    def settings(self) -> dict[str, Any]:
        """What its ``cassandra.yaml`` says; a subclass may say more."""
        folder = self._folder
        return {
            "cluster_name": "kappafleet",
            "num_tokens": 1,
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "endpoint_snitch": "SimpleSnitch",
            "dynamic_snitch": False,
            "seed_provider": [
                {
                    "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                    "parameters": [{"seeds": f"{LOOPBACK}:{self._ports.storage}"}],
                }
            ],
            "listen_address": LOOPBACK,
            "storage_port": self._ports.storage,
            "rpc_address": LOOPBACK,
            "native_transport_port": self._ports.cql,
            "start_native_transport": True,
            "auto_bootstrap": False,
            "hinted_handoff_enabled": False,
            "auto_snapshot": False,
            "data_file_directories": [str(folder / "data")],
            "commitlog_directory": str(folder / "commitlog"),
            "saved_caches_directory": str(folder / "saved_caches"),
            "hints_directory": str(folder / "hints"),
            "cdc_raw_directory": str(folder / "cdc_raw"),
            # With one replica a confirmed write must survive a kill by itself, so it is on disk before the answer.
            # Measured with `periodic` every 100 ms: 759 of 45,050 confirmed writes were gone after a kill -9.
            "commitlog_sync": "batch",
            "commitlog_segment_size": "16MiB",
            "commitlog_total_space": "256MiB",
            # Small caches: the machine is shared with Flink and RabbitMQ.
            "memtable_heap_space": "192MiB",
            "memtable_offheap_space": "64MiB",
            "file_cache_size": "32MiB",
            "networking_cache_size": "16MiB",
            "key_cache_size": "10MiB",
            "counter_cache_size": "0MiB",
            "row_cache_size": "0MiB",
            "disk_access_mode": "mmap_index_only",
            "concurrent_reads": 8,
            # A write waits for the disk in its thread, and those that wait together share one sync.
            "concurrent_writes": 96,
            "concurrent_compactors": 1,
            "memtable_flush_writers": 1,
            "native_transport_max_threads": 128,
        }

    def _help_in_a_chroot(self, java: Path, jars: Path) -> list[str]:
        if is_on_a_known_mount(self._folder):
            return []
        return [f"-javaagent:{agent(self._folder / 'agent', java, jars)}"]


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """The driver warns at length of what is wanted here: one host, no version given, refused while it starts."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _jars(environment: Mapping[str, str]) -> Path:
    chosen = environment.get("KAPPAFLEET_CASSANDRA_LIB")
    folder = Path(chosen).absolute() if chosen else project_root() / "build" / "cassandra" / "lib"
    if not any(folder.glob("cassandra-all-*.jar")):
        raise MissingPart(f"Cassandra's jars are not in {folder}; run: make setup")
    return folder
