"""Publishing with confirms: at least once, in order, fast.

Up to `WINDOW` messages are under way at any time, so the broker's confirms cost no round trip each. When the
connection is lost, or the broker refuses a message, what was not confirmed is published again, first and in its old
order, over a new connection: the stream may then hold copies, which jobs recognise by (id, seq, first time).
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pika
import pika.exceptions
from pika.adapters.select_connection import SelectConnection
from pika.channel import Channel
from pika.compat import long
from pika.connection import Parameters
from pika.frame import Method
from pika.spec import Basic, BasicProperties

from kappafleet.errors import UserError
from kappafleet.messages import Message
from kappafleet.pacing import Due

WINDOW = 1000
"""Messages under way. More is not faster, and all of them are repeated after a lost connection."""

WINDOW_BYTES = 32 * 1024 * 1024
"""Bytes under way, whatever the number of messages; one larger message goes alone."""

PATIENCE_S = 60.0
"""For so long nothing may be confirmed, a broker's restart included, before publishing is given up."""

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_TICK_S = 0.2
_CLOSING_S = 5.0
_LONGEST_WAIT_S = 1.0
"""What the broker refused is not kept waiting longer, whenever the next message is due."""

_RETURNS_IN_A_ROW = 3
"""So often messages may come back although the streams are there: a broker that starts has its moments."""

_PERSISTENT = 2
_NOT_FOUND = 404


@dataclass(slots=True)
class Totals:
    """What was done so far. `confirmed` counts messages that the broker holds for certain."""

    published: int = 0
    confirmed: int = 0
    samples: int = 0
    """Samples of confirmed messages."""
    bytes: int = 0
    """Bytes of confirmed messages."""
    repeated: int = 0
    """Messages published again after a lost connection or a refusal by the broker."""
    reconnects: int = 0


