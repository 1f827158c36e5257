"""Local servers that ask for a log-in and speak TLS only, with certificates and passwords made for one test run."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import trustme
from cassandra.cluster import Session
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from connectors.cassandra import connect
from kappafleet.connections import CassandraConnection, RabbitMQConnection
from kappafleet.errors import ServerError
from kappafleet.places import LOOPBACK, LocalPorts
from kappafleet.stack.cassandra import Cassandra
from kappafleet.stack.flink import TaskManager
from kappafleet.stack.rabbitmq import RabbitMQ
from kappafleet.stack.server import is_free
from kappafleet.stack.stack import Stack

USER = "fleet"


def new_password() -> str:
    """A random one with what trips up shells, addresses, settings files and CQL; grep for :func:`core`."""
    return f"it's 50%:/@#${{x}}-{secrets.token_hex(16)}"


def core(password: str) -> str:
    """The part of a password that no quoting or escaping changes."""
    return password[-32:]


@dataclass(frozen=True)
class Certificates:
    """A certificate authority, its server's certificate and key, and an authority that signed nothing."""

    folder: Path
    ca: Path = field(init=False)
    other_ca: Path = field(init=False)
    chain: Path = field(init=False)
    key: Path = field(init=False)

    def __post_init__(self) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert(LOOPBACK, "localhost")
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        # PKCS 8, the one form that Cassandra reads.
        pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        self.folder.mkdir(parents=True)
        for name, content in (
            ("ca", authority.cert_pem.bytes()),
            ("other_ca", trustme.CA().cert_pem.bytes()),
            ("chain", chain),
            ("key", pkcs8),
        ):
            file = self.folder / f"{name}.pem"
            file.write_bytes(content)
            object.__setattr__(self, name, file)
        self.keystore.write_bytes(pkcs8 + chain)

    @property
    def keystore(self) -> Path:
        """Key and certificate in one."""
        return self.folder / "keystore.pem"


