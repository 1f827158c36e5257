"""The link that can freeze, go half-open and be refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from chaos.link import Link
from kappafleet.places import LOOPBACK

SOON_S, SILENCE_S = 5.0, 0.3


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers with what it gets."""
    server = socket.create_server((LOOPBACK, 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1024):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(SOON_S)


@pytest.fixture
def link(echo: int) -> Iterator[Link]:
    with closing(Link(echo)) as found:
        yield found


def connected(link: Link) -> socket.socket:
    connection = socket.create_connection((LOOPBACK, link.port), timeout=SOON_S)
    assert asked(connection, b"hello") == b"hello"
    return connection


def asked(connection: socket.socket, what: bytes) -> bytes:
    connection.sendall(what)
    return connection.recv(1024)


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(SILENCE_S)
    try:
        connection.recv(1024)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(SOON_S)
    return False


def test_bytes_pass_both_ways(link: Link) -> None:
    with connected(link) as connection:
        assert asked(connection, b"again") == b"again"
        assert link.connections == 1


def test_a_frozen_link_passes_nothing_and_after_the_thaw_all_that_waited(link: Link) -> None:
    with connected(link) as connection:
        link.freeze()
        connection.sendall(b"wait")
        assert is_silent(connection)
        with socket.create_connection((LOOPBACK, link.port), timeout=SOON_S) as later:
            later.sendall(b"me too")
            assert is_silent(later)
            link.thaw()
            assert connection.recv(1024) == b"wait"
            assert later.recv(1024) == b"me too"


def test_a_lost_connection_stays_open_and_dead_while_new_ones_work(link: Link) -> None:
    with connected(link) as dead:
        link.lose()
        dead.sendall(b"anybody?")
        assert is_silent(dead)
        with connected(link) as alive:
            assert asked(alive, b"yes") == b"yes"
        assert is_silent(dead)


def test_a_refusing_link_resets_connections_and_takes_none_until_it_is_allowed_again(link: Link) -> None:
    with connected(link) as connection:
        link.refuse()
        assert connection.recv(1024) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, link.port), timeout=SOON_S)
    link.allow()
    connected(link).close()


def test_nothing_stays_behind_once_it_is_closed(link: Link) -> None:
    with connected(link) as lost, connected(link) as connection:
        link.freeze()
        link.close()
        assert connection.recv(1024) == b""
        assert lost.recv(1024) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, link.port), timeout=SOON_S)
