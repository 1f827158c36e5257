"""Pages of rows across partitions, newest first, of one version of the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from schemas.tables import Column
from serving.cursor import Position
from serving.periods import Span
from serving.problems import Problem
from serving.questions import Question
from serving.store import Read, Row, Store

AHEAD = 8
"""So many partitions are asked for at once: most days of a driver are short, and many are empty."""
MOST_READS = 512
"""Bound of one page's reads, for rows that nearly all are left out."""

Visible = Callable[[Sequence[Column], list[Row]], Awaitable[list[Row]]]
"""Leaves out rows that the reader may not see, or did not ask for."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a question.

    Attributes:
        columns: of the rows, in their order.
        rows: at most as many as were asked for.
        version: of the tables they are from.
        next: where the next page starts; None: there is nothing more.
    """

    columns: tuple[Column, ...]
    rows: list[Row]
    version: int
    next: Position | None


async def read_page(
    store: Store,
    question: Question,
    ids: Sequence[str],
    span: Span,
    limit: int,
    start: Position | None,
    visible: Visible,
) -> Page:
    """Reads one page.

    Args:
        store: the tables.
        question: what is asked.
        ids: the partition key without its bucket.
        span: the partitions, and the bounds inside them.
        limit: most rows.
        start: where the page before ended; None: the first page.
        visible: what is left out.

    Raises:
        Problem: there are no tables, no answer, or the version that ``start`` belongs to is gone.
    """
    version = start.version if start else await store.version(question.job)
    try:
        return await _read(store, question, version, ids, span, limit, start, visible)
    except Problem as problem:
        if start and problem.kind == "no-tables":
            raise Problem(
                "cursor-outdated",
                f"version {version} of {question.job} is gone: start again without the cursor",
            ) from problem
        raise


async def _read(
    store: Store,
    question: Question,
    version: int,
    ids: Sequence[str],
    span: Span,
    limit: int,
    start: Position | None,
    visible: Visible,
) -> Page:
    read = await store.prepared(question, version, span.low is not None)
    partitions = _Partitions(store, question, read, ids, span)
    bucket, state = (start.bucket, start.paging_state) if start else (0, b"")
    rows: list[Row] = []
    reads = 0
    while bucket < len(span.buckets):
        if len(rows) == limit or reads > MOST_READS:
            return Page(read.columns, rows, version, Position(version, bucket, state))
        wanted = limit - len(rows)
        if state:
            found, state = await partitions.page(bucket, wanted, state)
            reads += 1
            rows += await visible(read.columns, found)
            bucket += not state
            continue
        ahead = range(bucket, min(bucket + AHEAD, len(span.buckets)))
        pages = await asyncio.gather(*(partitions.page(each, wanted, b"") for each in ahead))
        reads += len(ahead)
        for each, (found, rest) in zip(ahead, pages, strict=True):
            seen = await visible(read.columns, found)
            if len(rows) + len(seen) > limit:
                # Its paging state is that of a longer page: it is read again, as long as there is room for.
                break
            rows += seen
            bucket, state = (each, rest) if rest else (each + 1, b"")
            if rest or len(rows) == limit:
                break
        else:
            continue
        if not state and len(rows) < limit and bucket in ahead:
            found, state = await partitions.page(bucket, limit - len(rows), b"")
            reads += 1
            rows += await visible(read.columns, found)
            bucket += not state
    return Page(read.columns, rows, version, None)


@dataclass(frozen=True, slots=True)
class _Partitions:
    store: Store
    question: Question
    read: Read
    ids: Sequence[str]
    span: Span

    async def page(self, bucket: int, size: int, state: bytes) -> tuple[list[Row], bytes]:
        ids = iter(self.ids)
        key = [
            self.span.buckets[bucket] if name == self.question.bucket.value else next(ids)
            for name in self.question.table.partition_key
        ]
        bounds = () if self.span.low is None else (self.span.low, self.span.high)
        return await self.store.page(self.read, (*key, *bounds), size, state)
