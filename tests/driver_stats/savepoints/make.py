"""Makes a savepoint and state rows of the layout that the code now has, to be kept for the layouts after it.

Needs the local servers (``kappafleet stack up``) and removes the streams and the keyspace it makes there::

    python -m tests.driver_stats.savepoints.make

It fills the folder vN beside this file, N being the layout's version.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from jobs.driver_stats.layout import STATE_VERSION
from jobs.driver_stats.settings import Settings
from kappafleet.places import project_root
from kappafleet.stack.stack import Stack
from tests.driver_stats.harness import VehicleHarness, epoch_ms
from tests.driver_stats.savepoints.kept import ARCHIVE, Kept, States, checksums, decoded, halves
from tests.driver_stats.savepoints.restorable import restorable
from tests.system.pipeline import wait_until

# Of each vehicle so many messages come before the savepoint. The watermark is that of the first stream.
EXCHANGES = {
    "evolution-a": {
        "cmap-4116728-1": 40,  # in a trip and a harsh event; the watermark has closed its hours and its day
        "cmap-4105836-2": 33,  # in a trip and a harsh event; its minute, hour and day are open
    },
    "evolution-b": {
        "cmap-4114555-1": 44,  # in a trip; its minute, hour and day are open
        "nds-drive-15": 20,  # in a trip and two harsh events, with positions and an odometer; all is open
        "nds-drive-6": 10,  # all its messages: after the savepoint only its timers fire
    },
}
# Low thresholds, so that the cuts lie in harsh events; history, so nothing is too late.
SETTINGS = [
    "window.allowed_lateness_s=0",
    *(f"harsh.{axis}_ms2=1.5" for axis in ("accel", "brake", "corner")),
    "harsh.min_speed_kmh=0",
    "harsh.corner_min_speed_kmh=0",
]
STAY_OPEN = "watermark.idle_s=86400"
"""Of the job that is stopped: a quiet stream does not become old while its savepoint is made."""
PARALLELISM = 2


def main() -> None:
    """Writes all files of the folder but its README."""
    folder = Path(__file__).resolve().parent / f"v{STATE_VERSION}"
    folder.mkdir(exist_ok=True)
    first, second = halves(EXCHANGES)
    kept = Kept(
        state_version=STATE_VERSION,
        commit=_commit(),
        parallelism=PARALLELISM,
        settings=SETTINGS,
        watermark_delay_s=Settings.load(SETTINGS).watermark.delay_s,
        exchanges=EXCHANGES,
        messages={f"{name}-0": [len(first[name]), len(second[name])] for name in EXCHANGES},
        sha256=checksums((first, second)),
    )
    _states(kept).write(folder)
    _savepoint(kept, folder / ARCHIVE)
    kept.write(folder)
    print(f"{folder}: {sum(each.stat().st_size for each in folder.iterdir()):,} bytes")


def _savepoint(kept: Kept, archive: Path) -> None:
    stack = Stack.from_environment()
    os.environ.update(stack.client_environment())
    first, _ = kept.halves()
    last = {message["vehicle_id"]: message["samples"]["t"][-1] for message in decoded(first)}
    with tempfile.TemporaryDirectory() as temporary, restorable(stack, "evolution", [*first]) as job:
        job.publish_half(first, Path(temporary))
        job.start([*kept.settings, STAY_OPEN], kept.parallelism)

        def everything_read() -> bool:
            if job.status() != "RUNNING":
                return False
            rows = job.read_tables()["vehicle_live"].values()
            return {row["vehicle_id"]: epoch_ms(row["event_time"]) for row in rows} == last

        wait_until(everything_read, 120, "the live rows of the last messages")
        path = job.stop_with_savepoint(Path(temporary))
        with tarfile.open(archive, "w:gz") as target:
            target.add(path, arcname=path.name)


def _states(kept: Kept) -> States:
    """State rows of the same input without Flink, its timers fired up to the same watermark."""
    harness = VehicleHarness(kept.settings)
    harness.feed(decoded(kept.halves()[0]))
    harness.advance(kept.watermark_ms())
    parts: dict[tuple[str, str, int], list[int]] = {}
    for row in harness.rows["part"]:
        sums = parts.setdefault(
            (row["vehicle_id"], row["driver"], row["minute_start"]), [0] * len(row["sums"])
        )
        sums[:] = [a + b for a, b in zip(sums, row["sums"], strict=True)]
    tails = {vehicle: tail.tobytes() for vehicle, tail in harness.keys.tails.items()}
    return States(
        STATE_VERSION,
        {vehicle: row.tobytes() + tails.get(vehicle, b"") for vehicle, row in harness.states.items()},
        harness.timers,
        harness.keys.store,
        parts,
    )


def _commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=project_root(), capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
