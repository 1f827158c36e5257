"""What the tables of driver_exposure must be: the oracles of both halves, joined in plain Python.

Minutes and events are rows of vehicle_minute and driver_event, hourly means those of sensor_hour, as the two jobs'
oracles have them; nothing of this job's stages, records or state is used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from connectors.message_decoder import KeyScan
from connectors.rows_in_memory import Row
from jobs.driver_exposure.settings import Settings
from jobs.driver_stats import oracle as vehicles
from jobs.log_lines import Line, log_lines
from jobs.sensor_windows import oracle as sensors
from jobs.sensor_windows.inputs import SCHEMA as OBSERVATION
from jobs.sensor_windows.places import geohash
from schemas.tables import tables

JOB = "driver_exposure"
EVENT_TYPES = ("harsh_accel", "harsh_brake", "harsh_corner", "possible_crash")
MEASURED = ("pm2_5", "temperature", "humidity", "pressure")

Tables: TypeAlias = dict[str, dict[tuple[Any, ...], Row]]
Progress: TypeAlias = Callable[[str, int, int | None], None]
Air: TypeAlias = dict[tuple[str, str], dict[str, dict[str, float]]]
"""By cell and hour, for each quantity the mean of each sensor."""


def oracle_tables(
    log: Path | Iterable[Path | bytes], overrides: Sequence[str] = (), progress: Progress | None = None
) -> Tables:
    """The final tables.

    Args:
        log: a file or folder of message lines, several of them, or the lines themselves.
        overrides: ``name=value`` over the job's parameters.
        progress: is called now and then.

    Returns:
        By table, the rows by primary key, in the form of the table files: every column, times as texts, ``updated_at``
        None, ``revision`` 0. No row is superseded.

    Raises:
        conf.parameters.ParameterError: an override is refused.
        UserError: a file cannot be read.
    """
    settings = Settings.load(overrides)
    telemetry: list[Line] = []
    observations: list[Line] = []
    scan = KeyScan("schema")
    for line in log_lines(log):
        (observations if scan.key(line.body) == OBSERVATION else telemetry).append(line)
    in_order = settings.vehicles.model_copy(
        update={"order": settings.vehicles.order.model_copy(update={"buffer_s": 0})}
    )
    driven = vehicles.tables_of(vehicles.read(telemetry, in_order, progress), in_order, progress)
    measured = sensors.tables_of(observations, settings.sensors, progress)
    found: Tables = {each.name: {} for each in tables(JOB)}
    found["reject"] = {**driven["reject"], **measured["reject"]}
    air = _air(measured["sensor_hour"].values(), settings)
    by_name = {each.name: each for each in tables(JOB)}
    for name, row in _rows(driven, air, settings):
        whole = {column.name: row.get(column.name) for column in by_name[name].columns}
        found[name][tuple(whole[column] for column in by_name[name].primary_key)] = whole
    return found


def _air(hours: Iterable[Row], settings: Settings) -> Air:
    """Hourly means by cell and hour; a corrected value takes the place of a raw one."""
    found: Air = defaultdict(lambda: defaultdict(dict))
    for row in sorted(hours, key=lambda row: row["quantity"] == "pm2_5_corrected"):
        name = row["quantity"].removesuffix("_corrected")
        enough = (
            name != "pm2_5" or row["completeness"] is None or row["completeness"] >= settings.min_completeness
        )
        if name in MEASURED and row["geohash"] and row["mean"] is not None and enough:
            place = row["geohash"][: settings.cell], row["hour_start"]
            found[place][name][row["sensor_id"]] = row["mean"]
    return found


def _hour(time: str) -> str:
    return f"{time[:13]}:00:00.000Z"


def _cell(row: Row, settings: Settings) -> str | None:
    if row["lat"] is None or row["lon"] is None:
        return None
    return geohash(row["lat"], row["lon"], settings.cell) or None


def _rows(driven: Tables, air: Air, settings: Settings) -> Iterator[tuple[str, Row]]:
    common = {"params_hash": settings.params_hash, "final": True, "revision": 0}

    def measured(cell: str | None, hour: str, name: str) -> list[float]:
        there = air.get((cell, hour)) if cell else None
        return list(there[name].values()) if there and name in there else []

    hours: dict[tuple[str, str], list[Row]] = defaultdict(list)
    events: dict[tuple[str, str], int] = defaultdict(int)
    for row in driven["vehicle_minute"].values():
        if row["superseded_by"] is None:
            hours[row["driver_id"], _hour(row["minute_start"])].append(row)
    for row in driven["driver_event"].values():
        if row["superseded_by"] is not None or row["type"] not in EVENT_TYPES:
            continue
        cell, hour = _cell(row, settings), _hour(row["event_time"])
        events[row["driver_id"], hour] += 1
        values = {name: measured(cell, hour, name) for name in MEASURED}
        key = {name: row[name] for name in ("driver_id", "day", "event_time", "type", "vehicle_id")}
        yield (
            "event_weather",
            common
            | key
            | {"cell": cell, "hour_start": hour, "sensors": max(map(len, values.values()))}
            | {name: median(of) if of else None for name, of in values.items()},
        )
    for driver, hour in {**dict.fromkeys(hours), **dict.fromkeys(events)}:
        own = hours.get((driver, hour), [])
        row = common | _exposure(own, hour, settings, measured)
        row |= {"driver_id": driver, "day": hour[:10], "harsh_events": events.get((driver, hour), 0)}
        if row["minutes"] or row["harsh_events"]:
            yield "driver_exposure", row


def _exposure(
    minutes: Sequence[Row],
    hour: str,
    settings: Settings,
    measured: Callable[[str | None, str, str], list[float]],
) -> Row:
    road = [
        (round(1000 * (row["drive_s"] + row["idle_s"])), _cell(row, settings))
        for row in minutes
        if row["drive_s"] + row["idle_s"] > 0
    ]
    cells = {cell for _, cell in road if cell}
    known = {cell: of for cell in cells if (of := measured(cell, hour, "pm2_5"))}
    there = [(ms, median(known[cell])) for ms, cell in road if cell in known]
    known_ms = sum(ms for ms, _ in there)
    dose = sum((Fraction(round(1e6 * value), 10**6) * ms for ms, value in there), Fraction(0))
    return {
        "hour_start": hour,
        "on_road_s": sum(ms for ms, _ in road) / 1000,
        "known_s": known_ms / 1000,
        "minutes": len(road),
        "minutes_known": len(there),
        "coverage": len(there) / len(road) if road else None,
        "pm2_5_ug_h": float(dose / 3_600_000) if there else None,
        "pm2_5_mean": float(dose / known_ms) if there else None,
        "pm2_5_max": max((value for _, value in there), default=None),
        "cells": len(cells),
        "sensors": sum(map(len, known.values())),
        "n_samples": sum(row["n_samples"] for row in minutes),
    }
