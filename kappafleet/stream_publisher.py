"""Publishing by RabbitMQ's stream protocol, with confirms: at least once, in order.

Messages travel and are stored many at a time, which makes publishing several times as fast as over AMQP, and
reading too: what is published one by one lands one or two to a chunk, and no reader gets many small chunks a
second. The broker itself says which stream a key belongs to, as it decides for AMQP, so both ways can be used
at once. A lost connection is dealt with as in `publisher`.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

from rstream import ConfirmationStatus, Producer, schema
from rstream.exceptions import (
    AccessRefused,
    AuthenticationFailure,
    ClientError,
    SASLAuthenticationFailureLoopback,
    SASLError,
    ServerError,
    VirtualHostAccessFailure,
)
from rstream.recovery import BackOffRecoveryStrategy
from rstream.utils import RawMessage

from kappafleet.amqp_message import encoded
from kappafleet.connections import RabbitMQConnection, rabbitmq_parameters, tls_context
from kappafleet.messages import Message
from kappafleet.pacing import Due, unpaced
from kappafleet.publisher import PATIENCE_S, Publisher, Totals, gives_up, leads_nowhere, refuses_login

BATCH = 1000
"""Messages that are looked at before the next ones are sent."""

WINDOW = 20_000
"""Messages under way; all of them are repeated after a lost connection."""

WINDOW_BYTES = 32 * 1024 * 1024

FRAME_BYTES = 900_000
"""Of one frame, below the broker's limit of 1 MiB. A larger message goes over AMQP, alone."""

_NO_KEY = "-"
"""The broker is asked about in place of an empty key, which it does not understand; such messages have no order."""

_TICK_S = 0.2
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_CLOSING_S = 10.0

_LOST = (OSError, EOFError, TimeoutError, ServerError, ClientError, ValueError)
"""What the client raises when the connection or the broker is not there; ValueError: half of a frame."""
_REFUSED = (
    AccessRefused,
    AuthenticationFailure,
    SASLAuthenticationFailureLoopback,
    SASLError,
    VirtualHostAccessFailure,
)

logging.getLogger("rstream").addHandler(logging.NullHandler())  # what it warns of is told once, and better
# RabbitMQ 3.10 forgets to mark its answer about a route as an answer. Nobody asks a client for a route.
schema.registry[(False, schema.SuperStreamRouteResponse.key)] = schema.SuperStreamRouteResponse


