"""Two minutes of chaos on the test servers: whatever dies, every row is as it should be. `make chaos` runs longer."""

from __future__ import annotations

from pathlib import Path

from chaos import report
from chaos.runner import LINES, Plan, Told, run
from chaos.schedule import schedule
from chaos.traffic import Traffic
from kappafleet.stack.stack import Stack

SEED, MINUTES, RATE = 2, 2, 50


def test_every_row_is_as_the_oracle_says_after_two_minutes_of_faults(stack: Stack, tmp_path: Path) -> None:
    plan = Plan(Traffic(SEED), RATE, MINUTES, schedule(SEED, MINUTES), name="chaos_test")
    assert len({fault.kind for fault in plan.faults}) >= 4
    try:
        result = run(stack, plan, tmp_path, Told())
    finally:
        stack.up()
    assert result.exact, (
        report.verdict(result),
        result.faults,
        [each for each in result.tables if not each.same],
    )
    assert b'"assignment/1"' in (tmp_path / LINES).read_bytes()
    assert len(result.faults) == len(plan.faults)
    assert result.messages >= RATE * MINUTES * 60
    assert min(each.equal for each in result.tables) > 0
