"""The demonstration: real trips and readings go through the local servers, drivers' days and hours of air come out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kappafleet import places
from kappafleet.errors import ServerError
from kappafleet.messages import line_files, lines, parsed
from kappafleet.stack.flink import running_jobs

if TYPE_CHECKING:
    from cassandra.cluster import Session
    from rich.console import Console
    from rich.table import Table

    from kappafleet.stack.stack import Stack

JOB = "driver_stats"
SENSOR_JOB = "sensor_windows"
PARALLELISM = 1
"""Of each job: the local cluster has two slots."""
# Whole histories are moved to today: nothing in them is too late. Quiet streams close their windows soon.
PARAMETERS = ["window.allowed_lateness_s=0", "watermark.delay_s=60", "watermark.idle_s=5"]
RESTART_S = 60
WAIT_S = 180
POLL_S = 0.5
SETTLED_S = 8.0
DAYS = 2


@dataclass(frozen=True, slots=True)
class Published:
    """What was published: the fleets, and when."""

    fleets: tuple[str, ...]
    samples: int
    at: datetime


def running_job(stack: Stack, name: str) -> str | None:
    """The id of a job that the local cluster runs already, or goes on with after a restart.

    Raises:
        ServerError: there is one, and it does not get to run.
    """
    end = time.monotonic() + RESTART_S
    while True:
        found = [job for job in running_jobs(stack.ports) if job.name == name]
        if not found:
            return None
        for job in found:
            if job.state == "RUNNING":
                return job.job_id
        if time.monotonic() > end:
            raise ServerError(
                f"the job {name} of an earlier run does not run again ({found[0].state}); {flink_url()} says why; "
                "cancel it there and repeat"
            )
        time.sleep(POLL_S)


def data_folder() -> Path:
    """The bundled message lines."""
    return places.project_root() / "data" / "demo"


def publish_trips(path: Path) -> Published:
    """Publishes the bundled trips, moved so that each vehicle's last sample is now."""
    from kappafleet.publishing import Run, publish

    fleets = {str((parsed(line) or {}).get("fleet_id", "default")) for line in lines(line_files(path))}
    at = datetime.now(UTC)
    totals = publish(Run(path, shift_to_now=True))
    return Published(tuple(sorted(fleets)), totals.samples, at)


def sensor_folder() -> Path:
    """The bundled readings."""
    return places.project_root() / "data" / "sensors"


def publish_readings(path: Path) -> Published:
    """Publishes the bundled readings, moved so that each sensor's last one is now; ``fleets`` are the sensors."""
    from kappafleet.publishing import Run, publish

    sensors = {str((parsed(line) or {}).get("sensor_id", "")) for line in lines(line_files(path))}
    at = datetime.now(UTC)
    totals = publish(Run(path, shift_to_now=True))
    return Published(tuple(sorted(sensors)), totals.samples, at)


def await_sensors(session: Session, keyspace: str, published: Published, console: Console) -> list[Any]:
    """Waits until every sensor of the demonstration has closed hours.

    Returns:
        By sensor, the newest closed hour's rows of sensor_hour, then those of air_quality of the standard in force.

    Raises:
        ServerError: nothing came within WAIT_S.
    """
    end = time.monotonic() + WAIT_S
    with console.status("hours of the sensors"):
        while True:
            found = [_newest_hour(session, keyspace, sensor, published.at) for sensor in published.fleets]
            if all(found):
                return [row for rows in found for row in rows]
            if time.monotonic() > end:
                missing = published.fleets[found.index([])]
                raise ServerError(
                    f"no hour of sensor {missing} in Cassandra after {WAIT_S} s; see the job at {flink_url()} and "
                    f"{places.home() / 'logs'}"
                )
            time.sleep(POLL_S)


def _newest_hour(session: Session, keyspace: str, sensor_id: str, at: datetime) -> list[Any]:
    """Rows of the newest closed hour of a sensor; none if none is closed."""
    months = dict.fromkeys((at - timedelta(days=back)).strftime("%Y-%m") for back in range(DAYS))
    query = session.prepare(
        f"SELECT * FROM {keyspace}.sensor_hour WHERE sensor_id = ? AND month = ? LIMIT 40"
    )
    air = session.prepare(
        f"SELECT * FROM {keyspace}.air_quality WHERE sensor_id = ? AND month = ? AND hour_start = ?"
    )
    for month in months:
        rows = [row for row in session.execute(query, (sensor_id, month)) if row.final]
        if rows:
            newest = [row for row in rows if row.hour_start == rows[0].hour_start]
            index = session.execute(air, (sensor_id, month, rows[0].hour_start))
            return [*newest, *(row for row in index if row.in_force)]
    return []


