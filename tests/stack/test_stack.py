"""The local servers: up and down, ports that are taken, servers that die."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kappafleet import cli
from kappafleet.errors import ServerError
from kappafleet.places import LocalPorts
from kappafleet.stack.server import is_free
from kappafleet.stack.stack import Stack

OFFSET = 7040
"""Apart from the servers that `make test` starts, which may run at the same time."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    found = Stack(tmp_path / "home", OFFSET, taskmanagers=2, slots=1)
    yield found
    found.down()


def processes_of(home: Path) -> list[str]:
    """Command lines of all processes that have to do with a folder."""
    found = []
    for each in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = each.info["cmdline"] or []
        in_folder = (each.info["cwd"] or "").startswith(str(home))
        if each.info["status"] != psutil.STATUS_ZOMBIE and (
            in_folder or any(str(home) in word for word in words)
        ):
            found.append(" ".join(words)[:100])
    return found


def rabbitmq_program(folder: Path, text: str) -> dict[str, str]:
    """An environment in which another program stands in the broker's place."""
    program = folder / "rabbitmq-server"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return {**os.environ, "KAPPAFLEET_RABBITMQ_SERVER": str(program)}


def test_up_serves_twice_is_once_a_killed_server_comes_back_and_down_leaves_nothing(stack: Stack) -> None:
    stack.up()
    first = stack.status()
    assert [(each.name, each.state) for each in first] == [
        (name, "up")
        for name in ("cassandra", "rabbitmq", "zookeeper", "jobmanager", "taskmanager-1", "taskmanager-2")
    ]
    assert sum(each.memory_mb for each in first) < 6000
    assert {each["name"] for each in stack.rabbitmq.api("vhosts")} == {"/"}

    seen: list[tuple[str, str]] = []
    stack.up(lambda name, state, _: seen.append((name, state)))
    assert {state for _, state in seen} == {"was up"}
    assert [each.pid for each in stack.status()] == [each.pid for each in first]

    for server in (stack.taskmanagers[0], stack.rabbitmq, stack.cassandra):
        server.kill()
        assert not server.alive
        assert not server.ready()
    assert {each.state for each in stack.status()} == {"up", "down"}
    stack.up()
    again = stack.status()
    assert {each.state for each in again} == {"up"}
    survived = [a.name for a, b in zip(first, again, strict=True) if a.pid == b.pid]
    assert survived == ["zookeeper", "jobmanager", "taskmanager-2"]

    stack.restart_taskmanagers()
    assert {each.state for each in stack.status()} == {"up"}
    assert {each.pid for each in stack.status()[4:]}.isdisjoint(each.pid for each in again[4:])

    stack.down()
    assert {each.state for each in stack.status()} == {"down"}
    assert processes_of(stack.home) == []
    assert [port for port in stack.ports.all() if not is_free(port)] == []
    stack.down()


@pytest.mark.parametrize("name", ["amqp", "stream", "epmd", "cql", "zookeeper", "rest"])
def test_a_taken_port_is_named_and_nothing_starts(stack: Stack, name: str) -> None:
    port = getattr(stack.ports, name)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(ServerError) as error:
        stack.up()
    assert f"port {port}" in str(error.value)
    assert f"(pid {os.getpid()})" in str(error.value)
    assert processes_of(stack.home) == []


def test_a_server_that_dies_at_start_gives_one_line_with_its_log_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for name, value in rabbitmq_program(tmp_path, "echo 'Error: the disk is on fire'; exit 1").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KAPPAFLEET_HOME", str(home))
    monkeypatch.setenv("KAPPAFLEET_PORT_OFFSET", str(OFFSET))
    assert cli.run(["stack", "up"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"kappafleet: rabbitmq died: Error: the disk is on fire; log: {home}/logs/rabbitmq.out"
    assert processes_of(home) == []
    assert [port for port in LocalPorts(OFFSET).all() if not is_free(port)] == []


def test_a_server_that_never_serves_is_given_up_and_nothing_stays(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "home", OFFSET, environment=rabbitmq_program(tmp_path, "exec sleep 100"))
    begun = time.monotonic()
    with pytest.raises(ServerError, match=r"runs, but does not serve after 2 s; log: .*\.log"):
        stack.up(limit_s=2)
    assert time.monotonic() - begun < 60
    assert processes_of(stack.home) == []


def test_servers_that_ran_before_survive_the_failure_of_another(tmp_path: Path, stack: Stack) -> None:
    stack.zookeeper.start()
    pid = stack.zookeeper.daemon.pid
    broken = Stack(stack.home, OFFSET, environment=rabbitmq_program(tmp_path, "exit 1"))
    with pytest.raises(ServerError, match="rabbitmq died"):
        broken.up()
    assert stack.zookeeper.daemon.pid == pid
    assert not any(each.alive for each in stack.servers if each is not stack.zookeeper)


def test_status_shows_all_servers_down_before_the_first_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAPPAFLEET_HOME", str(tmp_path / "home"))
    assert cli.run(["stack", "status"]) == 0
    assert capsys.readouterr().out.count("down") == 5
