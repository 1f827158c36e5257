"""JSON read front to back, so that of several faults the first one in the order of the bytes is found.

The standard library's parser tells only whether a text as a whole is JSON. This reader stands on it for texts and
arrays, and otherwise goes from token to token as the operator's parser (Jackson) does, with the same limits.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Literal, NoReturn, TypeAlias

Kind: TypeAlias = Literal["{", "[", "text", "integer", "float", "boolean", "null"]
Token: TypeAlias = tuple[Kind, Any]
"""What a value is and, of a number, boolean or null, the value."""

MAX_DEPTH = 1000
MAX_DIGITS = 1000
MAX_NAME = 50_000

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE][-+]?([0-9]+))?")
_HALF = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t\n\r]*")
_WORDS: tuple[tuple[str, Token], ...] = (
    ("true", ("boolean", True)),
    ("false", ("boolean", False)),
    ("null", ("null", None)),
)
_KINDS: dict[type, Kind] = {
    dict: "{",
    list: "[",
    str: "text",
    int: "integer",
    float: "float",
    bool: "boolean",
    type(None): "null",
}
_CLOSING = {"{": "}", "[": "]"}


class NotJson(ValueError):
    """The text is not JSON from a certain place on."""


class JsonPull:
    """Reads one JSON text.

    A container is entered by ``token``; its ``names`` or ``elements`` must then be gone through, or it must be
    skipped. A text is read by ``text``: until then nobody knows whether it is well-formed.
    """

    def __init__(self, body: bytes) -> None:
        """Takes UTF-8, which Jackson reads generously: overlong forms pass."""
        self._text = body.decode("utf-8", _GENEROUS)
        self._at = 0
        self._depth = 0

    def token(self) -> Token:
        """What comes next; anything but a text is then behind, of a container its opening bracket.

        Raises:
            NotJson: no value can start here.
        """
        char = self._next()
        if char == '"':
            return "text", None
        if char == "{" or char == "[":
            self._at += 1
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._fault(f"more than {MAX_DEPTH} levels")
            return ("{", None) if char == "{" else ("[", None)
        found = _NUMBER.match(self._text, self._at)
        if found:
            return self._number(found)
        for word, token in _WORDS:
            if self._text.startswith(word, self._at):
                self._at += len(word)
                after = self._peek()
                if after >= "0" and (after.isalnum() or after == "_"):
                    raise self._fault("an unknown word")
                return token
        raise self._fault("no value" if char else "the end where a value is expected")

    def text(self) -> str:
        """The text that ``token`` has announced; escapes in it may stand for halves of surrogate pairs.

        Raises:
            NotJson: it is malformed.
        """
        begin = self._at
        value = self._string()
        if _HALF.search(self._text, begin, self._at):
            raise self._fault("half of a surrogate pair")
        return value

    def array(self) -> list[Any] | None:
        """All of an array that was just entered, at once; None, and nothing is read, if it is not plain JSON."""
        try:
            values, end = _DECODER.raw_decode(self._text, self._at - 1)
        except (ValueError, RecursionError):
            return None
        length = end - self._at
        if length > MAX_DIGITS and max(map(len, self._text[self._at : end].split(","))) > MAX_DIGITS:
            return None  # perhaps a number that is too long
        self._at = end
        self._depth -= 1
        return list(values)

    def names(self) -> Iterator[str]:
        """The names in an object that was entered; each value must be read before the next name is asked for.

        Raises:
            NotJson: in the iteration, where the object is malformed.
        """
        first = True
        while not self._closes("}"):
            if not first:
                self._expect(",")
            first = False
            yield self._name()

    def elements(self) -> Iterator[Token]:
        """The elements of an array that was entered, as ``token`` has them.

        Raises:
            NotJson: in the iteration, where the array is malformed.
        """
        first = True
        while not self._closes("]"):
            if not first:
                self._expect(",")
            first = False
            yield self.token()

    def skip(self, token: Token) -> None:
        """Reads what belongs to a value of which the token was read.

        Raises:
            NotJson: it is malformed.
        """
        open_: list[str] = []
        first = False
        while True:
            kind = token[0]
            if kind == "text":
                self._string()
            elif kind == "{" or kind == "[":
                open_.append(kind)
            first = kind == "{" or kind == "["
            while open_ and self._closes(_CLOSING[open_[-1]]):
                open_.pop()
                first = False
            if not open_:
                return
            if not first:
                self._expect(",")
            if open_[-1] == "{":
                self._name()
            token = self.token()

    def end(self) -> None:
        """Sees to it that nothing follows.

        Raises:
            NotJson: something does.
        """
        if self._next():
            raise self._fault("there is more behind the JSON value")

    def _string(self) -> str:
        """The text that starts here; of one that nobody looks at, Jackson does not mind bare surrogates."""
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except ValueError as error:
            raise NotJson(str(error)) from None
        return str(value)

    def _number(self, found: re.Match[str]) -> Token:
        whole, fraction, exponent = found.groups(default="")
        after = found.string[found.end() : found.end() + 1]
        if whole == "0" and not fraction and not exponent and after.isdigit():
            raise self._fault("a number with a leading zero")
        if not exponent and (after in ("e", "E") or (after == "." and not fraction)):
            raise self._fault("a number without a digit behind its point or exponent")
        if len(whole) + len(fraction) + len(exponent) > MAX_DIGITS:
            raise self._fault(f"a number of more than {MAX_DIGITS} digits")
        self._at = found.end()
        return ("float", float(found[0])) if fraction or exponent else ("integer", int(found[0]))

    def _name(self) -> str:
        if self._next() != '"':
            raise self._fault("no name")
        name = self.text()
        if len(name) > MAX_NAME:
            raise self._fault(f"a name of more than {MAX_NAME} characters")
        self._expect(":")
        return name

    def _closes(self, bracket: str) -> bool:
        if self._next() != bracket:
            return False
        self._at += 1
        self._depth -= 1
        return True

    def _expect(self, char: str) -> None:
        if self._next() != char:
            raise self._fault(f"no {char}")
        self._at += 1

    def _next(self) -> str:
        """The next character that is no blank, or nothing at the end; it stays."""
        found = _BLANKS.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._peek()

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fault(self, what: str) -> NotJson:
        return NotJson(f"{what} at character {self._at}")


def token_of(value: Any) -> Token:
    """The token of a value that was parsed already; of a container or text without its content."""
    kind = _KINDS[type(value)]
    return kind, None if kind in ("{", "[", "text") else value


def _no_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON")


def _generous(error: UnicodeError) -> tuple[str, int]:
    """Decodes what Jackson decodes though it is not UTF-8; the rest becomes NUL, which no JSON may hold."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    lead = error.object[error.start]
    size = next((n for n, mask, bits in _LEADS if lead & mask == bits), 0)
    rest = error.object[error.start + 1 : error.start + size]
    if not rest or len(rest) < size - 1 or any(byte & 0xC0 != 0x80 for byte in rest):
        return "\0", error.start + 1
    point = lead & (0x7F >> size)
    for byte in rest:
        point = point << 6 | byte & 0x3F
    end = error.start + size
    if point < 0x80:
        return f"\\u{point:04x}", end  # the plain character would be taken for syntax
    return ("\\udc00" if size == 4 else chr(point)), end


_LEADS = ((2, 0xE0, 0xC0), (3, 0xF0, 0xE0), (4, 0xF8, 0xF0))
_GENEROUS = "kappafleet-generous"
codecs.register_error(_GENEROUS, _generous)
_DECODER = json.JSONDecoder(parse_constant=_no_constant)
