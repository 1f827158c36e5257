"""Who logs into vehicles whose messages name no driver: on time, late, corrected, and out again."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterator
from typing import NamedTuple

DRIVERS = ("anna", "ben", "cleo", None)
"""Beside vehicles that name their drivers, these drive several; None logs out."""

DELAYS_MS = (2_000, 2_000, 2_000, 7 * 60_000, 45 * 60_000)
"""After its time a log-in is published so much later."""

CORRECTED_MS = 20 * 60_000
"""After a wrong log-in comes the right one, of the same time."""


class LogIn(NamedTuple):
    """One message.

    Attributes:
        at_ms: Event time at which it is published, later than its own.
        vehicle_id: Of the vehicle.
        body: What is published.
    """

    at_ms: int
    vehicle_id: str
    body: bytes


def log_ins(rng: random.Random, vehicle_id: str, start_ms: int) -> Iterator[LogIn]:
    """Those of one vehicle in the order in which they are published, without end.

    There are a few in an hour, so that drivers change within trips and several have the vehicle in a day; before the
    first one, and after a log-out, nobody is known. Each has a ``seq`` of its own: which of two at the same time counts
    does not depend on how often the publisher repeats one.
    """
    lanes = [
        _lane(random.Random(f"{rng.random()} {lane}"), vehicle_id, start_ms, lane)
        for lane in range(len(DELAYS_MS) + 1)
    ]
    return heapq.merge(*lanes, key=lambda each: each.at_ms)


def _lane(rng: random.Random, vehicle_id: str, start_ms: int, lane: int) -> Iterator[LogIn]:
    """Those of one delay, so they ascend; the last lane has wrong ones, and what corrects them."""
    wrong = lane == len(DELAYS_MS)
    t, number = start_ms, 0
    while True:
        t += rng.randrange(10 * 60_000, 90 * 60_000)
        for delay_ms in (2_000, CORRECTED_MS) if wrong else (DELAYS_MS[lane],):
            number += 1
            message = {
                "schema": "assignment/1",
                "vehicle_id": vehicle_id,
                "driver_id": rng.choice(DRIVERS),
                "t": t,
                "seq": number * (len(DELAYS_MS) + 1) + lane,
            }
            yield LogIn(t + delay_ms, vehicle_id, json.dumps(message, separators=(",", ":")).encode())
        if wrong:
            t += CORRECTED_MS
