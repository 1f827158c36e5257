"""Real servers for whole-system tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kappafleet.stack.server import is_free
from kappafleet.stack.stack import Stack
from tests.system.pipeline import wait_until

JAVA_TESTS_LIMIT_S = 1200


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """RabbitMQ, Cassandra and Flink, up; ``kappafleet`` and connectors in this process and its children use them.

    These are the servers that `make test` started, else the fixture's own, on free ports. A test that kills or
    stops one starts it again; Java's tests, which use the same ones, have ended before.
    """
    java_ended = os.environ.get("KF_TEST_JAVA_ENDED")
    if java_ended:
        wait_until(Path(java_ended).exists, JAVA_TESTS_LIMIT_S, "the end of the Java tests")
    if os.environ.get("KF_TEST_CASSANDRA_PORT") and os.environ.get("KAPPAFLEET_HOME"):
        given = Stack.from_environment()
        given.up()
        with _used(given):
            yield given
        return
    own = _on_free_ports(tmp_path_factory.mktemp("stack"))
    try:
        own.up()
        with _used(own):
            yield own
    finally:
        own.down()


def _on_free_ports(home: Path) -> Stack:
    for offset in range(2000, 6000, 100):
        found = Stack(home, offset)
        if all(is_free(port) for port in found.ports.all()):
            return found
    pytest.fail("no free ports for the test servers")


@contextmanager
def _used(stack: Stack) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.client_environment().items():
            patch.setenv(name, value)
        yield
