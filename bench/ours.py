"""One run of a job of ours, from a file to files: ``python -m bench.ours INPUT FOLDER [--rocksdb] [--job JOB]``.

What ``kappafleet run`` does, but with checkpoints every 2 s, which that command leaves out for files:
durability belongs to what is measured.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench.flink import settings, use_own_flink
from kappafleet.launch import Launch, launch
from kappafleet.stack.flink import ROCKSDB

CHECKPOINT_INTERVAL = "2 s"
ROCKSDB_MEMORY = "512m"
GC_LOG = "KAPPAFLEET_BENCH_GC_LOG"
"""Variable: the file that gets a line for each collection of garbage."""


def main(
    source: Path, folder: Path, checkpoints: bool = True, rocksdb: bool = False, job: str = "driver_stats"
) -> None:
    """Runs the job; returns when all tables are written."""
    use_own_flink()
    log = os.environ.get(GC_LOG)
    if log:
        os.environ["JAVA_TOOL_OPTIONS"] = f"-Xlog:gc:file={log}:uptime"
    more = {}
    if checkpoints:
        more = {
            "execution__checkpointing__interval": CHECKPOINT_INTERVAL,
            "execution__checkpointing__dir": (folder / "checkpoints").absolute().as_uri(),
        }
    if rocksdb:
        more |= {
            "state__backend__type": "rocksdb",
            "execution__checkpointing__incremental": "true",
            "taskmanager__memory__managed__size": ROCKSDB_MEMORY,
            **ROCKSDB,
        }
    launch(Launch(job, f"file:{source}", f"file:{folder}", parallelism=1), settings(**more))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.ours")
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-checkpoints", action="store_true")
    parser.add_argument("--rocksdb", action="store_true")
    parser.add_argument("--job", default="driver_stats")
    given = parser.parse_args()
    main(given.source, given.folder, not given.no_checkpoints, given.rocksdb, given.job)
