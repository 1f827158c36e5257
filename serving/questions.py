"""The questions that may be asked: one for each table of contracts.md, with its path and who may ask it.

What a question needs (columns, keys, order) is read from ``schemas/*.cql``; here stands only what CQL cannot say.
A question whose job declares no such table is left out, so a new table's question appears with the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache

from schemas.tables import Table, tables


class Bucket(Enum):
    """The column that cuts a key's rows into partitions; the value is the column's name."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    NONE = ""


class Scope(Enum):
    """How a key that is bound to fleets is kept to them."""

    FLEET_IN_PATH = "the path names the fleet"
    FLEET_IN_ROW = "rows of other fleets are left out"
    FLEET_OF_DAY = "rows of days on which the driver is not on the fleet's leaderboard are left out"
    EVERYTHING = "such a key is refused"
    ADMIN = "only an admin may ask"


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one table.

    Attributes:
        name: the operation's name in OpenAPI, and the cursor's.
        path: with the partition key's other columns as ``{column}``.
        job: whose active version is read.
        table: its columns and keys.
        bucket: how the table's partitions are cut.
        scope: how a fleet's key is kept to its fleet.
        summary: the question in plain words.
    """

    name: str
    path: str
    job: str
    table: Table
    bucket: Bucket
    scope: Scope
    summary: str

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that the path names, in the partition key's order."""
        return tuple(name for name in self.table.partition_key if name != self.bucket.value)

    @property
    def range_column(self) -> str | None:
        """The column that a range of times or days bounds inside a partition; None where there is none."""
        if self.bucket is Bucket.NONE or not self.table.clustering_key:
            return None
        first = self.table.clustering_key[0]
        return first if self.cql_type(first) == "timestamp" or first in ("day", "week") else None

    @property
    def ranged_by_time(self) -> bool:
        """Whether that column is a point in time, and no day."""
        return self.range_column is not None and self.cql_type(self.range_column) == "timestamp"

    def cql_type(self, column: str) -> str:
        """A column's CQL type.

        Raises:
            KeyError: the table has no such column.
        """
        for each in self.table.columns:
            if each.name == column:
                return each.cql_type
        raise KeyError(column)


_DRIVER, _FLEET, _SENSOR = "/v1/drivers/{driver_id}", "/v1/fleets/{fleet_id}", "/v1/sensors/{sensor_id}"

