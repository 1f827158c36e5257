"""What all requests of one server share, and how a request is let in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from starlette.requests import HTTPConnection

from kappafleet.connections import RabbitMQConnection
from serving.cursor import Cursors
from serving.keys import LOCAL, PREFIX, Caller, Keys
from serving.limits import RateLimit
from serving.problems import Problem
from serving.store import Store

LOOPBACK_CLIENTS = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
LOOPBACK_NAMES = frozenset({"127.0.0.1", "[::1]", "localhost"})

_PORT = re.compile(r":\d*$")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server is to behave.

    Attributes:
        keys: the file of API keys; None: none, and only this machine may ask.
        secret: what signs cursors; None: known to this process alone.
        rate, burst: requests a second, and at once, of one caller; a rate of 0: no limit.
        flink: address of Flink's REST API for the pipeline page; None: the page says that there is none.
        broker: where the jobs publish results, for the live feed; None: there is none.
    """

    keys: Path | None = None
    secret: bytes | None = None
    rate: float = 50.0
    burst: int = 200
    flink: str | None = None
    broker: RabbitMQConnection | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """What requests share."""

    store: Store
    settings: Settings
    cursors: Cursors
    keys: Keys | None
    limit: RateLimit
    strangers: RateLimit
    """Of requests with a wrong key or none, by address."""
    now: Callable[[], datetime]

    @classmethod
    def of(cls, store: Store, settings: Settings, now: Callable[[], datetime] | None = None) -> Service:
        """Makes it.

        Raises:
            UserError: the keys' file cannot be used.
        """
        return cls(
            store,
            settings,
            Cursors(settings.secret),
            Keys(settings.keys) if settings.keys else None,
            RateLimit(settings.rate, settings.burst),
            RateLimit(min(settings.rate, 5.0), 20),
            now or (lambda: datetime.now(UTC)),
        )

    def admit(self, connection: HTTPConnection) -> Caller:
        """Who asks.

        Raises:
            Problem: nobody who may, or too often.
        """
        address = connection.client.host if connection.client else ""
        caller = self._caller(connection, address)
        wait = self.limit.wait_s(f"{address} {caller.name}" if caller is LOCAL else caller.name)
        if wait:
            raise _too_many(wait)
        return caller

    def still(self, caller: Caller, connection: HTTPConnection) -> bool:
        """Whether a connection that was let in would be let in now, as the same caller."""
        if self.keys is None:
            return True
        token = _token(connection)
        return token is not None and self.keys.caller(token) == caller

    def _caller(self, connection: HTTPConnection, address: str) -> Caller:
        if self.keys is None:
            # A page of the internet whose name was made to point here has its own name in Host.
            name = _PORT.sub("", connection.headers.get("host", ""))
            if name.lower() not in LOOPBACK_NAMES:
                raise Problem(
                    "wrong-host", "without API keys the server is asked as localhost or 127.0.0.1 only"
                )
            if address not in LOOPBACK_CLIENTS:
                raise Problem("key-needed", "without API keys only this machine may ask: set up --keys")
            return LOCAL
        token = _token(connection)
        found = self.keys.caller(token) if token else None
        if found is not None:
            return found
        wait = self.strangers.wait_s(address)
        if wait:
            raise _too_many(wait)
        headers = {"WWW-Authenticate": 'Bearer realm="kappafleet"'}
        if token:
            raise Problem("key-unknown", "no such key: was it removed, or cut short?", headers=headers)
        raise Problem("key-needed", "send one as: Authorization: Bearer kf_...", headers=headers)


def may_see_fleet(caller: Caller, fleet: str) -> None:
    """Refuses a fleet that the caller's key is not for.

    Raises:
        Problem: it is not.
    """
    if caller.fleets is not None and fleet not in caller.fleets:
        raise Problem("not-allowed", "the key is for other fleets")


def may_see_all(caller: Caller) -> None:
    """Refuses keys that are for some fleets only.

    Raises:
        Problem: it is one.
    """
    if caller.fleets is not None:
        raise Problem("not-allowed", "the key is for the rows of its fleets only")


def may_administer(caller: Caller) -> None:
    """Refuses everybody but admins.

    Raises:
        Problem: it is none.
    """
    if not caller.admin:
        raise Problem("not-allowed", "only a key with the role admin may ask this")


def _token(connection: HTTPConnection) -> str | None:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    sent = connection.headers.get("x-api-key")
    if sent:
        return sent
    # A page can give a WebSocket no header but this one.
    return next((each for each in connection.scope.get("subprotocols", ()) if each.startswith(PREFIX)), None)


def _too_many(wait_s: float) -> Problem:
    seconds = max(1, round(wait_s + 0.5))
    return Problem(
        "too-many-requests",
        f"repeat after {seconds} s, and ask less often",
        headers={"Retry-After": str(seconds)},
    )
