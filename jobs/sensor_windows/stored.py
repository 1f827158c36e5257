"""The readings of one sensor as they lie in the store, of which only the newest days are looked at. Pure numpy.

The bytes are those of ``Series.packed``: most of what happens to a sensor neither moves nor changes older readings, and
then they are not even read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.sensor_windows.series import CHANGED, HEADER, REVISION, TOLD, VERSION, quantities_of

Array = NDArray[Any]


class Recent:
    """Readings from some time on; copies, which compiled code may change.

    Attributes:
        place: of the first one among all.
        t: [N] epoch ms, ascending.
        origin: [N] number of what a message said of it.
        mark: [N] TOLD, CHANGED.
        quantities: [R] that the sensor measures.
        x: [R, N] values, NaN: missing, ABSENT: not measured.
        verdict: [R, N] the flag and the failed tests (<< 4) as cleansing judged last; 0: not judged.
    """

    __slots__ = ("mark", "origin", "place", "quantities", "t", "verdict", "x")

    def __init__(
        self, place: int, t: Array, origin: Array, mark: Array, quantities: Array, x: Array, verdict: Array
    ) -> None:
        self.place, self.t, self.origin, self.mark = place, t, origin, mark
        self.quantities, self.x, self.verdict = quantities, x, verdict


class Stored:
    """All readings of one sensor, in place.

    Attributes:
        data: as ``Series.packed`` gives it.
        count: how many there are.
        origins: what messages said of them, as JSON.
        t: [N] epoch ms, ascending; a view.
    """

    __slots__ = ("_at", "_quantities", "count", "data", "origins", "t")

    def __init__(self, data: bytes | bytearray) -> None:
        """Takes bytes, of which bytearrays are changed; no bytes: no readings.

        Raises:
            ValueError: they are of another version.
        """
        self.count, self.t = 0, np.empty(0, np.int64)
        self.data = data if isinstance(data, bytearray) else bytearray(data)
        if data:
            self._read(self.data)

    def _read(self, data: bytearray) -> None:
        self.data = data
        version, mask, self.count, size, revisions = HEADER.unpack_from(data)
        if version != VERSION:
            raise ValueError(f"readings of version {version} are not known here")
        self.origins = bytes(data[HEADER.size : HEADER.size + size])
        self._quantities = quantities_of(mask)
        self._at = HEADER.size + size + revisions * REVISION.itemsize
        self.t = np.frombuffer(data, np.int64, self.count, self._at)

    def first_changed(self) -> int | None:
        """The first reading from which tables have not been written yet."""
        changed = self._marks() >= CHANGED
        place = int(changed.argmax()) if len(changed) else 0
        return place if len(changed) and changed[place] else None

    def newest_origin(self) -> int:
        """The number of the newest reading's origin."""
        return int(self._origins()[-1])

    def newest(self, which: Sequence[bool]) -> tuple[int, int]:
        """The newest reading of some origins, and its origin's number; -1, -1: there is none.

        Args:
            which: of all origins, whether it is meant.
        """
        origin = self._origins()
        if which[origin[-1]]:
            return self.count - 1, int(origin[-1])
        if not any(which):
            return -1, -1
        places = np.flatnonzero(np.array(which)[origin])
        return (int(places[-1]), int(origin[places[-1]])) if len(places) else (-1, -1)

    def since(self, time_ms: int) -> Recent:
        """The readings from a time on."""
        place = bisect_left(self.t, time_ms)
        x, verdict = self._columns()
        return Recent(
            place,
            self.t[place:].copy(),
            self._origins()[place:].copy(),
            self._marks()[place:].copy(),
            np.array(self._quantities, np.int64),
            x[:, place:].copy(),
            verdict[:, place:].copy(),
        )

    def told(self, recent: Recent) -> None:
        """Tables have been written from these readings: their marks say so, and their verdicts are kept."""
        self._marks()[recent.place :] = TOLD
        self._columns()[1][:, recent.place :] = recent.verdict

    def count_up(self, names: list[int]) -> dict[int, int]:
        """Adds one to some of ``Series.revisions``; returns them all."""
        version, mask, _, size, count = HEADER.unpack_from(self.data)
        if not names and not count:
            return {}
        old = np.frombuffer(self.data, REVISION, count, HEADER.size + size)
        counts = dict(zip(old["window"].tolist(), old["revision"].tolist(), strict=True))
        for name in names:
            counts[name] = counts.get(name, 0) + 1
        if names:
            header = HEADER.pack(version, mask, self.count, size, len(counts))
            now = np.fromiter(counts.items(), REVISION, len(counts)).tobytes()
            self._read(bytearray().join((header, self.origins, now, self.data[self._at :])))
        return counts

    def _origins(self) -> Array:
        return np.frombuffer(self.data, np.uint16, self.count, self._at + 8 * self.count)

    def _marks(self) -> Array:
        return np.frombuffer(self.data, np.uint8, self.count, self._at + 10 * self.count)

    def _columns(self) -> tuple[Array, Array]:
        """Values and verdicts, [R, N] each."""
        rows, at = len(self._quantities), self._at + 11 * self.count
        x = np.frombuffer(self.data, np.float64, rows * self.count, at)
        verdict = np.frombuffer(self.data, np.uint16, rows * self.count, at + x.nbytes)
        return x.reshape(rows, self.count), verdict.reshape(rows, self.count)
