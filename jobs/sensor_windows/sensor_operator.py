"""The sensors' windows as a function of the columnar operator: one call per mini-batch, all sensors in it at once.

A reading waits in the tail of its sensor's state. When the watermark passes the end of a window it joins the readings
in the store, which are kept as long as late ones may come, and the windows are worked out from them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.columnar_runtime import NO_TIMER, Batch, Result, Rows, Tails, TimerBatch
from connectors.reference import ReferenceTable
from jobs.sensor_windows import kernel
from jobs.sensor_windows.closing import next_end
from jobs.sensor_windows.kernel import NEVER
from jobs.sensor_windows.layout import LIVE_ROW, ROWS
from jobs.sensor_windows.places import AREA, NO_AREA, Stations, geohash
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.series import WORDS, Origin, Series, appended, unpacked
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.stations import references_of, stations_of
from jobs.sensor_windows.stored import Recent, Stored
from jobs.sensor_windows.windows import DAY_MS, HOUR_MS, SensorWindows

HISTORY_MS = 2 * DAY_MS
"""So long before a window lie readings that it depends on: 24 hours of an index, the blocks of cleansing."""

INDEX_FIELDS = {
    "index_hour": "start",
    "index_value": "index_value",
    "category": "category",
    "responsible": "responsible",
}
"""What the state of a sensor keeps of a row of air_quality, for the map."""

SPILL_LEAST, SPILL_MOST, SPILL_SHARE = 48, 256, 16
"""A tail of so many readings, or of a share of those stored, joins the store before a window closes."""

INDEX_LAG_HOURS = 240
"""The index that the map shows may be of so many hours before the newest reading, and each still tells of a change."""

CROWD_MESSAGES = 500
"""So many in a mini-batch are a backlog."""

CROWD_MS = 1000
"""For so long after such a mini-batch it is taken for one still: watermarks and checkpoints cut small ones, too."""


def sensor_windows(settings: Settings, live: bool, stations: Stations) -> SensorWindows:
    """What makes the rows."""
    return SensorWindows(
        settings.rules,
        use_suspect=settings.window.use == "good_and_suspect",
        min_completeness=settings.index.min_completeness,
        standard=settings.index.standard,
        stations=stations,
        open_too=live,
    )


class SensorOperator:
    """Keyed by sensor_id: observations in; windows, indices, flags and live rows out."""

    state_dtype = kernel.STATE
    state_version = kernel.STATE_VERSION
    tail_growth = (0, 0, WORDS)
    uses_store = True
    counters = ("readings", "too_old", "copies")
    outputs: Mapping[str, np.dtype[Any]] = ROWS

    def open(self, settings_json: str, subtask: int) -> None:
        """Takes the settings: ``{"settings": Settings as JSON, "live": bool}``."""
        given = json.loads(settings_json)
        settings = Settings.model_validate(given["settings"])
        self._live = bool(given["live"])
        self._past_ms = NO_TIMER if self._live else NEVER
        self._crowded_ms = NO_TIMER
        self._live_ms = round(settings.live.interval_s * 1000)
        self.references = {each.name: ReferenceTable(each) for each in references_of(settings)}
        self._windows = sensor_windows(settings, self._live, stations_of(self.references))
        keep_ms = settings.keep_ms()
        self._keep_ms = None if keep_ms is None else keep_ms + HISTORY_MS

    def upgrade(self, version: int, row: bytes) -> bytes:
        """There is no older layout.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"state of version {version} is not known: this is version {self.state_version}")

    def batch(self, b: Batch) -> Result:
        """Takes a mini-batch: readings wait, live rows are written."""
        states, tails = b.states, b.tails
        self._look_at_the_clock(len(b.lengths))
        _begin(states, b.is_new)
        origins = self._origins(b)
        too_old = kernel.take(
            b.samples["t"],
            np.stack([b.samples[name] for name in QUANTITIES]),
            b.lengths,
            b.key_index,
            origins,
            b.numbers["lat"],
            b.numbers["lon"],
            self._past_ms,
            states,
            tails.words,
            tails.words.view(np.float64),
            tails.start,
            tails.length,
        )
        limit = np.clip(states["stored"] // SPILL_SHARE, SPILL_LEAST, SPILL_MOST) * WORDS
        copies = 0
        for key in np.flatnonzero(tails.length >= limit).tolist():
            data, known = _joined(states[key], b.store.get(key), tails, key)
            copies += known
            b.store.put(key, bytes(data))
        made = self._live_rows(states) if self._live else np.empty(0, LIVE_ROW)
        outputs = {"sensor_live": (made["key"].copy(), made)} if len(made) else {}
        return Result(
            timers=np.where(states["due"] == NEVER, NO_TIMER, states["due"]),
            outputs=outputs,
            counters=np.array([len(b.samples["t"]), too_old, copies]),
        )

    def timers(self, fired: TimerBatch) -> Result:
        """Closes windows."""
        states = fired.states
        self._look_at_the_clock(0)
        timers = np.full(len(states), NO_TIMER)
        deletions = np.zeros(len(states), np.bool_)
        copies = 0
        models, stations = np.zeros(len(states), "S64"), np.zeros(len(states), "S64")
        for key in range(len(states)):
            state = states[key]
            data, known = _joined(state, fired.store.get(key), fired.tails, key)
            copies += known
            stored = Stored(data)
            # After a restart the watermark begins anew; what was closed stays closed.
            closed, watermark = int(state["closed"]), max(int(state["closed"]), fired.watermark)
            recent = self._windows.close(stored, key, int(state["changes"]), closed, watermark)
            state["closed"] = watermark
            models[key], stations[key] = self._show_origin(state, stored, recent)
            due = NEVER if recent is None else next_end(recent.t, watermark, self._past_ms)
            stored = self._forget(state, stored, watermark)
            if self._keep_ms is not None and stored.count:
                oldest = int(stored.t[0])
                forget = oldest - oldest % DAY_MS + DAY_MS + self._keep_ms
                if forget > watermark:
                    due = min(due, forget)
            state["due"] = due
            if due == NEVER and not stored.count:
                deletions[key] = True
            else:
                timers[key] = NO_TIMER if due == NEVER else due
                fired.store.put(key, bytes(stored.data))
        tables, shown = self._windows.finish()
        told = states[shown["key"]]
        newer = shown["start"] >= told["index_hour"]
        for field, name in INDEX_FIELDS.items():
            states[field][shown["key"][newer]] = shown[name][newer]
        live = self._live_rows(states, everything=True)
        live["model"], live["station"] = models[live["key"]], stations[live["key"]]
        if len(live):
            tables["sensor_live"] = live
        outputs = {name: (np.ascontiguousarray(rows["key"]), rows) for name, rows in tables.items()}
        counters = np.array([0, 0, copies])
        return Result(timers=timers, outputs=outputs, deletions=deletions, counters=counters)

    def _look_at_the_clock(self, messages: int) -> None:
        """Says which hours are of the past: it decides when rows come, never what they hold. Of files all is.

        In a backlog the watermark passes the twelve windows of an hour one after the other, with nobody to see it, and
        each would cost as much as the hour.

        Args:
            messages: how many have come at once.
        """
        if not self._live:
            return
        now_ms = time.time_ns() // 1_000_000
        if messages >= CROWD_MESSAGES:
            self._crowded_ms = now_ms
        self._past_ms = now_ms if 0 <= now_ms - self._crowded_ms < CROWD_MS else NO_TIMER

    def _forget(self, state: Any, stored: Stored, watermark: int) -> Stored:
        """Forgets the days that no accepted message can be of."""
        if self._keep_ms is None:
            return stored
        before = watermark - self._keep_ms
        before -= before % DAY_MS
        if before <= state["forgotten"]:
            return stored
        state["forgotten"] = before
        state["origin"] = -1  # its number may be another one now
        if not stored.count or stored.t[0] >= before:
            return stored
        series = unpacked(stored.data)
        series.forget(before)
        state["stored"] = len(series.t)
        return Stored(series.packed())

    def _show_origin(self, state: Any, stored: Stored, recent: Recent | None) -> tuple[bytes, bytes]:
        """Takes the newest place from the readings; returns model and station of the newest reading."""
        if recent is None:
            return bytes(state["model"]), bytes(state["station"])
        described = self._windows.describe(stored)
        place, number = stored.newest(described.placed)
        if place >= 0:
            origin = described.origins[number]
            state["place_t"], state["lat"], state["lon"] = stored.t[place], origin.lat, origin.lon
        newest = stored.newest_origin()
        return described.models[newest], described.stations[newest]

    def _origins(self, b: Batch) -> NDArray[np.int64]:
        """The number of each message's origin, new ones added to what is stored of their sensors."""
        states, keys = b.states, b.key_index
        models, stations = (_texts(*b.texts[name]) for name in ("sensor_model", "station_id"))
        lat, lon = b.numbers["lat"], b.numbers["lon"]
        same = (
            (models == states["model"][keys])
            & (stations == states["station"][keys])
            & _equal(lat, states["origin_lat"][keys])
            & _equal(lon, states["origin_lon"][keys])
            & (states["origin"][keys] >= 0)
        )
        found: NDArray[np.int64] = states["origin"][keys]
        others = np.flatnonzero(~same)
        if not len(others):
            return found
        changed: dict[int, Series] = {}
        switched = np.unique(keys[others])
        for message in np.flatnonzero(np.isin(keys, switched)).tolist():
            key = int(keys[message])
            if key not in changed:
                changed[key] = unpacked(b.store.get(key))
            who = models[message].decode(), stations[message].decode()
            origin = Origin(*who, float(lat[message]), float(lon[message]))
            number = changed[key].number_of(origin)
            found[message] = number
            state = states[key]
            state["origin"], state["model"], state["station"] = number, models[message], stations[message]
            state["origin_lat"], state["origin_lon"] = lat[message], lon[message]
        for key, series in changed.items():
            b.store.put(key, series.packed())
        return found

    def _live_rows(self, states: Rows, *, everything: bool = False) -> Rows:
        """Rows of the map, of the sensors that have something newer to show."""
        newest = states["newest_t"]
        if everything:
            which = np.flatnonzero(newest > 0)
        else:
            which = np.flatnonzero((newest > 0) & (newest - states["told_t"] >= self._live_ms))
        own = states[which]
        rows = np.zeros(len(which), LIVE_ROW)
        rows["key"], rows["t"] = which, own["newest_t"]
        hours_since = (own["index_hour"] - own["newest_t"] // HOUR_MS * HOUR_MS) // HOUR_MS
        # Grows with all that may change what is shown: later readings, late ones, and the hour that the index is of.
        of_index = np.where(own["index_hour"] > 0, np.clip(hours_since + INDEX_LAG_HOURS, 1, None), 0)
        rows["write_us"] = rows["t"] * 1000 + 2 * (own["late"] + of_index) + everything
        known = own["place_t"] > NO_TIMER
        rows["lat"], rows["lon"] = (np.where(known, own[name], np.nan) for name in ("lat", "lon"))
        rows["area"] = [
            geohash(lat, lon, AREA).encode() or NO_AREA
            for lat, lon in zip(rows["lat"].tolist(), rows["lon"].tolist(), strict=True)
        ]
        rows["station"], rows["model"] = own["station"], own["model"]
        for quantity, name in enumerate(QUANTITIES):
            there = own["value_t"][:, quantity] > NO_TIMER
            rows[name] = np.where(there, own["value"][:, quantity], np.nan)
        rows["index_hour"] = np.where(own["index_hour"] > 0, own["index_hour"], NO_TIMER)
        rows["index_value"] = np.where(own["index_hour"] > 0, own["index_value"], -(2**31))
        rows["category"], rows["responsible"] = own["category"], own["responsible"]
        rows["superseded_by"], rows["nulls"] = NO_TIMER, 1  # a sensor may come back to where it was
        before = own["area"]
        left = (before != b"") & (before != rows["area"])
        states["told_t"][which] = own["newest_t"]
        states["area"][which] = rows["area"]
        if not left.any():
            return rows
        void = rows[left]
        void["area"], void["superseded_by"] = before[left], rows["t"][left]
        return np.concatenate((rows, void))


def _begin(states: Rows, is_new: NDArray[np.bool_]) -> None:
    """What new sensors begin with."""
    if is_new.any():
        new = np.flatnonzero(is_new)
        for name in ("closed", "newest_t", "told_t", "place_t", "forgotten"):
            states[name][new] = NO_TIMER
        states["told_t"][new] = 0
        states["value_t"][new] = NO_TIMER
        states["due"][new] = NEVER
        states["origin"][new] = -1
        states["known"][new] = 1


def _joined(state: Any, data: bytes, tails: Tails, key: int) -> tuple[bytes | bytearray, int]:
    """The stored readings with those of a tail, which is empty then; and how many of its readings were known."""
    at, length = int(tails.start[key]), int(tails.length[key])
    if not length:
        return data, 0
    words = tails.words[at : at + length].reshape(-1, WORDS)
    tails.length[key] = 0
    longer = appended(data, words)
    if longer is not None:
        state["changes"] += len(words)
        state["stored"] += len(words)
        return longer, 0
    series = unpacked(data)
    changed = series.join(words)
    state["changes"] += changed
    state["stored"] = len(series.t)
    return series.packed(), len(words) - changed


def _texts(codes: NDArray[np.int32], texts: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """The text of each message; empty where it has none."""
    return np.append(texts, np.zeros(1, "S64"))[codes]


def _equal(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (one == other) | (np.isnan(one) & np.isnan(other))
    return found
