"""Cursors: where the next page starts, in a form that a client can keep but not make.

A cursor holds Cassandra's paging state, which the server must not take from strangers: it is signed, and bound to the
question, its ids and its range. A cursor outlives a restart only where the server is given a secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from serving.periods import Span
from serving.problems import Problem
from serving.questions import Question

MAX_LENGTH = 4096
"""A longer text is no cursor: paging states of our tables have tens of bytes."""

_TAG = 16


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on.

    Attributes:
        version: the version of the tables that the first page was read from.
        bucket: the index of the partition in the span.
        paging_state: Cassandra's, inside that partition; empty: from its start.
    """

    version: int
    bucket: int
    paging_state: bytes


class Cursors:
    """Makes cursors and reads them back."""

    def __init__(self, secret: bytes | None = None) -> None:
        """Makes them with a secret; None: with one that is known to this process alone."""
        self._secret = secret or secrets.token_bytes(32)

    def text(self, position: Position, question: Question, ids: Sequence[str], span: Span) -> str:
        """The cursor of a position in the answer to a question."""
        state = base64.b64encode(position.paging_state).decode()
        payload = orjson.dumps([position.version, position.bucket, state])
        return _encoded(self._tag(payload, question, ids, span) + payload)

    def position(self, text: str, question: Question, ids: Sequence[str], span: Span) -> Position:
        """The position of a cursor.

        Raises:
            Problem: this server did not make the text, or made it for something else.
        """
        raw = _decoded(text)
        tag, payload = raw[:_TAG], raw[_TAG:]
        if not hmac.compare_digest(tag, self._tag(payload, question, ids, span)):
            raise Problem(
                "invalid-cursor",
                "a cursor belongs to the question, ids and range it was given for, and to a server that still has the "
                "same secret: start again without one",
                parameter="cursor",
            )
        version, bucket, state = orjson.loads(payload)
        return Position(version, bucket, base64.b64decode(state))

    def _tag(self, payload: bytes, question: Question, ids: Sequence[str], span: Span) -> bytes:
        context = orjson.dumps([question.name, list(ids), list(map(list, span.parameters))])
        digest = hmac.new(self._secret, digestmod=hashlib.sha256)
        digest.update(len(context).to_bytes(4))
        digest.update(context)
        digest.update(payload)
        return digest.digest()[:_TAG]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    if len(text) > MAX_LENGTH or not text.isascii():
        return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
