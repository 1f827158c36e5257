"""Cassandra as the serving layer sees it: prepared reads of the active versions, from an event loop.

No value ever becomes part of a statement's text: it has names from ``schemas/*.cql`` and a version's number, nothing
else, and ids, days and bounds are bound to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from cassandra import (
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    ReadTimeout,
    RequestExecutionException,
    Timeout,
)
from cassandra.cluster import EXEC_PROFILE_DEFAULT, NoHostAvailable, ResponseFuture, ResultSet, Session
from cassandra.query import BoundStatement, PreparedStatement, tuple_factory

from connectors.cassandra_client import META_KEYSPACE
from schemas.tables import Column
from serving.problems import Problem
from serving.questions import Question

FIRST_VERSION = 1
VERSION_KEPT_S = 1.0
STATEMENT_KEPT_S = 60.0
"""Then a statement is made anew: a table may have got columns."""
TIMEOUT_S = 10.0

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """A prepared question.

    Attributes:
        statement: takes the partition key in its order, then the bounds where there are some.
        columns: of the rows, in their order; a table made by an older version may lack some of the declared ones.
    """

    statement: PreparedStatement
    columns: tuple[Column, ...]


class Store:
    """Reads tables; all methods belong to one event loop."""

    def __init__(self, session: Session) -> None:
        """Makes a reader.

        Args:
            session: an open one; whoever opened it closes it.
        """
        self._session = session
        profile = session.execution_profile_clone_update(
            EXEC_PROFILE_DEFAULT, row_factory=tuple_factory, request_timeout=TIMEOUT_S
        )
        profile.consistency_level = ConsistencyLevel.LOCAL_ONE
        self._profile = profile
        self._versions: dict[str, tuple[float, asyncio.Future[int]]] = {}
        self._reads: dict[tuple[str, ...], tuple[float, asyncio.Future[Read]]] = {}

    async def version(self, job: str) -> int:
        """The version of a job's tables that readers use, at most a second old."""
        kept = self._versions.get(job)
        if kept and time.monotonic() < kept[0]:
            return kept[1].result() if kept[1].done() else await asyncio.shield(kept[1])
        future = asyncio.ensure_future(self._active_version(job))
        self._versions[job] = (time.monotonic() + VERSION_KEPT_S, future)
        try:
            return await asyncio.shield(future)
        except Problem:
            self._versions.pop(job, None)
            raise

    async def _active_version(self, job: str) -> int:
        try:
            read = await self._prepared(
                ("version",), f"SELECT version FROM {META_KEYSPACE}.active_version WHERE job = ?"
            )
        except InvalidRequest:  # nobody ever switched versions
            return FIRST_VERSION
        statement = read.statement.bind((job,))
        statement.consistency_level = ConsistencyLevel.SERIAL
        rows, _ = await self._answer(statement, None)
        return int(rows[0][0]) if rows and rows[0][0] is not None else FIRST_VERSION

    async def prepared(self, question: Question, version: int, ranged: bool) -> Read:
        """A question as a prepared statement over one version's table.

        Args:
            question: what is asked.
            version: the tables' version.
            ranged: whether the range column is bounded.

        Raises:
            Problem: there is no such table.
        """
        keyspace = keyspace_of(question.job, version)
        key = (keyspace, question.table.name, "ranged" if ranged else "")
        try:
            return await self._kept(key, lambda: self._question(question, keyspace, ranged))
        except InvalidRequest as error:
            raise Problem(
                "no-tables",
                f"version {version} of {question.job} has no table {question.table.name}: run the job (kappafleet "
                f"submit {question.job}), or repeat if the versions were just switched",
                headers={"Retry-After": "5"},
            ) from error

    async def _question(self, question: Question, keyspace: str, ranged: bool) -> Read:
        table = question.table
        there = await self._columns(keyspace, table.name)
        columns = tuple(column for column in table.columns if column.name in there)
        if not columns:
            raise InvalidRequest(f"no table {table.name}")
        conditions = [f"{name} = ?" for name in table.partition_key]
        if ranged:
            conditions += [f"{question.range_column} >= ?", f"{question.range_column} < ?"]
        names = ", ".join(f'"{column.name}"' for column in columns)
        text = f"SELECT {names} FROM {keyspace}.{table.name} WHERE {' AND '.join(conditions)}"
        return await self._prepare(text, columns)

    async def distinct(self, job: str, table: str, columns: Sequence[str], limit: int) -> list[Row]:
        """The partition keys of a table, in no order; for tables with few partitions.

        Args:
            job: whose active version is read.
            table: its table.
            columns: the whole partition key.
            limit: most keys.

        Raises:
            Problem: there is no such table, or no answer.
        """
        keyspace = keyspace_of(job, await self.version(job))
        try:
            read = await self._prepared(
                (keyspace, table, "distinct"),
                f"SELECT DISTINCT {', '.join(columns)} FROM {keyspace}.{table} LIMIT ?",
            )
        except InvalidRequest:
            return []
        rows, _ = await self._answer(read.statement.bind((limit,)), None)
        return rows

    async def page(
        self, read: Read, values: Sequence[object], size: int, paging_state: bytes
    ) -> tuple[list[Row], bytes]:
        """One page.

        Args:
            read: what is asked.
            values: of its question marks.
            size: most rows.
            paging_state: of the page before; empty: the first one.

        Returns:
            Rows, and the paging state of the next page; empty: there is none.

        Raises:
            Problem: Cassandra does not answer, or not in time.
        """
        statement = read.statement.bind(values)
        statement.fetch_size = size
        return await self._answer(statement, paging_state or None)

    async def has(self, question: Question, version: int, values: Sequence[object]) -> bool:
        """Whether there is a row with this whole primary key.

        Raises:
            Problem: see :meth:`page`.
        """
        table = question.table
        keyspace = keyspace_of(question.job, version)
        conditions = " AND ".join(f"{name} = ?" for name in table.primary_key)
        try:
            read = await self._prepared(
                (keyspace, table.name, "has"),
                f"SELECT {table.primary_key[0]} FROM {keyspace}.{table.name} WHERE {conditions}",
            )
        except InvalidRequest:
            return False
        rows, _ = await self._answer(read.statement.bind(values), None)
        return bool(rows)

    async def _columns(self, keyspace: str, table: str) -> frozenset[str]:
        read = await self._prepared(
            ("columns",),
            "SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?",
        )
        rows, _ = await self._answer(read.statement.bind((keyspace, table)), None)
        return frozenset(name for (name,) in rows)

    async def _prepared(self, key: tuple[str, ...], text: str) -> Read:
        return await self._kept(key, lambda: self._prepare(text, ()))

    async def _kept(self, key: tuple[str, ...], make: Callable[[], Coroutine[Any, Any, Read]]) -> Read:
        """A statement, made at most once a minute; what failed is tried again by the next request."""
        kept = self._reads.get(key)
        if kept and time.monotonic() < kept[0]:
            return kept[1].result() if kept[1].done() else await asyncio.shield(kept[1])
        future = asyncio.ensure_future(make())
        self._reads[key] = (time.monotonic() + STATEMENT_KEPT_S, future)
        try:
            return await asyncio.shield(future)
        except BaseException:
            self._reads.pop(key, None)
            raise

    async def _prepare(self, text: str, columns: tuple[Column, ...]) -> Read:
        try:
            return Read(await asyncio.to_thread(self._session.prepare, text), columns)
        except InvalidRequest:
            raise
        except (DriverException, NoHostAvailable) as error:
            raise _unavailable(error) from error

    async def _answer(self, statement: BoundStatement, paging_state: bytes | None) -> tuple[list[Row], bytes]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[tuple[list[Row], bytes]] = loop.create_future()

        def arrived(rows: list[Row] | None, future: ResponseFuture) -> None:
            state = ResultSet(future, rows).paging_state or b""
            loop.call_soon_threadsafe(_set, done, list(rows or ()), state)

        def failed(error: BaseException) -> None:
            loop.call_soon_threadsafe(_fail, done, error)

        try:
            sent = self._session.execute_async(
                statement, execution_profile=self._profile, paging_state=paging_state
            )
            sent.add_callbacks(arrived, failed, callback_args=(sent,))
            return await done
        except InvalidRequest as error:  # the table was dropped since the statement was made
            self._reads.clear()
            raise Problem(
                "no-tables",
                "the table is gone: repeat the request, the versions were just switched",
                headers={"Retry-After": "1"},
            ) from error
        except (DriverException, NoHostAvailable) as error:
            raise _unavailable(error) from error


def keyspace_of(job: str, version: int) -> str:
    """The keyspace of a job's version; the job is one that ``schemas`` declares."""
    return f"kf_{job}_v{int(version)}"


def _set(done: asyncio.Future[tuple[list[Row], bytes]], rows: list[Row], state: bytes) -> None:
    if not done.done():
        done.set_result((rows, state))


def _fail(done: asyncio.Future[tuple[list[Row], bytes]], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)


def _unavailable(error: BaseException) -> Problem:
    if isinstance(error, OperationTimedOut | ReadTimeout | Timeout):
        return Problem("tables-late", f"no answer within {TIMEOUT_S:.0f} s: ask for less, or repeat later")
    why = "it refuses the request" if isinstance(error, RequestExecutionException) else "it cannot be reached"
    return Problem("tables-unavailable", f"{why}: repeat later", headers={"Retry-After": "2"})
