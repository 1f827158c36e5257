"""The settings that a workbook has: which sheets, of which rows, and what is in force.

Pure: settings come as messages of reference data and of log-ins, beside what conf/ says (``settings_log.py`` reads
them). The **version** is a digest of all that is in force and all that is already known to come into force: whoever
changes any of it makes another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from conf.hours import HoursClasses
from conf.rule_changes import HARSH, SCORE, THRESHOLDS, Changeable, weights_of, with_weights
from connectors.reference import LATEST_MS, ReferenceTable, Steps
from schemas.references import Field, Reference, reference

Cell: TypeAlias = str | float | None
Key: TypeAlias = tuple[Cell, ...]
Values: TypeAlias = dict[str, Cell]

ROAD_LIMITS = reference("road_limits", "road_limit/1", ("cell", "heading_from", "heading_to"))
STATIONS = reference("stations", "station/1", ("station_id",))
RULES = reference("rules", "rules/1", ("rule_set", "name"))
REFERENCES = (RULES, ROAD_LIMITS, STATIONS)
ASSIGNMENTS, ASSIGNMENT_SCHEMA = "assignments", "assignment/1"

THRESHOLDS_SHEET, WEIGHTS_SHEET, LIMITS_SHEET = "Thresholds", "Score weights", "Speed limits"
ASSIGNMENTS_SHEET, STATIONS_SHEET = "Assignments", "Stations"
MOST_ROWS = 20_000
"""Of one sheet; whoever has more publishes them."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: one row for each thing that is set.

    Attributes:
        name: of the sheet.
        keys: the columns that say what a row is about.
        values: the columns that may be edited.
        grows: whether rows may be added.
        about: for people.
    """

    name: str
    keys: tuple[Field, ...]
    values: tuple[Field, ...]
    grows: bool
    about: str

    @property
    def columns(self) -> tuple[Field, ...]:
        """All of them, keys first."""
        return (*self.keys, *self.values)


def _rule(*names: str) -> tuple[Field, ...]:
    """Values of rules/1, of which a row of the workbook has all."""
    known = {each.name: each for each in RULES.values}
    return tuple(replace(known[name], required=True) for name in names)


def _text(name: str, *, required: bool = True) -> Field:
    return Field(name, "string", required, max_bytes=64)


SHEETS = (
    Sheet(
        THRESHOLDS_SHEET,
        (_text("vehicle_class"),),
        _rule(*THRESHOLDS),
        False,
        "Harsh events by vehicle class: at or above so many m/s².",
    ),
    Sheet(
        WEIGHTS_SHEET,
        (_text("formula"), _text("weight")),
        (Field("value", "number", True, minimum=0, maximum=1000),),
        False,
        "What each term of the driver's score counts.",
    ),
    Sheet(
        LIMITS_SHEET,
        ROAD_LIMITS.keys,
        ROAD_LIMITS.values,
        True,
        "Speed limits of cells of the map (geohash), for all headings or from heading_from clockwise to heading_to. "
        "An empty limit withdraws the row.",
    ),
    Sheet(
        ASSIGNMENTS_SHEET,
        (_text("vehicle_id"),),
        (_text("driver_id", required=False),),
        True,
        "Who is logged into which vehicle. An empty driver logs out.",
    ),
    Sheet(
        STATIONS_SHEET,
        STATIONS.keys,
        STATIONS.values,
        True,
        "What is known of stations of sensors. A row without any value is withdrawn.",
    ),
)


def sheet(name: str) -> Sheet | None:
    """The sheet of a name."""
    return next((each for each in SHEETS if each.name == name), None)


class Scheduled(NamedTuple):
    """A change that is known already and comes into force later."""

    sheet: str
    key: Key
    from_ms: int
    values: tuple[tuple[str, Cell], ...]


@dataclass(slots=True)
class InForce:
    """Settings at a time.

    Attributes:
        rows: by sheet and key.
        since: from when on a row holds, as far as a message said so.
        scheduled: what comes later.
    """

    rows: dict[str, dict[Key, Values]] = field(default_factory=dict)
    since: dict[tuple[str, Key], int] = field(default_factory=dict)
    scheduled: list[Scheduled] = field(default_factory=list)

    def version(self) -> str:
        """16 hexadecimal digits, other ones whenever anything of it is different."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:16]

    def text(self) -> str:
        """All of it as JSON, always the same for the same settings."""
        rows = {name: sorted(_listed(of.items())) for name, of in sorted(self.rows.items())}
        later = sorted(
            json.dumps([each.sheet, each.key, each.from_ms, each.values], ensure_ascii=False)
            for each in self.scheduled
        )
        return json.dumps([rows, later], ensure_ascii=False, separators=(",", ":"))


def _listed(rows: Iterable[tuple[Key, Values]]) -> list[str]:
    return [json.dumps([key, values], ensure_ascii=False, sort_keys=True) for key, values in rows]


def rows_of_text(text: str) -> dict[str, dict[Key, Values]]:
    """The rows of ``InForce.text``.

    Raises:
        ValueError: it is none.
    """
    rows, _ = json.loads(text)
    found: dict[str, dict[Key, Values]] = {}
    for name, listed in rows.items():
        found[name] = {}
        for each in listed:
            key, values = json.loads(each)
            found[name][tuple(key)] = dict(values)
    return found


