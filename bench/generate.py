"""Input of the benchmark: a fleet's drives at 1 Hz, the same for the same arguments.

Vehicles drive, stop, park with the ignition off, brake and corner harshly, speed, are knocked, lose a value now and
then, and change their driver. Two in five have a device that knows speed limits; one in 25 has no accelerometer, and
half of these tell how fast they turn. Each message carries so many seconds of one vehicle; the messages of all vehicles
come interleaved, in the order of time, which is the hard case for state by key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

VERSION = 2
"""Grows when the same arguments give other bytes; part of the file's name."""

START_MS = 1_795_217_400_000  # 2026-11-20T23:30:00Z: the drives cross hours and a day
SHIFT_S = 900  # after so long some vehicles change their driver
LEAD_IN_S = 120
METRES_PER_DEGREE = 111_195.0

LIMITS_KMH = np.array([20, 30, 50, 60, 70, 80, 100, 120])
SPEEDING, SEVERE, UNMAPPED = 0.85, 0.95, 0.98
"""From these shares of all roads on they are driven too fast, far too fast (1.45 times the limit), have none known."""

SIDEWAYS_MS2 = 3.0
"""How fast one takes a bend."""

KNOCK = 0.99
"""Of harsh accelerations this share and more is a knock: five times as strong, and felt by the device alone."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What to generate.

    Attributes:
        samples_per_message: seconds of one vehicle in one message.
        seconds: length of the drives; rounded up to whole messages.
        vehicles: how many at once.
        seed: of the random numbers.
    """

    samples_per_message: int
    seconds: int
    vehicles: int = 1000
    seed: int = 3

    @property
    def slots(self) -> int:
        """Messages of each vehicle."""
        return -(-self.seconds // self.samples_per_message)

    @property
    def messages(self) -> int:
        """Messages in all."""
        return self.slots * self.vehicles

    @property
    def samples(self) -> int:
        """Samples in all."""
        return self.messages * self.samples_per_message

    @property
    def file_name(self) -> str:
        """Names the content."""
        return (
            f"telemetry-v{VERSION}-{self.vehicles}x{self.slots * self.samples_per_message}s"
            f"-by-{self.samples_per_message}-seed-{self.seed}.jsonl"
        )


def cached(workload: Workload, folder: Path) -> Path:
    """The input as a file of ``folder``, generated when it is not there yet."""
    path = folder / workload.file_name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        generate(workload, part)
        part.replace(path)
    return path


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many vehicles with one sample a message: the drives of 1,000 vehicles, over and over under other ids.

    Attributes:
        vehicles: how many; a multiple of 1,000.
        turns: messages of each.
    """

    vehicles: int
    turns: int

    @property
    def messages(self) -> int:
        """Messages in all."""
        return self.vehicles * self.turns

    @property
    def file_name(self) -> str:
        """Names the content."""
        return f"crowd-v{VERSION}-{self.vehicles}x{self.turns}.jsonl"


def cached_crowd(crowd: Crowd, folder: Path) -> Path:
    """The input as a file of ``folder``, generated when it is not there yet."""
    path = folder / crowd.file_name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        drives = part.with_suffix(".drives")
        generate(Workload(1, crowd.turns), drives)
        _multiply(drives, crowd, part)
        drives.unlink()
        part.replace(path)
    return path


def _multiply(drives: Path, crowd: Crowd, path: Path) -> None:
    """All vehicles have their turn, then all of them again; drivers stay, each with many vehicles."""
    mark, digits = b'"vehicle_id":"vehicle-', 5
    size = Workload(1, 1).vehicles
    with drives.open("rb") as source, path.open("wb", buffering=1 << 20) as file:
        for _ in range(crowd.turns):
            parts = []
            for line in islice(source, size):
                before, _, rest = line.partition(mark)
                parts.append((before + mark, int(rest[:digits]), rest[digits:]))
            for copy in range(crowd.vehicles // size):
                file.writelines(
                    b"%b%07d%b" % (head, number + copy * size, rest) for head, number, rest in parts
                )


@dataclass(frozen=True, slots=True)
class Fast:
    """The begin of the same drives, sampled many times a second: what changes in a second still takes one.

    Attributes:
        samples_per_message: as in Workload.
        hz: samples of one vehicle in a second; a multiple of samples_per_message.
        seconds: length of the drives.
        vehicles: how many at once.
    """

    samples_per_message: int
    hz: int
    seconds: int
    vehicles: int = 1000

    @property
    def file_name(self) -> str:
        """Names the content."""
        return f"fast-v{VERSION}-{self.vehicles}x{self.seconds}s-at-{self.hz}-by-{self.samples_per_message}.jsonl"


def cached_fast(fast: Fast, folder: Path) -> Path:
    """The input as a file of ``folder``, generated when it is not there yet; vehicles take turns."""
    path = folder / fast.file_name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb", buffering=1 << 20) as file:
            file.writelines(_sampled_fast(fast))
        part.replace(path)
    return path


def _sampled_fast(fast: Fast) -> Iterator[bytes]:
    """Speed and place change evenly within a second, all else at its end; accelerations are measured with noise."""
    encode = msgspec.json.Encoder().encode
    rng = np.random.default_rng([VERSION, fast.hz])
    size = fast.samples_per_message
    # The first minute or so most of the fleet is still on its way to its first target.
    drives = _Fleet(fast.vehicles, Workload(1, 1).seed).drive(0, LEAD_IN_S + fast.seconds + 1)
    known = {name: np.array(values, float)[:, LEAD_IN_S:] for name, values in drives.items()}
    known["speed"] = np.where(np.isnan(known["speed"]), 30.0, known["speed"])
    for slot in range(fast.seconds * fast.hz // size):
        second, of_second = divmod(slot * size, fast.hz)
        share = (of_second + np.arange(size)) / fast.hz
        columns: dict[str, list[list[object]]] = {
            "t": (known["t"][:, second, None] + np.floor(share * 1000)).astype(np.int64).tolist()
        }
        for name, digits in (
            ("speed", 1),
            ("accel_x", 2),
            ("accel_y", 2),
            ("lat", 6),
            ("lon", 6),
            ("heading", 1),
            ("yaw_rate", 1),
            ("speed_limit", 0),
        ):
            values = known[name][:, second, None] + np.zeros(size)
            if name in ("speed", "lat", "lon"):
                values = values + (known[name][:, second + 1] - known[name][:, second])[:, None] * share
            elif name in ("accel_x", "accel_y"):
                values = values + 0.05 * rng.standard_normal(values.shape)
            columns[name] = np.round(values, digits).tolist()
        columns["ignition"] = [[bool(on)] * size for on in known["ignition"][:, second]]
        for vehicle in range(fast.vehicles):
            yield encode(_message(vehicle, slot, 0, columns)) + b"\n"


def generate(workload: Workload, path: Path) -> None:
    """Writes the messages as lines of JSON. A shorter workload is a prefix of a longer one."""
    encode = msgspec.json.Encoder().encode
    fleet = _Fleet(workload.vehicles, workload.seed)
    order = np.random.default_rng(workload.seed).permutation(workload.vehicles).tolist()
    size = workload.samples_per_message
    with path.open("wb", buffering=1 << 20) as file:
        for slot in range(workload.slots):
            first = slot * size
            columns = fleet.drive(first, size)
            for vehicle in order:
                file.write(encode(_message(vehicle, slot, first, columns)))
                file.write(b"\n")


def _message(
    vehicle: int, slot: int, first: int, columns: dict[str, list[list[object]]]
) -> dict[str, object]:
    message: dict[str, object] = {"schema": "telemetry/1", "vehicle_id": f"vehicle-{vehicle:05d}"}
    if vehicle % 50:  # the others have no known driver
        relieved = vehicle % 20 == 1 and first >= SHIFT_S
        message["driver_id"] = f"driver-{vehicle:05d}{'-b' if relieved else ''}"
    message["fleet_id"] = f"fleet-{vehicle % 10}"
    if vehicle % 3 == 0:
        message["vehicle_class"] = "van"
    message["seq"] = slot
    lacks = _not_measured(vehicle)
    message["samples"] = {name: values[vehicle] for name, values in columns.items() if name not in lacks}
    return message


@cache
def _not_measured(vehicle: int) -> frozenset[str]:
    """Fields that its device does not send."""
    lacks = set()
    if vehicle % 5 not in (1, 3):
        lacks.add("speed_limit")
    if vehicle % 25 == 7:
        lacks |= {"accel_x", "accel_y"}
    if vehicle % 50 != 7:
        lacks.add("yaw_rate")
    return frozenset(lacks)


class _Fleet:
    """All vehicles at once; each second draws the same random numbers, however the drives are cut into messages."""

    def __init__(self, vehicles: int, seed: int) -> None:
        self._rng = np.random.default_rng([seed, VERSION])
        draw = self._rng.random
        self._vehicles = vehicles
        self._phase_ms = self._rng.integers(0, 1000, vehicles)
        self._speed_kmh = np.zeros(vehicles)
        self._target_kmh = draw(vehicles) * 60
        self._hold_s = draw(vehicles) * 60
        self._parked = np.zeros(vehicles, bool)
        self._limit_kmh = np.full(vehicles, 50.0)
        self._harsh = draw(vehicles) ** 3 / 75  # most drivers are careful
        self._heading = draw(vehicles) * 360
        self._lat = 40.5 + draw(vehicles)
        self._lon = -74.5 + draw(vehicles)
        self._spike_s = np.zeros((2, vehicles))
        self._spike_ms2 = np.zeros((2, vehicles))

    def drive(self, first: int, seconds: int) -> dict[str, list[list[object]]]:
        """The next seconds as lists by field, vehicle and second; None where a value is missing."""
        rows = [self._second() for _ in range(seconds)]
        names = (
            "speed", "accel_x", "accel_y", "lat", "lon", "heading", "ignition", "yaw_rate", "speed_limit",
        )  # fmt: skip
        fields: dict[str, list[list[object]]] = {
            name: np.array([row[i] for row in rows]).T.tolist() for i, name in enumerate(names)
        }
        times = START_MS + self._phase_ms[:, None] + (first + np.arange(seconds))[None, :] * 1000
        missing = np.argwhere(np.array([row[len(names)] for row in rows]).T)
        for vehicle, second in missing.tolist():
            fields["speed"][vehicle][second] = None
        return {"t": times.tolist(), **fields}

    def _second(self) -> tuple[NDArray[Any], ...]:
        draw, normal, n = self._rng.random, self._rng.standard_normal, self._vehicles
        self._next_targets(draw((5, n)))
        before = self._speed_kmh
        (harsh_x, harsh_y), knocks = self._spikes(draw((2, 3, n)), before > 0)
        wanted = np.clip((self._target_kmh - before) / 3.6 / 4, -2.4, 1.8)
        accel = np.where(harsh_x != 0, harsh_x, wanted) + 0.15 * normal(n) * (self._target_kmh > 0)
        self._speed_kmh = np.maximum(before + accel * 3.6, 0)
        self._speed_kmh[(self._target_kmh == 0) & (self._speed_kmh < 1.5)] = 0
        metres = self._speed_kmh / 3.6
        # To the left, as ISO 8855 has it; headings grow to the right.
        bend = np.degrees(SIDEWAYS_MS2 / np.maximum(metres, 1))
        turn = np.clip(normal(n) * np.where(draw(n) < 0.05, 25, 2), -bend, bend)
        turn = np.where(harsh_y != 0, np.clip(np.degrees(harsh_y / np.maximum(metres, 1)), -40, 40), turn)
        turn *= self._speed_kmh > 0
        self._heading = (self._heading - turn) % 360
        self._lat += metres * np.cos(np.radians(self._heading)) / METRES_PER_DEGREE
        self._lon += metres * np.sin(np.radians(self._heading)) / METRES_PER_DEGREE / 0.76
        accel_x = (self._speed_kmh - before) / 3.6 + 0.1 * normal(n)
        accel_y = metres * np.radians(turn) + 0.1 * normal(n)
        return (
            np.round(self._speed_kmh, 1),
            np.round(accel_x + knocks[0], 2),
            np.round(accel_y + knocks[1], 2),
            np.round(self._lat, 6),
            np.round(self._lon, 6),
            np.round(self._heading, 1),
            ~self._parked,
            np.round(turn + 0.2 * normal(n), 1),
            self._limit_kmh,
            draw(n) < 0.001,
        )

    def _next_targets(self, chance: NDArray[Any]) -> None:
        """Cruise for a minute or so, wait at a light, now and then stand for long enough to end the trip."""
        self._hold_s -= 1
        due = self._hold_s <= 0
        stop = due & ((chance[0] < 0.3) & (self._target_kmh > 0))
        park = stop & (chance[1] < 0.08)
        leave = park & (chance[1] < 0.02)  # with the engine running
        go = due & ~stop
        self._target_kmh[stop] = 0
        self._target_kmh[go] = 15 + chance[2][go] * 105
        self._hold_s[go] = 10 + chance[3][go] * 80
        self._hold_s[stop] = 10 + chance[3][stop] * 50
        self._hold_s[park] = 330 + chance[3][park] * 300
        self._parked = (self._parked | (park & ~leave)) & ~go
        self._limit_kmh[go] = _limits(self._target_kmh[go], chance[4][go])

    def _spikes(self, chance: NDArray[Any], moving: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Harsh accelerations of 1 to 4 s on both axes, one in 5 minutes of all driving or so; and knocks."""
        self._spike_s -= 1
        start = (chance[:, 0] < self._harsh) & moving & (self._spike_s <= 0)
        self._spike_s[start] = 1 + np.floor(chance[:, 1][start] * 4)
        self._spike_ms2[start] = (3 + chance[:, 2][start] * 4) * np.where(
            chance[:, 1][start] * 8 % 2 < 1, -1, 1
        )
        spikes = np.where(self._spike_s > 0, self._spike_ms2, 0)
        knocks = np.where(start & (chance[:, 2] >= KNOCK), 5 * self._spike_ms2, 0)
        spikes[0] *= np.where(spikes[0] > 0, 0.7, 1)  # an engine is weaker than brakes
        return spikes, knocks


def _limits(target_kmh: NDArray[Any], chance: NDArray[Any]) -> NDArray[Any]:
    """The limit of a road by how fast one wants to drive there, and by how much one cares; NaN is unknown."""
    kept = np.searchsorted(LIMITS_KMH, target_kmh)
    speeding = np.searchsorted(LIMITS_KMH, target_kmh / np.where(chance < SEVERE, 1.12, 1.45), side="right")
    found = LIMITS_KMH[np.where(chance < SPEEDING, kept, np.maximum(speeding - 1, 0))]
    return np.where(chance < UNMAPPED, found, np.nan)
