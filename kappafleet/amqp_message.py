"""A message as RabbitMQ's streams hold it: sections of AMQP 1.0 (OASIS standard, part 3.2), encoded by hand.

Only what our messages have. The stream client's own encoder does the same in 24 µs a message; this takes 1.7 µs
(CPU time on the same machine), and publishing is little else.
"""

from kappafleet.messages import Message

_NULLS_TO_CONTENT_TYPE = b"\x40" * 5
"""Of the properties section: user-id, to, subject, reply-to, correlation-id."""
_CONTENT_TYPE = b"\xa3\x10application/json"
_KEY, _EVENT_TIME = b"\xa1\x03key", b"\xa1\x0aevent_time\x81"


def encoded(message: Message) -> bytes:
    """The bytes of a message with the properties and headers that contracts.md names."""
    message_id = _text(message.message_id) if message.message_id else b"\x40"
    # No header section (durable): RabbitMQ 3.10 can't hand a message with one to clients of AMQP 0.9.1.
    sections = [
        b"\x00\x53\x73",
        _compound(b"\xd0", 7, message_id + _NULLS_TO_CONTENT_TYPE + _CONTENT_TYPE),
    ]
    if message.key:
        headers, count = _KEY + _text(message.key), 2
        if message.event_ms is not None:
            headers += _EVENT_TIME + message.event_ms.to_bytes(8, "big", signed=True)
            count = 4
        sections += [b"\x00\x53\x74", _compound(b"\xd1", count, headers)]
    sections += [b"\x00\x53\x75\xb0", len(message.body).to_bytes(4, "big"), message.body]
    return b"".join(sections)


def _text(text: str) -> bytes:
    encoded_text = text.encode()
    if len(encoded_text) < 256:
        return b"\xa1" + bytes((len(encoded_text),)) + encoded_text
    return b"\xb1" + len(encoded_text).to_bytes(4, "big") + encoded_text


def _compound(constructor: bytes, count: int, items: bytes) -> bytes:
    """A list or a map: its size includes the count."""
    return constructor + (len(items) + 4).to_bytes(4, "big") + count.to_bytes(4, "big") + items