def sensors_table(rows: Iterable[Any]) -> Table:
    """The sensors' newest hours as a table that fits 80 columns."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.title, table.title_justify = "Sensors' last closed hour, from sensor_hour and air_quality", "left"
    for name in ("sensor", "hour, UTC", "what"):
        table.add_column(name, no_wrap=True)
    for name in ("mean", "max", "complete"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        who = (row.sensor_id, f"{row.hour_start:%d %H:%M}")
        if hasattr(row, "standard"):
            value = "" if row.index_value is None else str(row.index_value)
            table.add_row(*who, f"{row.scope or 'no index'} {row.standard}", value, "", row.category or "")
        else:
            what = f"{row.quantity}, {row.unit}"
            table.add_row(*who, what, _tenths(row.mean), _tenths(row.max), f"{row.completeness:.0%}")
    return table


def sensor_queries(rows: list[Any], keyspace: str, cql_port: int) -> list[str]:
    """A command to try: a sensor's indices, hour by hour."""
    cqlsh = f".venv/bin/cqlsh {places.LOOPBACK} {cql_port} -k {keyspace} -e"
    row = next((each for each in rows if hasattr(each, "standard")), rows[0])
    return [
        f'{cqlsh} "SELECT hour_start, standard, index_value, category, responsible FROM air_quality '
        f"WHERE sensor_id='{row.sensor_id}' AND month='{row.month}' LIMIT 12\""
    ]


def await_results(session: Session, keyspace: str, published: Published, console: Console) -> list[Any]:
    """Waits until the leaderboards of the last days have stopped growing.

    Returns:
        Rows of fleet_day, by fleet, the newest day first, then by distance.

    Raises:
        ServerError: nothing came within WAIT_S.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    end = time.monotonic() + WAIT_S
    seen, since = -1, time.monotonic()
    columns = (TextColumn("compute"), BarColumn(), TextColumn("{task.fields[samples]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None, samples="the job starts")
        while True:
            rows = leaderboards(session, keyspace, published)
            counted = sum(row.n_samples for row in rows)
            if counted != seen:
                seen, since = counted, time.monotonic()
                progress.update(task, samples=f"{counted:,} samples in the drivers' days" if counted else "")
            if counted and time.monotonic() - since > SETTLED_S:
                return rows
            if time.monotonic() > end:
                raise ServerError(
                    f"no results in Cassandra after {WAIT_S} s; see the job at {flink_url()} and "
                    f"{places.home() / 'logs'}"
                )
            time.sleep(POLL_S)


def leaderboards(session: Session, keyspace: str, published: Published) -> list[Any]:
    """fleet_day of the fleets published, on the newest days."""
    query = session.prepare(f"SELECT * FROM {keyspace}.fleet_day WHERE fleet_id = ? AND day = ?")
    days = [(published.at - timedelta(days=back)).strftime("%Y-%m-%d") for back in range(DAYS)]
    found = [
        row for fleet in published.fleets for day in days for row in session.execute(query, (fleet, day))
    ]
    return sorted(found, key=lambda row: (row.fleet_id, _reversed(row.day), -row.distance_km))


def _reversed(day: str) -> int:
    return -int(day.replace("-", ""))


def drivers_table(rows: Iterable[Any]) -> Table:
    """The drivers' days as a table that fits 80 columns."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.title, table.title_justify = "Drivers' days, from Cassandra's table fleet_day", "left"
    table.caption, table.caption_justify = "harsh: accelerations / brakings / corners", "left"
    for name in ("driver", "day"):
        table.add_column(name, no_wrap=True)
    for name in ("km", "drive h", "idle h", "top km/h", "harsh"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.driver_id,
            row.day,
            f"{row.distance_km:,.1f}",
            _duration(row.drive_s),
            _duration(row.idle_s),
            _number(row.max_speed_kmh),
            f"{row.harsh_accel}/{row.harsh_brake}/{row.harsh_corner}",
        )
    return table


def queries(rows: list[Any], keyspace: str, cql_port: int) -> list[str]:
    """Commands to try: a driver's hours, the driver's trips, and the harsh events of a driver who has some."""
    busiest = max(rows, key=lambda row: row.distance_km)
    harshest = max(rows, key=lambda row: row.harsh_accel + row.harsh_brake + row.harsh_corner)
    cqlsh = f".venv/bin/cqlsh {places.LOOPBACK} {cql_port} -k {keyspace} -e"
    who, month = busiest.driver_id, busiest.day[:7]
    return [
        f"{cqlsh} \"SELECT hour_start, distance_km, drive_s, idle_s FROM driver_hour WHERE driver_id='{who}' "
        f"AND day='{busiest.day}'\"",
        f"{cqlsh} \"SELECT start_time, end_time, distance_km, max_speed_kmh FROM trip WHERE driver_id='{who}' "
        f"AND month='{month}' LIMIT 5\"",
        f'{cqlsh} "SELECT event_time, type, peak, severity, speed_kmh FROM driver_event '
        f"WHERE driver_id='{harshest.driver_id}' AND day='{harshest.day}'\"",
    ]


def flink_url() -> str:
    """Where the job can be watched."""
    return f"http://{places.LOOPBACK}:{places.LocalPorts(places.port_offset()).rest}"


def rabbitmq_url() -> str:
    """Where the streams can be watched."""
    return f"http://{places.LOOPBACK}:{places.LocalPorts(places.port_offset()).management}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def _tenths(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
