"""Where the kernel's rows go: the columns of each table from the fields of its row layout."""

from __future__ import annotations

from connectors.columnar import Column, OutputSpec
from jobs.driver_stats.layout import (
    AXES,
    EVENT_TYPES,
    EVENT_UNITS,
    LIVE_STATES,
    SCORE_BANDS,
    SCORE_STATES,
    SEVERITIES,
)
from jobs.driver_stats.settings import Settings
from schemas.tables import table

JOB = "driver_stats"

UNKNOWN_DRIVER = "unknown:"

DRIVER = Column("text_or_key", "driver", constant=UNKNOWN_DRIVER)
"""A vehicle of which no driver is known drives as ``unknown:<vehicle_id>``."""

UNSET = Column("unset")

_WHO = {"vehicle_id": Column("key"), "driver_id": DRIVER, "fleet_id": Column("text", "fleet")}

_METRICS = {
    name: Column("double", name)
    for name in (
        "distance_km",
        "drive_s",
        "idle_s",
        "stopped_s",
        "max_speed_kmh",
        "mean_speed_kmh",
        "speeding_minor_s",
        "speeding_major_s",
        "speeding_severe_s",
        "speed_limit_unknown_s",
        "speeding_minor_km",
        "speeding_major_km",
        "speeding_severe_km",
        "speed_limit_unknown_km",
    )
} | {name: Column("int", name) for name in ("harsh_accel", "harsh_brake", "harsh_corner")}

_SCORE = {
    name: Column("double", name)
    for name in ("score", "score_unclamped", "penalty_events", "penalty_speeding", "penalty_idle")
} | {
    "score_state": Column("enum", "score_state", names=SCORE_STATES),
    "score_band": Column("enum", "score_band", names=SCORE_BANDS),
}

_RESULT = {
    "n_samples": Column("bigint", "n_samples"),
    "final": Column("boolean", "final"),
    "revision": Column("int", "revision"),
    "updated_at": Column("now"),
}

_VOID = {"superseded_by": Column("timestamp", "superseded_by")}

_PLACE = {name: Column("double", name) for name in ("lat", "lon")}


def _table(name: str, columns: dict[str, Column]) -> OutputSpec:
    spec = table(JOB, name)
    unknown = columns.keys() - {column.name for column in spec.columns}
    if unknown:
        raise ValueError(f"table {name} has no column {', '.join(sorted(unknown))}")
    return OutputSpec(
        kind="table",
        name=name,
        table=spec.index,
        write_us="write_us",
        nulls="nulls",
        columns=tuple(columns.get(column.name, UNSET) for column in spec.columns),
    )


def event_rules(settings: Settings) -> tuple[str, ...]:
    """The rule set of each type of event that the vehicle kernel finds."""
    return (*(settings.harsh_rules.id for _ in range(AXES)), settings.speeding.id, settings.idle.id)


def outputs(settings: Settings) -> tuple[OutputSpec, ...]:
    """The tables that the vehicle kernel fills, and the streams for the drivers' windows and hours."""
    return (
        _table(
            "vehicle_minute",
            _WHO
            | _PLACE
            | _METRICS
            | _RESULT
            | _VOID
            | {"day": Column("day", "minute_start"), "minute_start": Column("timestamp", "minute_start")},
        ),
        _table(
            "trip",
            _WHO
            | _METRICS
            | _RESULT
            | _VOID
            | _SCORE
            | {name: Column("double", name) for name in ("start_lat", "start_lon", "end_lat", "end_lon")}
            | {
                "month": Column("month", "start_ms"),
                "start_time": Column("timestamp", "start_ms"),
                "end_time": Column("timestamp", "end_ms"),
                "formula": Column("const", constant=settings.score.id),
                "params_hash": Column("const", constant=settings.score.params_hash),
                "vehicle_class": Column("enum", "vehicle_class", names=settings.vehicle_classes()),
            },
        ),
        _table(
            "driver_event",
            _WHO
            | _PLACE
            | _VOID
            | {
                "day": Column("day", "start_ms"),
                "event_time": Column("timestamp", "start_ms"),
                "start_time": Column("timestamp", "start_ms"),
                "end_time": Column("timestamp", "end_ms"),
                "duration_s": Column("double", "duration_s"),
                "type": Column("enum", "type", names=EVENT_TYPES),
                "severity": Column("enum", "severity", names=SEVERITIES),
                "peak": Column("double", "peak"),
                "unit": Column("enum", "type", names=EVENT_UNITS),
                "speed_kmh": Column("double", "speed_kmh"),
                "limit_kmh": Column("double", "limit_kmh"),
                "derived": Column("boolean", "derived"),
                "rule": Column("enum", "type", names=event_rules(settings)),
                "n_samples": Column("bigint", "n_samples"),
                "updated_at": Column("now"),
            },
        ),
        _table(
            "vehicle_live",
            _WHO
            | _PLACE
            | {
                "event_time": Column("timestamp", "event_ms"),
                "state": Column("enum", "state", names=LIVE_STATES),
                "trip_start": Column("timestamp", "trip_start"),
                "heading": Column("double", "heading"),
                "speed_kmh": Column("double", "speed_kmh"),
                "updated_at": Column("now"),
            },
        ),
        OutputSpec(
            kind="stream", name="part", key_field="driver", key_prefix=UNKNOWN_DRIVER, event_ms="event_ms"
        ),
        OutputSpec(
            kind="stream",
            name="drive",
            key_field="driver",
            key_prefix=UNKNOWN_DRIVER,
            event_ms="event_ms",
            id_field="vehicle",
        ),
        OutputSpec(
            kind="stream", name="unnamed", key_field="driver", key_prefix=UNKNOWN_DRIVER, event_ms="event_ms"
        ),
        OutputSpec(
            kind="stream",
            name="unnamed_event",
            key_field="driver",
            key_prefix=UNKNOWN_DRIVER,
            event_ms="start_ms",
        ),
        OutputSpec(
            kind="stream",
            name="unnamed_trip",
            key_field="driver",
            key_prefix=UNKNOWN_DRIVER,
            event_ms="start_ms",
        ),
    )