class SecuredRabbitMQ(RabbitMQ):
    """AMQP and streams over TLS only; one user, who is not guest."""

    def __init__(
        self, home: Path, ports: LocalPorts, certificates: Certificates, environment: Mapping[str, str]
    ) -> None:
        super().__init__(home, ports, environment)
        self._certificates = certificates
        self._definitions = home / "definitions.json"
        self._password = new_password()

    @property
    def connection(self) -> RabbitMQConnection:
        return replace(
            super().connection, user=USER, password=self._password, tls=True, ca_file=self._certificates.ca
        )

    def settings(self) -> dict[str, object]:
        settings = super().settings()
        for protocol in ("", "stream."):
            settings[f"{protocol}listeners.ssl.1"] = settings.pop(f"{protocol}listeners.tcp.1")
        return settings | {
            "listeners.tcp": "none",
            "stream.listeners.tcp": "none",
            "stream.advertised_tls_port": self._ports.stream,
            "ssl_options.cacertfile": self._certificates.ca,
            "ssl_options.certfile": self._certificates.chain,
            "ssl_options.keyfile": self._certificates.key,
            # With definitions of its own a new broker makes no user guest.
            "load_definitions": self._definitions,
        }

    def spawn(self) -> None:
        salt = secrets.token_bytes(4)
        digest = hashlib.sha256(salt + self._password.encode()).digest()
        definitions = {
            "users": [
                {
                    "name": USER,
                    "password_hash": base64.b64encode(salt + digest).decode(),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": "monitoring",
                }
            ],
            "vhosts": [{"name": "/"}],
            "permissions": [{"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
        }
        self._definitions.write_text(json.dumps(definitions), encoding="utf-8")
        super().spawn()


class SecuredCassandra(Cassandra):
    """CQL over TLS only; one user who may make keyspaces, and a superuser whose password is no longer the default."""

    def __init__(
        self, home: Path, ports: LocalPorts, certificates: Certificates, environment: Mapping[str, str]
    ) -> None:
        super().__init__(home, ports, environment)
        self._certificates = certificates
        self._password, self.superuser_password = new_password(), new_password()

    @property
    def connection(self) -> CassandraConnection:
        """How clients reach it."""
        return CassandraConnection(
            (LOOPBACK,),
            self._ports.cql,
            user=USER,
            password=self._password,
            tls=True,
            ca_file=self._certificates.ca,
        )

    def settings(self) -> dict[str, Any]:
        return super().settings() | {
            "authenticator": "PasswordAuthenticator",
            "authorizer": "CassandraAuthorizer",
            "client_encryption_options": {
                "enabled": True,
                "optional": False,
                "keystore": str(self._certificates.keystore),
                "ssl_context_factory": {
                    "class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"
                },
            },
        }

    def serves(self) -> bool:
        """Whether the user is let in; in a new server the user is made first."""
        if is_free(self._ports.cql):
            return False
        if self._lets_in(self.connection):
            return True
        default = replace(self.connection, user="cassandra", password="cassandra")
        try:
            with _session(default) as session:
                session.execute(
                    f"CREATE ROLE IF NOT EXISTS {USER} WITH PASSWORD = %s AND LOGIN = true", (self._password,)
                )
                session.execute(f"GRANT CREATE ON ALL KEYSPACES TO {USER}")
                session.execute("ALTER ROLE cassandra WITH PASSWORD = %s", (self.superuser_password,))
        except ServerError:
            return False
        return self._lets_in(self.connection)

    def _lets_in(self, who: CassandraConnection) -> bool:
        try:
            with _session(who):
                return True
        except ServerError:
            return False


class SecuredStack(Stack):
    """RabbitMQ and Cassandra secured, and Flink with the passwords in the environment.

    At first the one TaskManager has a wrong password of Cassandra: :meth:`give` corrects it.
    """

    def __init__(self, root: Path, offset: int) -> None:
        """Nothing happens yet but that certificates and password files are made.

        Args:
            root: New folder of everything; ``root / "secrets"`` is the one part that may hold passwords.
            offset: Added to every port.
        """
        home, ports = root / "stack", LocalPorts(offset)
        home.mkdir(parents=True)
        self.certificates = Certificates(root / "certificates")
        mine = {
            name: value for name, value in os.environ.items() if not name.startswith(("KF_", "KAPPAFLEET_H"))
        }
        rabbitmq = SecuredRabbitMQ(home, ports, self.certificates, mine)
        cassandra = SecuredCassandra(home, ports, self.certificates, mine)
        self.without_passwords = {
            **mine,
            **rabbitmq.connection.variables(),
            **cassandra.connection.variables(),
            "KAPPAFLEET_HOME": str(home),
            "KAPPAFLEET_PORT_OFFSET": str(offset),
        }
        passwords = {
            "KF_RABBITMQ_PASSWORD": rabbitmq.connection.password,
            "KF_CASSANDRA_PASSWORD": str(cassandra.connection.password),
        }
        others = secrets.token_hex(16)
        self.with_passwords = {**self.without_passwords, **passwords, "LOGIN_OF_ANOTHER_PROGRAM": others}
        self.with_files = dict(self.without_passwords)
        folder = root / "secrets"
        folder.mkdir(mode=0o700)
        for name, password in passwords.items():
            file = folder / name
            file.touch(mode=0o600)
            file.write_text(f"{password}\n", encoding="utf-8")
            self.with_files[f"{name}_FILE"] = str(file)
        self.wrong_password = new_password()
        super().__init__(home, offset, taskmanagers=1, environment=self.with_passwords)
        self.rabbitmq: SecuredRabbitMQ = rabbitmq
        self.cassandra: SecuredCassandra = cassandra
        self.taskmanagers = (self._taskmanager({"KF_CASSANDRA_PASSWORD": self.wrong_password}),)
        known = (*passwords.values(), cassandra.superuser_password, self.wrong_password)
        self.secrets = (*(core(each) for each in known), others)
        """What must not come to light anywhere: passwords, and what else a shell may hold."""

    def give(self, changes: Mapping[str, str]) -> None:
        """Replaces the TaskManager by one with another environment: right but for these changes."""
        self.taskmanagers[0].stop()
        self.taskmanagers = (self._taskmanager(changes),)
        self.taskmanagers[0].start()

    def _taskmanager(self, changes: Mapping[str, str]) -> TaskManager:
        return TaskManager(1, self.home, self.ports, {**self.with_passwords, **changes})


def on_free_ports(root: Path) -> SecuredStack:
    """A secured stack on ports that nobody uses now."""
    for offset in range(3500, 6000, 100):
        if all(is_free(port) for port in LocalPorts(offset).all()):
            return SecuredStack(root, offset)
    raise AssertionError("no free ports for the secured servers")


@contextmanager
def _session(who: CassandraConnection) -> Iterator[Session]:
    """Without the driver's long warnings while the server starts."""
    logger = logging.getLogger("cassandra")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with connect(who, timeout_s=20) as session:
            yield session
    finally:
        logger.setLevel(level)
