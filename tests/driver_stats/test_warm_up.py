"""What is compiled beforehand is what the operator runs: nothing is left to compile in a job."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from jobs.compiled import config
from jobs.driver_stats import (
    distance,
    drive_minutes,
    emit,
    harsh,
    harsh_events,
    heads,
    idling,
    kernel,
    order,
    parts,
    present,
    speeding,
    tails,
    warm_up,
)
from tests.driver_stats.harness import VehicleHarness, cut_into

T0 = 1_700_000_000_000
MODULES: tuple[ModuleType, ...] = (
    kernel,
    distance,
    drive_minutes,
    emit,
    harsh,
    harsh_events,
    idling,
    speeding,
    order,
    parts,
    present,
    tails,
    heads,
)


def compiled() -> dict[str, Any]:
    """The types for which each function of the kernel is compiled."""
    return {
        f"{module.__name__}.{name}": list(function.signatures)
        for module in MODULES
        for name, function in vars(module).items()
        if hasattr(function, "signatures")
    }


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_a_batch_of_many_vehicles_needs_no_other_types_than_the_warm_up() -> None:
    """Arrays of one element are contiguous whatever their strides, which once hid that those of a job are not."""
    warm_up.main()
    before = compiled()
    harness = VehicleHarness(live=True)
    for start in (0, 100, 2000):
        harness.feed(
            [
                message
                for vehicle in ("v1", "v2", "v3")
                for message in cut_into(
                    [{"t": T0 + (start + n) * 1000, "speed": 50.0} for n in range(90)], 30, vehicle_id=vehicle
                )
            ]
        )
    harness.advance()
    assert compiled() == before
    assert all(len(types) == 1 for name, types in before.items() if name.endswith((".fold", ".advance")))
