"""A TCP link to a local server that can freeze, go half-open, or be refused."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from kappafleet.places import LOOPBACK

_BYTES = 1 << 16
_CONNECT_S = 5.0


class Link:
    """Passes bytes between its own port and a server's, until told otherwise.

    It reads no protocol. Its threads are daemons, and ``close`` closes every socket.
    """

    def __init__(self, target: int) -> None:
        """Listens at once.

        Args:
            target: Port of the server on the loopback address.
        """
        self._target = target
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self._passing = threading.Event()
        self._passing.set()
        self._closed = False
        server = _listening(0)
        self._server: socket.socket | None = server
        self.port: int = server.getsockname()[1]
        self._accept_from(server)

    def freeze(self) -> None:
        """From now on no byte is passed on; sockets stay open, and new ones are accepted and as dead."""
        self._passing.clear()

    def thaw(self) -> None:
        """Passes on what waited, and all that comes."""
        self._passing.set()

    def lose(self) -> None:
        """Forgets all connections without telling their ends, as a router that restarts does; new ones work."""
        with self._lock:
            for pair in self._pairs:
                pair.lost = True

    def refuse(self) -> None:
        """Resets all connections, and refuses new ones."""
        with self._lock:
            server, self._server = self._server, None
            pairs, self._pairs = self._pairs, []
        if server is not None:
            _shut(server)
        for pair in pairs:
            pair.close()

    def allow(self) -> None:
        """Accepts connections again, at the same port."""
        with self._lock:
            if self._server is not None or self._closed:
                return
            self._server = _listening(self.port)
            self._accept_from(self._server)

    @property
    def connections(self) -> int:
        """Connections that pass bytes, or would."""
        with self._lock:
            return sum(not pair.lost for pair in self._pairs)

    def close(self) -> None:
        """Ends everything."""
        self._closed = True
        self._passing.set()
        self.refuse()

    def _accept_from(self, server: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(server,), name="link", daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return  # refused from now on
            threading.Thread(target=self._connect, args=(client,), name="link", daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            upstream = socket.create_connection((LOOPBACK, self._target), timeout=_CONNECT_S)
        except OSError:
            _reset(client)
            return
        upstream.settimeout(None)
        for each in (client, upstream):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(client, upstream)
        with self._lock:
            refused = self._server is None
            if not refused:
                self._pairs.append(pair)
        if refused:
            pair.close()
            return
        threading.Thread(target=self._pump, args=(pair, upstream, client), name="link", daemon=True).start()
        self._pump(pair, client, upstream)

    def _pump(self, pair: _Pair, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(_BYTES):
                self._passing.wait()
                if pair.lost:
                    return  # both sockets stay open: nobody is told
                sink.sendall(data)
        except OSError:
            pass
        self._passing.wait()  # the end of a connection is news too
        if pair.lost:
            return
        pair.close()
        with self._lock, suppress(ValueError):
            self._pairs.remove(pair)


class _Pair:
    """The two sockets of a connection."""

    def __init__(self, client: socket.socket, upstream: socket.socket) -> None:
        self._sockets = client, upstream
        self.lost = False

    def close(self) -> None:
        for each in self._sockets:
            _shut(each)


def _listening(port: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((LOOPBACK, port))
    server.listen(64)
    return server


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
    sock.close()


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
