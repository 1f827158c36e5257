"""Station metadata as reference data: what is known of a station at a time, from the rows that came."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.reference import ReferenceTable, Steps
from jobs.sensor_windows.places import Station
from jobs.sensor_windows.settings import Settings
from schemas.references import Reference, reference

STATIONS = reference("stations", "station/1", ("station_id",))


def references_of(settings: Settings) -> tuple[Reference, ...]:
    """The reference data that the sensors' operator has."""
    return (STATIONS,) if settings.stations.enabled else ()


def stations_of(references: Mapping[str, ReferenceTable]) -> TableStations:
    """The stations among the tables of reference data; none where they are not read."""
    table = references.get(STATIONS.name)
    return TableStations(ReferenceTable(STATIONS) if table is None else table)


class TableStations:
    """The stations of a table, into which rows may come at any time."""

    def __init__(self, table: ReferenceTable) -> None:
        """Takes the table."""
        self._table = table
        self._steps: dict[str, Steps] = {}

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(len(self._table))

    def at(self, station_id: str, time_ms: int) -> Station | None:
        """What holds at a time; None: nothing is known."""
        for (changed,) in self._table.take_changes():
            self._steps.pop(str(changed), None)
        steps = self._steps.get(station_id)
        if steps is None:
            steps = self._steps[station_id] = self._table.steps((station_id,))
        values = steps.at(time_ms)
        return None if values is None else Station(*(str(each or "") for each in values))
