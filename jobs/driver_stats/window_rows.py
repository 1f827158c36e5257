"""Rows of the drivers' window tables, and how a day's sums by fleet are kept."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

from conf.score import AdditiveRules, PercentRules
from connectors.rows import FrameEncoder, Value
from jobs.driver_stats.score import score
from jobs.driver_stats.windows import WindowSums
from schemas.tables import table

JOB = "driver_stats"


def fleets_of(stored: bytes | None) -> dict[str, bytes]:
    """A day's sums by fleet."""
    return pickle.loads(stored) if stored is not None else {}


class WindowRows:
    """Rows of one of the window tables, whose columns beside the key are the same."""

    def __init__(self, name: str, rules: AdditiveRules | PercentRules) -> None:
        spec = table(JOB, name)
        self._rules = rules
        self._columns = [column.name for column in spec.columns]
        self._encoder = FrameEncoder(spec)

    def row(
        self,
        key: Mapping[str, Value],
        sums: WindowSums,
        start_ms: int,
        end_ms: int,
        final: bool,
        now_ms: int,
        newer: int = 0,
    ) -> bytes:
        """One row; ``newer`` grows with whatever else than the sums its columns are made of."""
        values: dict[str, Value] = {
            **key,
            **sums.metrics(),
            **score(self._rules, sums.tally()).columns(),
            "final": final,
            "revision": sums.finals,
            "superseded_by": start_ms if sums.is_void else None,
            "updated_at": now_ms,
        }
        return self._encoder.encode(
            sums.write_us(end_ms, final) + 2 * newer,
            [values.get(name) for name in self._columns],
            erase=[sums.corrected and name in values for name in self._columns],
        )
