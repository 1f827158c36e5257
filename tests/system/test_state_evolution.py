"""Savepoints of older state layouts, kept in tests/driver_stats/savepoints, restore and go on exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.driver_stats.oracle import oracle_tables
from kappafleet.connections import rabbitmq_connection
from kappafleet.stack.stack import Stack
from tests.driver_stats.harness import epoch_ms
from tests.driver_stats.jobs import Rows, comparable
from tests.driver_stats.savepoints.kept import ARCHIVE, Kept, unpack
from tests.driver_stats.savepoints.restorable import Restorable, restorable
from tests.publisher.wire import stored
from tests.system.pipeline import wait_until

SAVEPOINTS = Path(__file__).resolve().parents[1] / "driver_stats" / "savepoints"
FOLDERS = sorted(each.parent for each in SAVEPOINTS.glob(f"v*/{ARCHIVE}"))
MORE = {FOLDERS[-1]: ["road_limits.enabled=true"]}
"""Reference data that the job had not before: it goes on all the same."""
WINDOWS = {"driver_hour": 3_600_000, "driver_day": 86_400_000, "fleet_day": 86_400_000}
PARALLELISM = 1
"""Not the savepoints' own: key groups and streams move, too."""
LIMIT_S = 300

Tables = dict[str, Rows]


@pytest.fixture(params=FOLDERS, ids=[each.name for each in FOLDERS])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_a_savepoint_of_an_older_layout_goes_on_where_it_was(
    stack: Stack, folder: Path, tmp_path: Path
) -> None:
    """Rows that began before the savepoint hold the sums of both sides of it; nothing is missing or made twice."""
    kept = Kept.read(folder)
    first, second = kept.halves()
    expected, required = expectations(kept)
    savepoint = unpack(folder, tmp_path / "unpacked")
    with restorable(stack, f"evolution_{folder.name}", list(kept.exchanges)) as of:
        of.publish_half(first, tmp_path)
        check_offsets(first)
        of.publish_half(second, tmp_path)
        of.start(
            [*kept.settings_to_go_on(), "watermark.idle_s=3", *MORE.get(folder, [])], PARALLELISM, savepoint
        )
        until_complete(of, kept, expected, required)
        assert of.failures() == 0
        # Had it begun at the streams' start, the tables would be the same, and more: what was over is not made again.
        assert not of.read_tables()["vehicle_minute"].keys() & first_minutes(expected).keys()


def expectations(kept: Kept) -> tuple[Tables, dict[str, set[tuple[Any, ...]]]]:
    """The tables of the whole input, and the keys of the rows that a job must write after the savepoint.

    These are the rows that the second half changes or adds, and the windows that were open.
    """
    first, second = ([line for messages in half.values() for line in messages] for half in kept.halves())
    settings = kept.settings_to_go_on()
    expected = valid(kept, oracle_tables([*first, *second], settings))
    unchanged = valid(kept, oracle_tables(first, settings))
    watermark_ms = kept.watermark_ms()
    required = {
        name: {key for key, row in rows.items() if row != unchanged[name].get(key)}
        for name, rows in expected.items()
    }
    for name, length in WINDOWS.items():
        required[name] |= {
            key for key, row in expected[name].items() if window_start(row) + length > watermark_ms
        }
    assert all(required[name] for name in expected if name != "reject")
    return expected, required


def first_minutes(expected: Tables) -> Rows:
    """Each vehicle's first minute; it was over long before the savepoint."""
    minutes = expected["vehicle_minute"]
    earliest: dict[str, str] = {}
    for row in minutes.values():
        vehicle, start = row["vehicle_id"], row["minute_start"]
        earliest[vehicle] = min(start, earliest.get(vehicle, start))
    return {key: row for key, row in minutes.items() if row["minute_start"] == earliest[row["vehicle_id"]]}


def window_start(row: dict[str, Any]) -> int:
    """Epoch ms of an hour or a day."""
    return epoch_ms(row["hour_start"] if "hour_start" in row else f"{row['day']}T00:00:00Z")


def valid(kept: Kept, found: Tables) -> Tables:
    """What readers see, without what may differ between runs."""
    return {
        name: {key: row for key, row in rows.items() if row.get("superseded_by") is None}
        for name, rows in comparable(found, without=kept.may_differ()).items()
    }


def check_offsets(first: dict[str, list[bytes]]) -> None:
    """The streams hold the first half as they did at the savepoint, so that its offsets mean the same."""
    with rabbitmq_connection() as connection:
        for exchange, messages in first.items():
            assert [each.body for each in stored(connection, exchange, 1)] == messages


def until_complete(
    of: Restorable, kept: Kept, expected: Tables, required: dict[str, set[tuple[Any, ...]]]
) -> None:
    """Waits until all required rows are there and every row there is an expected one."""
    last: dict[str, Any] = {}

    def complete() -> bool:
        last.clear()
        for name, rows in valid(kept, of.read_tables()).items():
            wrong = {
                key: (row, expected[name].get(key))
                for key, row in rows.items()
                if row != expected[name].get(key)
            }
            missing = required[name] - rows.keys()
            if wrong or missing:
                last[name] = (len(missing), len(wrong), str([*missing, *wrong.items()][0])[:800])
        return not last

    try:
        wait_until(complete, LIMIT_S, "the tables of the whole input")
    except AssertionError as error:
        raise AssertionError(f"{error}; job {of.status()}; missing, wrong, the first: {last}") from None
