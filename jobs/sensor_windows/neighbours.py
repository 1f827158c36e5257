"""Does a sensor agree with its neighbours? Hourly means of one cell, each beside the median of the others. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

from jobs.sensor_windows.groups import HOUR_MS, Parts, Write
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.settings import Neighbours

_MEAN = struct.Struct("<qqqqd")


class Mean(NamedTuple):
    """The closed hour of one sensor and quantity.

    Attributes:
        start: epoch ms.
        quantity: index into QUANTITIES.
        n_samples: in it.
        changes: grows with what the hour contains.
        mean: NaN where no reading could be used.
        sensor_id: whose.
    """

    start: int
    quantity: int
    n_samples: int
    changes: int
    mean: float
    sensor_id: str

    def packed(self) -> bytes:
        """As bytes."""
        return _MEAN.pack(*self[:-1]) + self.sensor_id.encode()

    @classmethod
    def unpacked(cls, data: bytes) -> Mean:
        """Of ``packed``."""
        start, quantity, n_samples, changes, mean = _MEAN.unpack_from(data)
        return cls(start, quantity, n_samples, changes, mean, data[_MEAN.size :].decode())


def rows(means: Parts[Mean], rules: Neighbours) -> Iterator[Write]:
    """The rows of one cell and hour; of a sensor without a mean, too: an earlier one may stand there."""
    by_quantity: dict[int, list[Mean]] = {}
    for mean in means.values():
        by_quantity.setdefault(mean.quantity, []).append(mean)
    for quantity, all_of in by_quantity.items():
        changes = sum(each.changes for each in all_of)
        present = [each for each in all_of if each.mean == each.mean]
        for own in all_of:
            others = [each.mean for each in present if each is not own]
            told = own.mean == own.mean and len(others) >= rules.min_count
            middle = median(others) if told else None
            yield Write(
                (own.start + HOUR_MS) * 1000 + changes,
                {
                    "quantity": QUANTITIES[quantity],
                    "sensor_id": own.sensor_id,
                    "mean": own.mean if own.mean == own.mean else None,
                    "neighbours_median": middle,
                    "neighbours": len(others),
                    "disagrees": None if middle is None else disagrees(own.mean, middle, rules),
                    "n_samples": own.n_samples,
                },
            )


def disagrees(mean: float, middle: float, rules: Neighbours) -> bool:
    """Whether a mean is too far from the median of the others, absolutely and relatively."""
    distance = abs(mean - middle)
    return distance > rules.disagree_min and distance > rules.disagree_ratio * abs(middle)
