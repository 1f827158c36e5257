"""A few rows of the jobs beside driver_stats: a sensor, its cell and station, what Anna breathed, Alice's pulse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from cassandra.cluster import Session

from connectors.cassandra_client import create_tables
from schemas.tables import cql_text
from serving.store import keyspace_of
from tests.serving.tables import FIRST, borrowed, insert, write

SENSORS, EXPOSURE, METRICS = "sensor_windows", "driver_exposure", "metrics"
METRIC, KEY = "heart_rate", "alice"
SENSOR, AREA, CELL = "sc-3659", "u33d", "u33db"
STATION = f"sensor:{SENSOR}"
HOUR = datetime(2026, 11, 21, 11, tzinfo=UTC)
DAY = str(HOUR.date())


@contextmanager
def other_tables(session: Session) -> Iterator[Session]:
    """The tables with their rows, active for the duration of a ``with`` block."""
    with ExitStack() as jobs:
        for job in (SENSORS, EXPOSURE, METRICS):
            jobs.enter_context(borrowed(session, job, FIRST))
            create_tables(session, keyspace_of(job, FIRST), cql_text(job))
        _fill(session)
        yield session


def _fill(session: Session) -> None:
    window: dict[str, Any] = {
        "sensor_id": SENSOR,
        "quantity": "pm2_5",
        "unit": "ug/m3",
        "mean": 8.25,
        "completeness": 0.9,
        "qc_flag": 1,
    }
    put = {"version": FIRST, "job": SENSORS}
    insert(session, "sensor_5min", **put, **window, day=DAY, window_start=HOUR.replace(minute=55))
    insert(session, "sensor_hour", **put, **window, month=DAY[:7], hour_start=HOUR)
    insert(session, "sensor_day", **put, **window, year=DAY[:4], day=DAY)
    insert(session, "air_quality", **put, sensor_id=SENSOR, month=DAY[:7], hour_start=HOUR, standard="epa-2024",
           in_force=True, index_value=46, category="Good", responsible="pm2_5")  # fmt: skip
    insert(session, "sensor_flag", **put, sensor_id=SENSOR, day=DAY, time=HOUR, quantity="pm2_5", value=999.0,
           qc_flag=4, qc_tests="gross_range")  # fmt: skip
    insert(
        session,
        "sensor_live",
        **put,
        area=AREA,
        sensor_id=SENSOR,
        event_time=HOUR,
        pm2_5=8.0,
        index_value=46,
        category="Good",
        standard="epa-2024",
        responsible="pm2_5",
        lat=52.5,
        lon=13.4,
    )
    for rank, void in ((1, None), (2, HOUR)):
        insert(session, "context_hour", **put, station_id=STATION, month=DAY[:7], hour_start=HOUR, rank=rank,
               term=f"term {rank}", score=1.0 / rank, superseded_by=void)  # fmt: skip
    for sensor in (SENSOR, "sc-3660"):
        insert(session, "cell_hour", **put, cell=CELL, day=DAY, hour_start=HOUR, quantity="pm2_5", sensor_id=sensor,
               mean=8.25, neighbours_median=8.0, neighbours=1, disagrees=False)  # fmt: skip
    put = {"version": FIRST, "job": EXPOSURE}
    insert(session, "driver_exposure", **put, driver_id="anna", day=DAY, hour_start=HOUR, on_road_s=545.0,
           known_s=235.0, coverage=0.4, pm2_5_ug_h=1.68, pm2_5_mean=25.8, sensors=2)  # fmt: skip
    insert(session, "event_weather", **put, driver_id="anna", day=DAY, event_time=HOUR, type="harsh_brake",
           vehicle_id="van-7", cell=CELL, temperature=9.4, sensors=2)  # fmt: skip
    insert(session, "reject", **put, day=DAY, source="observations-0", received_at=HOUR, offset=7, reason="not JSON",
           body=b"x", length=1, sha256="ab")  # fmt: skip
    put = {"version": FIRST, "job": METRICS, "metric": METRIC, "id": KEY, "day": DAY, "window": "1m"}
    for minute in (0, 1):
        at = HOUR.replace(minute=minute)
        insert(session, "metric_window", **put, window_start=at, field="bpm", unit="1/min", count=60,
               mean=120.0 + minute, p50=121.0, p99=150.0, marks="high", final=True, n_samples=60)  # fmt: skip
        insert(session, "metric_event", **put, window_start=at, threshold="high", field="bpm", severity="warning",
               aggregate="p50", value=121.0 + minute, above=120.0, unit="1/min",
               superseded_by=None if minute else HOUR)  # fmt: skip
    insert(session, "reject", version=FIRST, job=METRICS, day=DAY, source="heart_rate-0", received_at=HOUR, offset=7,
           reason="not JSON", body=b"x", length=1, sha256="ab")  # fmt: skip
    write(session)
