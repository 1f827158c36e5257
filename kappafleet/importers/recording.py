"""What an importer yields, and how it becomes message lines.

An importer reads one format into `Recording`s: one unbroken stretch of one vehicle (a day file, a drive).
This module cuts recordings into `telemetry/1` messages, so every format is cut by the same rules.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kappafleet.errors import UserError

SAMPLES_PER_MESSAGE = 60
"""One minute of a 1 Hz source."""

GAP_MS = 30_000
"""Silence longer than this starts a new message: a device would not have held its batch back for so long."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples of one vehicle in time order, in the units of contracts.md.

    Recordings of one vehicle are yielded in time order and never overlap. `samples` holds one array per
    measured quantity (without `t`), each as long as `t`; None marks a missing value.
    """

    vehicle_id: str
    driver_id: str
    fleet_id: str
    vehicle_class: str
    t: Sequence[int]
    """Event times in epoch milliseconds UTC, strictly ascending."""
    samples: dict[str, Sequence[float | None]]


def cuts(t: Sequence[int], samples_per_message: int) -> Iterator[tuple[int, int]]:
    """Half-open index ranges of the messages that the times `t` are cut into.

    A message holds at most `samples_per_message` samples, contains no gap above `GAP_MS`, and spans less than
    as many seconds as it may hold samples: with the default of 60, always less than the 60 s of
    `watermark.delay_s`, gaps or not.
    """
    first = 0
    for i in range(1, len(t)):
        full = i - first >= samples_per_message
        long = t[i] - t[first] >= samples_per_message * 1000
        if full or long or t[i] - t[i - 1] > GAP_MS:
            yield first, i
            first = i
    if len(t) > first:
        yield first, len(t)


def message_lines(
    recordings: Iterable[Recording], samples_per_message: int = SAMPLES_PER_MESSAGE
) -> Iterator[tuple[str, int]]:
    """The messages of `recordings` as JSON text without a line end, each with its number of samples.

    `seq` starts at 1 for each vehicle and grows by 1 per message, through all its recordings.

    Raises:
        UserError: a recording begins before the previous one of its vehicle ended.
    """
    if samples_per_message < 1:
        raise UserError("--samples-per-message must be at least 1")
    seqs: dict[str, int] = {}
    ends: dict[str, int] = {}
    for recording in recordings:
        vehicle = recording.vehicle_id
        if recording.t and recording.t[0] <= ends.get(vehicle, -(2**63)):
            raise UserError(
                f"{vehicle}: a recording starts at {recording.t[0]} ms, not after the previous one's end at "
                f"{ends[vehicle]} ms; remove the overlapping file"
            )
        for first, end in cuts(recording.t, samples_per_message):
            seqs[vehicle] = seqs.get(vehicle, 0) + 1
            yield _line(recording, first, end, seqs[vehicle]), end - first
        if recording.t:
            ends[vehicle] = recording.t[-1]


def _line(recording: Recording, first: int, end: int, seq: int) -> str:
    samples: dict[str, list[float | None] | list[int]] = {"t": list(recording.t[first:end])}
    for name, values in recording.samples.items():
        samples[name] = list(values[first:end])
    message = {
        "schema": "telemetry/1",
        "vehicle_id": recording.vehicle_id,
        "driver_id": recording.driver_id,
        "fleet_id": recording.fleet_id,
        "vehicle_class": recording.vehicle_class,
        "seq": seq,
        "samples": samples,
    }
    return json.dumps(message, separators=(",", ":"), allow_nan=False)
