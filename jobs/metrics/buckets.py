"""Percentiles: values are counted in numbered buckets, whose order is that of their values.

Counts only add up, so neither the order of the samples nor how they are spread over partial results matters, and a
replay gives the same percentiles. That is why the sketch is a DDSketch (Masson, Rim, Lee, "DDSketch", VLDB 2019; the
library ``ddsketch`` maps values to buckets and back): t-digest depends on the order of its input, and KLL and REQ of
``datasketches`` on random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ddsketch.mapping import LogarithmicMapping

from conf.metrics import MetricField

_OFFSET = 1 << 20
"""Beyond every number of a sketch's bucket of a value from 1e-9 to 1e13, at an accuracy of 0.001 or more."""

_REMEMBERED = 1 << 16


class Buckets:
    """The buckets of one field: its values themselves in units of the last decimal, or those of a sketch."""

    def __init__(self, field: MetricField) -> None:
        self._scale = field.scale
        self._mapping = None if field.is_exact else _mapping(field.accuracy)
        self._known: dict[int, int] = {}

    def bucket(self, units: int) -> int:
        """The bucket of a value given in units of the last decimal."""
        if self._mapping is None or units == 0:
            return units
        found = self._known.get(units)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            number = int(self._mapping.key(abs(units) / self._scale)) + _OFFSET
            found = self._known[units] = number if units > 0 else -number
        return found

    def value(self, bucket: int) -> float:
        """The value that stands for a bucket."""
        if self._mapping is None or bucket == 0:
            return bucket / self._scale
        value = float(self._mapping.value(abs(bucket) - _OFFSET))
        return value if bucket > 0 else -value

    def percentiles(self, counts: Mapping[int, int], wanted: tuple[float, ...]) -> list[float]:
        """Of the counted values that of rank floor(p / 100 * (n - 1)), from 0: none between two of them."""
        ordered = sorted(counts.items())
        total = sum(counts.values())
        found = []
        for percentile in wanted:
            rank = percentile / 100 * (total - 1)
            reached = 0
            for bucket, count in ordered:
                reached += count
                if reached > rank:
                    found.append(self.value(bucket))
                    break
        return found


@cache
def _mapping(accuracy: float) -> LogarithmicMapping:
    return LogarithmicMapping(accuracy)
