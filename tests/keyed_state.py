"""State of keyed functions without Flink."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any


class MapStore:
    """Map state of one key; like Flink's, what it gives is a copy."""

    def __init__(self) -> None:
        self.content: dict[int, bytes] = {}

    def get(self, hour: int) -> Any:
        found = self.content.get(hour)
        return None if found is None else pickle.loads(found)

    def put(self, hour: int, value: Any) -> None:
        self.content[hour] = pickle.dumps(value)

    def remove(self, hour: int) -> None:
        self.content.pop(hour, None)

    def keys(self) -> Iterable[int]:
        return list(self.content)
