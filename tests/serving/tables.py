"""Two versions of driver_stats' tables in a test's Cassandra, with a few drivers of two fleets.

Their numbers are none that a job takes; while the tests run, readers are told to use them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
FIRST, SECOND, OF_A_JOB = VERSIONS = 901, 902, 905
"""Tables that tests fill themselves, and tables that a job of a test fills."""
NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
HOSTILE = "=cmd|'/C calc'!A0\",\"<script>alert(1)</script>"
HOURS_OF_ANNA = 24 * 40


def fill(session: Session) -> None:
    """Makes the tables, with the rows that the tests name; readers must use the first ones already."""
    for version in (FIRST, SECOND):
        create_tables(session, keyspace_of(JOB, version), cql_text(JOB))
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


@contextmanager
def borrowed(session: Session, job: str, version: int) -> Iterator[None]:
    """Readers use a version of the tests' for the duration of a ``with`` block; its tables are gone afterwards.

    What they were told before stands in a table meanwhile: if this process is killed, the next one gives it back.
    """
    create_meta(session)
    give_back(session, job)
    before = active_version(session, job)
    if (
        before is not None and before >= FIRST
    ):  # left by a test that was killed, and told nobody what was before
        before = None
        session.execute("DELETE FROM kf_meta.active_version WHERE job = %s IF EXISTS", (job,))
    session.execute(f"INSERT INTO {_BORROWED} (job, version) VALUES (%s, %s)", (job, before))
    try:
        activate(session, version, job)
        yield
    finally:
        give_back(session, job)


def give_back(session: Session, job: str) -> None:
    """Drops the tests' tables of a job, and tells readers what they were told before, where that is known."""
    keyspace = _BORROWED.partition(".")[0]
    session.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    )
    session.execute(f"CREATE TABLE IF NOT EXISTS {_BORROWED} (job text PRIMARY KEY, version int)")
    kept = session.execute(f"SELECT version FROM {_BORROWED} WHERE job = %s", (job,)).one()
    if kept is not None:
        if kept.version is None:
            session.execute("DELETE FROM kf_meta.active_version WHERE job = %s IF EXISTS", (job,))
        else:
            activate(session, kept.version, job)
        session.execute(f"DELETE FROM {_BORROWED} WHERE job = %s", (job,))
    for version in VERSIONS:
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace_of(job, version)}")


def activate(session: Session, version: int, job: str = JOB) -> None:
    expected = active_version(session, job)
    if expected != version:
        assert change_active_version(session, job, expected=expected, version=version)


_BORROWED = "kf_test_borrowed.active_version"
_PREPARED: dict[str, Any] = {}
_WAITING: list[tuple[Any, tuple[Any, ...]]] = []


def _prepared(session: Session, text: str) -> Any:
    if text not in _PREPARED:
        _PREPARED[text] = session.prepare(text)
    return _PREPARED[text]
