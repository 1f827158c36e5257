"""What stands between a test and its broker: a wire that can be cut, and a look into the streams."""

import contextlib
import socket
import threading
from typing import NamedTuple

from pika.adapters.blocking_connection import BlockingConnection
from pika.spec import BasicProperties

from kappafleet.streams import StreamSettings, stream_names

SETTINGS = StreamSettings(partitions=3, max_age="1h", max_length_bytes=100_000_000, segment_bytes=10_000_000)


class Stored(NamedTuple):
    """A message as a stream holds it."""

    stream: str
    key: str
    properties: BasicProperties
    body: bytes


def stored(broker: BlockingConnection, exchange: str, partitions: int) -> list[Stored]:
    """Everything in the streams of `exchange`, stream after stream, in their order."""
    found: list[Stored] = []
    for stream in stream_names(exchange, partitions):
        channel = broker.channel()
        channel.basic_qos(prefetch_count=200)
        messages = channel.consume(stream, arguments={"x-stream-offset": "first"}, inactivity_timeout=1.0)
        for method, properties, body in messages:
            if method is None:
                break
            found.append(Stored(stream, method.routing_key, properties, body))
            channel.basic_ack(method.delivery_tag)
        channel.cancel()
        channel.close()
    return found


class Wire:
    """A TCP relay to the broker whose connections can be cut, frozen, or kept out for a while."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self.refuse = 0
        """So many further connections are closed as soon as they come."""
        self.bytes_up = 0
        self.cut_after: int | None = None
        """Cut once so many bytes went to the broker."""
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def freeze(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._flowing.clear()

    def cut(self) -> None:
        """Ends all connections, in the middle of whatever they carry."""
        for each in list(self._sockets):
            _end(each)

    def close(self) -> None:
        """Ends everything; connections that are there are cut."""
        _end(self._listener)
        self._threads[0].join()
        self.cut()
        self._flowing.set()
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse > 0:
                self.refuse -= 1
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            for source, target in ((client, server), (server, client)):
                thread = threading.Thread(target=self._relay, args=(source, target, source is client))
                self._threads.append(thread)
                thread.start()

    def _relay(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                target.sendall(data)
                if up:
                    self.bytes_up += len(data)
                    if self.cut_after is not None and self.bytes_up > self.cut_after:
                        self.cut_after = None
                        self.cut()
        _end(source)
        _end(target)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have ended already
        each.shutdown(socket.SHUT_RDWR)
