"""The demonstration: real trips and readings go through the local servers, drivers' days and hours of air come out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
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
HISTORY = [
    "window.allowed_lateness_s=0",
    "watermark.delay_s=60",
    "watermark.idle_s=5",
    "results.enabled=true",
]
# The trips know no speed limits: 65 mph stands for all of them.
PARAMETERS = {
    JOB: [*HISTORY, "speeding.limit_kmh=104.6"],
    SENSOR_JOB: [*HISTORY, "stations.enabled=true"],
}
RESTART_S = 60
WAIT_S = 180
POLL_S = 0.5
SETTLED_S = 8.0
DAYS = 2
ALERTS = ("hours_warning", "hours_breach")


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


def data_folders() -> list[Path]:
    """The bundled message lines: real trips, and a truck's long day."""
    return [places.project_root() / "data" / name for name in ("demo", "hours")]


def publish_trips(folders: Sequence[Path]) -> Published:
    """Publishes the bundled trips, moved so that each vehicle's last sample is now."""
    from kappafleet.publishing import Run, publish

    files = [file for folder in folders for file in line_files(folder)]
    fleets = {str((parsed(line) or {}).get("fleet_id", "default")) for line in lines(files)}
    at = datetime.now(UTC)
    samples = sum(publish(Run(folder, shift_to_now=True)).samples for folder in folders)
    return Published(tuple(sorted(fleets)), samples, at)


def sensor_folder() -> Path:
    """The bundled readings."""
    return places.project_root() / "data" / "sensors"


def publish_stations() -> None:
    """Publishes what is known of the stations: before the readings, so that all of them meet it."""
    from kappafleet.publishing import Run, publish

    publish(Run(places.project_root() / "data" / "stations"))


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
    for name in ("sensor", "place", "UTC", "what"):
        table.add_column(name, no_wrap=True)
    for name in ("mean", "max", "complete"):
        table.add_column(name, justify="right", no_wrap=True)
    known: dict[str, str] = {}  # rows of air_quality do not say it, and follow those of sensor_hour
    for row in rows:
        place = known.setdefault(row.sensor_id, getattr(row, "place", None) or "")
        who = (row.sensor_id, place, f"{row.hour_start:%d %H:%M}")
        if hasattr(row, "standard"):
            value = "" if row.index_value is None else str(row.index_value)
            table.add_row(*who, f"{row.scope or 'no index'} {row.standard}", value, "", row.category or "")
        else:
            what = f"{row.quantity}, {row.unit}"
            table.add_row(*who, what, _tenths(row.mean), _tenths(row.max), f"{row.completeness:.0%}")
    return table


def sensor_queries(rows: list[Any], keyspace: str, cql_port: int) -> list[str]:
    """Commands to try: a sensor's indices, hour by hour; what its station's hours were like, in words of old texts."""
    cqlsh = f".venv/bin/cqlsh {places.LOOPBACK} {cql_port} -k {keyspace} -e"
    air = next((each for each in rows if hasattr(each, "standard")), rows[0])
    hour = next((each for each in rows if getattr(each, "station_id", None)), None)
    found = [
        f'{cqlsh} "SELECT hour_start, standard, index_value, category, responsible FROM air_quality '
        f"WHERE sensor_id='{air.sensor_id}' AND month='{air.month}' LIMIT 12\""
    ]
    if hour is not None:
        found.append(
            f'{cqlsh} "SELECT hour_start, conditions, term, source FROM context_hour '
            f"WHERE station_id='{hour.station_id}' AND month='{hour.month}' LIMIT 5\""
        )
    return found


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


def alerts(session: Session, keyspace: str, rows: Iterable[Any]) -> list[Any]:
    """What driver_event says of these days' hours of driving: warnings and breaches, in the order of time."""
    query = session.prepare(f"SELECT * FROM {keyspace}.driver_event WHERE driver_id = ? AND day = ?")
    found = [event for row in rows for event in session.execute(query, (row.driver_id, row.day))]
    told = [each for each in found if each.type in ALERTS and each.superseded_by is None]
    return sorted(told, key=lambda event: event.event_time)


