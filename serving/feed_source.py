"""The results exchange as the feed reads it: a queue of its own, from a thread, in batches to an event loop.

The queue is exclusive and goes with its connection. Whenever changes may have been missed (a new connection, or more of
them than the loop could take) the hub starts anew, and so do its clients, from snapshots.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pika
import pika.exceptions

from kappafleet.connections import RabbitMQConnection, rabbitmq_connection
from kappafleet.errors import ServerError, UserError
from kappafleet.streams import declare_results
from schemas.results import EXCHANGE
from serving.feed_hub import Hub
from serving.feed_rows import Arrived, arrived, feed_tables

_LOG = logging.getLogger(__name__)

MOST_WAITING = 20_000
"""Messages that wait for the loop, or for us at the broker; with more the feed starts anew."""
QUEUE_BOUND = 100_000
LOOK_EVERY_S = 1.0
RETRY_S = 1.0
_PAUSE_S = 0.5


class FeedSource:
    """Reads the exchange from :meth:`start` to :meth:`stop`, over as many connections as it takes."""

    def __init__(self, broker: RabbitMQConnection, hub: Hub, exchange: str = EXCHANGE) -> None:
        """Nothing is connected yet.

        Args:
            broker: Where the jobs publish.
            hub: Gets what arrives; its methods are called on the loop of :meth:`start`.
            exchange: The exchange.
        """
        self._broker, self._hub, self._exchange = broker, hub, exchange
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._lock = threading.Lock()
        self._waiting: list[Arrived] = []
        self._overrun = False

    def start(self) -> None:
        """Starts the thread; to be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _run(self) -> None:
        said = ""
        while not self._stopped.is_set():
            try:
                self._read()
                said = ""
            except (ServerError, UserError, pika.exceptions.AMQPError, OSError) as error:
                why = str(error) or type(error).__name__
                self._call(self._hub.lost, why)
                if why != said:
                    _LOG.warning("the live feed is lost: %s", why)
                said = why
            self._stopped.wait(RETRY_S)

    def _read(self) -> None:
        """One connection."""
        connection = rabbitmq_connection(self._broker)
        try:
            if self._exchange == EXCHANGE:
                declare_results(connection)
            channel = connection.channel()
            arguments = {"x-max-length": QUEUE_BOUND}
            queue = channel.queue_declare("", exclusive=True, arguments=arguments).method.queue
            for table in feed_tables():
                channel.queue_bind(queue, self._exchange, f"{table}.#")
            self._call(self._hub.connected)
            channel.basic_consume(queue, self._arrived, auto_ack=True)
            look = time.monotonic() + LOOK_EVERY_S
            while not self._stopped.is_set():
                connection.process_data_events(time_limit=_PAUSE_S)
                if time.monotonic() > look:
                    look = time.monotonic() + LOOK_EVERY_S
                    # Of more the broker would drop the oldest, and say nothing.
                    if channel.queue_declare(queue, passive=True).method.message_count > MOST_WAITING:
                        channel.queue_purge(queue)
                        self._call(self._hub.restart)
        finally:
            if connection.is_open:
                connection.close()

    def _arrived(self, _channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        message = arrived(properties, body)
        if message is None:
            return
        with self._lock:
            first = not self._waiting
            self._waiting.append(message)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.clear()
                self._overrun = True
        if first:
            self._call(self._hand_over)

    def _hand_over(self) -> None:
        """On the loop: all that waits."""
        with self._lock:
            messages, self._waiting = self._waiting, []
            overrun, self._overrun = self._overrun, False
        if overrun:
            self._hub.restart()
        self._hub.take_in(messages)

    def _call(self, function: Any, *arguments: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: the server ends
            self._stopped.set()
