"""When each message goes out, and with which times: order, pace and shift of a replay.

Everything here is a function of the lines and of one given "now": no clock, no network.
"""

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TypeAlias

from kappafleet.messages import Message, addressed, lines, message, parsed, sample_times

Due: TypeAlias = tuple[float, Message]
"""Seconds after the start of publishing at which a message goes out, and the message."""

EARLIEST_MS = 946_684_800_000
"""2000-01-01: earlier times are rejected by the jobs."""
LATEST_MS = 4_102_444_800_000
"""2100-01-01: times from here on are rejected by the jobs."""

_BEFORE_ALL = -(2**63)
"""The time of lines before the first that has one."""


def unpaced(messages: Iterable[Message]) -> Iterator[Due]:
    """Each message as soon as may be, in the order given."""
    for each in messages:
        yield 0.0, each


def at_rate(messages: Iterable[Message], per_second: float) -> Iterator[Due]:
    """`per_second` messages a second, evenly, in the order given."""
    for number, each in enumerate(messages):
        yield number / per_second, each


def at_event_pace(messages: Iterable[Message], speedup: float, id_field: str | None = None) -> Iterator[Due]:
    """All messages by the time of their last sample, at `speedup` times the pace of event time.

    A message without a usable time goes right after its predecessor in the input. Messages of equal time keep
    the input's order. All of `messages` is taken at once; the bodies wait in an unnamed temporary file, so
    memory grows by some ten bytes per message only.
    """
    spool = tempfile.TemporaryFile(prefix="kappafleet-publish-")  # noqa: SIM115 - _replayed closes it
    times, places, exchanges = array("q"), array("q", [0]), []
    time = _BEFORE_ALL
    for each in messages:
        time = time if each.event_ms is None else each.event_ms
        times.append(time)
        places.append(places[-1] + spool.write(each.body))
        exchanges.append(each.exchange)
    return _replayed(spool, times, places, exchanges, speedup, id_field)


def _replayed(
    spool: IO[bytes],
    times: "array[int]",
    places: "array[int]",
    exchanges: list[str],
    speedup: float,
    id_field: str | None,
) -> Iterator[Due]:
    order = sorted(range(len(times)), key=times.__getitem__)
    first = next((times[index] for index in order if times[index] != _BEFORE_ALL), 0)
    with spool:
        for index in order:
            spool.seek(places[index])
            body = spool.read(places[index + 1] - places[index])
            yield max(times[index] - first, 0) / 1000 / speedup, message(body, exchanges[index], id_field)


def plain(files: list[Path], exchange: str | None, id_field: str | None = None) -> Iterator[Message]:
    """The lines of `files` as messages, byte for byte, in the order of the files."""
    return (message(body, exchange, id_field) for body in lines(files))


def shifted_to(
    now_ms: int, files: list[Path], exchange: str | None, id_field: str | None = None
) -> Iterator[Message]:
    """As `plain`, with the times of each vehicle or sensor moved so that its last sample is at `now_ms`.

    All messages of one id move by the same whole number of milliseconds, so everything within a vehicle stays
    as it was; vehicles move by different spans. A line goes out unchanged if it has no id, or a time outside
    2000..2100 (the job rejects it, and one such time must not drag its vehicle along). The files are read
    twice.
    """
    lasts: dict[tuple[str, str], int] = {}
    for body in lines(files):
        value = parsed(body)
        times = _movable(value)
        if value is not None and times:
            each = addressed(body, value, exchange, id_field)
            if each.key:
                where = each.exchange, each.key
                lasts[where] = max(lasts.get(where, times[0]), *times)
    return (_shifted(body, exchange, id_field, lasts, now_ms) for body in lines(files))


def _shifted(
    body: bytes, exchange: str | None, id_field: str | None, lasts: dict[tuple[str, str], int], now_ms: int
) -> Message:
    value = parsed(body)
    if value is None:
        return message(body, exchange, id_field)
    before = addressed(body, value, exchange, id_field)
    times = _movable(value)
    samples = value.get("samples")
    if not times or not before.key or not isinstance(samples, dict):
        return before
    shift = now_ms - lasts[before.exchange, before.key]
    samples["t"] = [time + shift for time in times]
    return addressed(json.dumps(value, separators=(",", ":")).encode(), value, exchange, id_field)


def _movable(value: dict[str, object] | None) -> list[int]:
    """The times of a message if all of them are usable, else none."""
    times = [] if value is None else sample_times(value)
    usable = [time for time in times if type(time) is int and EARLIEST_MS <= time < LATEST_MS]
    return usable if len(usable) == len(times) else []
