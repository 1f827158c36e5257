"""The first stage: samples of a mini-batch added up by message and pane. Pure numpy, no Flink, no clock.

A pane is the longest span of which all windows are made up. A message without a number cannot be told from a copy, so
those of one key are added up together; numbered ones stay apart until the second stage knows which are copies.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from conf.metrics import Definition
from jobs.metrics.buckets import Buckets

NO_SEQ = -(2**63)
"""The number of a message that has none."""

CHUNK = 32
"""Buckets in a row; more need further rows."""

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Part:
    """What one message, or several without a number, add to one pane.

    Attributes:
        pane: its start, epoch ms.
        seq, t0: the message; seq is NO_SEQ where there is no number.
        part, parts: which of the message's rows this is, and how many it has.
        samples: how many there are, with a value or without; 0: buckets of this pane come first, the rest follows.
        counts, sums: of each field; sums in units of the last decimal.
        mins, maxs: NaN where there is no value.
        buckets: field, bucket and number of values in it.
    """

    pane: int
    seq: int
    t0: int
    part: int
    parts: int
    samples: int
    counts: tuple[int, ...]
    sums: tuple[int, ...]
    mins: tuple[float, ...]
    maxs: tuple[float, ...]
    buckets: tuple[tuple[int, int, int], ...]


class PartLayout:
    """The layout of the rows that carry parts, of one definition."""

    def __init__(self, metric: Definition) -> None:
        self._fields = count = len(metric.fields)
        self._chunk = chunk = CHUNK if any(field.percentiles for field in metric.fields.values()) else 1
        self.dtype: np.dtype[Any] = np.dtype(
            [
                ("no_key", "S1"),  # empty: the row goes to the message's own key
                ("event_ms", "<i8"),
                ("pane", "<i8"),
                ("seq", "<i8"),
                ("t0", "<i8"),
                ("part", "<i4"),
                ("parts", "<i4"),
                ("samples", "<i8"),
                ("count", "<i8", (count,)),
                ("sum", "<i8", (count,)),
                ("min", "<f8", (count,)),
                ("max", "<f8", (count,)),
                ("filled", "<i4"),
                ("bucket_field", "<i4", (chunk,)),
                ("bucket", "<i8", (chunk,)),
                ("weight", "<i4", (chunk,)),
            ]
        )
        self._struct = struct.Struct(f"<xqqqqiiq{count}q{count}q{count}d{count}di{chunk}i{chunk}q{chunk}i")
        assert self._struct.size == self.dtype.itemsize

    def read(self, row: bytes) -> Part:
        """Reads a row."""
        _, pane, seq, t0, part, parts, samples, *rest = self._struct.unpack(row)
        n, chunk = self._fields, self._chunk
        counts, sums, mins, maxs = (tuple(rest[i * n : (i + 1) * n]) for i in range(4))
        filled, *rest = rest[4 * n :]
        fields, numbers, weights = (rest[i * chunk : i * chunk + filled] for i in range(3))
        buckets = tuple(zip(fields, numbers, weights, strict=True))
        return Part(pane, seq, t0, part, parts, samples, counts, sums, mins, maxs, buckets)


class Partials:
    """Makes the parts of mini-batches."""

    def __init__(self, metric: Definition) -> None:
        self.layout = PartLayout(metric)
        self._pane_ms = metric.pane_ms
        self._fields = [
            (name, field.scale, Buckets(field) if field.percentiles else None)
            for name, field in metric.fields.items()
        ]

    def rows(
        self, samples: Mapping[str, Array], lengths: Array, key_index: Array, seq: Array | None
    ) -> tuple[Array, Array]:
        """Adds up a mini-batch.

        Args:
            samples: ``t`` and the fields; NaN, or -1 of a boolean, is no value.
            lengths: samples of each message.
            key_index: key of each message.
            seq: number of each message, NO_SEQ: none; None: no message has one.

        Returns:
            The key of each row and the rows; those of one message follow each other.
        """
        t = samples["t"]
        messages = len(lengths)
        firsts = np.cumsum(lengths) - lengths
        numbers = np.full(messages, NO_SEQ) if seq is None else seq
        groups = np.where(numbers == NO_SEQ, messages + key_index.astype(np.int64), np.arange(messages))
        of_message = np.repeat(np.arange(messages), lengths)
        group = groups[of_message]
        pane = t - t % self._pane_ms
        order = np.lexsort((pane, group))
        group, pane = group[order], pane[order]
        starts = np.flatnonzero(np.r_[True, (group[1:] != group[:-1]) | (pane[1:] != pane[:-1])])
        cell = np.zeros(len(t), np.int64)  # of each sample in order: what is added up together
        cell[starts[1:]] = 1
        cell = np.cumsum(cell)
        sums = [self._added(samples[name][order], scale, starts) for name, scale, _ in self._fields]
        entries = self._entries(cell, [units for *_, units in sums])
        return self._laid_out(
            entries, sums, starts, len(t), pane, of_message[order], group, (key_index, numbers, t[firsts])
        )

    def _added(self, values: Array, scale: int, starts: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Count, sum, minimum and maximum of each cell; and each sample in units, NaN where there is no value."""
        if values.dtype == np.int8:
            values = np.where(values < 0, np.nan, values)
        values = values + 0.0  # -0.0 and 0.0 are one number, and which of them came first must not matter
        present = ~np.isnan(values)
        units = np.rint(values * scale)
        whole = np.where(present, units, 0).astype(np.int64)
        return (
            np.add.reduceat(present.astype(np.int64), starts),
            np.add.reduceat(whole, starts),
            np.fmin.reduceat(values, starts),
            np.fmax.reduceat(values, starts),
            units,
        )

    def _entries(self, cell: Array, units: list[Array]) -> tuple[Array, Array, Array, Array]:
        """Cell, field, bucket and weight of every bucket that is not empty, cell after cell."""
        found = []
        for index, (_, _, buckets) in enumerate(self._fields):
            if buckets is None:
                continue
            present = np.flatnonzero(~np.isnan(units[index]))
            different, which = np.unique(units[index][present].astype(np.int64), return_inverse=True)
            numbers = np.array([buckets.bucket(value) for value in different.tolist()], np.int64)
            found.append((cell[present], np.full(len(present), index), numbers[which]))
        if not found or not sum(len(cells) for cells, _, _ in found):
            none = np.zeros(0, np.int64)
            return none, none, none, none
        cells, fields, numbers = (np.concatenate(columns) for columns in zip(*found, strict=True))
        order = np.lexsort((numbers, fields, cells))
        cells, fields, numbers = cells[order], fields[order], numbers[order]
        new = (cells[1:] != cells[:-1]) | (fields[1:] != fields[:-1]) | (numbers[1:] != numbers[:-1])
        starts = np.flatnonzero(np.r_[True, new])
        return cells[starts], fields[starts], numbers[starts], np.diff(np.r_[starts, len(cells)])

    def _laid_out(
        self,
        entries: tuple[Array, Array, Array, Array],
        sums: list[tuple[Array, Array, Array, Array, Array]],
        starts: Array,
        samples: int,
        pane: Array,
        of_message: Array,
        group: Array,
        messages: tuple[Array, Array, Array],
    ) -> tuple[Array, Array]:
        """The rows: one for each cell, more where its buckets need them; what is added up stands in the last one."""
        key_index, numbers, t0 = messages
        cells, bucket_field, bucket, weight = entries
        chunk = self.layout.dtype["bucket"].shape[0]
        filled = np.bincount(cells, minlength=len(starts))
        needed = np.maximum(1, -(-filled // chunk))
        last_row = np.cumsum(needed) - 1
        rows = np.zeros(int(needed.sum()), self.layout.dtype)
        cell_of_row = np.repeat(np.arange(len(starts)), needed)
        message = of_message[starts][cell_of_row]
        rows["event_ms"] = rows["pane"] = pane[starts][cell_of_row]
        rows["seq"] = numbers[message]
        rows["t0"] = t0[message]
        rows["min"] = rows["max"] = np.nan
        rows["samples"][last_row] = np.diff(np.r_[starts, samples])
        for index, (count, total, least, most, _) in enumerate(sums):
            rows["count"][last_row, index] = count
            rows["sum"][last_row, index] = total
            rows["min"][last_row, index] = least
            rows["max"][last_row, index] = most
        place = np.arange(len(cells)) - (np.cumsum(filled) - filled)[cells]
        row, slot = (last_row - needed + 1)[cells] + place // chunk, place % chunk
        rows["bucket_field"][row, slot] = bucket_field
        rows["bucket"][row, slot] = bucket
        rows["weight"][row, slot] = weight
        rows["filled"] = np.bincount(row, minlength=len(rows))
        group_of_row = group[starts][cell_of_row]
        begins = np.flatnonzero(np.r_[True, group_of_row[1:] != group_of_row[:-1]])
        sizes = np.diff(np.r_[begins, len(rows)])
        rows["part"] = np.arange(len(rows)) - np.repeat(begins, sizes)
        rows["parts"] = np.repeat(sizes, sizes)
        return key_index[message].astype(np.int32), rows
