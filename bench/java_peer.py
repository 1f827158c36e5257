"""The same statistics as a Flink job by hand in Java: ``python -m bench.java_peer INPUT FOLDER``.

The upper bound for code in the JVM: no Python, no checkpoints, state as objects on the heap; see
``bench/java/io/kappafleet/bench/FlinkPeer.java``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.flink import use_own_flink
from bench.java_tools import command
from jobs.driver_stats.settings import Settings


def main(source: Path, folder: Path) -> None:
    """Becomes the job's process."""
    use_own_flink()
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings.load().model_dump_json()
    words = command("FlinkPeer", str(source.absolute()), folder.absolute().as_uri(), settings)
    os.execv(words[0], words)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
