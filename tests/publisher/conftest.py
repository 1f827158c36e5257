"""A real broker for the publisher's tests."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pika.adapters.blocking_connection import BlockingConnection

from kappafleet.connections import rabbitmq_connection
from kappafleet.messages import line_files
from kappafleet.streams import stream_names
from tests.publisher.wire import Wire


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[BlockingConnection]:
    """A connection to the test broker, to which kappafleet's own connections lead as well."""
    port = os.environ.get("KF_TEST_RABBITMQ_AMQP_PORT")
    if port is None:
        pytest.skip("needs a broker: make test starts one and sets KF_TEST_RABBITMQ_AMQP_PORT")
    monkeypatch.setenv("KF_RABBITMQ_AMQP_PORT", port)
    monkeypatch.setenv("KF_RABBITMQ_STREAM_PORT", os.environ["KF_TEST_RABBITMQ_STREAM_PORT"])
    with rabbitmq_connection() as connection:
        yield connection


@pytest.fixture
def exchange(broker: BlockingConnection) -> Iterator[str]:
    """The name of an exchange for this test alone; what is made under it goes when the test ends."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    channel = broker.channel()
    for stream in stream_names(name, 8):
        channel.queue_delete(stream)
    channel.exchange_delete(name)


@pytest.fixture
def wire(
    broker: BlockingConnection,  # first, as both set the port
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Wire]:
    """A wire to the broker; kappafleet's own connections go through it."""
    relay = Wire(int(os.environ["KF_TEST_RABBITMQ_AMQP_PORT"]))
    monkeypatch.setenv("KF_RABBITMQ_AMQP_PORT", str(relay.port))
    yield relay
    relay.close()


@pytest.fixture
def demo_files() -> list[Path]:
    """The message lines bundled with the project."""
    return line_files(Path(__file__).resolve().parents[2] / "data" / "demo")