@dataclass(slots=True)
class Log:
    """What the streams say.

    Attributes:
        tables: reference data by name.
        logins: by vehicle, times and drivers; "" for nobody.
    """

    tables: dict[str, ReferenceTable] = field(
        default_factory=lambda: {each.name: ReferenceTable(each) for each in REFERENCES}
    )
    logins: dict[str, dict[int, tuple[int, str]]] = field(default_factory=dict)

    def log_in(self, body: bytes, offset: int) -> None:
        """Takes a message assignment/1 by the rules of its schema; what is none is left out, as the job does."""
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            return
        if not isinstance(told, dict) or told.get("schema") != ASSIGNMENT_SCHEMA:
            return
        vehicle, driver, at_ms, seq = (told.get(name) for name in ("vehicle_id", "driver_id", "t", "seq"))
        if not isinstance(vehicle, str) or not vehicle or type(at_ms) is not int:
            return
        order = seq if type(seq) is int else offset
        known = self.logins.setdefault(vehicle, {})
        if at_ms not in known or known[at_ms][0] <= order:
            known[at_ms] = (order, driver if isinstance(driver, str) else "")


def in_force(conf: tuple[Changeable, HoursClasses], log: Log, now_ms: int) -> InForce:
    """The settings at a time: what conf/ says, and over it what the streams do."""
    settings, hours = conf
    found = InForce({each.name: {} for each in SHEETS})
    _thresholds(found, settings.thresholds(hours), settings, log.tables[RULES.name], now_ms)
    _weights(found, settings, log.tables[RULES.name], now_ms)
    for name, of in ((LIMITS_SHEET, ROAD_LIMITS), (STATIONS_SHEET, STATIONS)):
        _reference(found, name, of, log.tables[of.name], now_ms)
    for vehicle, logins in log.logins.items():
        steps = sorted((at_ms, driver) for at_ms, (_, driver) in logins.items())
        before = [each for each in steps if each[0] <= now_ms]
        if before and before[-1][1]:
            found.rows[ASSIGNMENTS_SHEET][(vehicle,)] = {"driver_id": before[-1][1]}
        if before:
            found.since[ASSIGNMENTS_SHEET, (vehicle,)] = before[-1][0]
        for at_ms, driver in steps[len(before) :]:
            later = (("driver_id", driver or None),)
            found.scheduled.append(Scheduled(ASSIGNMENTS_SHEET, (vehicle,), at_ms, later))
    return found


def _steps(table: ReferenceTable, key: Key, now_ms: int) -> tuple[int | None, Steps]:
    """Since when what holds of a key does, and what comes later."""
    steps = table.steps(key)
    past = [start for start in steps.starts if start <= now_ms]
    later = Steps(steps.starts[len(past) :], steps.values[len(past) :])
    return (past[-1] if past else None), later


def _thresholds(
    found: InForce,
    of_conf: Mapping[str, Mapping[str, float]],
    settings: Changeable,
    table: ReferenceTable,
    now_ms: int,
) -> None:
    fixed = {name for name in THRESHOLDS if getattr(settings.harsh, name)}
    for vehicle_class, values in of_conf.items():
        key: Key = (HARSH, vehicle_class)
        since, later = _steps(table, key, now_ms)
        changed = _named(RULES, table.at(key, now_ms))
        merged = {
            name: value if name in fixed or changed.get(name) is None else changed[name]
            for name, value in values.items()
        }
        found.rows[THRESHOLDS_SHEET][(vehicle_class,)] = merged
        if since is not None:
            found.since[THRESHOLDS_SHEET, (vehicle_class,)] = since
        for start, step in zip(*later, strict=True):
            told = _named(RULES, step)
            future = tuple((name, told.get(name)) for name in THRESHOLDS)
            found.scheduled.append(Scheduled(THRESHOLDS_SHEET, (vehicle_class,), start, future))


def _weights(found: InForce, settings: Changeable, table: ReferenceTable, now_ms: int) -> None:
    rules = settings.score
    key: Key = (SCORE, rules.name)
    since, later = _steps(table, key, now_ms)
    changed = {
        name: value
        for name, value in _named(RULES, table.at(key, now_ms)).items()
        if isinstance(value, float)
    }
    try:
        weights = weights_of(with_weights(rules, changed))
    except ValueError:  # as the job takes it: rules that are none change nothing
        weights = weights_of(rules)
    for name, value in weights.items():
        found.rows[WEIGHTS_SHEET][rules.name, name] = {"value": value}
        if since is not None:
            found.since[WEIGHTS_SHEET, (rules.name, name)] = since
    for start, step in zip(*later, strict=True):
        told = _named(RULES, step)
        for name in weights:
            future = (("value", told.get(name)),)
            found.scheduled.append(Scheduled(WEIGHTS_SHEET, (rules.name, name), start, future))


def _reference(found: InForce, name: str, of: Reference, table: ReferenceTable, now_ms: int) -> None:
    for key in table:
        cells: Key = tuple(_cell(each) for each in key)
        since, later = _steps(table, key, now_ms)
        values = table.at(key, now_ms)
        if values is not None:
            found.rows[name][cells] = _named(of, values)
        if since is not None:
            found.since[name, cells] = since
        for start, step in zip(*later, strict=True):
            if start < LATEST_MS:
                found.scheduled.append(Scheduled(name, cells, start, tuple(_named(of, step).items())))


def _named(of: Reference, values: tuple[object, ...] | None) -> Values:
    if values is None:
        return {field.name: None for field in of.values}
    return {field.name: _cell(value) for field, value in zip(of.values, values, strict=True)}


def _cell(value: object) -> Cell:
    if isinstance(value, int | float):
        return float(value)
    return value if isinstance(value, str) and value else None
