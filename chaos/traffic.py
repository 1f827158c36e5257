"""The messages of a run: a fleet's drives, the same for the same seed, in the order in which they are published.

Event time runs as fast as the messages come, and starts before the end of a month, so that minutes, hours, a day and
a month close within minutes of the clock.
"""

from __future__ import annotations

import heapq
import json
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chaos.log_ins import log_ins
from chaos.vehicle import Device, Sample, device, samples
from kappafleet.streams import ASSIGNMENTS

START_MS = 1_769_899_200_000
"""2026-01-31T22:40:00Z."""

DISPLACED_MS = 9_000
"""Samples are displaced by less: order.buffer_s is 10."""

NOBODYS = 4
"""The vehicle that names no driver and that nobody logs into."""

PROBE = "probe"
"""The vehicle, and its fleet, by whose live row one sees whether results flow."""

PROBE_STEP_MS = 1_000
"""Least time between two probes: live.interval_s."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What to make.

    Attributes:
        seed: Decides everything that is random.
        vehicles: How many.
        probe_every: One probe to so many other messages.
        invalid: Share of messages that must become rejects.
        displaced: Whether samples change places with those of the next message.
        backlogs: Whether some vehicles keep minutes back and upload them after newer ones.
        log_ins: Whether drivers log into vehicles that name none; one of these has nobody ever.
    """

    seed: int
    vehicles: int = 40
    probe_every: int = 20
    invalid: float = 0.004
    displaced: bool = True
    backlogs: bool = True
    log_ins: bool = True

    def lines(self) -> Iterator[Line]:
        """The messages, without end."""
        invalid = _Invalid(self.seed)
        probe = _Probe()
        streams = [self._vehicle(number) for number in range(self.vehicles)]
        if self.log_ins:
            streams += [self._log_ins(number) for number in range(self.vehicles)]
        for index, line in enumerate(heapq.merge(*streams, key=lambda each: each.at_ms)):
            if index % self.probe_every == 0:
                yield probe.line(line.at_ms)
            if invalid.rng.random() < self.invalid:
                yield invalid.line(line)
            yield line

    def _vehicle(self, number: int) -> Iterator[Line]:
        rng = random.Random(f"vehicle {number} of {self.seed}")
        of = device(rng, number)
        messages = _cut(rng, samples(rng, of, START_MS))
        unlinked = _unlinked(rng) if self.backlogs and number % 5 == 2 else ()
        if self.displaced:
            messages = _displaced(rng, messages, unlinked)
        numbered = _kept_back(enumerate(messages, rng.randrange(1000)), unlinked)
        for seq, batch in numbered:
            yield Line(max(each.t for each in batch), of.vehicle_id, _body(of, seq, batch))

    def _log_ins(self, number: int) -> Iterator[Line]:
        of = device(random.Random(f"vehicle {number} of {self.seed}"), number)
        if of.drivers != (None,) or number == NOBODYS:
            return
        for each in log_ins(random.Random(f"log-ins {number} of {self.seed}"), of.vehicle_id, START_MS):
            yield Line(*each, exchange=ASSIGNMENTS)


class Line(NamedTuple):
    """One message.

    Attributes:
        at_ms: Event time that orders it among those of other vehicles; a backlog goes out with the live message
            before it.
        vehicle_id: Of the vehicle; "" where it has none.
        body: What is published.
        exchange: Where to; None: where the telemetry goes.
    """

    at_ms: int
    vehicle_id: str
    body: bytes
    exchange: str | None = None


def _cut(rng: random.Random, stream: Iterator[Sample]) -> Iterator[list[Sample]]:
    """Messages of 5 to 20 samples of one driver and one stretch."""
    batch: list[Sample] = []
    size = rng.randrange(5, 21)
    for sample in stream:
        if batch and (len(batch) >= size or sample[1:3] != batch[-1][1:3]):
            yield batch
            batch, size = [], rng.randrange(5, 21)
        batch.append(sample)


Span = tuple[int, int]
"""From one event time to another, in ms."""


