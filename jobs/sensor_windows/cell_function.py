"""The neighbours as keyed PyFlink functions: closed hours by sensor, then by cell; row frames out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction

from jobs.sensor_windows.group_function import HourGroups
from jobs.sensor_windows.groups import Parts, Write
from jobs.sensor_windows.layout import WINDOW_ROW
from jobs.sensor_windows.neighbours import Mean, rows
from jobs.sensor_windows.outputs import KEY_PREFIX
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.settings import Settings

CELL_TYPE = Types.TUPLE([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])


class ByCell(KeyedProcessFunction):  # type: ignore[misc]
    """Sends each closed hour of a sensor with a place to its cell."""

    def __init__(self, settings: Settings) -> None:
        self._characters = settings.neighbours.cell

    def process_element(
        self, value: tuple[str, bytes], ctx: KeyedProcessFunction.Context
    ) -> Iterable[tuple[str, bytes]]:
        """One row of an hour."""
        key, data = value
        (row,) = np.frombuffer(data, WINDOW_ROW)
        if not row["final"] or not row["geohash"] or row["quantity"] >= len(QUANTITIES):
            return
        start = int(row["start"])
        mean = Mean(
            start,
            int(row["quantity"]),
            int(row["n_samples"]),
            int(row["version"]),
            float(row["mean"]),
            key.removeprefix(KEY_PREFIX),
        )
        yield row["geohash"].decode()[: self._characters], mean.packed()


class CellHours(HourGroups):
    """Compares the sensors of a cell, hour by hour."""

    table_name = "cell_hour"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, settings.params_hash)
        self._rules = settings.neighbours

    def part(self, record: tuple[str, bytes]) -> Mean:
        """The mean of a sensor."""
        return Mean.unpacked(record[1])

    def rows(self, parts: Parts[Mean], revision: int, shown: int) -> Iterator[Write]:
        """Each sensor beside its neighbours."""
        return rows(parts, self._rules)
