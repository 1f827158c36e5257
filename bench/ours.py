"""One run of our job, from a file to files: ``python -m bench.ours INPUT FOLDER``.

What ``kappafleet run driver_stats`` does, but with checkpoints every 2 s, which that command leaves out for files:
durability belongs to what is measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.flink import settings, use_own_flink
from kappafleet.launch import Launch, launch

CHECKPOINT_INTERVAL = "2 s"


def main(source: Path, folder: Path, checkpoints: bool = True) -> None:
    """Runs the job; returns when all tables are written."""
    use_own_flink()
    durable = {}
    if checkpoints:
        durable = {
            "execution__checkpointing__interval": CHECKPOINT_INTERVAL,
            "execution__checkpointing__dir": (folder / "checkpoints").absolute().as_uri(),
        }
    launch(Launch("driver_stats", f"file:{source}", f"file:{folder}", parallelism=1), settings(**durable))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), "--no-checkpoints" not in sys.argv)
