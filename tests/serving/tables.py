"""Two versions of driver_stats' tables in a test's Cassandra, with a few drivers of two fleets.

Their numbers are none that a job takes; while the tests run, readers are told to use them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent

from connectors.cassandra_client import (
    active_version,
    change_active_version,
    create_meta,
    create_tables,
)
from schemas.tables import cql_text, table
from serving.store import keyspace_of

JOB = "driver_stats"
FIRST, SECOND = 901, 902
NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
HOSTILE = "=cmd|'/C calc'!A0\",\"<script>alert(1)</script>"
HOURS_OF_ANNA = 24 * 40


def fill(session: Session) -> None:
    """Makes the tables, with the rows that the tests name."""
    create_meta(session)
    for version in (FIRST, SECOND):
        create_tables(session, keyspace_of(JOB, version), cql_text(JOB))
    activate(session, FIRST)
    for hour in range(HOURS_OF_ANNA):
        start = NOW.replace(minute=0) - timedelta(hours=hour)
        insert(
            session,
            "driver_hour",
            driver_id="anna",
            day=str(start.date()),
            hour_start=start,
            distance_km=hour + 0.5,
        )
    for day in range(40):
        date = (NOW - timedelta(days=day)).date()
        fleet = "north" if day % 2 == 0 else "south"
        values = {
            "driver_id": "anna",
            "day": str(date),
            "distance_km": 100.0 + day,
            "score": 90.0,
            "final": day > 0,
        }
        insert(session, "driver_day", month=str(date)[:7], **values)
        insert(session, "fleet_day", fleet_id=fleet, **values)
    for week in ("2026-11-09", "2026-11-16"):
        insert(session, "driver_week", driver_id="anna", year="2026", week=week, distance_km=700.0)
    insert(
        session,
        "driver_rolling",
        driver_id="anna",
        month="2026-11",
        day="2026-11-21",
        days=28,
        distance_km=2800.0,
    )
    today = str(NOW.date())
    insert(session, "fleet_day", fleet_id="north", day=today, driver_id=HOSTILE, distance_km=1.0)
    insert(session, "fleet_day", fleet_id="south", day=today, driver_id="ben", distance_km=2.0)
    for minute in range(3):
        at = NOW - timedelta(minutes=minute)
        void = at if minute == 1 else None
        insert(session, "driver_event", driver_id="anna", day=today, event_time=at, type="harsh_brake",
               vehicle_id="van-7", fleet_id="north" if minute else "south", start_time=at, end_time=at, peak=4.2,
               unit="m/s2", severity="low", superseded_by=void)  # fmt: skip
        insert(session, "vehicle_minute", vehicle_id="van-7", day=today, minute_start=at.replace(second=0),
               driver_id="anna", fleet_id="north", mean_speed_kmh=40.0 + minute, max_speed_kmh=50.0)  # fmt: skip
    insert(session, "trip", driver_id="anna", month=today[:7], start_time=NOW - timedelta(hours=1), vehicle_id="van-7",
           end_time=NOW, fleet_id="north", distance_km=12.5, drive_s=2700.0, final=True)  # fmt: skip
    insert(session, "vehicle_live", fleet_id="north", vehicle_id="van-7", driver_id="anna", event_time=NOW,
           state="driving", lat=52.5, lon=13.4, speed_kmh=48.0)  # fmt: skip
    insert(
        session,
        "vehicle_live",
        fleet_id="south",
        vehicle_id="van-9",
        driver_id="ben",
        event_time=NOW,
        state="idle",
    )
    insert(session, "reject", day=today, source="telemetry-0", received_at=NOW, offset=7, reason="not JSON",
           body=b"\x00\xff", length=2, sha256="ab")  # fmt: skip
    insert(
        session, "driver_day", version=SECOND, driver_id="anna", month="2026-11", day=today, distance_km=7.0
    )
    write(session)


def insert(session: Session, name: str, version: int = FIRST, job: str = JOB, **values: Any) -> None:
    known = {column.name for column in table(job, name).columns}
    chosen = {column: value for column, value in values.items() if column in known and value is not None}
    marks = ", ".join("?" for _ in chosen)
    text = f"INSERT INTO {keyspace_of(job, version)}.{name} ({', '.join(chosen)}) VALUES ({marks})"
    _WAITING.append((_prepared(session, text), tuple(chosen.values())))


def write(session: Session) -> None:
    """Writes what was inserted, some at a time: a write waits for the disk, and too many at once for each other."""
    execute_concurrent(session, _WAITING, concurrency=20)
    _WAITING.clear()


def clear(session: Session, before: int | None, job: str = JOB) -> None:
    """Drops the tables, and tells readers what they were told before."""
    if before is None:
        session.execute("DELETE FROM kf_meta.active_version WHERE job = %s IF EXISTS", (job,))
    else:
        activate(session, before, job)
    for version in (FIRST, SECOND):
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace_of(job, version)}")


def activate(session: Session, version: int, job: str = JOB) -> None:
    expected = active_version(session, job)
    if expected != version:
        assert change_active_version(session, job, expected=expected, version=version)


_PREPARED: dict[str, Any] = {}
_WAITING: list[tuple[Any, tuple[Any, ...]]] = []


def _prepared(session: Session, text: str) -> Any:
    if text not in _PREPARED:
        _PREPARED[text] = session.prepare(text)
    return _PREPARED[text]
