"""The job is down for minutes while messages keep coming: how fast the backlog drains, and what it costs in heap."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.job import wait_until
from chaos.memory import Usage
from chaos.runner import Pipeline, Plan, Result, Told, judge, pipeline
from kappafleet.stack.stack import Stack

BEFORE_S, AFTER_S = 30.0, 30.0
"""Of quiet work, to compare the heap with."""

CAUGHT_UP_S = 2.0
"""A result that is not older than this says that the backlog is gone."""

DRAIN_LIMIT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Heap:
    """Used heap of all TaskManagers together in MB: at its lowest (mostly what is alive), and at its highest."""

    low: float
    high: float


@dataclass(slots=True)
class Drained:
    """How an outage went.

    Attributes:
        outage_s: How long no TaskManager ran.
        backlog: Messages published meanwhile, and until the first result.
        first_s: From the TaskManagers' start to the first result.
        drain_s: From the first result until results were fresh.
        drained: Messages in that time.
        heap: Before the outage, while the backlog drained, and afterwards.
    """

    outage_s: float = 0.0
    backlog: int = 0
    first_s: float = 0.0
    drain_s: float = 0.0
    drained: int = 0
    heap: dict[str, Heap] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Messages a second while the backlog drained."""
        return self.drained / self.drain_s if self.drain_s else 0.0


def run_outage(stack: Stack, plan: Plan, folder: Path, told: Told) -> tuple[Drained, Result]:
    """Lets the job work, ends all TaskManagers for ``plan.minutes``, starts them, and waits until results are fresh.

    Raises:
        UserError: the backlog does not drain, or a server does not start.
    """
    found, result = Drained(), Result()
    with pipeline(stack, plan, folder, told) as of:
        begun = time.monotonic()
        told.stage("quiet work")
        wait_until(lambda: time.monotonic() - begun > BEFORE_S and _fresh(of), 300, lambda: "fresh results")
        down = time.monotonic()
        told.stage("outage")
        for each in stack.taskmanagers:
            each.kill()
        processed = _index(of, of.probe.seen[-1].event_ms)
        while time.monotonic() - down < plan.minutes * 60:
            of.world.feed.check()
            told.tick(time.monotonic() - down, of.world.feed.totals.confirmed)
            time.sleep(0.2)
        up = time.monotonic()
        found.outage_s = up - down
        told.stage("drain")
        stack.up()
        wait_until(lambda: of.probe.seen[-1].at > up, 300, lambda: "a first result after the outage")
        first = next(each for each in of.probe.seen if each.at > up)
        found.first_s = first.at - up
        found.backlog = of.world.feed.lines - processed
        wait_until(lambda: _fresh(of), DRAIN_LIMIT_S, lambda: "the backlog to drain")
        last = of.probe.seen[-1]
        found.drain_s = last.at - first.at
        found.drained = _index(of, last.event_ms) - _index(of, first.event_ms)
        told.stage("quiet work again")
        wait_until(lambda: time.monotonic() - last.at > AFTER_S, 2 * AFTER_S, lambda: "the clock")
        result.seconds = time.monotonic() - begun
        judge(of, stack, folder, told, result)
        end = time.monotonic()
        spans = {"before": (begun, down), "while draining": (up, last.at), "after": (last.at, end)}
        found.heap = {name: _heap(of.memory.heap, *span) for name, span in spans.items()}
    return found, result


def _fresh(of: Pipeline) -> bool:
    """Whether the newest result is of a message that was published just now."""
    sent, seen = of.world.feed.probes, of.probe.seen
    if not seen:
        return False
    place = bisect_left(sent, seen[-1].event_ms, key=lambda each: each.event_ms)
    return time.monotonic() - sent[min(place, len(sent) - 1)].at < CAUGHT_UP_S


def _index(of: Pipeline, event_ms: int) -> int:
    """The place of a probe among all messages."""
    sent = of.world.feed.probes
    return sent[min(bisect_left(sent, event_ms, key=lambda each: each.event_ms), len(sent) - 1)].index


def _heap(usages: Mapping[str, Sequence[Usage]], begin: float, end: float) -> Heap:
    of_each = [
        [each.mb for each in found if begin <= each.at <= end]
        for name, found in usages.items()
        if name.startswith("taskmanager")
    ]
    return Heap(sum(min(each) for each in of_each if each), sum(max(each) for each in of_each if each))
