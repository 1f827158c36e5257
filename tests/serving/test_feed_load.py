"""The measurement of the live feed (bench/feed.py) in small: it ends, and it finds what is wrong."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest
from cassandra.cluster import Session

from bench import day, feed
from bench.outputs import Different
from bench.serve import serving
from serving.store import keyspace_of
from tests.serving.published import Publisher
from tests.serving.tables import FIRST, JOB
from tests.serving.test_serve_command import environment, free_port

SMALL = feed.Load(clients=6, slow=2, updates=100, fleets=2, vehicles=10, seconds=2)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(filled: Session, publisher: Publisher, port: int) -> Iterator[psutil.Process]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        with serving(port) as found:
            yield found


def test_each_follower_has_the_last_change_of_each_row(server: psutil.Process, port: int) -> None:
    taken = feed.run(SMALL, port, FIRST, server)
    assert taken.published == 200
    assert all(0 < each <= 100 for each in taken.heard.changes)
    assert sum(taken.heard.latencies) == sum(taken.heard.changes)
    assert 0 <= taken.heard.at(0.5) <= taken.heard.at(0.99) <= taken.heard.at(1.0)
    assert taken.memory(last=True) > 10


def test_changes_that_are_not_passed_on_are_no_result(server: psutil.Process, port: int) -> None:
    with pytest.raises(Different, match="6 of 6 followers do not have what was published last"):
        feed.run(replace(SMALL, settle_s=1.0), port, FIRST + 50, server)  # tables that readers do not use


def test_a_follower_that_starts_late_misses_nothing(server: psutil.Process, port: int) -> None:
    """A busy machine once kept the followers from connecting until all was published: 0 changes, and no error."""
    stopped = threading.Thread(target=_pause_the_followers)
    stopped.start()
    taken = feed.run(SMALL, port, FIRST, server)
    stopped.join()
    assert min(taken.heard.changes) > 0


def _pause_the_followers() -> None:
    """Stops the first process that appears beside the server, for longer than the whole run takes."""
    here = psutil.Process()
    before = set(here.children())
    for _ in range(1000):
        new = [
            each
            for each in here.children()
            if each not in before and "spawn_main" in " ".join(each.cmdline())
        ]
        if new:
            break
        threading.Event().wait(0.01)
    child = min(new, key=lambda each: each.create_time())
    os.kill(child.pid, signal.SIGSTOP)
    try:
        threading.Event().wait(SMALL.seconds * 2)
    finally:
        os.kill(child.pid, signal.SIGCONT)


def test_drivers_days_are_asked_and_checked(filled: Session, server: psutil.Process, port: int) -> None:
    with pytest.raises(Different, match="was answered with"):
        day.ask(port, 1, 1, 0.1)
    day.fill(filled, keyspace_of(JOB, FIRST))
    asked = day.ask(port, 4, 2, 0.3)
    assert asked.requests > len(asked.latencies_ms) > 0
    assert 0 < asked.at(0.5) <= asked.at(0.99)
