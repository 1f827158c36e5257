"""How RabbitMQ and Cassandra are reached, and the addresses that ``--from`` and ``--to`` take.

Settings come from the environment (``KF_RABBITMQ_*``, ``KF_CASSANDRA_*``); what is not set is the local stack's.
Passwords are read where they are used and masked in every ``repr``; an address never holds one.

=================================================== ===============================================================
``rabbitmq:``                                       the streams of the broker that the environment names
``rabbitmq://HOST[:STREAM_PORT][/VHOST]``           another broker; both forms take ``?start=first|last|offset:N|``
                                                    ``timestamp:MS``, ``&streams=a,b`` and ``&bounded=1``
``cassandra:``, ``cassandra://HOST[:PORT][/KEYSPACE]`` tables
``file:PATH``                                       message lines, or a folder of table rows
=================================================== ===============================================================
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from kappafleet.errors import AddressError, ServerError
from kappafleet.places import LOOPBACK, LocalPorts, port_offset

if TYPE_CHECKING:
    import pika

_START = re.compile(r"first|last|(offset|timestamp):\d{1,18}")


@dataclass(frozen=True, slots=True)
class RabbitMQConnection:
    """A broker and who asks there."""

    host: str
    amqp_port: int
    stream_port: int
    vhost: str = "/"
    user: str = "guest"
    password: str = field(default="guest", repr=False)
    tls: bool = False
    ca_file: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> RabbitMQConnection:
        """The broker of ``KF_RABBITMQ_*``, else the local stack's.

        Raises:
            AddressError: a host or a port cannot be one, or the password's file cannot be read.
        """
        ports = LocalPorts(port_offset(environment))
        ca_file = environment.get("KF_RABBITMQ_CA_FILE")
        return cls(
            host=_host_setting("KF_RABBITMQ_HOST", environment.get("KF_RABBITMQ_HOST") or LOOPBACK),
            amqp_port=_port_setting(environment, "KF_RABBITMQ_AMQP_PORT", ports.amqp),
            stream_port=_port_setting(environment, "KF_RABBITMQ_STREAM_PORT", ports.stream),
            vhost=environment.get("KF_RABBITMQ_VHOST") or "/",
            user=environment.get("KF_RABBITMQ_USER") or "guest",
            password=_password(environment, "KF_RABBITMQ_PASSWORD") or "guest",
            tls=_is_on(environment, "KF_RABBITMQ_TLS"),
            ca_file=Path(ca_file) if ca_file else None,
        )

    def variables(self) -> dict[str, str]:
        """The settings as ``KF_RABBITMQ_*`` variables for another process, without the password."""
        found = {
            "KF_RABBITMQ_HOST": self.host,
            "KF_RABBITMQ_AMQP_PORT": str(self.amqp_port),
            "KF_RABBITMQ_STREAM_PORT": str(self.stream_port),
            "KF_RABBITMQ_VHOST": self.vhost,
            "KF_RABBITMQ_USER": self.user,
        }
        if self.tls:
            found["KF_RABBITMQ_TLS"] = "1"
        if self.ca_file:
            found["KF_RABBITMQ_CA_FILE"] = str(self.ca_file)
        return found


@dataclass(frozen=True, slots=True)
class CassandraConnection:
    """A cluster and who asks there; without a user nobody logs in."""

    hosts: tuple[str, ...]
    port: int
    datacenter: str = "datacenter1"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> CassandraConnection:
        """The cluster of ``KF_CASSANDRA_*``, else the local stack's.

        Raises:
            AddressError: a host or a port cannot be one, or the password's file cannot be read.
        """
        ports = LocalPorts(port_offset(environment))
        ca_file = environment.get("KF_CASSANDRA_CA_FILE")
        hosts = environment.get("KF_CASSANDRA_HOSTS") or LOOPBACK
        named = [host.strip() for host in hosts.split(",") if host.strip()] or [""]
        return cls(
            hosts=tuple(_host_setting("KF_CASSANDRA_HOSTS", host) for host in named),
            port=_port_setting(environment, "KF_CASSANDRA_PORT", ports.cql),
            datacenter=environment.get("KF_CASSANDRA_DATACENTER") or "datacenter1",
            user=environment.get("KF_CASSANDRA_USER") or None,
            password=_password(environment, "KF_CASSANDRA_PASSWORD"),
            tls=_is_on(environment, "KF_CASSANDRA_TLS"),
            ca_file=Path(ca_file) if ca_file else None,
        )

    def variables(self) -> dict[str, str]:
        """The settings as ``KF_CASSANDRA_*`` variables for another process, without the password."""
        found = {
            "KF_CASSANDRA_HOSTS": ",".join(self.hosts),
            "KF_CASSANDRA_PORT": str(self.port),
            "KF_CASSANDRA_DATACENTER": self.datacenter,
        }
        if self.user:
            found["KF_CASSANDRA_USER"] = self.user
        if self.tls:
            found["KF_CASSANDRA_TLS"] = "1"
        if self.ca_file:
            found["KF_CASSANDRA_CA_FILE"] = str(self.ca_file)
        return found


@dataclass(frozen=True, slots=True)
class RabbitMQAddress:
    """RabbitMQ streams, as ``--from`` names them; what is None comes from the environment."""

    host: str | None = None
    stream_port: int | None = None
    vhost: str | None = None
    start: str | None = None
    """``first``, ``last``, ``offset:N`` or ``timestamp:MS``; None: as the job says."""
    streams: tuple[str, ...] = ()
    """Empty: the job's own."""
    bounded: bool = False
    """Whether to end at the offsets that are the last ones at the start."""


