"""The windows of sensors, worked out from their readings in the order of their times. numpy over compiled loops.

Law: what is written depends on the set of readings alone. Cleansing judges a block of hours as if the series had begun
with the block before it, so a verdict depends on a bounded part of the set, and on the next reading. What changed, in
readings or verdicts, is written anew: windows that are closed as the next revision.

One sensor after the other is judged and added up; what rows say in words is put to those of all sensors at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.quality import Quality
from jobs.sensor_windows import hours
from jobs.sensor_windows.air_quality import STANDARDS
from jobs.sensor_windows.cleansing import TESTS, compiled_rules, failed_names
from jobs.sensor_windows.closing import (
    FINAL_US,
    HOUR,
    LENGTHS,
    MADE,
    VERSION_STEP,
    close_hours,
    close_windows,
)
from jobs.sensor_windows.derived import NAMES, derived
from jobs.sensor_windows.judging import judge_changed, room_of_verdicts
from jobs.sensor_windows.kernel import DAY_MS, FIVE_MIN_MS, HOUR_MS
from jobs.sensor_windows.layout import AIR_ROW, FLAG_ROW, WINDOW_ROW
from jobs.sensor_windows.origins import Described, describer
from jobs.sensor_windows.places import Stations
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.series import CHANGED, FLIPPED, KINDS, REPLACED, hour_name, window_name
from jobs.sensor_windows.stored import Recent, Stored
from jobs.sensor_windows.sums import MILLIONTHS, RANK, SUMS

__all__ = ["DAY_MS", "FINAL_US", "FIVE_MIN_MS", "HOUR_MS", "WINDOWS", "Finished", "SensorWindows", "block_ms"]

WINDOWS = tuple(zip(("sensor_5min", "sensor_hour", "sensor_day"), LENGTHS, strict=True))
"""Tables and lengths, in the order of their numbers."""

HOUR_WINDOW, AIR_WINDOW = LENGTHS.index(HOUR_MS), KINDS - 1
BLOCK_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
_TESTS = np.array([",".join(failed_names(mask)).encode() for mask in range(1 << len(TESTS))], "S64")
_POLLUTANTS = tuple(QUANTITIES.index(name) for name in hours.POLLUTANTS)
_CORRECTED = NAMES.index("pm2_5_corrected")

_OF_SUMS = ("min", "max", "n_samples", "n_used", "n_good", "n_suspect", "n_failed", "qc_flag")

HOURS_AT_ONCE = 4096
"""Of several sensors; a kilobyte each."""

Array = NDArray[Any]


class Finished(NamedTuple):
    """Rows of several sensors.

    Attributes:
        tables: by table.
        shown: rows of air_quality for the map: of each sensor the last hour's.
    """

    tables: dict[str, Array]
    shown: Array


def block_ms(quality: Quality) -> int:
    """How long a block is in which cleansing judges: at least as long as any test looks back."""
    longest = 3600.0
    limits = [
        *quality.limits.values(),
        *(each for model in quality.models.values() for each in model.limits.values()),
    ]
    for tests in limits:
        if tests.flat_line is not None:
            longest = max(longest, tests.flat_line.suspect_s or 0, tests.flat_line.fail_s or 0)
        if tests.attenuated is not None:
            longest = max(longest, tests.attenuated.period_s)
    for count in BLOCK_HOURS:
        if count * 3600 >= longest:
            return count * HOUR_MS
    return -(-round(longest * 1000) // DAY_MS) * DAY_MS


class SensorWindows:
    """Makes the rows of whichever sensors it is given: ``close`` for each, then ``finish``."""

    def __init__(
        self,
        quality: Quality,
        *,
        use_suspect: bool,
        min_completeness: float,
        standard: str,
        stations: Stations,
        open_too: bool,
    ) -> None:
        """Takes the parameters; ``open_too``: hours and days are also written while they are open."""
        self._rules = compiled_rules(quality)
        self._describe = describer(quality, self._rules)
        self._block_ms = block_ms(quality)
        # Before the day of the first change: 24 hours of an index, the block that a verdict depends on.
        self._history_ms = max(DAY_MS, -(-self._block_ms // DAY_MS) * DAY_MS)
        self._use_suspect = use_suspect
        self._min_completeness = min_completeness
        self._standard = STANDARDS.index(standard)
        self._stations = stations
        self._open_too = open_too
        self._states = self._rules.states(1)
        self._pair, self._sums = room_of_verdicts(), np.zeros(1, SUMS)
        self._told, self._scratch = np.empty((4096, 2), np.int64), np.empty(4096)
        self._made, self._hours = np.zeros(4096, MADE), np.zeros(1024, HOUR)
        self._means, self._samples = np.empty((len(_POLLUTANTS), 4096)), np.empty(4096, np.int64)
        self._begin()

    def _begin(self) -> None:
        """No rows are there."""
        self._count = self._hour_count = self._mean_count = self._origin_count = 0
        self._described: list[Described] = []
        self._flags: list[Array] = []

    def describe(self, stored: Stored) -> Described:
        """What the origins of a sensor's readings mean."""
        return self._describe(stored.origins)

    def close(
        self, stored: Stored, key: int, changes: int, closed_before: int, watermark: int
    ) -> Recent | None:
        """Works out what the watermark has closed, and what changed in what was closed.

        Args:
            stored: the readings; their marks, verdicts and revisions are changed.
            key: for the rows.
            changes: how many readings have changed something, ever: grows with what the windows hold.
            closed_before: the watermark of the call before.
            watermark: all windows that end up to it are final.

        Returns:
            The newest readings, those since the day of ``closed_before`` at least; None: there are none at all.
        """
        if not stored.count:
            return None
        # Windows that closed since the last call have readings from the day of that call on.
        begin_ms = closed_before - closed_before % DAY_MS if closed_before > 0 else 0
        first = stored.first_changed()
        if first is not None:
            before = int(stored.t[max(first - 1, 0)])
            begin_ms = min(begin_ms, before - before % self._block_ms)
        recent = stored.since(begin_ms - begin_ms % DAY_MS - self._history_ms)
        described = self._describe(stored.origins)
        dirty = recent.mark >= CHANGED
        flipped: list[int] = []
        if first is not None:
            flipped = self._judge(recent, described, key, changes, closed_before, dirty)
        windows, indices = self._count, self._hour_count
        self._add_up(recent, described, key, changes, closed_before, watermark, dirty)
        stored.told(recent)
        made = self._made[windows : self._count]
        self._count_up(stored, made, self._hours[indices : self._hour_count], flipped)
        return recent

    def _judge(
        self, r: Recent, described: Described, key: int, changes: int, closed_before: int, dirty: Array
    ) -> list[int]:
        """Judges again what may be judged otherwise now.

        Returns:
            The closed hours with readings that did not change, but the verdict on them.
        """
        if len(self._told) < r.x.size:
            self._told = np.empty((2 * r.x.size, 2), np.int64)
        changed = dirty.copy()
        count = judge_changed(
            self._rules.limits, self._states, self._block_ms, r.quantities, described.codes, r.t, r.origin, r.x,
            r.verdict, changed, dirty, self._pair, self._told,
        )  # fmt: skip
        if count:
            self._flag(r, described, key, changes, self._told[:count])
        flipped: list[int] = np.unique(r.t[dirty > changed] // HOUR_MS * HOUR_MS).tolist()
        return [hour for hour in flipped if hour + HOUR_MS - 1 <= closed_before]

    def _flag(self, r: Recent, described: Described, key: int, changes: int, which: Array) -> None:
        """Adds rows of the readings, by row and place, that are bad now or have been."""
        row, at = which.T
        told = np.zeros(len(which), FLAG_ROW)
        told["key"], told["quantity"] = key, r.quantities[row]
        told["t"], told["value"] = r.t[at], r.x[row, at]
        told["write_us"] = told["t"] * 1000 + changes
        verdict = r.verdict[row, at]
        told["qc_flag"], told["qc_tests"] = verdict & 15, _TESTS[verdict >> 4]
        told["model"] = described.models[r.origin[at]]
        self._flags.append(told)

    def _add_up(
        self,
        r: Recent,
        described: Described,
        key: int,
        changes: int,
        closed_before: int,
        watermark: int,
        dirty: Array,
    ) -> None:
        """Adds the windows and hours of one sensor to those of all."""
        x, verdict, quantities = derived(r.x, r.verdict, r.quantities, r.origin, described.corrections)
        if len(self._scratch) < len(r.t):
            self._scratch = np.empty(2 * len(r.t))
        rows = {quantity: row for row, quantity in enumerate(quantities.tolist())}
        of_all = RANK, self._use_suspect
        times = closed_before, watermark, changes, self._origin_count, described.intervals
        while True:
            count = close_windows(
                key, r.t, r.origin, r.mark, dirty, quantities, x, verdict, *of_all, self._open_too, *times,
                self._scratch, self._made, self._count,
            )  # fmt: skip
            if count >= 0:
                break
            self._made = np.append(self._made, np.zeros_like(self._made))
        self._count = count
        pollutants = np.array([rows.get(each, -1) for each in _POLLUTANTS], np.int64)
        while True:
            count, means = close_hours(
                key, r.t, r.origin, r.mark, dirty, pollutants, rows.get(_CORRECTED, -1), x, verdict, *of_all,
                self._min_completeness, *times, self._scratch, self._sums[0], self._samples, self._hours,
                self._hour_count, self._means, self._mean_count,
            )  # fmt: skip
            if count >= 0:
                break
            self._hours = np.append(self._hours, np.zeros_like(self._hours))
            self._means = np.append(self._means, np.empty_like(self._means), axis=1)
            self._samples = np.append(self._samples, np.empty_like(self._samples))
        self._hour_count, self._mean_count = count, means
        self._described.append(described)
        self._origin_count += len(described.origins)

    def _count_up(self, stored: Stored, windows: Array, indices: Array, flipped: list[int]) -> None:
        """Counts what is written again: revisions of what was closed and written before, versions of hours."""
        names = [hour_name(hour, FLIPPED) for hour in flipped]
        again: list[tuple[Array, Array, list[int]]] = []
        for rows, kind in ((windows, windows["kind"]), (indices, np.full(len(indices), AIR_WINDOW))):
            which = np.flatnonzero(rows["again"])
            if len(which):
                own = window_name(rows["start"][which], kind[which]).tolist()
                again.append((rows, which, own))
                names += set(own)
        counts = stored.count_up(names)
        for rows, which, own in again:
            rows["revision"][which] = [counts[name] for name in own]
        if not counts:
            return
        for place in np.flatnonzero(windows["kind"] == HOUR_WINDOW).tolist():
            replaced, flips = (
                counts.get(hour_name(int(windows["start"][place]), each), 0) for each in (REPLACED, FLIPPED)
            )
            windows["version"][place] += VERSION_STEP * replaced + flips

    def finish(self) -> Finished:
        """The rows of all sensors since the last call."""
        tables = {}
        models, stations, geohashes = (
            np.concatenate([getattr(each, name) for each in self._described])
            if self._described
            else np.empty(0, "S1")
            for name in ("models", "stations", "geohashes")
        )
        made = self._made[: self._count]
        for number, (table, _) in enumerate(WINDOWS):
            own = made[made["kind"] == number]
            if len(own):
                tables[table] = self._rows(own, models, stations, geohashes)
        if self._flags:
            tables["sensor_flag"] = _joined(self._flags)
        shown = np.empty(0, AIR_ROW)
        if self._hour_count:
            found = self._indices(geohashes)
            tables["air_quality"] = found
            last = np.flatnonzero(np.diff(self._hours["key"][: self._hour_count], append=-1))
            shown = found[last * len(STANDARDS) + self._standard]
        self._begin()
        return Finished(tables, shown)

    def _rows(self, made: Array, models: Array, stations: Array, geohashes: Array) -> Array:
        """Windows of one kind as their table has them."""
        sums, origin = made["sums"], made["origin"]
        found = np.zeros(len(made), WINDOW_ROW)
        for name in (
            "key",
            "quantity",
            "start",
            "final",
            "revision",
            "version",
            "write_us",
            "p95",
            "n_expected",
        ):
            found[name] = made[name]
        for name in _OF_SUMS:
            found[name] = sums[name]
        found["event_ms"] = made["start"]
        with np.errstate(invalid="ignore"):
            found["mean"] = sums["total"] / (sums["n_used"] * float(MILLIONTHS))
        found["raw_mean"] = sums["raw_total"] / (sums["n_samples"] * float(MILLIONTHS))
        found["nulls"] = (found["revision"] > 0) | (sums["n_used"] == 0)
        found["qc_tests"] = _TESTS[sums["failed"]]
        found["model"], found["station"] = models[origin], stations[origin]
        found["geohash"] = geohashes[origin]
        found["completeness"] = np.minimum(sums["n_used"] / np.maximum(made["n_expected"], 1), 1.0)
        if self._stations:
            self._enrich(found)
        return found

    def _enrich(self, found: Array) -> None:
        for row in found:
            station = self._stations.at(row["station"].decode(), int(row["start"]))
            if station is not None:
                for name, text in zip(station._fields, station, strict=True):
                    row[name] = text.encode()

    def _indices(self, geohashes: Array) -> Array:
        """The hours that have closed, and those that use an hour that changed: a row of each standard."""
        every = len(STANDARDS)
        made = self._hours[: self._hour_count]
        found = np.zeros(len(made) * every, AIR_ROW)
        for name in ("key", "start", "n_samples", "write_us", "revision"):
            found[name] = np.repeat(made[name], every)
        found["nulls"], found["final"] = found["revision"] > 0, 1
        found["geohash"] = np.repeat(geohashes[made["origin"]], every)
        for begin in range(0, len(made), HOURS_AT_ONCE):
            at = made["at"][begin : begin + HOURS_AT_ONCE]
            hours.fill_hours(found[begin * every :][: len(at) * every], at, self._means)
        return found


def _joined(parts: list[Array]) -> Array:
    raw = np.concatenate([part.view(f"V{part.itemsize}") for part in parts])  # else fields are compared
    whole: Array = raw.view(parts[0].dtype)
    return whole