class _Key(str):
    """A text as long as its bytes: the client (rstream 1.1.1) sends that as their number."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.encode())


class _Lost(Exception):
    """The connection is of no use any more."""


class _InputBroke(Exception):
    """The messages to publish ended with an error, which is its cause."""


class StreamPublisher:
    """Publishes messages over connections of its own, which it renews when they break.

    Args:
        broker: where the broker is; its stream port is used, for large messages the AMQP port too.
        report: called with the totals about five times a second while publishing, and at the end.
        patience_s: for so long nothing may be confirmed, a broker's restart included.
        declares: whether the streams are made by whoever yields the messages: then one that is not there yet
            is waited for; else it is an error.
    """

    def __init__(
        self,
        broker: RabbitMQConnection,
        report: Callable[[Totals], None] = lambda _totals: None,
        patience_s: float = PATIENCE_S,
        declares: bool = True,
    ) -> None:
        self._broker = broker
        self._report = report
        self._patience_s = patience_s
        self._declares = declares
        self.totals = Totals()
        self._again: deque[Message] = deque()
        self._under_way: dict[int, Message] = {}
        self._bytes_under_way = 0
        self._ids = count(1)
        self._routes: dict[tuple[str, str], str] = {}
        self._waiting: Due | None = None
        self._exhausted = False
        self._lost = False
        self._symptom = ""
        self._due: Iterator[Due] = iter(())
        self._start = self._last_progress = self._last_report = 0.0

    def publish(self, due: Iterator[Due]) -> Totals:
        """Publishes all of `due`, each not before its time; returns once the last one is confirmed.

        Raises:
            UserError: nothing was confirmed for `patience_s`, the broker refuses the log-in, or an exchange leads
                to no stream.
        """
        self._due = due
        self._start = self._last_progress = time.monotonic()
        try:
            asyncio.run(self._publish())
        except _InputBroke as broke:
            raise broke.__cause__ or broke from None
        self._report(self.totals)
        return self.totals

    async def _publish(self) -> None:
        # What fails in the client's own tasks is noticed by missing confirmations; it need not be printed.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        pause_s = _FIRST_PAUSE_S
        while not self._done():
            confirmed = self.totals.confirmed
            try:
                await self._over_one_connection()
            except _REFUSED as error:
                raise refuses_login(str(error) or type(error).__name__) from error
            except (_Lost, *_LOST) as error:
                self._symptom = str(error) or type(error).__name__
            if self._done():
                return
            self._impatient()
            pause_s = (
                _FIRST_PAUSE_S if self.totals.confirmed > confirmed else min(pause_s * 2, _LONGEST_PAUSE_S)
            )
            await asyncio.sleep(pause_s)
            self.totals.reconnects += 1

    async def _over_one_connection(self) -> None:
        """Connects and publishes, until all is confirmed.

        Raises:
            _Lost: or what the client raises: the connection ended before that.
        """
        self._lost = False
        producer = self._producer()
        try:
            await asyncio.wait_for(producer.start(), self._patience_s)
            while not self._done():
                self._tick()
                batch, wait_s = self._next()
                if batch:
                    await asyncio.wait_for(self._send(producer, batch), self._patience_s)
                await asyncio.sleep(0 if batch else min(wait_s, _TICK_S))
                if self._lost:
                    raise _Lost("the connection to the broker breaks again and again")
        finally:
            with suppress(*_LOST):  # it is of no use any more in any case
                await asyncio.wait_for(producer.close(), _CLOSING_S)
            # What is not confirmed goes first next time, in its old order.
            self._again.extendleft(reversed(self._under_way.values()))
            self.totals.repeated += len(self._under_way)
            self._under_way.clear()
            self._bytes_under_way = 0

    def _producer(self) -> Producer:
        broker = self._broker
        return Producer(
            broker.host,
            broker.stream_port,
            ssl_context=tls_context(broker.ca_file) if broker.tls else None,
            vhost=broker.vhost,
            username=broker.user,
            password=broker.password,
            max_retries=1,
            connection_name="kappafleet",
            recovery_strategy=BackOffRecoveryStrategy(enable=False),
        )

    # -- messages --

    def _next(self) -> tuple[list[Message], float]:
        """What may go out now; if nothing may, how long to wait for it."""
        batch: list[Message] = []
        size = 0
        while (
            len(batch) < BATCH
            and len(self._under_way) + len(batch) < WINDOW
            and (self._bytes_under_way + size < WINDOW_BYTES)
        ):
            if self._again:
                message = self._again.popleft()
            else:
                if self._waiting is None:
                    try:
                        self._waiting = next(self._due, None)
                    except Exception as error:  # not to be taken for a lost connection
                        raise _InputBroke from error
                if self._waiting is None:
                    self._exhausted = True
                    break
                due_s, message = self._waiting
                wait_s = due_s - (time.monotonic() - self._start) if due_s else 0.0
                if wait_s > 0:
                    return batch, wait_s
                self._waiting = None
            batch.append(message)
            size += len(message.body)
        return batch, 0.001  # the window is full, or the last confirms are awaited

    async def _send(self, producer: Producer, batch: list[Message]) -> None:
        try:
            await self._ask_routes(producer, batch)
            by_stream: dict[str, list[RawMessage]] = {}
            sizes: dict[str, int] = {}
            while batch:
                message = batch[0]
                body = encoded(message)
                if len(body) > FRAME_BYTES:
                    await self._flush(producer, by_stream)
                    sizes.clear()
                    await self._send_over_amqp(message)
                    del batch[0]
                    continue
                stream = self._routes[message.exchange, message.key]
                if sizes.get(stream, 0) + len(body) > FRAME_BYTES:
                    await self._flush(producer, {stream: by_stream.pop(stream)})
                    sizes[stream] = 0
                number = next(self._ids)
                self._under_way[number] = message
                del batch[0]
                self._bytes_under_way += len(message.body)
                sizes[stream] = sizes.get(stream, 0) + len(body) + 12
                by_stream.setdefault(stream, []).append(RawMessage(body, number))
            await self._flush(producer, by_stream)
        finally:
            self._again.extendleft(reversed(batch))  # what was not sent, if it came to that

    async def _flush(self, producer: Producer, by_stream: dict[str, list[RawMessage]]) -> None:
        for stream, messages in by_stream.items():
            await producer.send_batch(stream, messages, on_publish_confirm=self._on_confirm)
            self.totals.published += len(messages)
        by_stream.clear()

    async def _ask_routes(self, producer: Producer, batch: list[Message]) -> None:
        unknown = {(each.exchange, each.key) for each in batch} - self._routes.keys()
        if not unknown:
            return
        client = await producer.default_client
        found = await asyncio.gather(
            *(client.route(_Key(key or _NO_KEY), exchange) for exchange, key in unknown)
        )
        for (exchange, key), streams in zip(unknown, found, strict=True):
            if streams:
                self._routes[exchange, key] = streams[0]
            elif self._declares:
                raise _Lost(f"the broker does not serve the streams of exchange {exchange}")
            else:
                raise leads_nowhere(exchange, key, "no route")

    async def _send_over_amqp(self, message: Message) -> None:
        """Publishes one message over AMQP, behind all that is under way."""
        while self._under_way and not self._lost:
            self._tick()
            await asyncio.sleep(0.001)
        if self._lost:
            raise _Lost("the connection to the broker breaks again and again")
        publisher = Publisher(rabbitmq_parameters(self._broker), patience_s=self._patience_s)
        one = await asyncio.to_thread(publisher.publish, unpaced([message]))
        self.totals.published += one.published
        self.totals.repeated += one.repeated
        self._confirmed(message)

    def _on_confirm(self, status: ConfirmationStatus) -> None:
        if self._lost or not status.is_confirmed:
            self._lost = True  # all that is not confirmed goes out again, in its order
            return
        message = self._under_way.pop(status.message_id, None)
        if message is not None:
            self._bytes_under_way -= len(message.body)
            self._confirmed(message)

    def _confirmed(self, message: Message) -> None:
        self._last_progress = time.monotonic()
        self.totals.confirmed += 1
        self.totals.samples += message.samples
        self.totals.bytes += len(message.body)

    # -- the end --

    def _done(self) -> bool:
        return self._exhausted and not self._again and not self._under_way

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._last_report < _TICK_S:
            return
        self._last_report = now
        self._report(self.totals)
        if self._under_way or self._again:
            self._symptom = "the broker is there but confirms nothing; is it short of memory or disk?"
            self._impatient()
        else:
            self._last_progress = now  # nothing to confirm: waiting for a message's time

    def _impatient(self) -> None:
        if time.monotonic() - self._last_progress > self._patience_s:
            left = len(self._under_way) + len(self._again)
            raise gives_up(self._patience_s, self._symptom, self.totals.confirmed, left)
