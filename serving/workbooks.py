"""Workbooks of a fleet: what they are made of, and the route that gives them."""

from __future__ import annotations

import asyncio
import calendar
from collections.abc import Sequence
from datetime import datetime

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from schemas.tables import Column
from serving import parameters, visibility
from serving.keys import Caller
from serving.periods import Span, span
from serving.problems import Problem, invalid
from serving.questions import Question, question
from serving.reader import read_page
from serving.routes import problem_answers
from serving.service import Service
from serving.store import Row, Store
from serving.workbook import MAX_ROWS, MEDIA_TYPE, Sheet, safe_name, workbook

PAGE = 5000
DRIVERS_AT_ONCE = 8
_LEFT_OUT = frozenset({"superseded_by", "month", "formula", "params_hash"})
_FIRST = {"driver_id": 0, "day": 1}
_SUMS = frozenset(
    {"distance_km", "harsh_accel", "harsh_brake", "harsh_corner", "n_samples", "penalty_events"}
)


def add(app: FastAPI, service: Service) -> None:
    """Adds the route."""
    busy = asyncio.Semaphore(2)  # making one takes seconds of a processor
    found = {
        "description": "The workbook (.xlsx).",
        "content": {MEDIA_TYPE: {"schema": {"format": "binary"}}},
    }

    @app.get("/v1/fleets/{fleet_id}/workbook", tags=["drivers and vehicles"], operation_id="fleet-workbook",
             summary="A fleet's day or month as a workbook for spreadsheets.",
             responses={200: found, **problem_answers()}, response_class=Response,
             openapi_extra={"parameters": [
                 {"name": name, "in": "query", "schema": {"type": "string"}} for name in ("day", "month")]},
             )  # fmt: skip
    async def fleet_workbook(request: Request, fleet_id: str) -> Response:
        caller = service.admit(request)
        fleet = parameters.identifier("fleet_id", fleet_id)
        visibility.check(question("fleet-drivers"), (fleet,), caller)
        given = parameters.once(request.query_params.multi_items(), ("day", "month"))
        async with busy:
            body, period = await fleet_period(service.store, fleet, given, caller, service.now())
        name = f"{safe_name([fleet, period])}.xlsx"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        }
        return Response(body, media_type=MEDIA_TYPE, headers=headers)


async def fleet_period(
    store: Store, fleet: str, given: dict[str, str], caller: Caller, now: datetime
) -> tuple[bytes, str]:
    """Makes a workbook of a fleet's day or month; none given: the current day.

    Args:
        store: the tables.
        fleet: whose.
        given: ``day`` or ``month``.
        caller: for whom; rows of other fleets than the caller's are left out.
        now: what is current.

    Returns:
        The file, and the period's name.

    Raises:
        Problem: the period is malformed, the rows are too many, or there are no tables.
    """
    period, days, months = _spans(given, now)
    board = question("fleet-drivers")
    version = await store.version(board.job)
    columns, rows = await _all(store, board, (fleet,), days, caller, MAX_ROWS)
    names = [column.name for column in columns]
    drivers = sorted({row[names.index("driver_id")] for row in rows})
    leaders = _by_driver(columns, rows) if len(days.buckets) > 1 else rows
    distance = names.index("distance_km")
    leaders = sorted(leaders, key=lambda row: -(row[distance] or 0.0))
    sheets = [_sheet("Drivers", columns, leaders)]
    if len(days.buckets) > 1:
        sheets.append(_sheet("Days", columns, rows))
    left = MAX_ROWS - sum(len(sheet.rows) for sheet in sheets)
    narrowed = Caller(caller.name, caller.admin, frozenset({fleet}))
    for name, asked, where in (
        ("Trips", question("driver-trips"), months),
        ("Events", question("driver-events"), days),
    ):
        found_columns, found = await _of_drivers(store, asked, drivers, where, narrowed, left)
        left -= len(found)
        sheets.append(_sheet(name, found_columns, found))
    body = await asyncio.to_thread(workbook, fleet, period, version, sheets, now)
    return body, period


