"""The serving layer beside the local servers: API and dashboard, on 127.0.0.1 only."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from kappafleet.places import LOOPBACK, LocalPorts, project_root
from kappafleet.stack.server import Server


class ServingLayer(Server):
    """``kappafleet serve`` as a process of its own; it needs Cassandra to be up when it starts."""

    stop_limit_s = 10.0

    def __init__(self, home: Path, ports: LocalPorts, environment: Mapping[str, str] = os.environ) -> None:
        """Nothing happens yet.

        Args:
            home: The stack's folder.
            ports: The stack's ports.
            environment: Base of the process' environment.
        """
        super().__init__("serving", home, {"HTTP": ports.http})
        self._ports = ports
        self._environment = environment
        self.log = self.daemon.output  # it has no log of its own

    @property
    def url(self) -> str:
        """Where the dashboard is."""
        return f"http://{LOOPBACK}:{self._ports.http}/"

    def spawn(self) -> None:
        """See :meth:`Server.spawn`."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        variables = {
            **self._environment,
            "KF_CASSANDRA_HOSTS": LOOPBACK,
            "KF_CASSANDRA_PORT": str(self._ports.cql),
            "KF_RABBITMQ_HOST": LOOPBACK,
            "KF_RABBITMQ_AMQP_PORT": str(self._ports.amqp),
            "KAPPAFLEET_HOME": str(self.home),
            "KAPPAFLEET_PORT_OFFSET": str(self._ports.offset),
        }
        variables.pop("KF_SERVING_KEYS", None)  # the demo's page needs none: only this machine may ask
        self.daemon.start([sys.executable, "-m", "kappafleet", "serve"], variables, project_root())

    def serves(self) -> bool:
        """Whether it reaches its tables."""
        try:
            with urllib.request.urlopen(f"{self.url}health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
