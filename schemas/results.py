"""How changed rows are addressed in RabbitMQ: ``<table>.<group>.<id>``.

The group is a fleet, an area or a metric, ``none`` where a table has neither; the id is the driver, vehicle, sensor or
key that the row is about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.tables import Table

EXCHANGE = "results"
NO_GROUP = "none"

_GROUPS = ("fleet_id", "area", "metric")
_IDS = ("driver_id", "vehicle_id", "sensor_id", "station_id", "cell", "id", "source")


@dataclass(frozen=True, slots=True)
class Route:
    """Of a table, the columns that stand in the routing key; ``group`` is empty where it has none."""

    table: str
    group: str
    id: str


def route(table: Table) -> Route:
    """The columns that address a table's rows.

    Raises:
        ValueError: no column of its primary key says of whom or what a row is.
    """
    names = [column.name for column in table.columns]
    group = next((name for name in _GROUPS if name in names), "")
    for name in table.primary_key:
        if name in _IDS:
            return Route(table.name, group, name)
    raise ValueError(f"no column of {table.name}'s primary key is one of {', '.join(_IDS)}")


def to_json(routes: Iterable[Route]) -> str:
    """The form in which the Java side reads routes (``io.kappafleet.results.ResultRoute``)."""
    return json.dumps([{"table": each.table, "group": each.group, "id": each.id} for each in routes])
