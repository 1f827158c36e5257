"""Workbooks of settings for tests: made, edited as a person would, and spoilt."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import openpyxl

from conf.rule_changes import changeable
from connectors.reference import Place
from serving.settings_sheets import InForce, Log, in_force
from serving.settings_workbook import settings_workbook

NOW_MS = 1_767_225_600_000
"""2026-01-01T00:00Z."""
HOUR_MS = 3_600_000
CONF = changeable()
CELL = "u33dc0c"


def rules(name: str, values: dict[str, float], valid_from: int, rule_set: str = "harsh") -> dict[str, Any]:
    return {"schema": "rules/1", "rule_set": rule_set, "name": name, **values, "valid_from": valid_from}


def limit(cell: str, kmh: float | None, valid_from: int, **more: Any) -> dict[str, Any]:
    return {"schema": "road_limit/1", "cell": cell, "limit_kmh": kmh, "valid_from": valid_from, **more}


def station(name: str, valid_from: int, **values: Any) -> dict[str, Any]:
    return {"schema": "station/1", "station_id": name, **values, "valid_from": valid_from}


def login(vehicle: str, driver: str | None, t: int) -> dict[str, Any]:
    return {"schema": "assignment/1", "vehicle_id": vehicle, "driver_id": driver, "t": t}


KNOWN = [
    limit(CELL, 50, NOW_MS - HOUR_MS),
    limit("u33", 100, NOW_MS - HOUR_MS, heading_from=0, heading_to=90),
    station("DEBE034", NOW_MS - HOUR_MS, place="Berlin", operator="=cmd|' /C calc'!A0"),
    login("v-1", "anna", NOW_MS - HOUR_MS),
]


def log_of(told: list[dict[str, Any]]) -> Log:
    """What the streams say that hold these messages."""
    log = Log()
    names = {"rules/1": "rules", "road_limit/1": "road_limits", "station/1": "stations"}
    for offset, each in enumerate(told):
        body = json.dumps(each).encode()
        if each["schema"] == "assignment/1":
            log.log_in(body, offset)
        else:
            log.tables[names[each["schema"]]].put(body, Place(0, "test", offset))
    return log


def settings(told: list[dict[str, Any]] | None = None, now_ms: int = NOW_MS) -> InForce:
    return in_force(CONF, log_of(KNOWN if told is None else told), now_ms)


def exported(of: InForce | None = None) -> bytes:
    return settings_workbook(of or settings(), datetime.fromtimestamp(NOW_MS / 1000, UTC))


def edited(*edits: tuple[str, str, Any], data: bytes | None = None) -> bytes:
    """A workbook with other values in some cells: (sheet, cell, value)."""
    book = openpyxl.load_workbook(io.BytesIO(data or exported()))
    for sheet, cell, value in edits:
        book[sheet][cell] = value
    return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zipped(change: Callable[[dict[str, bytes]], None], data: bytes | None = None) -> bytes:
    """A workbook with other parts."""
    with zipfile.ZipFile(io.BytesIO(data or exported())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return out.getvalue()
