"""What an edited workbook means: what is wrong with it, what it would change, and whether somebody else was faster.

Pure. Every cell that is wrong is told, not the first alone; then what would change, as a table; and, where the settings
in force are no longer those that were exported, what has changed since, in which case nothing may be applied.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from conf.rule_changes import HARSH, SCORE, Changeable, with_weights
from schemas.references import Field, Reference
from serving.settings_sheets import (
    ASSIGNMENT_SCHEMA,
    ASSIGNMENTS_SHEET,
    LIMITS_SHEET,
    ROAD_LIMITS,
    RULES,
    SHEETS,
    STATIONS,
    STATIONS_SHEET,
    THRESHOLDS_SHEET,
    WEIGHTS_SHEET,
    Cell,
    InForce,
    Key,
    Log,
    Values,
    sheet,
)
from serving.settings_upload import CellError, Row, Upload
from serving.settings_workbook import moment

EARLIEST_MS, LATEST_MS = 946_684_800_000, 4_102_444_800_000
"""Times that are accepted, as in telemetry."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Change(NamedTuple):
    """A cell that says something else than what is in force."""

    sheet: str
    cell: str
    row: str
    column: str
    before: Cell
    after: Cell


class Conflict(NamedTuple):
    """A cell that somebody else has changed since the export; ``cell`` is empty where the workbook has no such row."""

    sheet: str
    cell: str
    row: str
    column: str
    exported: Cell
    now: Cell
    edited: Cell


@dataclass(slots=True)
class Plan:
    """What an import would do.

    Attributes:
        version: of the settings in force.
        exported: of those that the workbook was made of.
        errors: cells that are wrong; nothing can be applied then.
        conflicts: what others changed meanwhile; nothing can be applied then.
        changes: cells that would change.
        rows: the rows that would, by sheet and key: what they would say.
    """

    version: str
    exported: str
    errors: list[CellError] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    rows: dict[tuple[str, Key], Values] = field(default_factory=dict)

    @property
    def outdated(self) -> bool:
        """Whether the settings are no longer those that were exported."""
        return self.version != self.exported

    @property
    def applies(self) -> bool:
        """Whether it can be applied, and there is anything to apply."""
        return bool(self.rows) and not self.errors and not self.outdated


def plan(upload: Upload, now: InForce, settings: Changeable, from_ms: int) -> Plan:
    """What an import would do.

    Args:
        upload: the workbook.
        now: the settings in force.
        settings: those of conf/.
        from_ms: from when on the changes are to hold.
    """
    found = Plan(now.version(), upload.version, errors=list(upload.errors))
    for name, rows in upload.rows.items():
        for row in rows:
            _compare(found, name, row, now, from_ms)
    _check_weights(found, upload, settings)
    if found.outdated:
        found.conflicts = _conflicts(upload, now)
    return found


def _compare(found: Plan, name: str, row: Row, now: InForce, from_ms: int) -> None:
    of = sheet(name)
    assert of is not None
    before = now.rows[name].get(row.key)
    values = row.values
    if before == values or (before is None and all(value is None for value in values.values())):
        return
    changed = [each for each in of.values if values[each.name] != (before or {}).get(each.name)]
    errors = [
        CellError(name, row.cells[each.name], reason)
        for each in changed
        if (reason := _wrong(each, values[each.name]))
    ]
    if before is None:
        errors += _new_row(name, row, of.grows)
    hidden = _hidden_by(name, row.key, now, from_ms)
    if hidden is not None:
        errors.append(CellError(name, row.cells[changed[0].name], hidden))
    found.errors += errors
    if errors:
        return
    found.rows[name, row.key] = values
    found.changes += [
        Change(
            name,
            row.cells[each.name],
            row_text(row.key),
            each.name,
            (before or {}).get(each.name),
            values[each.name],
        )
        for each in changed
    ]


def _hidden_by(name: str, key: Key, now: InForce, from_ms: int) -> str | None:
    """Why a change from that time on would not be what its author saw; None: it would."""
    since = now.since.get((name, key))
    if since is not None and since > from_ms:
        return f"what is in force has been so from {moment(since)} on, which is after the effective time"
    between = [each.from_ms for each in now.scheduled if (each.sheet, each.key) == (name, key)]
    if between and min(between) <= from_ms:
        return f"another change is to hold from {moment(min(between))} on, which is before the effective time"
    return None


def _new_row(name: str, row: Row, grows: bool) -> list[CellError]:
    of = sheet(name)
    assert of is not None
    first = row.cells[of.keys[0].name]
    if not grows:
        return [CellError(name, first, f"there is no {row_text(row.key)}: this sheet takes no new rows")]
    errors = [
        CellError(name, row.cells[each.name], reason)
        for each, value in zip(of.keys, row.key, strict=True)
        if (reason := _wrong(each, value))
    ]
    headings = [
        value for each, value in zip(of.keys, row.key, strict=True) if each.name.startswith("heading")
    ]
    if name == LIMITS_SHEET and len([value for value in headings if value is None]) == 1:
        errors.append(
            CellError(name, row.cells["heading_from"], "give heading_from and heading_to, or neither")
        )
    return errors


