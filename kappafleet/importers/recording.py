"""What an importer yields, and how it becomes message lines.

An importer reads one format into `Recording`s: one unbroken stretch of one vehicle (a day file, a drive), or
into `Observations`: one of a sensor. This module cuts them into `telemetry/1` and `observation/1` messages, so
every format is cut by the same rules.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

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

    @property
    def key(self) -> str:
        """Whose samples they are."""
        return self.vehicle_id

    def head(self) -> dict[str, str | float]:
        """The fields of its messages that stand before `seq`."""
        return {
            "schema": "telemetry/1",
            "vehicle_id": self.vehicle_id,
            "driver_id": self.driver_id,
            "fleet_id": self.fleet_id,
            "vehicle_class": self.vehicle_class,
        }


@dataclass(frozen=True, slots=True)
class Observations:
    """Samples of one sensor in time order, in the units of contracts.md; else as `Recording`.

    `lat` and `lon` are None where the place is not known.
    """

    sensor_id: str
    station_id: str
    sensor_model: str
    lat: float | None
    lon: float | None
    t: Sequence[int]
    samples: dict[str, Sequence[float | None]]

    @property
    def key(self) -> str:
        """Whose samples they are."""
        return self.sensor_id

    def head(self) -> dict[str, str | float]:
        """The fields of its messages that stand before `seq`."""
        place = {} if self.lat is None or self.lon is None else {"lat": self.lat, "lon": self.lon}
        return {
            "schema": "observation/1",
            "sensor_id": self.sensor_id,
            "station_id": self.station_id,
            "sensor_model": self.sensor_model,
            **place,
        }


Recorded: TypeAlias = Recording | Observations
"""What an importer yields."""


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
    recordings: Iterable[Recorded], samples_per_message: int = SAMPLES_PER_MESSAGE
) -> Iterator[tuple[str, int]]:
    """The messages of `recordings` as JSON text without a line end, each with its number of samples.

    `seq` starts at 1 for each vehicle or sensor and grows by 1 per message, through all its recordings.

    Raises:
        UserError: a recording begins before the previous one of its vehicle or sensor ended.
    """
    if samples_per_message < 1:
        raise UserError("--samples-per-message must be at least 1")
    seqs: dict[str, int] = {}
    ends: dict[str, int] = {}
    for recording in recordings:
        vehicle = recording.key
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


def _line(recording: Recorded, first: int, end: int, seq: int) -> str:
    samples: dict[str, list[float | None] | list[int]] = {"t": list(recording.t[first:end])}
    for name, values in recording.samples.items():
        samples[name] = list(values[first:end])
    message = {**recording.head(), "seq": seq, "samples": samples}
    return json.dumps(message, separators=(",", ":"), allow_nan=False)
