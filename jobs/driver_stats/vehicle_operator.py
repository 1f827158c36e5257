"""The vehicle kernel as a function of the columnar operator: one call per mini-batch, all vehicles in it at once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conf.score import AdditiveRules, PercentRules
from connectors.columnar_runtime import Batch, KeyStore, Result, TimerBatch
from connectors.columnar_runtime import Tails as KeyTails
from connectors.reference import ReferenceTable
from jobs.driver_stats import drive_minutes, harsh, layout, order, parts, present, speeding, unnamed
from jobs.driver_stats.backlog import Backlog, Call, scratch_rows
from jobs.driver_stats.drive_minutes import DRIVE_ROW
from jobs.driver_stats.emit import EVENTS, PARTS, TRIPS
from jobs.driver_stats.fleet_time import Cuts, FleetTime
from jobs.driver_stats.kernel import Columns, Messages, Parameters
from jobs.driver_stats.layout import LANE_WORDS, NONE, PART_ROW, SCORE_BANDS, SCORE_STATES, TEXT_WORDS
from jobs.driver_stats.order import COMMIT, DONE, FILE, INDEX, LATE, MESSAGE, SAMPLE
from jobs.driver_stats.road_limits import ROAD_LIMITS, RoadLimits, references_of
from jobs.driver_stats.row_buffer import OUTPUTS, RowBuffer
from jobs.driver_stats.score import score
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.tails import GROWTH, Tails
from jobs.driver_stats.unnamed import UNNAMED_ROW
from jobs.driver_stats.upgrades import upgraded
from jobs.driver_stats.windows import tally

NEVER_MS = 2**62
_SCORES = frozenset({"score", "score_unclamped", "penalty_events", "penalty_speeding", "penalty_idle"})
IN_HOURS = Cuts(parts.HOUR_MS, ())
UNKNOWN_DRIVER, DEFAULT_FLEET = b"", b"default"
FIXED_TEXTS = np.array([UNKNOWN_DRIVER, DEFAULT_FLEET], dtype="S64")


def kernel_parameters(settings: Settings, live: bool) -> Parameters:
    """The kernel's parameters; ``live`` is False where only the last live row of a vehicle is wanted (files)."""

    def ms(seconds: float) -> int:
        return round(seconds * 1000)

    events = settings.harsh
    default = events.classes[events.default_class]
    crash = settings.harsh_rules.crash.vector_ms2
    thresholds = np.array(
        [
            [
                events.accel_ms2 or events.classes.get(name, default).accel_ms2,
                events.brake_ms2 or events.classes.get(name, default).brake_ms2,
                events.corner_ms2 or events.classes.get(name, default).corner_ms2,
                crash,
            ]
            for name in settings.vehicle_classes()
        ]
    )
    return Parameters(
        max_gap_ms=ms(settings.sample.max_gap_s),
        idle_gap_ms=ms(settings.idle.max_gap_s),
        idle_event_ms=ms(settings.idle.event_s),
        trip_gap_ms=ms(settings.trip.gap_s),
        trip_stop_ms=ms(settings.trip.stop_s),
        standing_kmh=settings.standing.speed_kmh,
        plausible_kmh=settings.gps.max_speed_kmh,
        rearm_ratio=events.rearm_ratio,
        event_gap_ms=ms(events.max_gap_s),
        live_interval_ms=ms(settings.live.interval_s) if live else NEVER_MS,
        present_ms=NONE,
        vehicle_ttl_ms=settings.keep_ms() or NEVER_MS,
        buffer_ms=ms(settings.order.buffer_s),
        backlog_gap_ms=ms(settings.order.backlog_gap_s),
        max_head=settings.order.max_head,
        max_waiting=settings.order.max_waiting,
        thresholds=thresholds,
        min_speeds_kmh=np.array(
            [events.min_speed_kmh, events.min_speed_kmh, events.corner_min_speed_kmh, 0], dtype=float
        ),
        calm_levels=events.rearm_ratio * thresholds.min(axis=0),
        quiet_vector2=crash * crash * (1 - 1e-9),
        deduplicate_ms=ms(settings.score.deduplicate_s),
        harsh=harsh.compiled_rules(settings.harsh_rules),
        speeding=speeding.compiled_rules(settings.speeding),
    )


