"""The job sensor_windows from a file to files, as the mode ``engine`` measures driver_stats: one reading a message."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.figures import Figure, figure
from bench.generate import START_MS
from bench.measure import Measured, RunFailed, measure
from bench.progress import Progress
from bench.traffic import INPUTS
from kappafleet.places import project_root

VERSION = 1
RESULTS = project_root() / "bench" / "results"


@dataclass(frozen=True, slots=True)
class Readings:
    """Dust sensors that send one reading a message, all in turn.

    Attributes:
        sensors: how many.
        turns: messages of each.
        every_s: between two of them.
    """

    sensors: int
    turns: int
    every_s: int

    @property
    def messages(self) -> int:
        """Messages in all."""
        return self.sensors * self.turns

    @property
    def file_name(self) -> str:
        """Names the content."""
        return f"observations-v{VERSION}-{self.sensors}x{self.turns}-every-{self.every_s}s.jsonl"


FULL = Readings(1000, 4500, 10)
QUICK = Readings(1000, 300, 10)


def generate(readings: Readings, path: Path) -> None:
    """Writes the messages; the same arguments give the same bytes."""
    rng = np.random.default_rng([VERSION, readings.sensors])
    heads = [
        f'{{"schema":"observation/1","sensor_id":"sensor-{n:05d}","station_id":"station-{n:05d}",'
        f'"sensor_model":"SDS011","lat":{52 + n // 100 / 100:.4f},"lon":{13 + n % 100 / 100:.4f},"seq":'
        for n in range(readings.sensors)
    ]
    phases = rng.integers(0, readings.every_s * 1000, readings.sensors)
    level = rng.uniform(2, 40, readings.sensors)
    with path.open("w", buffering=1 << 20, encoding="utf-8") as file:
        for turn in range(readings.turns):
            level = np.maximum(level + rng.normal(0, 1, readings.sensors), 0)
            fine, coarse = np.round(level, 1).tolist(), np.round(level * 1.7, 1).tolist()
            times = (START_MS + turn * readings.every_s * 1000 + phases).tolist()
            file.writelines(
                f'{head}{turn},"samples":{{"t":[{t}],"pm2_5":[{one}],"pm10":[{two}]}}}}\n'
                for head, t, one, two in zip(heads, times, fine, coarse, strict=True)
            )


def cached(readings: Readings) -> Path:
    """The input as a file, generated when it is not there yet."""
    path = INPUTS / readings.file_name
    if not path.exists():
        INPUTS.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        generate(readings, part)
        part.replace(path)
    return path


def run(progress: Progress, rounds: int, quick: bool) -> list[Figure]:
    """Measures the job; every reading must be found in the hours.

    Raises:
        RunFailed: it failed, or readings are missing.
    """
    readings = QUICK if quick else FULL
    progress.stage(f"input: {readings.file_name}")
    source = cached(readings)
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="kappafleet-bench-") as scratch:
        folder = Path(scratch) / "tables"
        for number in range(rounds):
            progress.stage(f"sensors, round {number + 1} of {rounds}")
            shutil.rmtree(folder, ignore_errors=True)
            log = RESULTS / "kappafleet-sensors.log"
            measured.append(measure("bench.ours", source, folder, log, arguments=["--job", "sensor_windows"]))
            _check(folder, readings)
            progress.tell(
                f"engine sensors, 1 reading each  {measured[-1].per_second(readings.messages):>10,.0f} messages/s   "
                f"{measured[-1].steady_s:5.1f} s of {measured[-1].wall_s:.1f} s measured"
            )
    path = "engine/sensors/kappafleet"
    return [
        figure(
            f"{path}/messages_per_s", "messages/s", [each.per_second(readings.messages) for each in measured]
        ),
        figure(
            f"{path}/messages_per_cpu_s",
            "messages/CPU s",
            [each.per_cpu_second(readings.messages) for each in measured],
        ),
    ]


def _check(folder: Path, readings: Readings) -> None:
    import msgspec

    class Hour(msgspec.Struct):
        quantity: str
        n_samples: int

    decode = msgspec.json.Decoder(Hour).decode
    counted = 0
    with (folder / "sensor_hour.jsonl").open("rb") as lines:
        for line in lines:
            hour = decode(line)
            if hour.quantity == "pm10":
                counted += hour.n_samples
    if counted != readings.messages:
        raise RunFailed(f"sensor_windows counted {counted:,} of {readings.messages:,} readings")
