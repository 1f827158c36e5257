"""The traffic of a run: what it promises to contain, and that a seed replays it."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import islice, pairwise
from typing import Any

import pytest

from chaos.runner import HISTORY
from chaos.traffic import DISPLACED_MS, NOBODYS, PROBE, PROBE_STEP_MS, START_MS, Line, Traffic
from jobs.driver_stats.oracle import oracle_settings, read
from jobs.log_lines import Line as LogLine
from kappafleet.streams import ASSIGNMENTS

COUNT = 12_000
"""Two minutes at the default rate."""


@pytest.fixture(scope="module")
def plain() -> list[Line]:
    return list(islice(Traffic(1, displaced=False, backlogs=False).lines(), COUNT))


def good(lines: list[Line]) -> list[dict[str, Any]]:
    """The messages that are not meant to be refused."""
    found = []
    for line in lines:
        try:
            message = json.loads(line.body)
        except ValueError:
            continue
        is_login = message.get("schema") == "assignment/1"
        if not is_login and not str(message.get("driver_id")).startswith("invalid"):
            found.append(message)
    return found


def logged_in(lines: list[Line]) -> list[dict[str, Any]]:
    return [json.loads(line.body) for line in lines if line.exchange == ASSIGNMENTS]


def by_vehicle(messages: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    for message in messages:
        found[message["vehicle_id"]].append(message)
    return found


def test_a_seed_gives_the_same_messages_and_another_one_others(plain: list[Line]) -> None:
    assert list(islice(Traffic(1, displaced=False, backlogs=False).lines(), 500)) == plain[:500]
    assert list(islice(Traffic(2, displaced=False, backlogs=False).lines(), 500)) != plain[:500]


def test_messages_are_unique_so_that_copies_in_the_log_can_be_counted(plain: list[Line]) -> None:
    assert len({line.body for line in plain}) == len(plain)


def test_messages_hold_five_to_twenty_samples_unless_a_stretch_ends(plain: list[Line]) -> None:
    sizes = [len(each["samples"]["t"]) for each in good(plain) if each["vehicle_id"] != PROBE]
    assert max(sizes) == 20
    assert sum(size >= 5 for size in sizes) > 0.9 * len(sizes)


def test_without_further_features_each_vehicle_comes_in_the_order_of_time(plain: list[Line]) -> None:
    for messages in by_vehicle(good(plain)).values():
        times = [t for each in messages for t in each["samples"]["t"]]
        assert all(a < b for a, b in pairwise(times))
        assert all(a["seq"] + 1 == b["seq"] for a, b in pairwise(messages))


def test_bad_messages_are_few_and_of_many_kinds_and_the_others_are_accepted(plain: list[Line]) -> None:
    log = read([LogLine(line.body, "", 1) for line in plain], oracle_settings(HISTORY))
    rejects = log.rejects
    assert 20 < len(rejects) < 100
    assert log.messages - len(rejects) == len(good(plain)) + len(logged_in(plain))
    assert len({str(each["reason"]).partition(":")[0] for each in rejects}) >= 6


def test_two_minutes_close_minutes_hours_and_a_day(plain: list[Line]) -> None:
    hours = {t // 3_600_000 for each in good(plain) for t in each["samples"]["t"]}
    assert min(hours) == START_MS // 3_600_000
    assert len(hours) >= 2
    assert len({hour // 24 for hour in hours}) == 2


def test_every_probe_makes_a_new_live_row(plain: list[Line]) -> None:
    times = [line.at_ms for line in plain if line.vehicle_id == PROBE]
    assert len(times) > COUNT / 30
    assert all(b - a >= PROBE_STEP_MS for a, b in pairwise(times))


def test_displaced_samples_are_less_than_ten_seconds_older_than_the_newest() -> None:
    displaced = 0
    for messages in by_vehicle(
        good(list(islice(Traffic(1, displaced=True, backlogs=False).lines(), COUNT)))
    ).values():
        newest = 0
        for each in messages:
            times = each["samples"]["t"]
            assert times == sorted(times)
            assert newest - times[0] < DISPLACED_MS
            displaced += times[0] < newest
            newest = max(newest, times[-1])
    assert displaced > 500


def test_displacing_neither_loses_nor_adds_a_sample() -> None:
    """Of one vehicle; the messages' cuts differ, so the last ones may not be out yet."""

    def times(traffic: Traffic) -> list[int]:
        messages = by_vehicle(good(list(islice(traffic.lines(), COUNT))))["chaos-001"]
        return sorted(t for each in messages for t in each["samples"]["t"])

    moved, still = (
        times(Traffic(1, displaced=True, backlogs=False)),
        times(Traffic(1, displaced=False, backlogs=False)),
    )
    assert len(set(moved)) == len(moved)
    assert moved[0] == still[0]


def test_backlogs_ascend_and_lie_where_the_vehicle_sent_nothing() -> None:
    backlogs = 0
    for messages in by_vehicle(
        good(list(islice(Traffic(1, displaced=False, backlogs=True).lines(), 2 * COUNT)))
    ).values():
        live: list[tuple[int, int]] = []
        stored: list[tuple[int, int]] = []
        for each in messages:
            times = each["samples"]["t"]
            (stored if live and times[0] < live[-1][1] else live).append((times[0], times[-1]))
        backlogs += len(stored)
        for lane in (live, stored):
            assert all(a[1] < b[0] for a, b in pairwise(lane))
        for first, last in stored:
            assert not any(start <= last and first <= end for start, end in live)
    assert backlogs > 100


def test_what_is_stored_is_never_displaced() -> None:
    """Beside both features at once: a message that begins ten seconds behind the newest sample is of a backlog."""
    both = list(islice(Traffic(1).lines(), 2 * COUNT))
    stored = 0
    for messages in by_vehicle(good(both)).values():
        newest = last = 0
        for each in messages:
            times = each["samples"]["t"]
            if newest - times[0] >= DISPLACED_MS:
                assert times[0] > last
                last = times[-1]
                stored += 1
            newest = max(newest, times[-1])
    assert stored > 100


def test_drivers_log_in_late_and_within_trips_and_two_have_a_vehicle_in_a_day() -> None:
    lines = list(islice(Traffic(1).lines(), COUNT))
    names = {each["vehicle_id"] for each in good(lines) if "driver_id" not in each} - {PROBE}
    told = logged_in(lines)
    assert {each["vehicle_id"] for each in told} == names - {f"chaos-{NOBODYS:03d}"}
    assert {each["driver_id"] for each in told} >= {"anna", "ben", None}
    late = [
        line.at_ms - each["t"]
        for line, each in ((line, json.loads(line.body)) for line in lines if line.exchange)
    ]
    assert min(late) > 0
    assert sum(each > 5 * 60_000 for each in late) > 5
    assert len({(each["vehicle_id"], each["seq"]) for each in told}) == len(told)
    by_time: dict[tuple[str, int], set[Any]] = defaultdict(set)
    for each in told:
        by_time[each["vehicle_id"], each["t"]].add(each["seq"])
    assert any(len(seqs) == 2 for seqs in by_time.values()), "none is corrected"
    log = read([LogLine(line.body, "", at) for at, line in enumerate(lines)], oracle_settings(HISTORY))
    assert len(log.rejects) < 100
    assert sum(map(len, log.logins.values())) == len(by_time)