def score_trips(rules: AdditiveRules | PercentRules, trips: NDArray[Any]) -> None:
    """Fills the score columns of TRIP_ROW records."""
    for row in trips:
        found = score(rules, tally(row["sums"].tolist()))
        row["score_state"] = SCORE_STATES.index(found.state)
        row["score_band"] = -1 if found.band is None else SCORE_BANDS.index(found.band)
        for name, value in found.columns().items():
            if name in _SCORES:
                row[name] = np.nan if value is None else value


def rule_of_class(settings: Settings) -> NDArray[np.int64]:
    """By vehicle class the index of its rule set of drivers' hours among ``settings.hours_rules``; NO_RULE: none."""
    names = list(settings.hours_rules)
    sets = [settings.hours.rule_set(name) for name in settings.vehicle_classes()]
    return np.array(
        [names.index(each) if each in names else drive_minutes.NO_RULE for each in sets], np.int64
    )


class VehicleOperator:
    """Keyed by vehicle_id: telemetry in; minutes, driver parts, trips, events and live rows out."""

    state_dtype = layout.STATE
    state_version = layout.STATE_VERSION
    tail_growth = GROWTH
    uses_store = True
    counters = order.COUNTERS
    outputs: Mapping[str, np.dtype[Any]] = {
        **OUTPUTS,
        "drive": layout.with_texts(DRIVE_ROW),
        "unnamed": layout.with_texts(UNNAMED_ROW),
        "unnamed_event": layout.with_texts(layout.EVENT_ROW),
        "unnamed_trip": layout.with_texts(layout.TRIP_ROW),
    }

    def open(self, settings_json: str, subtask: int) -> None:
        """Takes the settings: ``{"settings": Settings as JSON, "live": bool}``."""
        given = json.loads(settings_json)
        settings = Settings.model_validate(given["settings"])
        self._parameters = kernel_parameters(settings, given["live"])
        self._keep_ms = settings.keep_ms() or NEVER_MS
        self._live = given["live"]
        self._backlog_ms = round(settings.live.backlog_s * 1000)
        self._shown_ms = self._crowded_ms = -NEVER_MS
        self._crowded = False
        # Files have no open hours and days.
        self._hold_ms = self._backlog_ms if self._live else NEVER_MS
        self._cuts = FleetTime(settings.local_time).cuts()
        self._breaks = np.array(self._cuts.at_ms, np.int64)
        classes = settings.vehicle_classes()
        self._class_index: Mapping[bytes, int] = {name.encode(): index for index, name in enumerate(classes)}
        self._rules = settings.score
        self._rule_of_class = rule_of_class(settings)
        self._drives = np.zeros(0, DRIVE_ROW)
        self._unnamed = np.zeros(0, UNNAMED_ROW)
        self._attributes = settings.assignments.enabled
        # A limit of the parameters counts before the road's, and is always there.
        self._uses_roads = settings.speeding.limit_kmh is None
        self.refer({each.name: ReferenceTable(each) for each in references_of(settings)})
        self._rows = RowBuffer(self._parameters, 4096)
        self._scratch = scratch_rows(self._parameters)

    def refer(self, references: Mapping[str, ReferenceTable]) -> None:
        """Takes other tables of reference data than the empty ones it was opened with."""
        self.references = references
        roads = references.get(ROAD_LIMITS.name) if self._uses_roads else None
        self._roads = None if roads is None else RoadLimits(roads)

    def upgrade(self, version: int, row: bytes) -> bytes:
        """A state row of an older layout in the present one.

        Raises:
            ValueError: this version of the job does not know that layout.
        """
        return upgraded(version, row)

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
            samples["yaw_rate"],
            samples["speed_limit"] if self._roads is None else self._roads.limits(samples),
        )
        driver_codes, drivers = b.texts["driver_id"]
        fleet_codes, fleets = b.texts["fleet_id"]
        texts = np.concatenate((FIXED_TEXTS, drivers, fleets))
        first_driver = len(FIXED_TEXTS)
        first_fleet = first_driver + len(drivers)
        messages = Messages(
            # One width for all indexes: Numba compiles each function once for each type that it is called with.
            b.lengths.astype(np.int64),
            b.key_index.astype(np.int64),
            np.where(driver_codes < 0, 0, driver_codes + first_driver),
            # An empty fleet would be an empty partition key, which Cassandra refuses.
            np.append(np.where(fleets == b"", 1, np.arange(len(fleets)) + first_fleet), 1)[fleet_codes],
            self._classes(*b.texts["vehicle_class"]),
            texts.view("<i8").reshape(-1, TEXT_WORDS),
            b.integers["seq"],
        )
        self._rows.clear()
        now_ms = self._look_at_the_clock(len(messages.lengths))
        counters = np.zeros(len(self.counters), np.int64)
        call = self._call(b.states, b.tails, b.store, counters)
        rejects = self._fold(columns, messages, call, b.is_new)
        self._show(call, now_ms)
        self._hold_back(b.states, now_ms, everything=False)
        timers = np.empty(len(b.states), np.int64)
        order.next_timers(b.states, timers)
        if self._cuts != IN_HOURS:
            parts.next_cuts(b.states, timers, self._cuts.every_ms, self._breaks, NONE)
        return Result(timers=timers, outputs=self._outputs(), counters=counters, rejects=rejects)

    def timers(self, b: TimerBatch) -> Result:
        """Publishes what the watermark closed for the vehicles whose timers fired."""
        timers = np.full(len(b.states), NONE, np.int64)
        deletions = np.zeros(len(b.states), np.bool_)
        self._rows.clear()
        now_ms = self._look_at_the_clock(0)
        call = self._call(b.states, b.tails, b.store, np.zeros(len(self.counters), np.int64))
        done = 0
        while True:
            done = order.advance(
                self._parameters, call.states, call.lane_words, b.watermark, call.tails,
                self._rows.rows, timers, deletions, done,
            )  # fmt: skip
            if done == len(b.states):
                self._hold_back(b.states, now_ms, everything=True)
                return Result(timers=timers, deletions=deletions, outputs=self._outputs())
            self._rows.grow()

    def _look_at_the_clock(self, messages: int) -> int:
        """Says what is the present: it decides when rows come, never what they hold. Files have none.

        Args:
            messages: how many have come at once.
        """
        now_ms = time.time_ns() // 1_000_000
        if not self._live:
            return now_ms
        if messages >= present.CROWD_MESSAGES:
            self._crowded_ms = now_ms
        self._crowded = 0 <= now_ms - self._crowded_ms < present.CROWD_MS
        present_ms = now_ms - present.PRESENT_MS if self._crowded else NONE
        self._parameters = self._parameters._replace(present_ms=present_ms)
        return now_ms

    def _show(self, call: Call, now_ms: int) -> None:
        """Lets vehicles of the past have live rows at the clock's pace: see present.py."""
        if not self._crowded or 0 <= now_ms - self._shown_ms < self._backlog_ms:
            return
        self._shown_ms = now_ms
        done = 0
        while (done := present.show(self._parameters, call.states, call.tails, self._rows.rows, done)) < len(
            call.states
        ):
            self._rows.grow()

    def _hold_back(self, states: NDArray[Any], now_ms: int, *, everything: bool) -> None:
        """Lets the drivers' windows have few parts: see parts.py. ``everything``: of these keys nothing is held."""
        made = self._rows.of(PARTS)
        if self._attributes:
            nameless = unnamed.nameless(made)
            self._unnamed = unnamed.rows(states, made[nameless], self._rule_of_class)
            made = made[~nameless]
            self._rows.replace(PARTS, made)
        self._drives = drive_minutes.of(states, made, self._rule_of_class)
        if not len(made) and not everything:
            return
        sent = np.zeros(2 * len(made) + len(states) * everything, PART_ROW)
        present_ms = self._parameters.present_ms if self._live else NEVER_MS
        count = parts.hold_back(
            states,
            made,
            len(made),
            sent,
            now_ms,
            self._hold_ms,
            present_ms,
            self._cuts.every_ms,
            self._breaks,
        )
        if everything:
            count = parts.release_all(states, sent, count)
        self._rows.replace(PARTS, sent[:count])

    def _outputs(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """All rows; the trips get their scores here, of their sums."""
        score_trips(self._rules, self._rows.of(TRIPS))
        kinds = (("unnamed_event", EVENTS), ("unnamed_trip", TRIPS)) if self._attributes else ()
        nameless = {name: self._nameless(kind) for name, kind in kinds}
        found = self._rows.outputs()
        for name, rows in nameless.items():
            if len(rows):
                found[name] = (np.ascontiguousarray(rows["key"]), rows.view(self.outputs[name]))
        if len(self._drives):
            found["drive"] = (
                np.ascontiguousarray(self._drives["key"]),
                self._drives.view(self.outputs["drive"]),
            )
        if len(self._unnamed):
            keys = np.ascontiguousarray(self._unnamed["key"])
            found["unnamed"] = (keys, self._unnamed.view(self.outputs["unnamed"]))
        return found

    def _nameless(self, kind: int) -> NDArray[Any]:
        """Takes the rows of a kind that have no driver out of all rows."""
        rows = self._rows.of(kind)
        nameless = unnamed.nameless(rows)
        found: NDArray[Any] = rows[nameless]
        if len(found):
            self._rows.replace(kind, rows[~nameless])
        return found

    def _call(
        self, states: NDArray[Any], tails: KeyTails, store: KeyStore, counters: NDArray[np.int64]
    ) -> Call:
        words = tails.words
        return Call(
            states,
            states["lane"],
            states.view(np.int64).reshape(len(states), -1),
            Tails(
                words,
                words.view(np.float64),
                tails.start,
                tails.length,
                np.zeros(len(states), np.bool_),
                np.zeros(LANE_WORDS, np.int64),
            ),
            store,
            self._rows,
            counters,
        )

    def _fold(
        self, columns: Columns, messages: Messages, call: Call, is_new: NDArray[Any]
    ) -> list[tuple[int, str]]:
        """Folds all messages; returns those of which samples could not be placed, with the reason."""
        backlog = Backlog(self._parameters, call, self._keep_ms, self._scratch)
        cursor = np.zeros(6, np.int64)
        copies = np.zeros(len(messages.lengths), np.bool_)
        lost: dict[int, int] = {}
        while True:
            code = order.fold(
                self._parameters, columns, messages, call.states, call.lane_words, is_new, call.tails,
                self._rows.rows, cursor, copies,
                call.counters,
            )  # fmt: skip
            if code == DONE:
                break
            m = int(cursor[MESSAGE])
            if code == order.FULL:
                self._rows.grow()
                continue
            key = int(messages.key_index[m])
            if code == FILE:
                backlog.file(key, ended=True)
            elif code == COMMIT:
                newest = int(call.states[key]["newest_t"])
                taken = int(columns.t[cursor[INDEX] + messages.lengths[m] - cursor[SAMPLE] - 1])
                backlog.commit(key, max(newest, taken) - self._parameters.buffer_ms)
            elif code == LATE:
                end = int(cursor[INDEX] + messages.lengths[m] - cursor[SAMPLE])
                reached, unplaced = backlog.late(key, columns, messages, m, int(cursor[INDEX]), end)
                cursor[SAMPLE] += reached - cursor[INDEX]
                cursor[INDEX] = reached
                if unplaced:
                    lost[m] = lost.get(m, 0) + unplaced
            else:
                backlog.take_back(key)
        lost = {m: count for m, count in lost.items() if not copies[m]}
        call.counters[order.OUT_OF_ORDER] += sum(lost.values())
        for key in np.flatnonzero(call.tails.filing):
            backlog.file(int(key))
        return [
            (
                m,
                f"out_of_order: {count} of {messages.lengths[m]} samples are older than what the vehicle sent, "
                "and in no gap that is kept for a backlog",
            )
            for m, count in lost.items()
        ]

    def _classes(self, codes: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """Threshold rows by message; a class without thresholds of its own has the default's (row 0)."""
        by_code: NDArray[np.int64] = np.array(
            [*(self._class_index.get(value, 0) for value in values.tolist()), 0], np.int64
        )
        found: NDArray[np.int64] = by_code[codes]
        return found
