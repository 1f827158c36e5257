"""Station metadata on real servers: what is published while the job runs counts from then on, kills or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.sensor_windows.oracle import oracle_tables
from kappafleet.connections import rabbitmq_connection
from kappafleet.publishing import Run, publish
from kappafleet.stack.stack import Stack
from kappafleet.streams import StreamSettings, stream_names
from tests.driver_stats.jobs import write_lines
from tests.sensor_windows.harness import T0, sent
from tests.system.pipeline import PARTITIONS, pipeline, wait_until
from tests.system.test_end_to_end import HISTORY, until_equal
from tests.system.test_road_limits import without_probes

JOB = "sensor_windows"
OVERRIDES = [*HISTORY, "stations.enabled=true", "neighbours.min_count=1"]
HOUR_S = 3600
Message = dict[str, Any]


def station(station_id: str, hour: int, **known: Any) -> Message:
    """What is known of a station from this hour on."""
    valid_from = T0 + 1000 * HOUR_S * hour
    return {"schema": "station/1", "station_id": station_id, "valid_from": valid_from, **known}


STATIONS = [
    station("x", 0, place="Torry", region="Aberdeen"),
    station("x", 1, place="Altens", region="Aberdeen"),
    station("x", 2, place="Cove", surroundings="coast"),
]
BAD = station("x", 0, place=7)


def hour_of(number: int) -> list[Message]:
    """An hour of two dust sensors at the station, and of one that names none."""
    times = [HOUR_S * number + 150 * step for step in range(24)]
    return [
        sent(
            times[at : at + 8],
            sensor=f"s-{sensor}",
            pm10=[20.0 + sensor + step for step in range(8)],
            lat=57.1,
            lon=-2.1,
            **({"station_id": "x"} if sensor else {}),
        )
        for at in range(0, 24, 8)
        for sensor in range(3)
    ]


@pytest.fixture
def stations(stack: Stack) -> Iterator[None]:
    """Nothing is known of stations before and afterwards: their stream keeps everything."""
    forget()
    yield
    forget()


def forget() -> None:
    with rabbitmq_connection() as connection:
        for stream in stream_names("stations", 1):
            connection.channel().queue_delete(stream)


def test_what_is_published_while_the_job_runs_counts_for_later_windows_and_survives_kill_9(
    stack: Stack, stations: None, tmp_path: Path
) -> None:
    def told(name: str, messages: list[Message], **options: Any) -> None:
        path = write_lines(tmp_path / f"{name}.jsonl", messages)
        publish(Run(path, streams=StreamSettings(partitions=PARTITIONS), **options))

    with pipeline(stack, "stations", JOB) as of:

        def measured(name: str, messages: list[Message]) -> None:
            told(name, messages, exchange=of.exchange, id_field="sensor_id")

        told("station-0", [STATIONS[0], BAD])
        measured("hour-0", hour_of(0))
        of.submit(OVERRIDES, parallelism=2)
        wait_until(
            lambda: of.checkpoints() > 0 and bool(of.read_tables()["sensor_hour"]), 120, "the first hours"
        )

        told("station-1", [STATIONS[1], station("probe", 1, place="known")])
        probes = 0

        def is_known() -> bool:
            """Whether a probe's window knew its station, which was published after the other one."""
            nonlocal probes
            measured("probe", [sent([HOUR_S], sensor=f"probe-{probes}", pm10=[1.0], station_id="probe")])
            probes += 1
            return any(row["place"] == "known" for row in of.read_tables()["sensor_5min"].values())

        wait_until(is_known, 60, "a window that knows the new station")
        measured("hour-1", hour_of(1))

        told("station-2", [STATIONS[2]])
        for victim in stack.taskmanagers:
            victim.kill()
        for victim in stack.taskmanagers:
            victim.start()
        measured("hour-2", hour_of(2))

        of.read_tables, read = (lambda: without_probes(read())), of.read_tables  # type: ignore[method-assign]
        lines = [json.dumps(each).encode() for each in (*STATIONS, *hour_of(0), *hour_of(1), *hour_of(2))]
        expected = oracle_tables(lines, OVERRIDES)
        assert [
            {row["place"] for row in expected["sensor_hour"].values() if row["hour_start"][11:13] == hour}
            for hour in ("00", "01", "02")
        ] == [{None, "Torry"}, {None, "Altens"}, {None, "Cove"}]
        until_equal(of, expected, leave_out=("reject", "sensor_live"))
        (reject,) = of.read_tables()["reject"].values()
        assert (reject["source"], reject["offset"]) == ("stations-0", 1)
        assert reject["reason"].startswith("not_a_text: place")
        assert of.failures() >= 1