def _spans(given: dict[str, str], now: datetime) -> tuple[str, Span, Span]:
    """The period's name, its days, and the months that trips are cut by."""
    board, trips = question("fleet-drivers"), question("driver-trips")
    if "day" in given and "month" in given:
        raise invalid("month", "give either day or month")
    if "month" in given:
        (month,) = span(trips, {"month": given["month"]}, now).buckets
        last = calendar.monthrange(int(month[:4]), int(month[5:]))[1]
        days = span(board, {"from": f"{month}-01", "to": f"{month}-{last}"}, now)
        return month, days, span(trips, {"month": month}, now)
    (day,) = span(board, given, now).buckets
    return day, span(board, {"day": day}, now), span(trips, {"from": day, "to": day}, now)


async def _of_drivers(
    store: Store, asked: Question, drivers: Sequence[str], where: Span, caller: Caller, most: int
) -> tuple[Sequence[Column], list[Row]]:
    columns: Sequence[Column] = asked.table.columns
    found: list[Row] = []
    for first in range(0, len(drivers), DRIVERS_AT_ONCE):
        some = drivers[first : first + DRIVERS_AT_ONCE]
        answers = await asyncio.gather(
            *(_all(store, asked, (driver,), where, caller, most - len(found)) for driver in some)
        )
        for there, rows in answers:
            columns = there
            found += rows
        if len(found) > most:
            raise _too_many()
    return columns, found


async def _all(
    store: Store, asked: Question, ids: Sequence[str], where: Span, caller: Caller, most: int
) -> tuple[Sequence[Column], list[Row]]:
    visible = visibility.filter_of(store, asked, caller, superseded=False)
    rows: list[Row] = []
    start = None
    while True:
        page = await read_page(store, asked, ids, where, PAGE, start, visible)
        rows += page.rows
        if len(rows) > most:
            raise _too_many()
        if page.next is None:
            return page.columns, rows
        start = page.next


def _by_driver(columns: Sequence[Column], rows: Sequence[Row]) -> list[Row]:
    """One row a driver: sums of what adds up, the highest of speeds; a score is of a day and has no sum."""
    names = [column.name for column in columns]
    driver = names.index("driver_id")
    found: dict[str, list[object]] = {}
    for row in rows:
        kept = found.setdefault(row[driver], [None] * len(names))
        for index, column in enumerate(columns):
            value, before = row[index], kept[index]
            if column.name in ("driver_id", "fleet_id"):
                kept[index] = value
            elif value is None:
                continue
            elif column.name in _SUMS or (
                column.cql_type == "double" and column.name.endswith(("_s", "_km"))
            ):
                kept[index] = value if before is None else before + value
            elif column.name == "max_speed_kmh":
                kept[index] = value if before is None else max(before, value)
    if "mean_speed_kmh" in names:
        mean, distance, drive = (names.index(name) for name in ("mean_speed_kmh", "distance_km", "drive_s"))
        for kept in found.values():
            seconds, way = kept[drive], kept[distance]
            if isinstance(seconds, float) and seconds and isinstance(way, float):
                kept[mean] = way / seconds * 3600
    return [tuple(kept) for kept in found.values()]


def _sheet(name: str, columns: Sequence[Column], rows: Sequence[Row]) -> Sheet:
    """Without columns that say nothing to people, or nothing at all here."""
    kept = [
        index
        for index, column in enumerate(columns)
        if column.name not in _LEFT_OUT and (not rows or any(row[index] is not None for row in rows))
    ]
    kept.sort(key=lambda index: _FIRST.get(columns[index].name, len(_FIRST)))
    return Sheet(
        name, [columns[index] for index in kept], [tuple(row[index] for index in kept) for row in rows]
    )


def _too_many() -> Problem:
    return Problem("too-many-rows", f"more than {MAX_ROWS:,} rows: take a day, or ask page by page")
