"""Rows of metric_window and metric_event from what a window holds."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from conf.metrics import PERCENTILES, Definition, MetricField, Threshold, Window
from jobs.metrics.buckets import Buckets

WINDOW_TABLE, EVENT_TABLE = "metric_window", "metric_event"


class Write(NamedTuple):
    """One upsert: the table, its write time in microseconds, its columns without the key's id and ``updated_at``.

    A column of a ``metric_window`` row that is missing here stays unset; one that is None is erased.
    """

    table: str
    write_us: int
    columns: dict[str, Any]


@dataclass(slots=True)
class Summary:
    """What the values of one field in one window come to; ``total`` in units of the last decimal."""

    count: int = 0
    total: int = 0
    low: float = math.nan
    high: float = math.nan
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, count: int, total: int, low: float, high: float, buckets: Mapping[int, int]) -> None:
        """Adds what a pane holds."""
        self.count += count
        self.total += total
        if not self.low <= low and low == low:
            self.low = low
        if not self.high >= high and high == high:
            self.high = high
        for bucket, weight in buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + weight


class WindowRows:
    """Makes the rows of one definition."""

    def __init__(self, metric: Definition) -> None:
        self._metric = metric
        self._identity = {"definition": metric.id, "params_hash": metric.params_hash}
        self._buckets = {name: Buckets(each) for name, each in metric.fields.items()}
        self._thresholds = {
            (window.label, name): [
                each
                for each in metric.thresholds
                if each.field == name and each.window in (None, window.label)
            ]
            for window in metric.windows
            for name in metric.fields
        }

    def rows(
        self,
        window: Window,
        start: int,
        samples: int,
        summaries: Sequence[Summary],
        *,
        final: bool,
        revision: int,
    ) -> Iterator[Write]:
        """One row of metric_window for each field."""
        for (name, how), summary in zip(self._metric.fields.items(), summaries, strict=True):
            values = self._values(name, how, window, summary)
            marks = [each.name for each in self._crossed(window, name, values)]
            yield Write(
                WINDOW_TABLE,
                write_us(window, start, samples, final),
                {
                    **self._key(window, start, samples, name),
                    **values,
                    "marks": ",".join(marks) or None,
                    "final": final,
                    "revision": revision,
                },
            )

    def events(
        self,
        window: Window,
        start: int,
        samples: int,
        summaries: Sequence[Summary],
        revision: int,
        before: frozenset[str],
    ) -> Generator[Write, None, frozenset[str]]:
        """Rows of metric_event for what is beyond its threshold, or no longer is.

        Args:
            window: what kind of window.
            start: its start, epoch ms.
            samples: in it.
            summaries: of its fields.
            revision: of the window.
            before: names of the events of this window that stand.

        Returns:
            The names of those that stand now.
        """
        stand = set()
        for (name, how), summary in zip(self._metric.fields.items(), summaries, strict=True):
            values = self._values(name, how, window, summary)
            crossed = self._crossed(window, name, values)
            for threshold in self._thresholds[window.label, name]:
                if not threshold.event or (threshold not in crossed and threshold.name not in before):
                    continue
                columns = {
                    **self._key(window, start, samples, name),
                    "threshold": threshold.name,
                    "severity": threshold.severity,
                    "aggregate": threshold.aggregate,
                    "value": values.get(threshold.aggregate),
                    "above": threshold.above,
                    "below": threshold.below,
                    "revision": revision,
                    "superseded_by": None if threshold in crossed else start,
                }
                yield Write(EVENT_TABLE, write_us(window, start, samples, True), columns)
                if threshold in crossed:
                    stand.add(threshold.name)
        return frozenset(stand)

    def _key(self, window: Window, start: int, samples: int, field_name: str) -> dict[str, Any]:
        return {
            "metric": self._metric.name,
            "day": day_text(start),
            "window_start": start,
            "window": window.label,
            "field": field_name,
            "window_end": start + window.length_ms,
            "unit": self._metric.fields[field_name].unit,
            **self._identity,
            "n_samples": samples,
        }

    def _values(
        self, name: str, how: MetricField, window: Window, summary: Summary
    ) -> dict[str, float | int]:
        """The columns that have a value: the count, and what was asked for."""
        found: dict[str, float | int] = {"count": summary.count}
        if "rate" in how.aggregates:
            found["rate_per_s"] = summary.count * 1000 / window.length_ms
        if "sum" in how.aggregates:
            found["sum"] = summary.total / how.scale
        if not summary.count:
            return found
        if "mean" in how.aggregates:
            found["mean"] = summary.total / (how.scale * summary.count)
        if "min" in how.aggregates:
            found["min"] = summary.low
        if "max" in how.aggregates:
            found["max"] = summary.high
        percentiles = self._buckets[name].percentiles(summary.buckets, how.percentiles)
        for percentile, value in zip(how.percentiles, percentiles, strict=True):
            found[PERCENTILES[percentile]] = min(max(value, summary.low), summary.high)
        return found

    def _crossed(self, window: Window, name: str, values: Mapping[str, float | int]) -> list[Threshold]:
        return [
            each
            for each in self._thresholds[window.label, name]
            if each.is_crossed(values.get(each.aggregate), int(values["count"]))
        ]


def write_us(window: Window, start: int, samples: int, final: bool) -> int:
    """The upsert's write time: grows with what the window contains, never with a clock (contracts: design, 6)."""
    return (start + window.length_ms) * 1000 + 2 * samples + int(final)


def day_text(ms: int) -> str:
    """``2026-11-21``, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")
