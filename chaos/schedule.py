"""Which fault comes when: a pure function of the seed and of the length of the run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong."""

    TASKMANAGER = "taskmanager kill -9"
    JOBMANAGER = "jobmanager kill -9"
    RABBITMQ = "rabbitmq kill -9"
    CASSANDRA = "cassandra kill -9"
    ZOOKEEPER = "zookeeper kill -9"
    EVERYTHING = "everything kill -9"
    LINK_FROZEN = "broker link freezes, thaws"
    LINK_LOST = "broker link half-open"
    REFUSED = "cassandra refuses"
    SUSPENDED = "cassandra hangs"
    DISK_FULL = "checkpoint folder full"
    COPIES = "confirmed messages again"
    TERM_TASKMANAGER = "taskmanager SIGTERM"
    TERM_JOBMANAGER = "jobmanager SIGTERM"
    TERM_RABBITMQ = "rabbitmq SIGTERM"
    TERM_CASSANDRA = "cassandra SIGTERM"
    SAVEPOINT = "stop with savepoint, resume"
    RESCALE_UP = "rescale 1 to 2"
    RESCALE_DOWN = "rescale 2 to 1"


@dataclass(frozen=True, slots=True)
class Shape:
    """How long one kind of fault lasts.

    Attributes:
        hold_s: Least and longest time until it is mended.
        settle_s: Kept free after it, so that its recovery can be told from the next fault's.
    """

    hold_s: tuple[float, float]
    settle_s: float

    @property
    def longest_s(self) -> float:
        """Time to plan for it."""
        return self.hold_s[1] + self.settle_s


SHAPES = {
    Kind.TASKMANAGER: Shape((1, 4), 13),
    Kind.JOBMANAGER: Shape((1, 4), 18),
    Kind.RABBITMQ: Shape((1, 5), 14),
    Kind.CASSANDRA: Shape((1, 5), 16),
    Kind.ZOOKEEPER: Shape((1, 4), 10),
    Kind.EVERYTHING: Shape((1, 3), 35),
    Kind.LINK_FROZEN: Shape((33, 40), 8),
    Kind.LINK_LOST: Shape((1, 1), 36),
    Kind.REFUSED: Shape((60, 60), 10),
    Kind.SUSPENDED: Shape((8, 15), 10),
    Kind.DISK_FULL: Shape((8, 14), 8),
    Kind.COPIES: Shape((0, 0), 6),
    Kind.TERM_TASKMANAGER: Shape((1, 3), 13),
    Kind.TERM_JOBMANAGER: Shape((1, 3), 18),
    Kind.TERM_RABBITMQ: Shape((1, 3), 16),
    Kind.TERM_CASSANDRA: Shape((1, 3), 18),
    Kind.SAVEPOINT: Shape((0, 0), 24),
    Kind.RESCALE_UP: Shape((0, 0), 24),
    Kind.RESCALE_DOWN: Shape((0, 0), 24),
}

KILLS = (Kind.TASKMANAGER, Kind.RABBITMQ, Kind.CASSANDRA, Kind.JOBMANAGER)
TERMS = (Kind.TERM_TASKMANAGER, Kind.TERM_RABBITMQ, Kind.TERM_CASSANDRA, Kind.TERM_JOBMANAGER)
ONCE = (
    Kind.REFUSED,
    Kind.LINK_FROZEN,
    Kind.LINK_LOST,
    Kind.SUSPENDED,
    Kind.DISK_FULL,
    Kind.EVERYTHING,
    Kind.ZOOKEEPER,
    Kind.SAVEPOINT,
)
SHORT = (Kind.COPIES, Kind.TASKMANAGER, Kind.RABBITMQ, Kind.CASSANDRA)
"""What even the shortest run has."""

START_S = 4.0
END_S = 5.0
"""Free of faults at the start and at the end."""

LOW_S = 0.5
"""Least pause before a fault; pauses are spread over what is left of the run."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a schedule.

    Attributes:
        number: From 1, in the order of time.
        at_s: When it begins, in seconds after the start of the run; not before the one before it is over.
        kind: What happens.
        hold_s: How long until it is mended.
        pick: From 0 to 1: chooses between several victims, and how many messages are copied.
    """

    number: int
    at_s: float
    kind: Kind
    hold_s: float
    pick: float


def schedule(seed: int, minutes: float, only: Sequence[Kind] = ()) -> tuple[Fault, ...]:
    """The faults of a run.

    It begins with what every run has (SHORT), as far as time allows; then come the other kinds once each, and
    then kills again until the time is used up; all of that in random order. Rescaling up and down stays in order.

    Args:
        seed: Decides everything that is random.
        minutes: Length of the run.
        only: Kinds to choose from; empty: all.

    Raises:
        ValueError: the run is too short for a single fault.
    """
    rng = random.Random(f"faults of {seed}")
    room = minutes * 60 - START_S - END_S
    kinds = _kinds(rng, room, only)
    if not kinds:
        raise ValueError(f"{minutes:g} minutes are too short for any fault")
    rng.shuffle(kinds)
    kinds = _rescaling_in_order(kinds)
    spare = room - sum(SHAPES[kind].longest_s + LOW_S for kind in kinds)
    shares = [rng.random() for _ in kinds]
    at = START_S
    found = []
    for number, (kind, share) in enumerate(zip(kinds, shares, strict=True), 1):
        at += LOW_S + spare * share / sum(shares)
        hold = rng.uniform(*SHAPES[kind].hold_s)
        found.append(Fault(number, round(at, 2), kind, round(hold, 2), round(rng.random(), 4)))
        at += SHAPES[kind].longest_s
    return tuple(found)


def _kinds(rng: random.Random, room: float, only: Sequence[Kind]) -> list[Kind]:
    first = [*SHORT]
    others: list[tuple[Kind, ...]] = [(kind,) for kind in ONCE]
    others += [(Kind.JOBMANAGER,), (rng.choice(TERMS),), (Kind.RESCALE_UP, Kind.RESCALE_DOWN)]
    rng.shuffle(others)
    more = [(rng.choice((*KILLS, *TERMS, Kind.COPIES)),) for _ in range(round(room / 10) + 1)]
    found: list[Kind] = []
    for group in [*((kind,) for kind in first), *others, *more]:
        chosen = group if not only else tuple(kind for kind in group if kind in only)
        needed = sum(SHAPES[kind].longest_s + LOW_S for kind in chosen)
        if chosen and needed <= room:
            found += chosen
            room -= needed
    return found


def _rescaling_in_order(kinds: list[Kind]) -> list[Kind]:
    """The job starts with parallelism 1, so up and down take turns."""
    turns = (Kind.RESCALE_UP, Kind.RESCALE_DOWN)
    seen = 0
    found = []
    for kind in kinds:
        if kind in turns:
            found.append(turns[seen % 2])
            seen += 1
        else:
            found.append(kind)
    return found
