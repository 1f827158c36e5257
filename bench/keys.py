"""Mode ``keys``: what a message costs, and what a vehicle's state takes, as vehicles grow from 1,000 to 1,000,000.

Our job from a file to files with one sample a message, checkpoints every 2 s. Each message is of another vehicle than
the one before, and all vehicles have their turn before one comes again: no cache of keys helps. Counted is reading,
from a quarter of the input to its end; with a million vehicles the run ends there, since closing a million windows at
once at the end of a file says nothing about a message.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench import inside
from bench.engine import RESULTS
from bench.figures import Figure, figure
from bench.generate import Crowd, cached_crowd
from bench.measure import WARM_UP, measure
from bench.outputs import Different
from bench.progress import Progress
from bench.traffic import INPUTS

VEHICLES = (1_000, 10_000, 100_000, 1_000_000)
MESSAGES = 2_000_000
TURNS = 3
"""Each vehicle has at least so many messages."""
LEAST_STATE = 64
"""Bytes of a vehicle; a checkpoint of less was made before the vehicles came."""
MOST_ON_THE_HEAP = 100_000
MOST_TO_THE_END = 100_000
QUICK_SHARE = 4


class _Minute(msgspec.Struct):
    n_samples: int


def run(
    progress: Progress, vehicles: Sequence[int] = VEHICLES, rounds: int = 1, quick: bool = False
) -> list[Figure]:
    """Every number of vehicles, on the heap where that makes sense and in RocksDB."""
    figures = []
    messages = MESSAGES // (QUICK_SHARE if quick else 1)
    with tempfile.TemporaryDirectory(prefix="kappafleet-bench-") as scratch:
        for count in vehicles:
            crowd = Crowd(count, max(TURNS, messages // count))
            progress.stage(f"input: {crowd.file_name}")
            source = cached_crowd(crowd, INPUTS)
            for backend in ("heap", "rocksdb"):
                if backend == "rocksdb" or count <= MOST_ON_THE_HEAP:
                    progress.stage(f"{count:,} vehicles, {backend}")
                    figures += _measure(progress, crowd, source, backend, rounds, Path(scratch))
    return figures


def _measure(
    progress: Progress, crowd: Crowd, source: Path, backend: str, rounds: int, scratch: Path
) -> list[Figure]:
    rates, costs, sizes = [], [], []
    for _ in range(rounds):
        folder = scratch / "tables"
        shutil.rmtree(folder, ignore_errors=True)
        checkpoints = inside.Checkpoints(folder / "checkpoints")
        to_the_end = crowd.vehicles <= MOST_TO_THE_END
        result = measure(
            "bench.ours",
            source,
            folder,
            RESULTS / f"keys-{backend}.log",
            arguments=["--rocksdb"] if backend == "rocksdb" else [],
            only_reading=not to_the_end,
            looked=checkpoints.look,
        )
        if to_the_end:
            _all_counted(folder, crowd)
        counted = crowd.messages * (1 - WARM_UP)
        rates.append(counted / result.read_s)
        costs.append(result.read_cpu_s / counted * 1e6)
        if max(checkpoints.sizes, default=0) > LEAST_STATE * crowd.vehicles:
            sizes.append(max(checkpoints.sizes))
    path = f"keys/{crowd.vehicles}/{backend}"
    figures = [
        figure(f"{path}/messages_per_s", "messages/s", rates),
        figure(f"{path}/cpu_us_per_message", "µs", costs, "less"),
    ]
    state = ""
    if sizes:
        figures.append(figure(f"{path}/checkpoint_bytes", "bytes", sizes, "less"))
        per_vehicle = figure(
            f"{path}/state_bytes_per_vehicle", "bytes", [size / crowd.vehicles for size in sizes], "less"
        )
        figures.append(per_vehicle)
        state = f", checkpoint {figures[-2].median / 1e6:,.1f} MB, {per_vehicle.median:,.0f} bytes a vehicle"
    progress.tell(
        f"keys   {crowd.vehicles:>9,} vehicles {backend:<8} {figures[0].median:>9,.0f} messages/s, "
        f"{figures[1].median:.2f} µs of CPU a message{state}"
    )
    return figures


def _all_counted(folder: Path, crowd: Crowd) -> None:
    """Every sample once, by the last line of each minute (files hold upserts, and these are written once)."""
    decode = msgspec.json.Decoder(_Minute).decode
    with (folder / "vehicle_minute.jsonl").open("rb") as lines:
        found = sum(decode(line).n_samples for line in lines)
    if found != crowd.messages:
        raise Different(f"keys: {crowd.messages:,} samples were given, the minutes hold {found:,}")
