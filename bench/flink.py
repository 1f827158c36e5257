"""The Flink that both Flink jobs of the benchmark run on: the wheel's, in a mini cluster of their own process."""

from __future__ import annotations

import os
import sys

from kappafleet import places
from kappafleet.flink_home import prepare
from kappafleet.stack.flink import SEGMENT_SIZE


def use_own_flink() -> None:
    """Points this process, and the Java process that PyFlink starts from it, at our Flink installation."""
    flink = prepare(conf_name="conf-embedded")
    log = places.home() / "log"
    log.mkdir(parents=True, exist_ok=True)
    os.environ.update(flink.environment())
    os.environ["FLINK_LOG_DIR"] = str(log)


def settings(**more: str) -> dict[str, str]:
    """Flink's settings: those of ``kappafleet run`` for files, and more (``a__b`` stands for ``a.b``)."""
    return {
        "python.execution-mode": "thread",
        "python.executable": sys.executable,
        "pipeline.object-reuse": "true",
        "taskmanager.memory.segment-size": SEGMENT_SIZE,
        "taskmanager.memory.network.min": "128m",
        "taskmanager.memory.network.max": "128m",
        "jobmanager.bind-host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "restart-strategy.type": "none",
        **{name.replace("__", "."): value for name, value in more.items()},
    }
