"""The functions of cells and stations without Flink: rows of closed hours in, table rows out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from connectors.columnar_runtime import NO_TIMER
from connectors.rows_in_memory import timestamp
from jobs.sensor_windows.cell_function import ByCell, CellHours
from jobs.sensor_windows.group_function import HourGroups
from jobs.sensor_windows.groups import Write
from jobs.sensor_windows.outputs import JOB, KEY_PREFIX, SENSOR_PREFIX
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.station_function import StationHours
from schemas.tables import table
from tests.keyed_state import MapStore

Row = dict[str, Any]


class _Context:
    """What a keyed function is told beside its record."""

    def __init__(self, of: Group, key: str) -> None:
        self._of, self._key = of, key

    def timer_service(self) -> _Context:
        return self

    def get_current_key(self) -> str:
        return self._key

    def current_watermark(self) -> int:
        return self._of.watermark

    def register_event_time_timer(self, at: int) -> None:
        self._of.timers.add((at, self._key))


class Group:
    """One function: the state and timers of all its keys."""

    def __init__(self, function: HourGroups) -> None:
        self._function = function
        self._states: dict[str, tuple[MapStore, MapStore]] = defaultdict(lambda: (MapStore(), MapStore()))
        self.timers: set[tuple[int, str]] = set()
        self.watermark = NO_TIMER
        function.encoded = self._written  # type: ignore[method-assign, assignment]

    def take(self, key: str, data: bytes) -> None:
        self._at(key)
        assert not list(self._function.process_element((key, data), _Context(self, key)))

    def advance(self, watermark: int) -> Iterator[tuple[int, Row]]:
        self.watermark = watermark
        while due := sorted(each for each in self.timers if each[0] <= watermark):
            at, key = due[0]
            self.timers.discard(due[0])
            self._at(key)
            yield from self._function.on_timer(at, _Context(self, key))  # type: ignore[misc]

    def _at(self, key: str) -> None:
        self._function._hours, self._function._changed = self._states[key]

    def _written(self, group: str, start_ms: int, write: Write, revision: int) -> tuple[int, Row]:
        values = self._function.values(group, start_ms, write, revision)
        row = {}
        for column in table(JOB, self._function.table_name).columns:
            value = values.get(column.name)
            is_time = column.cql_type == "timestamp" and isinstance(value, int)
            row[column.name] = timestamp(value) if is_time else value  # type: ignore[arg-type]
        return write.write_us, {**row, "updated_at": None}


class Groups:
    """Cells and stations behind the sensors' operator."""

    def __init__(self, settings: Settings) -> None:
        self._by_cell = ByCell(settings)
        self._functions = {
            "cell_hour": Group(CellHours(settings)),
            "context_hour": Group(StationHours(settings)),
        }

    def take(self, sensor: str, row: Any) -> None:
        """A row of sensor_hour."""
        own = row.copy()
        own["sensor"] = sensor.encode()  # as Java's id_field does
        for cell, data in self._by_cell.process_element((KEY_PREFIX + sensor, own.tobytes()), None):
            self._functions["cell_hour"].take(cell, data)
        station = row["station"].decode() or SENSOR_PREFIX + sensor
        self._functions["context_hour"].take(station, own.tobytes())

    def advance(self, watermark: int) -> Iterable[tuple[str, int, Row]]:
        """Table, write time and row of all that is written."""
        for name, of in self._functions.items():
            for write_us, row in of.advance(watermark):
                yield name, write_us, row
