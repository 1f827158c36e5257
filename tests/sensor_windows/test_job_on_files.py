"""The whole job in a Flink mini cluster, from files to files: the oracle's tables in any order and parallelism."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from jobs.sensor_windows.oracle import oracle_tables
from tests.driver_stats.jobs import FileJob, comparable, read_tables, run_jobs, write_lines
from tests.sensor_windows.harness import T0, sent

JOB = "sensor_windows"
OVERRIDES = ["neighbours.min_count=2", "stations.enabled=true"]
STATIONS = [
    {"schema": "station/1", "station_id": "x", "valid_from": T0 - 1, "place": "Torry", "region": "Aberdeen"},
    {"schema": "station/1", "station_id": "x", "valid_from": T0 + 12 * 3_600_000, "place": "Altens"},
]

BAD = [
    ("not_json", b"not json at all"),
    ("missing_id", b'{"samples":{"t":[1763683200000]}}'),
    ("out_of_range", b'{"sensor_id":"s-1","samples":{"t":[1763683200000],"pm10":[100001]}}'),
    ("out_of_range", b'{"sensor_id":"s-1","lat":91,"samples":{"t":[1763683200000],"pm10":[1]}}'),
    ("wrong_schema", b'{"schema":"telemetry/1","sensor_id":"s-1","samples":{"t":[1763683200000]}}'),
    ("time_order", b'{"sensor_id":"s-1","samples":{"t":[1763683200001,1763683200000]}}'),
    ("missing_field", b'{"schema":"station/1","valid_from":1,"place":"Torry"}'),
    ("unequal_lengths", b'{"sensor_id":"s-1","samples":{"t":[1763683200000],"pm10":[1,2]}}'),
]


def readings() -> list[dict[str, Any]]:
    """A day of four dust sensors in one cell, one of them high, a weather sensor at its station; first it is foggy."""
    rng = random.Random(5)
    found = []
    for at in range(0, 90_000, 600):
        times = [at + 150 * step for step in range(4)]
        for number in range(4):
            own = [rng.uniform(1, 30) + 60 * (number == 3) for _ in times]
            found.append(
                sent(
                    times,
                    sensor=f"s-{number}",
                    pm2_5=own,
                    pm10=[999.9, *own[1:]],
                    lat=57.1,
                    lon=-2.1 - number / 1e5,
                    **({"station_id": "high"} if number == 3 else {"station_id": "x"} if number == 1 else {}),
                )
            )
        found.append(
            sent(
                times,
                sensor="w",
                model="DHT22",
                temperature=[rng.uniform(15, 30) for _ in times],
                humidity=[98 if at < 7200 else 60] * 4,
                station_id="high",
            )
        )
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both runs, in one Java process: it is its start that takes the time."""
    folder = tmp_path_factory.mktemp("runs")
    messages = readings()
    bad = [body for _, body in BAD]
    one = write_lines(folder / "one.jsonl", [*bad, *STATIONS, *messages])
    shuffled = random.Random(3).sample([*messages, *messages[::7]], len(messages) + len(messages[::7]))
    other = write_lines(folder / "other.jsonl", [*shuffled, *reversed(STATIONS)])
    run_jobs(
        [
            FileJob(one, folder / "out-one", OVERRIDES, 1, JOB),
            FileJob(other, folder / "out-other", [*OVERRIDES, "batch.max_messages=7"], 2, JOB),
        ]
    )
    return folder


def test_the_tables_are_the_oracles(runs: Path) -> None:
    found = read_tables(runs / "out-one", JOB)
    expected = oracle_tables(runs / "one.jsonl", OVERRIDES)
    assert all(expected.values())
    rejects = sorted(found.pop("reject").values(), key=lambda row: row["offset"])
    del expected["reject"]
    assert comparable(found) == comparable(expected)
    told = [(row["reason"].partition(":")[0], bytes.fromhex(row["body"][2:])) for row in rejects]
    assert told == BAD
    assert {row["sensor_id"] for row in found["cell_hour"].values() if row["disagrees"]} == {"s-3"}
    context = [row for row in found["context_hour"].values() if row["station_id"] == "high"]
    assert {row["conditions"] for row in context} == {
        "pollutant:particulates,season:autumn",
        "pollutant:particulates,season:autumn,weather:damp,weather:fog",
    }
    assert all(row["final"] for row in found["sensor_hour"].values())
    places = {
        (row["place"], row["region"], row["hour_start"] < "2025-11-21T12")
        for row in found["sensor_hour"].values()
        if row["sensor_id"] == "s-1"
    }
    assert places == {("Torry", "Aberdeen", True), ("Altens", None, False)}


def test_order_copies_batches_and_subtasks_do_not_matter(runs: Path) -> None:
    one, other = read_tables(runs / "out-one", JOB), read_tables(runs / "out-other", JOB)
    del one["reject"], other["reject"]
    assert comparable(one) == comparable(other)
