"""The vehicle kernel as a function of the columnar operator: one call per mini-batch, all vehicles in it at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.columnar_runtime import Batch, Result, TimerBatch
from jobs.driver_stats import kernel, layout
from jobs.driver_stats.kernel import Columns, Messages, Parameters, Rows
from jobs.driver_stats.layout import NONE, TEXT_WORDS
from jobs.driver_stats.settings import Settings

ROWS = {
    "vehicle_minute": layout.MINUTE_ROW,
    "part": layout.PART_ROW,
    "trip": layout.TRIP_ROW,
    "driver_event": layout.EVENT_ROW,
    "vehicle_live": layout.LIVE_ROW,
}
"""Row layouts by output, in the order of kernel.Rows."""

OUTPUTS = {name: layout.with_texts(dtype) for name, dtype in ROWS.items()}

NEVER_MS = 2**62
UNKNOWN_DRIVER, DEFAULT_FLEET = b"", b"default"
FIXED_TEXTS = np.array([UNKNOWN_DRIVER, DEFAULT_FLEET], dtype="S64")


def kernel_parameters(settings: Settings, live: bool) -> Parameters:
    """The kernel's parameters; ``live`` is False where only the last live row of a vehicle is wanted (files)."""

    def ms(seconds: float) -> int:
        return round(seconds * 1000)

    harsh = settings.harsh
    thresholds = np.array(
        [
            [
                harsh.accel_ms2 or harsh.classes[name].accel_ms2,
                harsh.brake_ms2 or harsh.classes[name].brake_ms2,
                harsh.corner_ms2 or harsh.classes[name].corner_ms2,
            ]
            for name in settings.vehicle_classes()
        ]
    )
    return Parameters(
        max_gap_ms=ms(settings.sample.max_gap_s),
        idle_gap_ms=ms(settings.idle.max_gap_s),
        trip_gap_ms=ms(settings.trip.gap_s),
        trip_stop_ms=ms(settings.trip.stop_s),
        standing_kmh=settings.standing.speed_kmh,
        plausible_kmh=settings.gps.max_speed_kmh,
        rearm_ratio=harsh.rearm_ratio,
        event_gap_ms=ms(harsh.max_gap_s),
        live_interval_ms=ms(settings.live.interval_s) if live else NEVER_MS,
        vehicle_ttl_ms=settings.keep_ms() or NEVER_MS,
        thresholds=thresholds,
        min_speeds_kmh=np.array(
            [harsh.min_speed_kmh, harsh.min_speed_kmh, harsh.corner_min_speed_kmh], dtype=float
        ),
    )


class VehicleOperator:
    """Keyed by vehicle_id: telemetry in; minutes, driver parts, trips, events and live rows out."""

    state_dtype = layout.STATE
    state_version = layout.STATE_VERSION
    counters = kernel.COUNTERS
    outputs = OUTPUTS

    def open(self, settings_json: str, subtask: int) -> None:
        """Takes the settings: ``{"settings": Settings as JSON, "live": bool}``."""
        given = json.loads(settings_json)
        settings = Settings.model_validate(given["settings"])
        self._parameters = kernel_parameters(settings, given["live"])
        classes = settings.vehicle_classes()
        self._class_index: Mapping[bytes, int] = {name.encode(): index for index, name in enumerate(classes)}
        self._capacity = 0
        self._rows: Rows
        self._grow(4096)

    def upgrade(self, version: int, row: bytes) -> Any:
        """There is no older layout yet.

        Raises:
            ValueError: always; a savepoint with this version comes from elsewhere.
        """
        raise ValueError(
            f"the savepoint holds vehicle states of layout version {version}, this job knows {self.state_version} only"
        )

    def batch(self, b: Batch) -> Result:
        """Folds a mini-batch into the vehicles' states."""
        samples = b.samples
        columns = Columns(
            samples["t"],
            samples["speed"],
            samples["accel_x"],
            samples["accel_y"],
            samples["lat"],
            samples["lon"],
            samples["heading"],
            samples["ignition"],
            samples["odometer"],
        )
        driver_codes, drivers = b.texts["driver_id"]
        fleet_codes, fleets = b.texts["fleet_id"]
        texts = np.concatenate((FIXED_TEXTS, drivers, fleets))
        first_driver = len(FIXED_TEXTS)
        first_fleet = first_driver + len(drivers)
        messages = Messages(
            b.lengths,
            b.key_index,
            np.where(driver_codes < 0, 0, driver_codes + first_driver),
            # An empty fleet would be an empty partition key, which Cassandra refuses.
            np.append(np.where(fleets == b"", 1, np.arange(len(fleets)) + first_fleet), 1)[fleet_codes],
            self._classes(*b.texts["vehicle_class"]),
            texts.view("<u8").reshape(-1, TEXT_WORDS),
        )
        cursor = np.zeros(3, np.int64)
        counters = np.zeros(len(self.counters), np.int64)
        self._rows.counts[:] = 0
        while not kernel.fold(
            self._parameters, columns, messages, b.states, b.is_new, self._rows, cursor, counters
        ):
            self._grow(self._capacity * 2)
        timers = np.empty(len(b.states), np.int64)
        kernel.next_timers(b.states, timers)
        return Result(timers=timers, deletions=None, outputs=self._taken(), counters=counters)

    def timers(self, b: TimerBatch) -> Result:
        """Publishes what the watermark closed for the vehicles whose timers fired."""
        timers = np.full(len(b.states), NONE, np.int64)
        deletions = np.zeros(len(b.states), np.bool_)
        self._rows.counts[:] = 0
        done = 0
        while done < len(b.states):
            done = kernel.advance(
                self._parameters, b.states, b.watermark, self._rows, timers, deletions, done
            )
            if done < len(b.states):
                self._grow(self._capacity * 2)
        return Result(timers=timers, deletions=deletions, outputs=self._taken(), counters=None)

    def _classes(self, codes: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """Threshold rows by message; a class without thresholds of its own has the default's (row 0)."""
        by_code: NDArray[np.int32] = np.array(
            [*(self._class_index.get(value, 0) for value in values.tolist()), 0], np.int32
        )
        found: NDArray[np.int32] = by_code[codes]
        return found

    def _grow(self, capacity: int) -> None:
        """Room for ``capacity`` rows of each kind; rows that are there stay."""
        capacity = max(capacity, 4 * kernel.rows_needed(self._parameters))
        arrays = [np.zeros(capacity, dtype) for dtype in ROWS.values()]
        counts = np.zeros(len(arrays), np.int64)
        if self._capacity:
            counts[:] = self._rows.counts
            for new, kept, count in zip(arrays, self._rows, counts, strict=False):
                new[:count] = kept[:count]
        minutes, parts, trips, events, lives = arrays
        self._rows = Rows(minutes, parts, trips, events, lives, counts)
        self._capacity = capacity

    def _taken(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        taken = {}
        for name, rows, count in zip(OUTPUTS, self._rows, self._rows.counts, strict=False):
            if count:
                taken[name] = (np.ascontiguousarray(rows["key"][:count]), rows[:count].view(OUTPUTS[name]))
        return taken
