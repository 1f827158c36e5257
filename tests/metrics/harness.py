"""Feeds messages through both stages without Flink, in any cut and with any watermarks, and keeps the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from conf.metrics import Definition
from connectors.columnar import NO_TIMER
from connectors.in_memory import END, Decoded, InMemory
from connectors.rows_in_memory import timestamp
from jobs.metrics.inputs import message, message_spec
from jobs.metrics.oracle import oracle_tables
from jobs.metrics.sample_operator import PART, SampleOperator
from jobs.metrics.settings import Settings
from jobs.metrics.state import InMemoryStore, Stores
from jobs.metrics.windows import KeyWindows
from schemas.tables import table

T0 = 1_763_701_200_000
TIMES = ("window_start", "window_end", "superseded_by")
Row = dict[str, Any]


def defined(**changes: Any) -> dict[str, Any]:
    """A definition with one field and one window, with changes; None takes something out."""
    base: dict[str, Any] = {
        "name": "m",
        "version": 1,
        "stream": "things",
        "key": "id",
        "seq": "seq",
        "fields": {"v": {"aggregates": ["rate", "sum", "mean", "min", "max"], "percentiles": [50, 99]}},
        "windows": [{"length": "1m"}],
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None or name == "seq"}


def sent(
    t: Sequence[int], v: Sequence[float | None] | None = None, *, id: str = "a", seq: int | None = None
) -> Row:
    """A message; times in seconds after T0."""
    samples: dict[str, Any] = {"t": [T0 + round(1000 * each) for each in t]}
    if v is not None:
        samples["v"] = list(v)
    return {"id": id, **({} if seq is None else {"seq": seq}), "samples": samples}


class Timers:
    """The event-time timers of one key."""

    def __init__(self) -> None:
        self.times: set[int] = set()

    def at(self, time_ms: int) -> None:
        self.times.add(time_ms)


class Harness:
    """Both stages, all keys, and the tables as readers see them."""

    def __init__(self, definition: dict[str, Any], keep_ms: int | None = None) -> None:
        self.metric = Definition.model_validate(definition)
        settings = Settings.model_validate(
            {**Settings.load(["definition=metrics_heart_rate"]).model_dump(), "metric": self.metric}
        )
        self.message = message(settings)
        self.spec = message_spec(settings)
        operator = SampleOperator()
        operator.open(json.dumps(definition), 0)
        self.layout = operator._partials.layout
        self.first = InMemory(operator, self.message)
        self.windows = KeyWindows(self.metric, keep_ms)
        self.stores: dict[str, Stores] = {}
        self.timers: dict[str, Timers] = {}
        self.asked: set[str] = set()  # keys that the clock will ask for what has changed
        self.watermark = NO_TIMER
        self.writes: list[tuple[str, int, Row]] = []

    def feed(self, messages: Iterable[Row], *, live: bool = False) -> None:
        """One mini-batch; live: corrections and open windows wait for ``flush``."""
        self.first.batch([self.decoded(item) for item in messages])
        rows, self.first.rows[PART] = self.first.rows[PART], []
        for key, row in rows:
            stores, timers = self._of(key)
            part = self.layout.read(row.tobytes())
            is_first = self.windows.fold(part, stores, timers, self.watermark)
            if live and is_first:
                self.asked.add(key)
            if not live and self.windows.is_late(part, self.watermark):
                self._take(key, self.windows.changes(stores, timers, self.watermark, open_too=False))

    def flush(self) -> None:
        """What the clock asks for."""
        for key in sorted(self.asked):
            self._take(key, self.windows.changes(*self._of(key), self.watermark, open_too=True))
        self.asked.clear()

    def advance(self, watermark: int = END) -> None:
        """Lets the watermark pass."""
        self.watermark = max(self.watermark, watermark)
        for key in list(self.timers):
            stores, timers = self._of(key)
            while due := [time for time in timers.times if time <= self.watermark]:
                timers.times.remove(min(due))
                self._take(key, self.windows.timer(min(due), stores, timers, self.watermark))

    def decoded(self, item: Row) -> Decoded:
        """A message as the JVM decodes it."""
        return Decoded(
            key=item[self.spec.id_field],
            times=item["samples"]["t"],
            samples={name: values for name, values in item["samples"].items() if name != "t"},
            integers={name: item.get(name) for name in self.spec.integers},
        )

    def tables(self) -> dict[str, dict[tuple[Any, ...], Row]]:
        """Of each key the row with the newest write time; void events are left out."""
        found: dict[str, dict[tuple[Any, ...], tuple[int, Row]]] = {"metric_window": {}, "metric_event": {}}
        for name, written, row in self.writes:
            spec = table("metrics", name)
            whole = {column.name: row.get(column.name) for column in spec.columns}
            assert set(row) <= set(whole)
            key = tuple(whole[column] for column in spec.primary_key)
            before = found[name].get(key)
            assert (
                before is None
                or before[0] < written
                or {**before[1], "revision": 0} == {**whole, "revision": 0}
            )
            found[name][key] = written, whole
        return {
            name: {key: row for key, (_, row) in rows.items() if row.get("superseded_by") is None}
            for name, rows in found.items()
        }

    def state_size(self) -> int:
        """How many things are kept, over all keys, timers included."""
        return sum(
            len(store.content)
            for stores in self.stores.values()
            for store in (stores.head, stores.panes, stores.written, stores.seen)
        ) + sum(len(timers.times) for timers in self.timers.values())

    def _of(self, key: str) -> tuple[Stores, Timers]:
        if key not in self.stores:
            self.stores[key] = Stores(*(InMemoryStore() for _ in range(4)))
            self.timers[key] = Timers()
        return self.stores[key], self.timers[key]

    def _take(self, key: str, writes: Iterable[Any]) -> None:
        for name, written, columns in writes:
            row = {**columns, "id": key}
            for column in TIMES:
                if row.get(column) is not None:
                    row[column] = timestamp(row[column])
            self.writes.append((name, written, row))


def expected(definition: dict[str, Any], messages: Iterable[Row], folder: Path) -> dict[str, Any]:
    """What the oracle says."""
    path = folder / "definition.yaml"
    path.write_text(yaml.safe_dump(definition))
    return oracle_tables([json.dumps(each).encode() for each in messages], [f"definition={path}"])


def content(tables: dict[str, Any]) -> dict[str, Any]:
    """Tables without what tells how they came about."""
    return {
        name: {key: {**row, "revision": 0} for key, row in tables[name].items()}
        for name in ("metric_window", "metric_event")
    }


def windows(harness: Harness, *columns: str) -> dict[tuple[int, str], Any]:
    """The window rows by start in seconds after T0 and label, with the columns named."""
    return {
        (seconds(row["window_start"]), row["window"]): tuple(row[name] for name in columns)
        for row in harness.tables()["metric_window"].values()
    }


def seconds(time: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(time).timestamp()) - T0 // 1000