def _wrong(of: Field, value: Cell) -> str | None:
    """Why a cell cannot have a value; None: it can."""
    if value is None:
        return f"{of.name} is missing" if of.required else None
    if of.kind == "string":
        if not isinstance(value, str):
            return f"{of.name} is a text: format the cell as text"
        if len(value.encode("utf-8", "replace")) > of.max_bytes:
            return f"{of.name} has more than {of.max_bytes} bytes"
        if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in value):
            return f"{of.name} has characters that cannot be shown"
        if value.startswith(_FORMULA_STARTS):
            return f"{of.name} begins like a formula ({value[0]!r})"
        if of.pattern is not None and not of.pattern.fullmatch(value):
            return f"{of.name} is not of the form {of.pattern.pattern}"
        return None
    if not isinstance(value, float) or not math.isfinite(value):
        return f"{of.name} is a number, not {str(value)[:40]!r}"
    if of.above is not None and value <= of.above:
        return f"{of.name} has to be more than {of.above:g}"
    if of.minimum is not None and value < of.minimum:
        return f"{of.name} has to be at least {of.minimum:g}"
    if of.maximum is not None and value > of.maximum:
        return f"{of.name} has to be at most {of.maximum:g}"
    return None


def _check_weights(found: Plan, upload: Upload, settings: Changeable) -> None:
    """Weights that are right one by one may not go together: Geotab's add up to 100."""
    changed = {key for name, key in found.rows if name == WEIGHTS_SHEET}
    if not changed:
        return
    rows = {row.key: row for row in upload.rows[WEIGHTS_SHEET]}
    try:
        with_weights(settings.score, _weights(rows.values()))
    except ValueError as error:
        place = next(rows[key].cells["value"] for key in rows if key in changed)
        found.errors.append(CellError(WEIGHTS_SHEET, place, str(error)))


def _weights(rows: Iterable[Row]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for row in rows:
        value = row.values["value"]
        found[str(row.key[1])] = value if isinstance(value, float) else None
    return found


def _conflicts(upload: Upload, now: InForce) -> list[Conflict]:
    """All cells that are no longer as they were exported."""
    found = []
    for of in SHEETS:
        name, before = of.name, upload.before.get(of.name)
        if before is None:  # it was left out of the export
            continue
        edited = {row.key: row for row in upload.rows.get(name, ())}
        current = now.rows.get(name, {})
        for key in sorted({*before, *current}, key=row_text):
            row = edited.get(key)
            for each in of.values:
                was, is_now = before.get(key, {}).get(each.name), current.get(key, {}).get(each.name)
                if was != is_now:
                    cell = row.cells[each.name] if row else ""
                    mine = row.values[each.name] if row else None
                    found.append(Conflict(name, cell, row_text(key), each.name, was, is_now, mine))
    return found


def row_text(key: Key) -> str:
    """A row's name for people."""
    return " ".join(cell_text(value) for value in key if value is not None)


def cell_text(value: Cell) -> str:
    """A cell for people."""
    return f"{value:g}" if isinstance(value, float) else value if value is not None else "-"


def messages(of: Plan, now: InForce, settings: Changeable, log: Log, from_ms: int) -> list[bytes]:
    """What has to be published to apply a plan: a message for each row, and one for all weights.

    Args:
        of: the plan; one that applies.
        now: the settings in force.
        settings: those of conf/.
        log: what the streams say.
        from_ms: from when on it holds.
    """
    found: list[dict[str, object]] = []
    for (name, key), values in of.rows.items():
        if name == THRESHOLDS_SHEET:
            found.append(_row(RULES, (HARSH, key[0]), values, from_ms))
        elif name == LIMITS_SHEET:
            found += _reference(ROAD_LIMITS, key, values, log, from_ms)
        elif name == STATIONS_SHEET:
            found += _reference(STATIONS, key, values, log, from_ms)
        elif name == ASSIGNMENTS_SHEET:
            found.append({"schema": ASSIGNMENT_SCHEMA, "vehicle_id": key[0], **values, "t": from_ms})
    edited = {key: values for (name, key), values in of.rows.items() if name == WEIGHTS_SHEET}
    if edited:
        terms = {str(key[1]): row["value"] for key, row in (now.rows[WEIGHTS_SHEET] | edited).items()}
        found.append(_row(RULES, (SCORE, settings.score.name), terms, from_ms))
    return [json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() for each in found]


def _row(of: Reference, key: Key, values: Mapping[str, object], from_ms: int) -> dict[str, object]:
    names = {each.name: value for each, value in zip(of.keys, key, strict=True) if value is not None}
    return {"schema": of.schema, **names, **values, "valid_from": from_ms}


def _reference(of: Reference, key: Key, values: Values, log: Log, from_ms: int) -> list[dict[str, object]]:
    """One row; or, where nothing is to hold any more, all rows that would hold then with an end."""
    if any(value is not None for value in values.values()):
        return [_row(of, key, values, from_ms)]
    found = []
    for row in log.tables[of.name].rows(key):
        if row.values is None or not row.valid_from <= from_ms < row.valid_to:
            continue
        if row.valid_from == from_ms:
            told = _row(of, key, values, from_ms)
        else:
            names = (each.name for each in of.values)
            told = _row(of, key, dict(zip(names, row.values, strict=True)), row.valid_from)
            told["valid_to"] = from_ms
        found.append({**told, "version": row.order[0]})
    return found
