"""Runs jobs from files to files, several of them in one Java process: it is its start that takes the time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 300

_RUN = """
import json, sys
from kappafleet.commands.run import flink_settings, use_own_flink
from kappafleet.launch import Launch, launch
use_own_flink()
for given in json.load(sys.stdin):
    launch(Launch(**given), flink_settings(given["source"]))
"""


@dataclass(frozen=True)
class FileJob:
    """One run of a job: messages in ``source``, tables into ``folder``."""

    source: Path
    folder: Path
    overrides: Sequence[str] = ()
    parallelism: int = 1
    job: str = "driver_stats"


def run_jobs(jobs: Iterable[FileJob]) -> None:
    """Runs them one after the other; fails with the process' output."""
    given = [
        {
            "job": job.job,
            "source": f"file:{job.source}",
            "sink": f"file:{job.folder}",
            "overrides": list(job.overrides),
            "parallelism": job.parallelism,
        }
        for job in jobs
    ]
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
