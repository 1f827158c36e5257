"""A RabbitMQ broker of our own, beside any that the machine has.

The program is the system's, everything else ours: node name, cookie, data, ports, Erlang's port mapper (epmd).
All of it listens on 127.0.0.1 only.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kappafleet.connections import RabbitMQConnection, rabbitmq_connection
from kappafleet.errors import MissingPart, ServerError
from kappafleet.places import LOOPBACK, LocalPorts
from kappafleet.stack.daemon import Daemon
from kappafleet.stack.server import Server, answers

PLUGINS = (
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_management",
    "rabbitmq_prometheus",
    "rabbitmq_sharding",  # x-modulus-hash
    "rabbitmq_stream",
    "rabbitmq_stream_management",  # lists and closes stream connections
)

_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's /usr/sbin/rabbitmq-server is a wrapper that insists on the user `rabbitmq`; this is what it runs."""

_EPMD_LIMIT_S = 10.0

_STREAMS_LIMIT_S = 15.0
"""For so long after its start the broker's streams are waited for; mostly it is a second. Then it may serve without."""


class RabbitMQ(Server):
    """One broker, with streams."""

    def __init__(self, home: Path, ports: LocalPorts, environment: Mapping[str, str] = os.environ) -> None:
        """Nothing happens yet.

        Args:
            home: The stack's folder.
            ports: The stack's ports.
            environment: Base of the broker's environment; ``KAPPAFLEET_RABBITMQ_SERVER`` names another program.
        """
        super().__init__(
            "rabbitmq",
            home,
            {
                "AMQP": ports.amqp,
                "streams": ports.stream,
                "management": ports.management,
                "metrics": ports.prometheus,
                "Erlang distribution": ports.distribution,
            },
        )
        self._ports = ports
        self._environment = environment
        self._folder = home / "rabbitmq"
        self._epmd = Daemon("epmd", home / "run", home / "logs" / "epmd.out")
        self._answers_since = 0.0

    @property
    def connection(self) -> RabbitMQConnection:
        """How clients reach it."""
        return RabbitMQConnection(LOOPBACK, self._ports.amqp, self._ports.stream)

    def check_ports(self) -> None:
        """See :meth:`Server.check_ports`; epmd's port counts too, unless our own epmd has it."""
        super().check_ports()
        if self._epmd.pid is None:
            self.check_port("Erlang's port mapper", self._ports.epmd)

    def spawn(self) -> None:
        """See :meth:`Server.spawn`."""
        program = _program(self._environment)
        self._answers_since = 0.0
        for each in (self._folder, self.log.parent):
            each.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        self._start_epmd()
        # Streams keep their segments open; 1,024 files, the usual limit, are soon used up.
        raise_limit = 'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$0"'
        self.daemon.start(["/bin/sh", "-c", raise_limit, str(program)], self._variables(), self._folder)

    def serves(self) -> bool:
        """Whether AMQP logs us in, and the broker says that streams are served, those that there are as well."""
        if not answers(self._ports.management) or not answers(self._ports.stream):
            return False
        try:
            overview = self.api("overview")
            rabbitmq_connection(self.connection).close()
            down = [
                each["name"] for each in self.api("queues?columns=name,state") if each.get("state") == "down"
            ]
        except (OSError, ValueError, ServerError):
            return False
        served = {listener["port"] for listener in overview["listeners"]}
        if not {self._ports.amqp, self._ports.stream} <= served:
            return False
        self._answers_since = self._answers_since or time.monotonic()
        return not down or time.monotonic() - self._answers_since > _STREAMS_LIMIT_S

    def api(self, path: str) -> Any:
        """Asks the management API: ``api("overview")``.

        Raises:
            OSError: it does not answer, or refuses.
        """
        request = urllib.request.Request(f"http://{LOOPBACK}:{self._ports.management}/api/{path}")
        login = base64.b64encode(f"{self.connection.user}:{self.connection.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def settings(self) -> dict[str, object]:
        """What its ``rabbitmq.conf`` says; a subclass may say more."""
        ports = self._ports
        return {
            "listeners.tcp.1": f"{LOOPBACK}:{ports.amqp}",
            "stream.listeners.tcp.1": f"{LOOPBACK}:{ports.stream}",
            # Clients of streams connect to what the broker names, not to what they asked.
            "stream.advertised_host": LOOPBACK,
            "stream.advertised_port": ports.stream,
            "management.tcp.ip": LOOPBACK,
            "management.tcp.port": ports.management,
            "prometheus.tcp.ip": LOOPBACK,
            "prometheus.tcp.port": ports.prometheus,
            "vm_memory_high_watermark.absolute": "1GB",
            "disk_free_limit.absolute": "200MB",
            "log.console": "false",
            "log.file.level": "info",
            "log.file.rotation.size": 50_000_000,
            "log.file.rotation.count": 3,
        }

    def stop(self) -> None:
        """See :meth:`Server.stop`; epmd ends with it."""
        super().stop()
        self._epmd.stop(limit_s=2.0)

    def memory_mb(self) -> int:
        """See :meth:`Server.memory_mb`; with epmd's."""
        return super().memory_mb() + self._epmd.memory_mb()

    def _start_epmd(self) -> None:
        """Before the broker, which else would start one that nobody ends, on all interfaces."""
        if self._epmd.pid is None:
            self._epmd.start([_epmd_program(self._environment)], self._variables(), self._folder)
        deadline = time.monotonic() + _EPMD_LIMIT_S
        while not answers(self._ports.epmd):
            if self._epmd.pid is None or time.monotonic() > deadline:
                raise ServerError(f"Erlang's port mapper epmd does not start; log: {self._epmd.output}")
            time.sleep(0.02)

    def _write_settings(self) -> None:
        text = "".join(f"{key} = {value}\n" for key, value in self.settings().items())
        (self._folder / "rabbitmq.conf").write_text(text, encoding="utf-8")
        (self._folder / "enabled_plugins").write_text(f"[{','.join(PLUGINS)}].\n", encoding="utf-8")
        # In place of /etc/rabbitmq/rabbitmq-env.conf, which belongs to the machine's own broker.
        (self._folder / "rabbitmq-env.conf").touch()

    def _variables(self) -> dict[str, str]:
        folder = self._folder
        # A broker that this user configured elsewhere must not leak into ours.
        inherited = {
            key: value
            for key, value in self._environment.items()
            if not key.startswith(("RABBITMQ_", "ERL_")) and key != "NOTIFY_SOCKET"
        }
        return {
            **inherited,
            "HOME": str(folder),  # of the Erlang cookie
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._ports.epmd),
            "RABBITMQ_NODENAME": "kappafleet@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.log.parent),
            "RABBITMQ_LOGS": str(self.log),
            "RABBITMQ_DIST_PORT": str(self._ports.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
            # Makes the script replace itself by the broker: then our pid is the broker's, and signals reach it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def _program(environment: Mapping[str, str]) -> Path:
    chosen = environment.get("KAPPAFLEET_RABBITMQ_SERVER")
    on_path = shutil.which("rabbitmq-server", path=environment.get("PATH"))
    for each in (Path(chosen) if chosen else None, _PROGRAM, Path(on_path) if on_path else None):
        if each is not None and each.exists():
            return each
    raise MissingPart("RabbitMQ is not installed (no rabbitmq-server found); run: make setup")


def _epmd_program(environment: Mapping[str, str]) -> str:
    on_path = shutil.which("epmd", path=environment.get("PATH"))
    bundled = sorted(str(each) for each in Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    if not on_path and not bundled:
        raise MissingPart("Erlang's port mapper epmd is not installed; run: make setup")
    return on_path or bundled[-1]
