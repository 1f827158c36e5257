"""A real Cassandra with a few rows, and the application over it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cassandra.cluster import Session

from connectors.cassandra_client import connect
from kappafleet.connections import CassandraConnection
from serving.app import build
from serving.service import Service, Settings
from serving.store import Store
from tests.serving.published import Publisher
from tests.serving.tables import FIRST, JOB, NOW, borrowed, fill

Client = Callable[..., httpx.AsyncClient]


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    port = os.environ.get("KF_TEST_CASSANDRA_PORT")
    if not port:
        pytest.skip("needs a Cassandra: set KF_TEST_CASSANDRA_PORT (make test starts one)")
    with connect(CassandraConnection(("127.0.0.1",), int(port)), timeout_s=120) as found:
        yield found


@pytest.fixture(scope="session")
def filled(session: Session) -> Iterator[Session]:
    with borrowed(session, JOB, FIRST):
        fill(session)
        yield session


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    """Publishes to the exchange that the feed reads."""
    if not os.environ.get("KF_TEST_RABBITMQ_AMQP_PORT"):
        pytest.skip("needs a broker: make test starts one and sets KF_TEST_RABBITMQ_AMQP_PORT")
    found = Publisher()
    yield found
    found.close()


@pytest.fixture
async def client(filled: Session) -> AsyncIterator[Client]:
    """Makes clients of the application: ``client(keys=..., address=..., host=...)``."""
    opened: list[httpx.AsyncClient] = []

    def make(
        *,
        keys: Path | None = None,
        token: str | None = None,
        address: str = "127.0.0.1",
        host: str = "localhost:8480",
        secret: bytes | None = None,
        rate: float = 0,
        burst: int = 200,
        now: datetime = NOW,
        **options: Any,
    ) -> httpx.AsyncClient:
        settings = Settings(keys, secret, rate, burst)
        app = build(Service.of(Store(filled), settings, lambda: now))
        transport = httpx.ASGITransport(app, client=(address, 50000), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        opened.append(
            httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers, **options)
        )
        return opened[-1]

    yield make
    for each in opened:
        await each.aclose()