def _unlinked(rng: random.Random) -> tuple[Span, ...]:
    """When a vehicle has no link: a quarter of an hour to two hours, hours apart."""
    found, at = [], START_MS
    for _ in range(100):
        at += rng.randrange(10, 180) * 60_000
        found.append((at, at + rng.randrange(15, 120) * 60_000))
        at += 300 * 60_000
    return tuple(found)


def _is_stored(batch: list[Sample], unlinked: Sequence[Span]) -> bool:
    return any(begin <= batch[-1].t < end for begin, end in unlinked)


def _displaced(
    rng: random.Random, messages: Iterator[list[Sample]], unlinked: Sequence[Span]
) -> Iterator[list[Sample]]:
    """Some samples come with the next message, after newer ones; what is stored stays in order."""
    before = next(messages)
    for batch in messages:
        near = [
            index
            for index in range(1, len(before) - 1)
            if before[-1].t - before[index].t < DISPLACED_MS and batch[0][1:3] == before[-1][1:3]
        ]
        stored = _is_stored(before, unlinked) or _is_stored(batch, unlinked)
        if near and not stored and rng.random() < 0.3:
            late = set(rng.sample(near, min(len(near), rng.randrange(1, 4))))
            batch = [before[index] for index in sorted(late)] + batch
            before = [sample for index, sample in enumerate(before) if index not in late]
        yield before
        before = batch


def _kept_back(
    messages: Iterator[tuple[int, list[Sample]]], unlinked: Sequence[Span]
) -> Iterator[tuple[int, list[Sample]]]:
    """What was stored without a link goes out once there is one again, each message after a newer one."""
    backlog: deque[tuple[int, list[Sample]]] = deque()
    for seq, batch in messages:
        if _is_stored(batch, unlinked):
            backlog.append((seq, batch))
            continue
        yield seq, batch
        if backlog:
            yield backlog.popleft()


def _body(of: Device, seq: int, batch: list[Sample]) -> bytes:
    message: dict[str, Any] = {"schema": "telemetry/1", "vehicle_id": of.vehicle_id, "seq": seq}
    said = {"driver_id": batch[0].driver, "fleet_id": of.fleet_id, "vehicle_class": of.vehicle_class}
    message |= {name: value for name, value in said.items() if value is not None}
    columns = zip(*(each.values for each in batch), strict=True)
    message["samples"] = {
        "t": [each.t for each in batch],
        **{name: list(values) for name, values in zip(of.columns, columns, strict=True)},
    }
    return _json(message)


class _Probe:
    """A vehicle of one sample a message; each makes a new live row."""

    def __init__(self) -> None:
        self._t = 0
        self._seq = 0

    def line(self, at_ms: int) -> Line:
        self._t = max(at_ms, self._t + PROBE_STEP_MS)
        self._seq += 1
        samples = {"t": [self._t], "speed": [36.0], "lat": [50.0], "lon": [8.0]}
        message = {"vehicle_id": PROBE, "fleet_id": PROBE, "seq": self._seq, "samples": samples}
        return Line(self._t, PROBE, _json(message))


class _Invalid:
    """Messages that must become rejects; no two are equal."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"invalid of {seed}")
        self._number = 0

    def line(self, like: Line) -> Line:
        self._number += 1
        t, name = like.at_ms, f"invalid-{self._number}"
        good: dict[str, Any] = {
            "vehicle_id": like.vehicle_id,
            "driver_id": name,
            "samples": {"t": [t, t + 1]},
        }
        body = self.rng.choice(
            (
                f"no JSON {name}".encode(),
                b"\xff\xfe" + name.encode(),
                _json({**good, "samples": {"t": [t, t + 1], "speed": [1.0, 2.0]}})[:-9],
                _json({**good, "schema": "observation/1"}),
                _json({**good, "vehicle_id": ""}),
                _json({**good, "samples": {"t": [t, t + 1], "speed": [1.0]}}),
                _json({**good, "samples": {"t": [t, t + 1], "speed": [1.0, "fast"]}}),
                _json({**good, "samples": {"t": [t, t + 1], "speed": [1.0, 501.0]}}),
                _json({**good, "samples": {"t": [t + 1, t]}}),
                _json({**good, "samples": {"t": [t, 4_291_747_200_000]}}),
            )
        )
        return Line(t, like.vehicle_id, body)


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
