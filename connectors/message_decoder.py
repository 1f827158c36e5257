"""Messages decoded in plain Python by the rules of the operator's decoder (``io.kappafleet.columnar.MessageDecoder``).

A message that is too large or holds a byte 0xff is refused unread; otherwise the first fault in the order of its bytes
decides the reason, as there; a test runs the same bad messages through both. The operator itself never comes here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from connectors.columnar import MessageSpec
from connectors.in_memory import Decoded
from connectors.json_pull import JsonPull, NotJson, Token, token_of

_INT64 = 2**63


class Reject(Exception):
    """Why a message is refused: a stable code, a colon, and what was found."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class MessageDecoder:
    """Decodes the messages that a specification describes."""

    def __init__(self, spec: MessageSpec) -> None:
        self._spec = spec
        self._texts = frozenset(spec.texts)
        self._integers = frozenset(spec.integers)
        self._numbers = {field.name: _bounds(field.min, field.max) for field in spec.numbers}
        self._booleans = frozenset(field.name for field in spec.samples if field.kind == "boolean")
        self._samples = {field.name: _bounds(field.min, field.max) for field in spec.samples}
        self._known = {"schema", spec.id_field, "samples", *spec.texts, *spec.integers, *self._numbers}

    def decode(self, body: bytes, key: str, arrival_ms: int = 0, offset: int = 0) -> Decoded:
        """One message.

        Args:
            body: its bytes, whatever they are.
            key: the key under which it came.
            arrival_ms: the broker's timestamp, 0: unknown.
            offset: place in the log.

        Raises:
            Reject: the message is refused.
        """
        limit = self._spec.max_message_bytes
        if len(body) > limit:
            raise Reject("too_large", f"{len(body)} bytes, at most {limit} are accepted")
        at = body.find(b"\xff")
        if at >= 0:
            raise Reject("not_json", f"byte 0xff at {at}")
        try:
            message = self._read(JsonPull(body), Decoded(key, [], arrival_ms=arrival_ms, offset=offset))
        except NotJson as error:
            raise Reject("not_json", str(error)) from None
        self._check_arrival(message)
        return message

    def _read(self, pull: JsonPull, message: Decoded) -> Decoded:
        if pull.token()[0] != "{":
            raise Reject("not_json", "the message is not a JSON object")
        seen: set[str] = set()
        for name in pull.names():
            token = pull.token()
            if name not in self._known:
                pull.skip(token)
                continue
            _once(seen, name)
            if name == "schema":
                self._check_schema(pull, token)
            elif name == self._spec.id_field:
                self._check_id(pull, token, message.key)
            elif name == "samples":
                self._read_samples(pull, token, message)
            elif name in self._texts:
                message.texts[name] = self._text(pull, token, name)
            elif name in self._integers:
                message.integers[name] = _integer(token, name)
            else:
                message.numbers[name] = _number(token, name, self._numbers[name])
        pull.end()
        if self._spec.id_field not in seen:
            raise Reject("missing_id", f"there is no {self._spec.id_field}")
        self._check_lengths(message)
        return message

    def _check_schema(self, pull: JsonPull, token: Token) -> None:
        expected = self._spec.schema_id
        found = pull.text() if token[0] == "text" else None
        if found is None or _joined(found) != expected:
            shown = token[0] if found is None else repr(found[:200])
            raise Reject("wrong_schema", f"{shown} where {expected} is expected")

    def _check_id(self, pull: JsonPull, token: Token, key: str) -> None:
        name = self._spec.id_field
        if token[0] != "text":
            raise Reject("missing_id", f"{name} is not a text")
        text = self._whole(pull.text(), name)
        if not text:
            raise Reject("missing_id", f"{name} is empty")
        if text != key:
            raise Reject("id_mismatch", f"{name} is {text}, the key {key[:200]}")

    def _text(self, pull: JsonPull, token: Token, name: str) -> str | None:
        if token[0] == "null":
            return None
        if token[0] != "text":
            raise Reject("not_a_text", f"{name} is not a text")
        return self._whole(pull.text(), name) or None

    def _whole(self, text: str, name: str) -> str:
        """A text that fits and holds nothing but characters."""
        limit = self._spec.max_id_bytes
        text = _joined(text)
        size = 0
        for char in text:
            if char == "\0" or "\ud800" <= char <= "\udfff":
                raise Reject("not_a_text", f"{name} holds a character that is no text")
            size += len(char.encode())
            if size > limit:
                raise Reject("id_too_long", f"{name} has more than {limit} bytes")
        return text

    def _read_samples(self, pull: JsonPull, start: Token, message: Decoded) -> None:
        if start[0] != "{":
            raise Reject("missing_t", "samples is not an object")
        seen: set[str] = set()
        for name in pull.names():
            token = pull.token()
            if name != "t" and name not in self._samples:
                pull.skip(token)
                continue
            _once(seen, name)
            if name == "t":
                if token[0] != "[":
                    raise Reject("missing_t", "samples.t is not an array")
                message.times = self._times(pull)
            elif token[0] == "[":
                read = self._flags if name in self._booleans else self._values
                message.samples[name] = read(pull, name)
            elif token[0] != "null":
                raise Reject("not_a_number", f"{name} is not an array")

    def _times(self, pull: JsonPull) -> list[int]:
        values = pull.array()
        earliest, latest = self._spec.earliest_ms, self._spec.latest_ms
        if (
            values
            and {int} == set(map(type, values))
            and earliest <= values[0]
            and values[-1] <= latest
            and values == sorted(values)
        ):
            return values
        times: list[int] = []
        for kind, time in _tokens(pull, values):
            where = f"t[{len(times)}]"
            if kind != "integer":
                raise Reject("not_a_number", f"{where} is not an integer")
            if not earliest <= time <= latest:
                raise Reject("time_out_of_range", f"{where} = {time} is outside {earliest}..{latest}")
            if times and time < times[-1]:
                raise Reject("time_order", f"{where} = {time} is before {times[-1]}, the one before")
            times.append(time)
        return times

    def _values(self, pull: JsonPull, name: str) -> list[float | bool | None]:
        values = pull.array()
        least, most = self._samples[name]
        if values is not None and set(map(type, values)) <= {int, float, type(None)}:
            present = [value for value in values if value is not None]
            if not present or (min(present) >= least and max(present) <= most):
                return values
        return [
            _number(token, f"{name}[{index}]", (least, most))
            for index, token in enumerate(_tokens(pull, values))
        ]

    def _flags(self, pull: JsonPull, name: str) -> list[float | bool | None]:
        flags: list[float | bool | None] = []
        for kind, value in _tokens(pull, pull.array()):
            if kind not in ("boolean", "null"):
                raise Reject("not_a_boolean", f"{name}[{len(flags)}] is neither true nor false")
            flags.append(value)
        return flags

    def _check_lengths(self, message: Decoded) -> None:
        times = len(message.times)
        if not times:
            raise Reject("missing_t", "there is no sample time")
        for name in self._samples:
            array = message.samples.get(name)
            if array is not None and len(array) != times:
                raise Reject("unequal_lengths", f"{name} has {len(array)} values, t has {times}")

    def _check_arrival(self, message: Decoded) -> None:
        if message.arrival_ms <= 0:
            return
        behind = message.arrival_ms - message.times[0]
        if 0 < self._spec.allowed_lateness_ms < behind:
            raise Reject(
                "too_late",
                f"t[0] is {behind} ms before the arrival, at most {self._spec.allowed_lateness_ms}",
            )
        ahead = message.times[-1] - message.arrival_ms
        if ahead > self._spec.max_ahead_ms:
            raise Reject(
                "ahead_of_clock",
                f"the last time is {ahead} ms after the arrival, at most {self._spec.max_ahead_ms}",
            )


