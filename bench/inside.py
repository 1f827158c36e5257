"""What happens inside a run of ours: collections of garbage, from the JVM's log, and checkpoints, from their folder."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_PAUSE = re.compile(r"\[([\d.]+)s\].*Pause .* (\d+)M->(\d+)M\(\d+M\) ([\d.]+)ms")


@dataclass(frozen=True, slots=True)
class Garbage:
    """Collections of a JVM from some moment on.

    Attributes:
        pause_share: time in pauses, of all time.
        allocated_mb: what was allocated, to within a megabyte a collection.
        seconds: the time looked at.
    """

    pause_share: float
    allocated_mb: float
    seconds: float


def garbage(lines: Iterable[str], since_s: float, until_s: float) -> Garbage | None:
    """What a log of ``-Xlog:gc`` with uptimes says; None when nothing was collected between the two moments."""
    pauses = allocated = 0.0
    after: int | None = None
    first = None
    last = since_s
    for line in lines:
        found = _PAUSE.search(line)
        if found is None:
            continue
        at = float(found[1])
        if since_s <= at <= until_s:
            if after is not None and first is not None:
                allocated += int(found[2]) - after
                pauses += float(found[4])
                last = at
            elif first is None:
                first = at
        after = int(found[3])
    if first is None or last <= first:
        return None
    return Garbage(pauses / 1000 / (last - first), allocated, last - first)


class Checkpoints:
    """The sizes of completed checkpoints of a running job; call :meth:`look` now and then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self.sizes: list[int] = []
        """Bytes of each, the files that it shares with others included."""

    def look(self) -> None:
        """Notes what was completed since."""
        for metadata in self._folder.glob("*/chk-*/_metadata"):
            checkpoint = metadata.parent
            if checkpoint.name in self._known:
                continue
            try:
                size = _size(checkpoint) + _size(checkpoint.parent / "shared")
            except FileNotFoundError:
                continue  # a newer one has taken its place
            self._known.add(checkpoint.name)
            self.sizes.append(size)


def growth(sizes: Sequence[int]) -> float | None:
    """The largest checkpoint of the second half of a run by the usual one of its first half; None of too few.

    Those made before the keys came and after the input's end are far smaller, and not counted.
    """
    full = [(number, size) for number, size in enumerate(sizes) if size >= max(sizes) / 2]
    first = [size for number, size in full if number < len(sizes) / 2]
    second = [size for number, size in full if number >= len(sizes) / 2]
    if not first or not second:
        return None
    return max(second) / statistics.median(first)


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.glob("*") if each.is_file())