@dataclass(frozen=True, slots=True)
class CassandraAddress:
    """Tables, as ``--to`` names them; what is None comes from the environment or the job."""

    host: str | None = None
    port: int | None = None
    keyspace: str | None = None


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A file or a folder."""

    path: Path


Address = RabbitMQAddress | CassandraAddress | FileAddress


def parse_uri(text: str) -> Address:
    """Understands an address of ``--from`` or ``--to``.

    Raises:
        AddressError: it is none of the forms above; the message shows the right form.
    """
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "file":
        return _file_address(text, rest)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"{text}: {error}; the form is rabbitmq://HOST[:PORT]/...") from error
    if scheme not in ("rabbitmq", "cassandra") or not colon:
        raise AddressError(
            f"{text}: an address starts with rabbitmq:, cassandra: or file: (file:PATH for a file)"
        )
    if parts.username is not None or parts.password is not None:
        variable = f"KF_{scheme.upper()}_USER and KF_{scheme.upper()}_PASSWORD"
        raise AddressError(f"no user or password in a {scheme}: address, please: set {variable} instead")
    if (
        (not rest.startswith("//") and parts.path)
        or parts.fragment
        or (rest.startswith("//") and not is_host(parts.hostname or ""))
    ):
        raise AddressError(f"{text}: the form is {scheme}: or {scheme}://HOST[:PORT]/...")
    if scheme == "rabbitmq":
        return _rabbitmq_address(text, parts, port)
    return _cassandra_address(text, parts, port)


def _file_address(text: str, rest: str) -> FileAddress:
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if not path:
        raise AddressError(f"{text}: the form is file:PATH")
    if path.startswith("//"):
        raise AddressError(f"{text}: a file on another machine cannot be read; the form is file:PATH")
    return FileAddress(Path(path))


def _rabbitmq_address(text: str, parts: SplitResult, port: int | None) -> RabbitMQAddress:
    options = _options(text, parts, ("start", "streams", "bounded"))
    start = options.get("start")
    if start is not None and not _START.fullmatch(start):
        raise AddressError(
            f"{text}: start is first, last, offset:N or timestamp:MS (epoch ms), not {start!r}"
        )
    bounded = options.get("bounded", "0")
    if bounded not in ("0", "1"):
        raise AddressError(f"{text}: bounded is 0 or 1, not {bounded!r}")
    streams = tuple(name for name in options.get("streams", "").split(",") if name)
    if "streams" in options and not streams:
        raise AddressError(f"{text}: streams takes names: streams=telemetry-0,telemetry-1")
    return RabbitMQAddress(
        parts.hostname, port, unquote(parts.path[1:]) or None, start, streams, bounded == "1"
    )


def _cassandra_address(text: str, parts: SplitResult, port: int | None) -> CassandraAddress:
    _options(text, parts, ())
    keyspace = parts.path[1:] or None
    if keyspace is not None and not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", keyspace):
        raise AddressError(
            f"{text}: a keyspace has lower case letters, digits and underscores, not {keyspace!r}"
        )
    return CassandraAddress(parts.hostname, port, keyspace)


def _options(text: str, parts: SplitResult, known: tuple[str, ...]) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - set(known))
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes no options"
        raise AddressError(f"{text}: unknown option {', '.join(unknown)}; {takes}")
    return options


def rabbitmq_parameters(connection: RabbitMQConnection | None = None) -> pika.ConnectionParameters:
    """The settings of pika for the broker of the environment, or for another one.

    Raises:
        AddressError: see :meth:`RabbitMQConnection.from_environment`; or the CA file cannot be used.
    """
    import pika  # here, so that `kappafleet --help` need not wait for it

    to = connection or RabbitMQConnection.from_environment()
    return pika.ConnectionParameters(
        host=to.host,
        port=to.amqp_port,
        virtual_host=to.vhost,
        credentials=pika.PlainCredentials(to.user, to.password),
        ssl_options=pika.SSLOptions(tls_context(to.ca_file), to.host) if to.tls else None,
        heartbeat=30,
        blocked_connection_timeout=300,
        socket_timeout=10,
        client_properties={"connection_name": "kappafleet"},
    )


def rabbitmq_connection(connection: RabbitMQConnection | None = None) -> pika.BlockingConnection:
    """An open AMQP connection; the caller closes it.

    Raises:
        ServerError: nobody answers there, or the login is refused.
    """
    import pika
    import pika.exceptions

    to = connection or RabbitMQConnection.from_environment()
    try:
        return pika.BlockingConnection(rabbitmq_parameters(to))
    except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.AuthenticationError) as error:
        raise ServerError(
            f"RabbitMQ at {to.host}:{to.amqp_port} refuses user {to.user!r}: set KF_RABBITMQ_USER and "
            "KF_RABBITMQ_PASSWORD"
        ) from error
    except pika.exceptions.ProbableAccessDeniedError as error:
        raise ServerError(
            f"RabbitMQ at {to.host}:{to.amqp_port} has no virtual host {to.vhost!r} for user {to.user!r}: set "
            "KF_RABBITMQ_VHOST"
        ) from error
    except ssl.SSLError as error:
        raise ServerError(_no_tls(f"{to.host}:{to.amqp_port}", "KF_RABBITMQ_AMQP_PORT", error)) from error
    except pika.exceptions.IncompatibleProtocolError as error:
        hint = "" if to.tls else ", or set KF_RABBITMQ_TLS=1 if it takes TLS only"
        raise ServerError(
            f"at {to.host}:{to.amqp_port} nobody speaks AMQP{'' if to.tls else ' without TLS'}: correct "
            f"KF_RABBITMQ_AMQP_PORT{hint}"
        ) from error
    except (pika.exceptions.AMQPError, OSError) as error:
        raise ServerError(
            f"RabbitMQ at {to.host}:{to.amqp_port} does not answer: start the local servers "
            "(kappafleet stack up), or set KF_RABBITMQ_HOST and KF_RABBITMQ_AMQP_PORT"
        ) from error


def check_stream_port(to: RabbitMQConnection) -> None:
    """Makes sure that the stream port takes connections, over TLS where that is asked for.

    Raises:
        ServerError: it does not.
    """
    try:
        with socket.create_connection((to.host, to.stream_port), timeout=10) as plain:
            if to.tls:
                tls_context(to.ca_file).wrap_socket(plain, server_hostname=to.host).close()
    except ssl.SSLError as error:
        raise ServerError(_no_tls(f"{to.host}:{to.stream_port}", "KF_RABBITMQ_STREAM_PORT", error)) from error
    except OSError as error:
        raise ServerError(
            f"RabbitMQ's stream port {to.host}:{to.stream_port} does not answer: start the local servers (kappafleet "
            "stack up), or set KF_RABBITMQ_HOST and KF_RABBITMQ_STREAM_PORT"
        ) from error


def _no_tls(address: str, port_variable: str, error: ssl.SSLError) -> str:
    """Why TLS to a broker did not come about, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of RabbitMQ at {address} is not trusted ({error.verify_message}): set "
            "KF_RABBITMQ_CA_FILE to the certificate (PEM) of the authority that signed it, and KF_RABBITMQ_HOST to a "
            "name that stands in it"
        )
    return (
        f"no TLS is spoken at {address} ({error.reason}): correct {port_variable}, or unset KF_RABBITMQ_TLS"
    )


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """What a client's connection over TLS trusts: the system's certificates, or those of a file.

    Raises:
        AddressError: the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        raise AddressError(f"KF_RABBITMQ_CA_FILE={ca_file} cannot be used: {error}") from error


def _port_setting(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if not text:
        return default
    if not is_port(text):
        raise AddressError(f"{name}={text} is no port: give a number from 1 to 65535")
    return int(text)


def is_port(text: str) -> bool:
    """Whether it is a number from 1 to 65535."""
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and 0 < int(text) < 65536


def is_host(text: str) -> bool:
    """Whether it could be a host's name or address; whether there is such a host is another question."""
    try:
        return bool(text.encode("idna"))
    except UnicodeError:
        return False


def _host_setting(name: str, text: str) -> str:
    if not is_host(text):
        raise AddressError(f"{name}={text} is no host: give a name or an address")
    return text


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "").lower()
    if text in ("", "0", "false", "no"):
        return False
    if text in ("1", "true", "yes"):
        return True
    raise AddressError(f"{name}={text}: give 1 or 0")


def _password(environment: Mapping[str, str], name: str) -> str | None:
    if environment.get(name):
        return environment[name]
    file = environment.get(f"{name}_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AddressError(f"{name}_FILE={file} cannot be read: {error}") from error
