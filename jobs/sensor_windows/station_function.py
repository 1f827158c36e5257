"""Context keywords as a keyed PyFlink function: closed hours by station in, row frames out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jobs.sensor_windows.derived import NAMES
from jobs.sensor_windows.group_function import HourGroups
from jobs.sensor_windows.groups import Parts, Write
from jobs.sensor_windows.layout import WINDOW_ROW
from jobs.sensor_windows.places import is_south
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.station_context import TELLING, Condition, station_context


class StationHours(HourGroups):
    """Finds the terms that fit a station's hour."""

    table_name = "context_hour"

    def __init__(self, settings: Settings) -> None:
        self._context = station_context(settings)
        super().__init__(settings, self._context.params_hash)

    def part(self, record: tuple[str, bytes]) -> Condition | None:
        """What a sensor's hour says of the station's."""
        (row,) = np.frombuffer(record[1], WINDOW_ROW)
        if not row["final"] or NAMES[row["quantity"]] not in TELLING:
            return None
        return Condition(
            int(row["start"]),
            int(row["quantity"]),
            int(row["n_samples"]),
            int(row["version"]),
            float(row["mean"]),
            row["sensor"].decode(),
            is_south(row["geohash"].decode()),
            row["surroundings"].decode(),
        )

    def rows(self, parts: Parts[Condition], revision: int, shown: int) -> Iterator[Write]:
        """The terms, the best first."""
        return self._context.rows(parts, shown)