def drivers_table(rows: Iterable[Any]) -> Table:
    """The drivers' days as a table that fits 80 columns."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.title, table.title_justify = "Drivers' days, from Cassandra's table fleet_day", "left"
    table.caption, table.caption_justify = (
        "harsh: accelerations / brakings / corners; speeding: min:s above 65 mph, which stands for the limits "
        "that these trips lack; score: from 10 km on",
        "left",
    )
    for name in ("driver", "day"):
        table.add_column(name, no_wrap=True)
    for name in ("km", "drive", "idle", "top", "harsh", "speeding", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        speeding_s = row.speeding_minor_s + row.speeding_major_s + row.speeding_severe_s
        table.add_row(
            row.driver_id,
            row.day[5:],
            f"{row.distance_km:,.1f}",
            _in_sixties(row.drive_s / 60),
            _in_sixties(row.idle_s / 60),
            _number(row.max_speed_kmh),
            f"{row.harsh_accel}/{row.harsh_brake}/{row.harsh_corner}",
            _in_sixties(speeding_s) if speeding_s else "",
            _number(row.score),
        )
    return table


def alerts_table(events: Iterable[Any]) -> Table:
    """Warnings and breaches of drivers' hours."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.title, table.title_justify = "Drivers' hours, advisory, from driver_event", "left"
    table.caption, table.caption_justify = (
        "minutes driven, or since the last rest, of those that may be",
        "left",
    )
    for name in ("driver", "UTC", "event", "article"):
        table.add_column(name, no_wrap=True)
    for name in ("min", "of"):
        table.add_column(name, justify="right", no_wrap=True)
    for event in events:
        table.add_row(
            event.driver_id,
            event.event_time.strftime("%m-%d %H:%M"),
            event.type,
            event.article,
            _number(event.peak),
            _number(event.threshold),
        )
    return table


def queries(rows: list[Any], told: list[Any], keyspace: str, cql_port: int) -> list[str]:
    """Commands to try, each of a driver for whom there is something to see."""
    busiest = max(rows, key=lambda row: row.distance_km)
    harshest = max(rows, key=lambda row: row.harsh_accel + row.harsh_brake + row.harsh_corner)
    worst = min((row for row in rows if row.score is not None), key=lambda row: row.score, default=busiest)
    cqlsh = f".venv/bin/cqlsh {places.LOOPBACK} {cql_port} -k {keyspace} -e"
    who, month = busiest.driver_id, busiest.day[:7]
    found = [
        f"SELECT hour_start, distance_km, drive_s, idle_s FROM driver_hour WHERE driver_id='{who}' "
        f"AND day='{busiest.day}'",
        f"SELECT start_time, end_time, distance_km, max_speed_kmh, score FROM trip WHERE driver_id='{who}' "
        f"AND month='{month}' LIMIT 5",
        "SELECT event_time, type, peak, severity, derived, speed_kmh FROM driver_event "
        f"WHERE driver_id='{harshest.driver_id}' AND day='{harshest.day}'",
        "SELECT score, penalty_events, penalty_speeding, penalty_idle, formula FROM driver_day "
        f"WHERE driver_id='{worst.driver_id}' AND month='{worst.day[:7]}' AND day='{worst.day}'",
    ]
    if told:
        last = told[-1]
        found.append(
            "SELECT event_time, type, article, peak, threshold FROM driver_event "
            f"WHERE driver_id='{last.driver_id}' AND day='{last.day}'"
        )
    return [f'{cqlsh} "{query}"' for query in found]


def flink_url() -> str:
    """Where the job can be watched."""
    return f"http://{places.LOOPBACK}:{places.LocalPorts(places.port_offset()).rest}"


def rabbitmq_url() -> str:
    """Where the streams can be watched."""
    return f"http://{places.LOOPBACK}:{places.LocalPorts(places.port_offset()).management}"


def _in_sixties(value: float) -> str:
    """Minutes as hours and minutes, or seconds as minutes and seconds."""
    whole = round(value)
    return f"{whole // 60}:{whole % 60:02d}"


def _tenths(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
