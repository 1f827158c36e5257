"""The schedule of faults: a pure function of seed and minutes."""

from __future__ import annotations

import pytest

from chaos.schedule import END_S, KILLS, SHAPES, Kind, schedule

SEEDS = range(200)


def test_the_same_seed_and_length_give_the_same_schedule() -> None:
    assert schedule(7, 10) == schedule(7, 10)
    assert len({schedule(seed, 10) for seed in SEEDS}) == len(SEEDS)
    assert schedule(7, 10) != schedule(7, 9)


@pytest.mark.parametrize("minutes", [1, 2, 5, 10, 30])
def test_no_fault_begins_before_the_one_before_it_is_over_and_all_end_in_time(minutes: float) -> None:
    for seed in SEEDS:
        free = 0.0
        for number, fault in enumerate(schedule(seed, minutes), 1):
            shape = SHAPES[fault.kind]
            assert fault.number == number
            assert fault.at_s >= free - 0.01
            assert shape.hold_s[0] <= fault.hold_s <= shape.hold_s[1]
            assert 0 <= fault.pick <= 1
            free = fault.at_s + shape.longest_s
        assert free <= minutes * 60 - END_S + 0.01


def test_ten_minutes_hold_at_least_twenty_faults_of_all_that_can_die_freeze_or_fill_up() -> None:
    always = {
        *KILLS,
        Kind.ZOOKEEPER,
        Kind.EVERYTHING,
        Kind.LINK_FROZEN,
        Kind.LINK_LOST,
        Kind.REFUSED,
        Kind.SUSPENDED,
        Kind.DISK_FULL,
        Kind.COPIES,
        Kind.SAVEPOINT,
        Kind.RESCALE_UP,
        Kind.RESCALE_DOWN,
    }
    for seed in SEEDS:
        kinds = [fault.kind for fault in schedule(seed, 10)]
        assert len(kinds) >= 20
        assert always <= set(kinds)
        assert any(kind.endswith("SIGTERM") for kind in kinds)


def test_two_minutes_hold_four_kinds_with_the_kills_of_the_three_servers() -> None:
    for seed in SEEDS:
        kinds = {fault.kind for fault in schedule(seed, 2)}
        assert len(kinds) >= 4
        assert {Kind.TASKMANAGER, Kind.RABBITMQ, Kind.CASSANDRA} <= kinds


def test_the_job_is_rescaled_up_and_down_in_turns() -> None:
    for seed in SEEDS:
        turns = [fault.kind for fault in schedule(seed, 30) if fault.kind.startswith("rescale")]
        assert turns == [(Kind.RESCALE_UP, Kind.RESCALE_DOWN)[index % 2] for index in range(len(turns))]


def test_only_the_wanted_kinds_are_used() -> None:
    assert {fault.kind for fault in schedule(1, 5, [Kind.COPIES])} == {Kind.COPIES}


def test_a_run_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        schedule(1, 0.2)
