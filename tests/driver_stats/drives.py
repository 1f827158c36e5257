"""Made-up drives of one vehicle that look real: driving, standing, gaps, missing values, drivers that change."""

from __future__ import annotations

import random
from typing import Any

from tests.driver_stats.harness import cut_into

Message = dict[str, Any]

T0 = 1_700_000_000_000
GAPS_MS = (20_000, 31_000, 45_000, 120_000, 250_000, 400_000, 4_000_000)


def drive(rng: random.Random) -> list[Message]:
    """Messages in order, of 1 to 20 samples."""
    t, mode, samples = T0, "drives", []
    gaps = rng.choice((0.02, 0.02, 0.08, 0.2))
    # Not every drive is full of events, has an accelerometer, or jumps about.
    rough = rng.choice((0.01, 0.1, 0.4))
    measured, steady = rng.random() < 0.7, rng.random() < 0.5
    limit, speed = rng.choice((None, 50.0)), 50.0
    for _ in range(rng.randint(5, 260)):
        t += rng.choice(GAPS_MS) if rng.random() < gaps else rng.choice((1000, 1000, 1000, 1000, 2000, 5000))
        if rng.random() < 0.05:
            mode = rng.choice(("drives", "drives", "stands", "is off"))
        if steady:
            speed = min(max(speed + rng.uniform(-16, 16), 0), 120) if mode == "drives" else 0.0
        else:
            speed = rng.uniform(5, 120) if mode == "drives" else 0.0
        if rng.random() < 0.03:
            limit = rng.choice((None, 30.0, 50.0, 50.0, 80.0))
        samples.append(
            {
                "t": t,
                "speed": None if rng.random() < 0.05 else speed,
                "accel_x": _of(rng, rough, (3.2, 3.7, 4.5, -3.9, 30.0, None)) if measured else None,
                "accel_y": _of(rng, rough, (3.8, -4.0, None)) if measured else None,
                "ignition": False if mode == "is off" else rng.choice((True, None)),
                "lat": 52 + rng.random() / (10_000 if steady else 100),
                "lon": 13 + rng.random() / (10_000 if steady else 100),
                "heading": rng.choice((0, 5, 10, 355, None)),
                "speed_limit": limit,
            }
        )
    drivers = rng.choice(([None], ["anna"], ["anna", "ben"]))
    driver, messages = drivers[0], []
    for message in cut_into(samples, rng.randint(1, 20), vehicle_id="v", fleet_id="f"):
        if rng.random() < 0.1:
            driver = rng.choice(drivers)
        messages.append({**message, "driver_id": driver})
    return messages


def _of(rng: random.Random, share: float, values: tuple[float | None, ...]) -> float | None:
    return rng.choice(values) if rng.random() < share else 0.0


def with_backlog(rng: random.Random, messages: list[Message]) -> list[Message]:
    """The same messages, a stretch of them after the live data behind it, mixed with the rest of that or not."""
    i = rng.choice((0, rng.randint(0, len(messages))))
    j = rng.randint(i, len(messages))
    before, backlog, live = messages[:i], messages[i:j], messages[j:]
    if before and live:
        times = [t for message in before for t in message["samples"]["t"]]
        gap = live[0]["samples"]["t"][0] - times[-1]
        if gap <= max(30_000, 2 * (times[-1] - times[-2] if len(times) > 1 else 0)):
            return messages
    first = rng.randint(1, len(live)) if live else 0
    mixed = [0] * len(backlog) + [1] * (len(live) - first)
    if rng.random() < 0.5:
        rng.shuffle(mixed)
    of = (iter(backlog), iter(live[first:]))
    return before + live[:first] + [next(of[which]) for which in mixed]


def displaced(rng: random.Random, messages: list[Message], buffer_ms: int) -> list[Message]:
    """The same messages, some later than they should be, none by more than the buffer."""
    late = sorted(messages, key=lambda message: message["samples"]["t"][-1] + rng.randint(0, buffer_ms))
    newest, arranged, again = 0, [], []
    for message in late:
        if newest - message["samples"]["t"][0] > buffer_ms:
            again.append(message)  # it would be too late: it was on time
        else:
            arranged.append(message)
            newest = max(newest, message["samples"]["t"][-1])
    return sorted(arranged + again, key=lambda message: message["seq"]) if again else arranged