class KeyScan:
    """Finds the key of a message that came without one, as the sources do (``io.kappafleet.record.KeyScan``)."""

    def __init__(self, id_field: str) -> None:
        name = re.escape(f'"{id_field}"'.encode())
        blanks = rb"[ \t\n\r]*"
        self._field = re.compile(name + blanks + b":" + blanks + rb'("(?:[^"\\]|\\.)*")?', re.DOTALL)

    def key(self, body: bytes) -> str:
        """The text behind the first field of that name; empty when there is none."""
        found = self._field.search(body)
        if not found or not found[1]:
            return ""
        raw = found[1].decode("utf-8", "replace")
        if "\\" not in raw:
            return raw[1:-1]
        try:
            return _joined(str(json.loads(raw, strict=False)))
        except ValueError:
            return raw  # the message is no JSON either


def _bounds(least: float, most: float) -> tuple[float, float]:
    """Finite bounds: an infinity is never accepted."""
    return max(least, -sys.float_info.max), min(most, sys.float_info.max)


def _once(seen: set[str], name: str) -> None:
    if name in seen:
        raise Reject("not_json", f"field {name} is there twice")
    seen.add(name)


def _tokens(pull: JsonPull, values: list[Any] | None) -> Iterable[Token]:
    return pull.elements() if values is None else map(token_of, values)


def _integer(token: Token, name: str) -> int | None:
    kind, value = token
    if kind == "null":
        return None
    if kind != "integer":
        raise Reject("not_a_number", f"{name} is not an integer")
    if not -_INT64 < value < _INT64:
        raise Reject("out_of_range", f"{name} does not fit 64 bits")
    return int(value)


def _number(token: Token, name: str, bounds: tuple[float, float]) -> float | None:
    kind, value = token
    if kind == "null":
        return None
    if kind not in ("integer", "float"):
        raise Reject("not_a_number", f"{name} is no number but {kind}")
    if not bounds[0] <= value <= bounds[1]:
        shown = value if kind == "float" or abs(value) < _INT64 else "a large number"
        raise Reject("out_of_range", f"{name} = {shown} is outside {bounds[0]}..{bounds[1]}")
    return float(value)


def _joined(text: str) -> str:
    """The text with the halves of surrogate pairs joined where they stand together."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
