"""What a columnar function may keep of a key beside its row: a tail of variable length, and a store.

Part of :mod:`connectors.columnar_runtime`, where functions find it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Int64s: TypeAlias = NDArray[np.int64]


@dataclass(slots=True)
class Tails:
    """The variable part of the states of K keys: int64 words behind each row.

    The words of key k are ``words[start[k] : start[k] + length[k]]``. There is room for ``capacity[k]``: those
    that the key had, and what ``tail_growth`` adds; what stands in the room is undefined. A new key has none.
    A function without ``tail_growth`` has no room, and cannot change the lengths.

    Attributes:
        words: of all keys, to be changed in place.
        start: [K] index of each key's first word.
        length: [K] words in use, to be changed in place.
        capacity: [K] words for which there is room.
    """

    words: Int64s
    start: Int64s
    length: Int64s
    capacity: Int64s


class KeyStore(Protocol):
    """A second state of each key, for what is seldom needed: it costs only the keys that are asked for.

    It lasts and ends with the key's state, is in every snapshot, and can be used only while a call runs, for
    the keys of that call.
    """

    def get(self, key_index: int) -> bytes:
        """What a key has stored, as the last ``put`` left it; empty where there is nothing."""

    def put(self, key_index: int, value: bytes) -> None:
        """Replaces what a key has stored; with nothing when it is empty."""


def no_tails(keys: int) -> Tails:
    """The tails of a function that declares none."""
    none = np.zeros(keys, np.int64)
    none.flags.writeable = False
    return Tails(none[:0], none, none, none)


class _NoStore:
    """In place of the store of a function that does not declare one."""

    def get(self, key_index: int) -> bytes:
        raise RuntimeError("the function has no store: it declares no uses_store = True")

    def put(self, key_index: int, value: bytes) -> None:
        self.get(key_index)


NO_STORE: KeyStore = _NoStore()
"""The store of a function that does not declare ``uses_store``; using it raises."""


class JavaStore:
    """The store in Java, which answers with a text where it fails and never raises through the bridge."""

    def __init__(self, java: Any) -> None:
        self._java = java

    def get(self, key_index: int) -> bytes:
        """What the key has stored."""
        value = self._java.get(int(key_index))
        if isinstance(value, str):
            raise RuntimeError(f"the store of key {key_index} cannot be read: {value}")
        return b"" if value is None else bytes(value)

    def put(self, key_index: int, value: bytes) -> None:
        """Replaces it."""
        failure = self._java.put(int(key_index), bytes(value))
        if failure is not None:
            raise RuntimeError(f"the store of key {key_index} cannot be written: {failure}")