class Publisher:
    """Publishes messages over a connection of its own, which it renews when it breaks.

    Args:
        parameters: where the broker is.
        report: called with the totals about five times a second while publishing, and at the end.
        patience_s: see `PATIENCE_S`.
        served: whether the broker serves all streams; asked before each connection. None: not known, and a message
            that comes back is an error at once.
    """

    def __init__(
        self,
        parameters: Parameters,
        report: Callable[[Totals], None] = lambda _totals: None,
        patience_s: float = PATIENCE_S,
        served: Callable[[], bool] | None = None,
    ) -> None:
        self._parameters = parameters
        self._report = report
        self._patience_s = patience_s
        self._served = served
        self.totals = Totals()
        self._again: deque[Message] = deque()
        self._under_way: dict[int, Message] = {}
        self._bytes_under_way = 0
        self._next_tag = 1
        self._exhausted = False
        self._waiting: Due | None = None
        self._failure: Exception | None = None
        self._connection: SelectConnection | None = None
        self._channel: Channel | None = None
        self._paused = False
        self._refused = False
        self._returns = 0
        self._last_progress = 0.0
        self._start = 0.0
        self._due: Iterator[Due] = iter(())

    def publish(self, due: Iterator[Due]) -> Totals:
        """Publishes all of `due`, each not before its time; returns once the last one is confirmed.

        Raises:
            UserError: nothing was confirmed for `patience_s`, the broker refuses the log-in, an exchange is
                missing, or a message reaches no stream.
        """
        self._due = due
        self._start = self._last_progress = time.monotonic()
        pause_s = _FIRST_PAUSE_S
        while not self._done():
            confirmed = self.totals.confirmed
            if self._served is None or self._served():
                self._run_connection()
                symptom = "the connection to the broker breaks again and again"
            else:
                symptom = "the broker does not serve all streams"
            if self._failure is not None:
                raise self._failure
            if self._done():
                break
            self._impatient(symptom)
            pause_s = (
                _FIRST_PAUSE_S if self.totals.confirmed > confirmed else min(pause_s * 2, _LONGEST_PAUSE_S)
            )
            time.sleep(pause_s)
            self.totals.reconnects += 1
        self._report(self.totals)
        return self.totals

    # -- one connection --

    def _run_connection(self) -> None:
        """Connects and publishes, until all is confirmed or the connection ends."""
        connection = SelectConnection(
            self._parameters,
            on_open_callback=self._on_connected,
            on_open_error_callback=self._on_connection_lost,
            on_close_callback=self._on_connection_lost,
        )
        self._connection = connection
        connection.ioloop.call_later(_TICK_S, self._tick)
        try:
            connection.ioloop.start()
        finally:
            self._connection = self._channel = None
            connection.ioloop.close()
            # What is not confirmed goes first next time, in its old order.
            self._again.extendleft(reversed(self._under_way.values()))
            self.totals.repeated += len(self._under_way)
            self._under_way.clear()
            self._bytes_under_way = 0

    def _on_connected(self, connection: SelectConnection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Channel) -> None:
        self._channel = channel
        self._next_tag = 1
        self._refused = False
        self._paused = False  # a pause's timer died with the connection it belonged to
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_returned)
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._pump())

    def _on_connection_lost(self, connection: SelectConnection, reason: Exception | str) -> None:
        if isinstance(
            reason, (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError)
        ):
            self._failure = self._failure or refuses_login(str(reason))
        self._channel = None
        connection.ioloop.stop()

    def _on_channel_closed(self, _channel: Channel, reason: Exception) -> None:
        # The broker closes a channel for an error of ours only; a lost connection comes here too.
        if isinstance(reason, pika.exceptions.ChannelClosedByBroker):
            hint = "; publish without --no-declare, which makes it" if reason.reply_code == _NOT_FOUND else ""
            self._fail(
                UserError(f"RabbitMQ refused a message: {reason.reply_text} ({reason.reply_code}){hint}")
            )

    # -- messages --

    def _pump(self) -> None:
        """Publishes as much as the window and the messages' times allow."""
        channel = self._channel
        if channel is None or not channel.is_open or self._paused or self._refused:
            return
        while len(self._under_way) < WINDOW and self._bytes_under_way < WINDOW_BYTES:
            message = self._next_message()
            if message is None:
                break
            self._send(channel, message)
        if self._done():
            self._close()

    def _next_message(self) -> Message | None:
        """The next message that may go out now; None when there is none at the moment."""
        if self._again:
            return self._again.popleft()
        if self._waiting is None:
            try:
                self._waiting = next(self._due, None)
            except (
                Exception
            ) as error:  # pika would log it, end the connection, and the rest be left out in silence
                self._failure = self._failure or error
                self._close()
                return None
            if self._waiting is None:
                self._exhausted = True
                return None
        due_s, message = self._waiting
        wait_s = due_s - (time.monotonic() - self._start) if due_s else 0.0
        if wait_s > 0:
            self._pause(min(wait_s, _LONGEST_WAIT_S))
            return None
        self._waiting = None
        return message

    def _pause(self, seconds: float) -> None:
        """Publishes nothing for so long; confirms go on."""
        if self._connection is not None:
            self._paused = True
            self._connection.ioloop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._paused = False
        self._pump()

    def _send(self, channel: Channel, message: Message) -> None:
        properties = BasicProperties(content_type="application/json", delivery_mode=_PERSISTENT)
        headers: dict[str, str | int] = {}
        if message.key:
            headers["key"] = message.key
            if message.event_ms is not None:
                headers["event_time"] = long(message.event_ms)
        if headers:
            properties.headers = headers
        if message.message_id:
            properties.message_id = message.message_id
        channel.basic_publish(message.exchange, message.key, message.body, properties, mandatory=True)
        self._under_way[self._next_tag] = message
        self._next_tag += 1
        self._bytes_under_way += len(message.body)
        self.totals.published += 1

    def _on_confirm(self, frame: Method) -> None:
        method = frame.method
        if self._refused:
            return
        if not isinstance(method, Basic.Ack):
            self._publish_again()
            return
        if method.multiple:
            tags = []
            for tag in self._under_way:  # in ascending order, as published
                if tag > method.delivery_tag:
                    break
                tags.append(tag)
        else:
            tags = [method.delivery_tag]
        settled = [self._under_way.pop(tag) for tag in tags if tag in self._under_way]
        self._bytes_under_way -= sum(len(message.body) for message in settled)
        self._last_progress = time.monotonic()
        self._returns = 0
        self.totals.confirmed += len(settled)
        for message in settled:
            self.totals.samples += message.samples
            self.totals.bytes += len(message.body)
        self._pump()

    def _publish_again(self) -> None:
        """Ends the connection, to publish all that is not confirmed again in its order.

        Publishing again only what the broker refused would put it behind newer messages of the same vehicle.
        """
        self._refused = True
        self._close()

    def _on_returned(
        self, _channel: Channel, method: Basic.Return, _properties: BasicProperties, _body: bytes
    ) -> None:
        if self._refused:
            return
        self._returns += 1
        if self._served is not None and (self._returns <= _RETURNS_IN_A_ROW or not self._served()):
            self._publish_again()  # its confirmation follows, and is not one
            return
        self._fail(leads_nowhere(method.exchange, method.routing_key, method.reply_text))

    # -- the end --

    def _done(self) -> bool:
        return self._exhausted and not self._again and not self._under_way

    def _fail(self, failure: UserError) -> None:
        self._failure = self._failure or failure
        self._close()

    def _close(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.is_open:
            connection.close()
            connection.ioloop.call_later(_CLOSING_S, self._abandon)
        elif connection.is_closed:
            connection.ioloop.stop()

    def _abandon(self) -> None:
        """Ends the connection without the broker, which may be deaf; `_on_connection_lost` follows."""
        if self._connection is not None and not self._connection.is_closed:
            # pika has no public way: close() waits for the broker's consent without a limit.
            self._connection._terminate_stream(pika.exceptions.AMQPConnectionError("given up"))

    def _tick(self) -> None:
        self._report(self.totals)
        try:
            if self._under_way or self._again:
                self._impatient("the broker is there but confirms nothing; is it short of memory or disk?")
            elif self._channel is not None:
                self._last_progress = time.monotonic()  # nothing to confirm: waiting for a message's time
        except UserError as error:
            self._failure = self._failure or error
            self._abandon()
            return
        if self._connection is not None:
            self._connection.ioloop.call_later(_TICK_S, self._tick)

    def _impatient(self, symptom: str) -> None:
        if time.monotonic() - self._last_progress > self._patience_s:
            left = len(self._under_way) + len(self._again)
            raise gives_up(self._patience_s, symptom, self.totals.confirmed, left)


def gives_up(patience_s: float, symptom: str, confirmed: int, left: int) -> UserError:
    """What a publisher says that has waited for long enough."""
    return UserError(
        f"RabbitMQ confirmed nothing for {patience_s:.0f} s: {symptom}. "
        f"{confirmed} messages are confirmed, {left} under way are not; start the broker "
        "(kappafleet stack up) and publish again"
    )


def leads_nowhere(exchange: str, key: str, reply: str) -> UserError:
    """What a publisher says of an exchange without streams."""
    return UserError(
        f"exchange {exchange} leads to no stream: a message of {key or 'no id'} came back ({reply}); "
        "publish without --no-declare, which makes the streams"
    )


def refuses_login(reply: str) -> UserError:
    """What a publisher says when the broker does not let it in."""
    return UserError(
        f"RabbitMQ refuses the user or the virtual host: {reply}; check KF_RABBITMQ_USER, its password, "
        "and KF_RABBITMQ_VHOST"
    )
