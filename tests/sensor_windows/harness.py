"""Feeds messages through the sensors' operator without Flink, in any cut, with any watermarks; keeps the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from conf.quality import Quality
from connectors.columnar_runtime import NO_TIMER
from connectors.in_memory import END, Decoded, InMemory
from connectors.rows_in_memory import TableRows
from jobs.sensor_windows.inputs import SCHEMA
from jobs.sensor_windows.oracle import oracle_tables
from jobs.sensor_windows.outputs import JOB, outputs
from jobs.sensor_windows.sensor_operator import SensorOperator
from jobs.sensor_windows.settings import Settings
from schemas.messages import message
from schemas.tables import tables

T0 = 1_763_683_200_000
"""2025-11-21T00:00:00Z."""

MESSAGE = message(SCHEMA)
Row = dict[str, Any]
OWN = ("sensor_5min", "sensor_hour", "sensor_day", "air_quality", "sensor_flag", "sensor_live")
"""The tables that the operator itself fills."""


def sent(t: Sequence[float], *, sensor: str = "s", model: str | None = "SDS011", **values: Any) -> Row:
    """A message; times in seconds after T0; other fields by name, arrays are samples."""
    fields = {name: value for name, value in values.items() if name in ("lat", "lon", "seq", "station_id")}
    arrays = {name: value for name, value in values.items() if name not in fields}
    return {
        "sensor_id": sensor,
        **({} if model is None else {"sensor_model": model}),
        **fields,
        "samples": {"t": [T0 + round(1000 * each) for each in t], **arrays},
    }


class Harness:
    """The operator, all sensors, and the tables as readers see them."""

    def __init__(
        self, overrides: Sequence[str] = (), *, live: bool = False, rules: dict[str, Any] | None = None
    ) -> None:
        settings = Settings.load(overrides)
        if rules is not None:
            settings = settings.model_copy(update={"rules": Quality.model_validate(rules)})
        operator = SensorOperator()
        operator.open(
            json.dumps({"settings": settings.model_dump(mode="json", exclude_unset=True), "live": live}), 0
        )
        self.keys = InMemory(operator, MESSAGE)
        self.watermark = NO_TIMER
        self.makers = {
            spec.name: TableRows(spec, tables(JOB)[spec.table])
            for spec in outputs(settings)
            if spec.kind == "table"
        }

    def feed(self, messages: Iterable[Row]) -> None:
        """One mini-batch."""
        self.keys.batch([decoded(item) for item in messages], self.watermark)

    def advance(self, watermark: int = END) -> None:
        """Lets the watermark pass."""
        self.watermark = max(self.watermark, watermark)
        self.keys.advance(self.watermark)

    def writes(self, name: str) -> list[tuple[int, Row]]:
        """Write time and row of every upsert of a table, in the order of writing."""
        return [self.makers[name].row(key, row) for key, row in self.keys.rows[name]]

    def tables(self) -> dict[str, dict[tuple[Any, ...], Row]]:
        """Of each key the row with the newest write time, which must be the last one written."""
        found: dict[str, dict[tuple[Any, ...], Row]] = {}
        for name in OWN:
            (spec,) = (each for each in tables(JOB) if each.name == name)
            rows: dict[tuple[Any, ...], tuple[int, Row]] = {}
            for written, row in self.writes(name):
                key = tuple(row[column] for column in spec.primary_key)
                before = rows.get(key)
                assert (
                    before is None
                    or before[0] < written
                    or {**before[1], "revision": 0} == {**row, "revision": 0}
                )
                rows[key] = written, row
            found[name] = {key: row for key, (_, row) in rows.items()}
        return found


def decoded(item: Row) -> Decoded:
    """A message as the JVM decodes it."""
    return Decoded(
        key=item["sensor_id"],
        times=item["samples"]["t"],
        samples={name: values for name, values in item["samples"].items() if name != "t"},
        texts={name: item.get(name) for name in MESSAGE.texts},
        integers={name: item.get(name) for name in MESSAGE.integers},
        numbers={number.name: item.get(number.name) for number in MESSAGE.numbers},
    )


def expected(messages: Iterable[Row], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What the oracle says of the operator's tables."""
    found = oracle_tables([json.dumps(each).encode() for each in messages], overrides)
    return {name: found[name] for name in OWN}


def content(found: dict[str, Any]) -> dict[str, Any]:
    """Tables without what tells how they came about; readings that were cleared are not flagged."""
    return {
        name: {
            key: {**row, **({"revision": 0} if "revision" in row else {})}
            for key, row in rows.items()
            if row.get("superseded_by") is None and (name != "sensor_flag" or row["qc_flag"] in (3, 4))
        }
        for name, rows in found.items()
    }
