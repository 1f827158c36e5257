"""A clock for what the operator does by the clock."""

from __future__ import annotations

import pytest

from jobs.driver_stats import present, vehicle_operator


class Clock:
    """In the place of the module time; it stands still until it is set."""

    START_MS = 1_700_002_800_000

    def __init__(self) -> None:
        self.ms = self.START_MS

    def time_ns(self) -> int:
        return self.ms * 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(vehicle_operator, "time", found)
    return found


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any mini-batch is a backlog's."""
    monkeypatch.setattr(present, "CROWD_MESSAGES", 1)
