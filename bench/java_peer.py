"""The same statistics as a Flink job by hand in Java: ``python -m bench.java_peer INPUT FOLDER``.

The upper bound for code in the JVM: no Python, no checkpoints, state as objects on the heap; see
``bench/java/io/kappafleet/bench/FlinkPeer.java``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bench.flink import use_own_flink
from bench.java_tools import command
from conf.score import AdditiveRules
from jobs.driver_stats.settings import Settings


def parameters() -> str:
    """The job's parameters, and what rows name as their rules."""
    settings = Settings.load()
    if not isinstance(settings.score, AdditiveRules):
        raise TypeError(f"this peer knows the additive formula only, not {settings.score.id}")
    ids = {
        "harsh": settings.harsh_rules.id,
        "speeding": settings.speeding.id,
        "idle": settings.idle.id,
        "score": settings.score.id,
        "params_hash": settings.score.params_hash,
    }
    return json.dumps({**settings.model_dump(mode="json"), "ids": ids})


def main(source: Path, folder: Path) -> None:
    """Becomes the job's process."""
    use_own_flink()
    folder.mkdir(parents=True, exist_ok=True)
    words = command("FlinkPeer", str(source.absolute()), folder.absolute().as_uri(), parameters())
    os.execv(words[0], words)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