_DECLARED: tuple[tuple[str, str, str, str, Scope, str], ...] = (
    # job, table, name, path, scope, summary
    ("driver_stats", "driver_hour", "driver-hours", f"{_DRIVER}/hours", Scope.FLEET_OF_DAY,
     "How did this driver do today, hour by hour?"),
    ("driver_stats", "driver_day", "driver-days", f"{_DRIVER}/days", Scope.FLEET_OF_DAY, "This driver's month."),
    ("driver_stats", "driver_week", "driver-weeks", f"{_DRIVER}/weeks", Scope.EVERYTHING, "This driver's weeks."),
    ("driver_stats", "driver_rolling", "driver-rolling", f"{_DRIVER}/rolling", Scope.EVERYTHING,
     "This driver's last weeks up to each day: the score's long window."),
    ("driver_stats", "fleet_day", "fleet-drivers", f"{_FLEET}/drivers", Scope.FLEET_IN_PATH,
     "Today's drivers of this fleet: the leaderboard."),
    ("driver_stats", "trip", "driver-trips", f"{_DRIVER}/trips", Scope.FLEET_IN_ROW, "This driver's trips."),
    ("driver_stats", "driver_event", "driver-events", f"{_DRIVER}/events", Scope.FLEET_IN_ROW,
     "Harsh, speeding, idling and hours events of a driver."),
    ("driver_stats", "vehicle_minute", "vehicle-minutes", "/v1/vehicles/{vehicle_id}/minutes", Scope.FLEET_IN_ROW,
     "The chart of one vehicle's day."),
    ("driver_stats", "vehicle_live", "fleet-vehicles", f"{_FLEET}/vehicles", Scope.FLEET_IN_PATH,
     "Where is everyone now, and what are they doing?"),
    ("driver_stats", "reject", "driver-stats-rejects", "/v1/rejects/driver_stats/{source}", Scope.ADMIN,
     "What telemetry was refused, why, and its bytes (base64)."),
    ("sensor_windows", "sensor_5min", "sensor-5min", f"{_SENSOR}/5min", Scope.EVERYTHING,
     "How was the last hour, five minutes by five minutes?"),
    ("sensor_windows", "sensor_hour", "sensor-hours", f"{_SENSOR}/hours", Scope.EVERYTHING,
     "Hourly mean, minimum, maximum, 95th percentile, completeness and quality flag of each quantity."),
    ("sensor_windows", "sensor_day", "sensor-days", f"{_SENSOR}/days", Scope.EVERYTHING, "The same by day."),
    ("sensor_windows", "air_quality", "sensor-air-quality", f"{_SENSOR}/air-quality", Scope.EVERYTHING,
     "Index, category, responsible pollutant and NowCast, by standard."),
    ("sensor_windows", "sensor_live", "area-sensors", "/v1/areas/{area}/sensors", Scope.EVERYTHING,
     "The map: last values and index of the sensors of an area (4 characters of a geohash, or none)."),
    ("sensor_windows", "cell_hour", "cell-hours", "/v1/cells/{cell}/hours", Scope.EVERYTHING,
     "Does this sensor agree with its neighbours in the same geohash cell?"),
    ("sensor_windows", "context_hour", "station-context", "/v1/stations/{station_id}/context", Scope.EVERYTHING,
     "What was that hour like at this station, and which terms of reference texts fit it?"),
    ("sensor_windows", "sensor_flag", "sensor-flags", f"{_SENSOR}/flags", Scope.EVERYTHING,
     "Readings that quality control failed or suspected, with the tests that said so."),
    ("sensor_windows", "reject", "sensor-windows-rejects", "/v1/rejects/sensor_windows/{source}", Scope.ADMIN,
     "What observations were refused, why, and their bytes (base64)."),
    ("driver_exposure", "driver_exposure", "driver-exposure", f"{_DRIVER}/exposure", Scope.EVERYTHING,
     "What did this driver breathe, hour by hour, and of how much of the way is it known?"),
    ("driver_exposure", "event_weather", "driver-event-weather", f"{_DRIVER}/event-weather", Scope.EVERYTHING,
     "What was the weather when this driver drove harshly?"),
    ("driver_exposure", "reject", "driver-exposure-rejects", "/v1/rejects/driver_exposure/{source}", Scope.ADMIN,
     "What samples and observations were refused, why, and their bytes (base64)."),
    ("metrics", "metric_window", "metric-windows", "/v1/metrics/{metric}/{id}/windows", Scope.EVERYTHING,
     "How did this value of this key do, window by window?"),
    ("metrics", "metric_event", "metric-events", "/v1/metrics/{metric}/{id}/events", Scope.EVERYTHING,
     "When was this key beyond a threshold that makes events?"),
    ("metrics", "reject", "metrics-rejects", "/v1/rejects/metrics/{source}", Scope.ADMIN,
     "What messages were refused, why, and their bytes (base64)."),
)  # fmt: skip


@cache
def questions() -> tuple[Question, ...]:
    """All questions whose tables are declared."""
    found = []
    for job, table_name, name, path, scope, summary in _DECLARED:
        table = _table(job, table_name)
        if table is not None:
            found.append(Question(name, path, job, table, _bucket(table), scope, summary))
    return tuple(found)


def question(name: str) -> Question:
    """One question by name.

    Raises:
        KeyError: there is none of that name, or its table is not declared.
    """
    for each in questions():
        if each.name == name:
            return each
    raise KeyError(name)


def _table(job: str, name: str) -> Table | None:
    try:
        declared = tables(job)
    except FileNotFoundError:
        return None
    return next((table for table in declared if table.name == name), None)


def _bucket(table: Table) -> Bucket:
    return next((each for each in Bucket if each.value and each.value in table.partition_key), Bucket.NONE)
