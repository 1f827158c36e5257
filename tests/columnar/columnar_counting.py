"""A columnar function for the tests on Flink: sums by key in windows of ten seconds, closed by timers."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

from connectors.columnar_runtime import NO_TIMER, Batch, Result, TimerBatch

WINDOW_MS = 10_000
ROW = np.dtype([("n", "<i8"), ("total", "<f8"), ("start_ms", "<i8"), ("write_us", "<i8"), ("driver", "S64")])


class Counting:
    """With ``fail_after``, fails once after so many messages and notes how many each attempt has seen."""

    state_dtype = np.dtype([("start_ms", "<i8"), ("n", "<i8"), ("total", "<f8"), ("driver", "S64")])
    state_version = 1
    counters = ("samples",)
    outputs = {"counts": ROW}  # noqa: RUF012  the protocol's form

    def open(self, settings_json: str, subtask: int) -> None:
        """Reads ``{"attempts": folder, "fail_after": messages}``."""
        settings = json.loads(settings_json)
        self._fail_after: int | None = settings.get("fail_after")
        self._seen = 0
        if self._fail_after is not None:
            attempts = Path(settings["attempts"])
            number = len(list(attempts.iterdir()))
            self._note = attempts / f"{number}-{subtask}-{os.getpid()}"
            self._first = number == 0
            self._note.write_text("0")

    def upgrade(self, version: int, row: bytes) -> bytes:
        """There is none."""
        raise NotImplementedError

    def batch(self, b: Batch) -> Result:
        """Sample after sample."""
        if self._fail_after is not None:
            self._seen += len(b.lengths)
            self._note.write_text(str(self._seen))
            time.sleep(0.01)  # gives checkpoints time to happen
            if self._first and self._seen >= self._fail_after:
                raise RuntimeError("induced")
        states, rows, keys = b.states, [], []
        codes, drivers = b.texts["driver_id"]
        at = 0
        for message, key in enumerate(b.key_index):
            for i in range(at, at + b.lengths[message]):
                start = b.samples["t"][i] // WINDOW_MS * WINDOW_MS
                if states["n"][key] and start != states["start_ms"][key]:
                    rows.append(_closed(states[key]))
                    keys.append(key)
                    states["n"][key], states["total"][key] = 0, 0.0
                states["start_ms"][key] = start
                states["n"][key] += 1
                states["total"][key] += np.nan_to_num(b.samples["speed"][i])
                states["driver"][key] = drivers[codes[message]] if codes[message] >= 0 else b""
            at += b.lengths[message]
        return Result(
            timers=states["start_ms"] + WINDOW_MS - 1,
            outputs={"counts": (np.array(keys, np.int32), np.array(rows, ROW))},
            counters=np.array([len(b.samples["t"])]),
        )

    def timers(self, f: TimerBatch) -> Result:
        """Closes the windows."""
        count = len(f.states)
        return Result(
            timers=np.full(count, NO_TIMER),
            outputs={
                "counts": (np.arange(count, dtype=np.int32), np.array([_closed(s) for s in f.states], ROW))
            },
            deletions=np.ones(count, np.bool_),
        )


def _closed(state: np.void) -> np.void:
    row = np.zeros((), ROW)
    for name in ("n", "total", "start_ms", "driver"):
        row[name] = state[name]
    row["write_us"] = (state["start_ms"] + WINDOW_MS) * 1000
    return row[()]
