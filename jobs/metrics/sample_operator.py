"""The first stage as a function of the columnar operator. It keeps no state: what it makes goes on at once."""

from __future__ import annotations

import json

import numpy as np

from conf.metrics import Definition
from connectors.columnar_runtime import NO_INTEGER, NO_TIMER, Batch, Result, TimerBatch
from jobs.metrics.partials import NO_SEQ, Partials

assert NO_SEQ == NO_INTEGER

PART = "part"


class SampleOperator:
    """Keyed by the definition's key: samples in, parts of panes out."""

    state_dtype = np.dtype([("unused", "<i8")])
    state_version = 1
    counters = ("samples",)
    outputs: dict[str, np.dtype[np.void]] = {}  # noqa: RUF012  # each instance sets its own, by its definition

    def open(self, settings_json: str, subtask: int) -> None:
        """Takes the definition as JSON."""
        metric = Definition.model_validate(json.loads(settings_json))
        self._partials = Partials(metric)
        self._seq = metric.seq
        self.outputs = {PART: self._partials.layout.dtype}

    def upgrade(self, version: int, row: bytes) -> bytes:
        """There is nothing to upgrade.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"there is no state of version {version}: this operator keeps none")

    def batch(self, b: Batch) -> Result:
        """Adds up a mini-batch."""
        seq = b.integers[self._seq] if self._seq else None
        keys, rows = self._partials.rows(b.samples, b.lengths, b.key_index, seq)
        return Result(
            timers=np.full(len(b.states), NO_TIMER),
            outputs={PART: (keys, rows)},
            deletions=np.ones(len(b.states), np.bool_),
            counters=np.array([len(b.samples["t"])]),
        )

    def timers(self, fired: TimerBatch) -> Result:
        """There are none."""
        return Result(timers=np.full(len(fired.states), NO_TIMER))
