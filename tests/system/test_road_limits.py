"""Limits of roads on real servers: one that is published while the job runs counts from then on, kills or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.driver_stats.oracle import oracle_tables
from kappafleet.connections import rabbitmq_connection
from kappafleet.publishing import Run, publish
from kappafleet.stack.stack import Stack
from kappafleet.streams import StreamSettings, stream_names
from tests.driver_stats.harness import cut_into, epoch_ms
from tests.driver_stats.jobs import Rows, write_lines
from tests.driver_stats.roads import Message, geohash, road_limit
from tests.system.pipeline import PARTITIONS, pipeline, wait_until
from tests.system.test_end_to_end import HISTORY, until_equal

OVERRIDES = [*HISTORY, "road_limits.enabled=true"]
T0 = epoch_ms("2026-03-02T04:00:00Z")
PART_MS = 20 * 60_000
LAT, LON = 52.5170, 13.3888
CELL = geohash(LAT, LON, 7)
LIMITS = [road_limit(CELL, kmh, T0 + part * PART_MS) for part, kmh in enumerate((50, 100, 80))]
BAD = {**LIMITS[0], "limit_kmh": "fast"}


@pytest.fixture
def road_limits(stack: Stack) -> Iterator[None]:
    """Nothing is known of roads before and afterwards: their stream keeps everything."""
    forget()
    yield
    forget()


def forget() -> None:
    with rabbitmq_connection() as connection:
        for stream in stream_names("road_limits", 1):
            connection.channel().queue_delete(stream)


def drive(vehicle: str, start: int, minutes: int = 20) -> list[Message]:
    """90 km/h on the spot."""
    samples = [
        {"t": start + second * 1000, "speed": 90.0, "lat": LAT, "lon": LON}
        for second in range(0, minutes * 60, 10)
    ]
    return list(cut_into(samples, 30, vehicle_id=vehicle, driver_id=f"driver of {vehicle}", seq=None))


def without_probes(tables: dict[str, Rows]) -> dict[str, Rows]:
    return {
        name: {key: row for key, row in rows.items() if "probe" not in json.dumps(row)}
        for name, rows in tables.items()
    }


def test_a_limit_published_while_the_job_runs_counts_for_later_samples_and_survives_kill_9(
    stack: Stack, road_limits: None, tmp_path: Path
) -> None:
    def sent(name: str, messages: list[Message], **options: Any) -> None:
        path = write_lines(tmp_path / f"{name}.jsonl", messages)
        publish(Run(path, streams=StreamSettings(partitions=PARTITIONS), **options))

    parts = [
        [each for vehicle in ("v-1", "v-2", "v-3") for each in drive(vehicle, T0 + part * PART_MS)]
        for part in range(3)
    ]
    with pipeline(stack, "roads") as of:
        sent("limit-0", [LIMITS[0], BAD])
        sent("part-0", parts[0], exchange=of.exchange)
        of.submit(OVERRIDES, parallelism=2)
        wait_until(
            lambda: of.checkpoints() > 0 and bool(of.read_tables()["vehicle_minute"]),
            120,
            "the first minutes",
        )

        sent("limit-1", [LIMITS[1]])
        probes = 0

        def is_known() -> bool:
            """Whether a probe was judged by the new limit; a later sample of whichever vehicle then is, too."""
            nonlocal probes
            sent("probe", drive(f"probe-{probes}", T0 + PART_MS, 3), exchange=of.exchange)
            probes += 1
            found = [
                row for row in of.read_tables()["vehicle_minute"].values() if "probe" in row["vehicle_id"]
            ]
            return any(row["drive_s"] and not row["speeding_severe_s"] for row in found)

        wait_until(is_known, 60, "a vehicle that is judged by the new limit")
        sent("part-1", parts[1], exchange=of.exchange)

        sent("limit-2", [LIMITS[2]])
        for victim in stack.taskmanagers:
            victim.kill()
        for victim in stack.taskmanagers:
            victim.start()
        sent("part-2", parts[2], exchange=of.exchange)

        of.read_tables, read = (lambda: without_probes(read())), of.read_tables  # type: ignore[method-assign]
        lines = [json.dumps(each).encode() for each in (*LIMITS, *parts[0], *parts[1], *parts[2])]
        expected = oracle_tables(lines, OVERRIDES)
        bands = {
            (row["speeding_severe_s"] > 0, row["speeding_minor_s"] > 0, row["minute_start"] >= start)
            for row in expected["vehicle_minute"].values()
            for start in ("2026-03-02T04:20",)
        }
        assert bands == {(True, False, False), (False, False, True), (False, True, True)}
        until_equal(of, expected, leave_out=("reject",))
        (reject,) = of.read_tables()["reject"].values()
        assert (reject["source"], reject["offset"]) == ("road_limits-0", 1)
        assert reject["reason"].startswith("not_a_number: limit_kmh")
        assert of.failures() >= 1
