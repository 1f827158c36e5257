"""The windows of one sensor, worked out from its readings in the order of their times. Pure numpy over compiled loops.

Law: what is written depends on the set of readings alone. Cleansing judges a block of hours as if the series had begun
with the block before it, so a verdict depends on a bounded part of the set, and on the next reading. What changed, in
readings or verdicts, is written anew: windows that are closed as the next revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.quality import Quality
from jobs.sensor_windows import hours
from jobs.sensor_windows.air_quality import STANDARDS
from jobs.sensor_windows.cleansing import (
    FAIL,
    JUDGED,
    SUSPECT,
    TESTS,
    compiled_rules,
    failed_names,
    flush,
    judge,
)
from jobs.sensor_windows.derived import NAMES, derived
from jobs.sensor_windows.kernel import first_end
from jobs.sensor_windows.layout import AIR_ROW, FLAG_ROW, WINDOW_ROW
from jobs.sensor_windows.places import Stations, geohash
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.series import ABSENT, CHANGED, TOLD, Series
from jobs.sensor_windows.sums import MILLIONTHS, RANK, SUMS, add_up

FIVE_MIN_MS, HOUR_MS, DAY_MS = 300_000, 3_600_000, 86_400_000
WINDOWS = (("sensor_5min", FIVE_MIN_MS), ("sensor_hour", HOUR_MS), ("sensor_day", DAY_MS))
"""Tables and lengths, in the order of their numbers."""

AIR_WINDOW = len(WINDOWS)
FINAL_US = 60_000_000
"""Beyond every count of what changed a window while it was open: a final row wins against any that is not."""

BLOCK_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
NEVER = 2**63 - 1
_TESTS = np.array([",".join(failed_names(mask)).encode() for mask in range(1 << len(TESTS))], "S64")
_FIRST = np.zeros(1, np.int64)
_POLLUTANTS = tuple(QUANTITIES.index(name) for name in hours.POLLUTANTS)

_OF_SUMS = ("min", "max", "p95", "n_samples", "n_used", "n_good", "n_suspect", "n_failed", "qc_flag")

HOURS_AT_ONCE = 4096
"""Of several sensors; a kilobyte each."""

Array = NDArray[Any]


class Rows(NamedTuple):
    """Rows by table."""

    tables: dict[str, list[Array]]

    def add(self, table: str, rows: Array) -> None:
        """Adds some."""
        if len(rows):
            self.tables.setdefault(table, []).append(rows)


class Air(NamedTuple):
    """Rows of air_quality of one sensor that lack their indices.

    Attributes:
        rows: [H * S] of AIR_ROW.
        at: [H] places of the hours in ``means``.
        means: as ``hours.fill_hours`` takes them.
        shown: the row that the map shows.
    """

    rows: Array
    at: Array
    means: Array
    shown: int


class Index(NamedTuple):
    """The index of the last closed hour, for the map."""

    key: int
    hour: int
    value: int
    category: bytes
    responsible: bytes


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
    """Makes the rows of whichever sensor it is given."""

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
        self._quality = quality
        self._rules = compiled_rules(quality)
        self._limits = [np.ascontiguousarray(self._rules.limits[:, [q]]) for q in range(len(QUANTITIES))]
        self._block_ms = block_ms(quality)
        self._use_suspect = use_suspect
        self._min_completeness = min_completeness
        self._standard = STANDARDS.index(standard)
        self._stations = stations
        self._open_too = open_too

    def close(
        self, s: Series, key: int, changes: int, closed_before: int, watermark: int, rows: Rows
    ) -> list[Air]:
        """Writes what the watermark has closed, and what changed in what was closed.

        Args:
            s: the readings; their marks, verdicts and revisions are changed.
            key: for the rows.
            changes: how many readings have changed something, ever: grows with what the windows hold.
            closed_before: the watermark of the call before.
            watermark: all windows that end up to it are final.
            rows: to be added to.

        Returns:
            What is still to be written by ``indices``.
        """
        if not len(s.t):
            return []
        changed = (s.mark & CHANGED) != 0
        dirty = changed | self._judge(s, changed, key, changes, rows)
        first = int(np.argmax(dirty)) if dirty.any() else len(s.t)
        # Windows that closed since the last call have readings from the day of that call on.
        begin_ms = closed_before - closed_before % DAY_MS if closed_before > 0 else 0
        if first < len(s.t):
            begin_ms = min(begin_ms, int(s.t[first]) // DAY_MS * DAY_MS)
        begin = int(np.searchsorted(s.t, begin_ms))
        part = _Part(s, slice(begin, None), self._quality, dirty[begin:])
        for number, (table, length_ms) in enumerate(WINDOWS):
            self._windows(part, number, table, length_ms, key, changes, closed_before, watermark, rows)
        airs = self._air(s, part, key, changes, closed_before, watermark)
        s.mark[begin:] = TOLD
        return airs

    def indices(self, airs: Sequence[Air], rows: Rows) -> Iterator[Index]:
        """Works out the indices of many sensors at once; their rows are added to ``rows``.

        Yields:
            The index of the last hour of each.
        """
        for some in _batches(airs):
            found = np.concatenate([each.rows for each in some])
            starts = np.cumsum([0, *(each.means.shape[1] for each in some[:-1])])
            at = np.concatenate([start + each.at for start, each in zip(starts.tolist(), some, strict=True)])
            hours.fill_hours(found, at, np.concatenate([each.means for each in some], axis=1))
            rows.add("air_quality", found)
            place = 0
            for each in some:
                shown = found[place + each.shown]
                yield Index(
                    int(shown["key"]),
                    int(shown["start"]),
                    int(shown["index_value"]),
                    bytes(shown["category"]),
                    bytes(shown["responsible"]),
                )
                place += len(each.rows)

    def next_end(self, s: Series, watermark: int, past_ms: int) -> int:
        """The next time at which a window that has readings is to be written; NEVER: none is open.

        Five minutes of an hour that ended before ``past_ms`` are written with their hour.
        """
        found = NEVER
        for _, length_ms in WINDOWS:
            place = 0 if watermark < 0 else len(s.t)
            if 0 <= watermark < NEVER - DAY_MS:
                place = int(np.searchsorted(s.t, watermark + 1 - (watermark + 1) % length_ms))
            if place < len(s.t):
                t = int(s.t[place])
                end = t - t % length_ms + length_ms - 1
                found = min(found, first_end(t, past_ms) if length_ms == FIVE_MIN_MS else end)
        return found

    def _judge(self, s: Series, changed: Array, key: int, changes: int, rows: Rows) -> Array:
        """Judges again what may be judged otherwise now; returns which readings are."""
        flipped = np.zeros(len(s.t), np.bool_)
        places = np.flatnonzero(changed)
        if not len(places):
            return flipped
        size = self._block_ms
        # A verdict depends on its block and the one before, and on the next reading, which may be far.
        before = np.maximum(places - 1, 0)
        touched = np.unique(
            np.concatenate((s.t[before] // size, s.t[places] // size, s.t[places] // size + 1))
        )
        measured = np.flatnonzero((s.x != ABSENT).any(axis=1)).tolist()
        for block in touched.tolist():
            low, begin, end = np.searchsorted(
                s.t, [(block - 1) * size, block * size, (block + 1) * size]
            ).tolist()
            if begin == end:
                continue
            for quantity in measured:
                self._judge_block(s, quantity, low, begin, end, flipped, key, changes, rows)
        return flipped

    def _judge_block(
        self,
        s: Series,
        quantity: int,
        low: int,
        begin: int,
        end: int,
        flipped: Array,
        key: int,
        changes: int,
        rows: Rows,
    ) -> None:
        x = s.x[quantity, low:]
        there = np.flatnonzero(x[: end - low] != ABSENT)
        if not len(there) or there[-1] < begin - low:
            return
        beyond = x[end - low :]
        after = int(np.argmax(beyond != ABSENT)) if len(beyond) else 0
        if len(beyond) and beyond[after] != ABSENT:
            there = np.append(there, end - low + after)
        t, models = s.t[low:][there], self._models(s)[s.origin[low:][there]]
        edges = np.concatenate((_FIRST, np.flatnonzero(models[1:] != models[:-1]) + 1))
        judged = np.zeros(2 * len(there) + 1, JUDGED)
        states = self._rules.states(1)[:, :1]
        lengths = np.diff(edges, append=len(there))
        made = judge(
            self._limits[quantity], states, t, x[there][None, :], lengths, np.zeros(len(edges), np.int64),
            models[edges], judged,
        )  # fmt: skip
        made += flush(states, NEVER, judged[made:])
        judged = judged[:made]
        judged = judged[(judged["t"] >= s.t[begin]) & (judged["t"] <= s.t[end - 1])]
        at = np.searchsorted(s.t, judged["t"])
        verdict = (judged["flag"].astype(np.uint16) | judged["failed"] << 4).astype(np.uint16)
        was = s.verdict[quantity, at]
        now_other = np.flatnonzero(was != verdict)
        if not len(now_other):
            return
        at, was, verdict = at[now_other], was[now_other], verdict[now_other]
        s.verdict[quantity, at] = verdict
        flipped[at] = True
        bad = _is_bad(verdict) | _is_bad(was)
        if not bad.any():
            return
        at, verdict = at[bad], verdict[bad]
        told = np.zeros(len(at), FLAG_ROW)
        told["key"], told["quantity"] = key, quantity
        told["t"], told["value"] = s.t[at], s.x[quantity, at]
        told["write_us"] = told["t"] * 1000 + changes
        told["qc_flag"], told["qc_tests"] = verdict & 15, _TESTS[verdict >> 4]
        told["model"] = _texts(s)[0][s.origin[at]]
        rows.add("sensor_flag", told)

    def _models(self, s: Series) -> Array:
        return np.array([self._rules.code_of(origin.model or None) for origin in s.origins], np.int64)

    def _windows(
        self,
        part: _Part,
        number: int,
        table: str,
        length_ms: int,
        key: int,
        changes: int,
        closed_before: int,
        watermark: int,
        rows: Rows,
    ) -> None:
        start = part.t - part.t % length_ms
        ends = start + (length_ms - 1)
        wanted = (ends <= watermark) & (part.dirty | (ends > closed_before))
        if self._open_too and length_ms > FIVE_MIN_MS:
            wanted |= (ends > watermark) & part.dirty
        starts = np.unique(start[wanted])
        if not len(starts):
            return
        final = starts + (length_ms - 1) <= watermark
        revisions = part.revisions(number, start, starts, starts + (length_ms - 1) <= closed_before)
        count = len(starts)
        sums = np.zeros(len(part.present) * count, SUMS)
        for place, quantity in enumerate(part.present):
            part.add_up(quantity, length_ms, starts, self._use_suspect, sums[place * count :][:count])
        there = np.flatnonzero(sums["n_samples"])
        if not len(there):
            return
        sums = sums[there]
        found = np.zeros(len(sums), WINDOW_ROW)
        found["key"], found["quantity"] = key, np.array(part.present)[there // count]
        found["start"], found["event_ms"] = sums["start"], sums["start"]
        found["final"], found["revision"] = final[there % count], revisions[there % count]
        found["write_us"] = (sums["start"] + length_ms) * 1000 + changes + FINAL_US * final[there % count]
        for name in _OF_SUMS:
            found[name] = sums[name]
        with np.errstate(invalid="ignore"):
            found["mean"] = sums["total"] / (sums["n_used"] * float(MILLIONTHS))
        found["raw_mean"] = sums["raw_total"] / (sums["n_samples"] * float(MILLIONTHS))
        found["nulls"] = (found["revision"] > 0) | (sums["n_used"] == 0)
        found["qc_tests"] = _TESTS[sums["failed"]]
        part.describe(found, sums["last"], length_ms)
        if self._stations:
            self._enrich(found)
        rows.add(table, found)

    def _enrich(self, found: Array) -> None:
        for row in found:
            station = self._stations.at(row["station"].decode(), int(row["start"]))
            if station is not None:
                for name, text in zip(station._fields[1:], station[1:], strict=True):
                    row[name] = text.encode()

    def _air(
        self, s: Series, part: _Part, key: int, changes: int, closed_before: int, watermark: int
    ) -> list[Air]:
        """The hours that closed, and those that use an hour that changed."""
        begin_ms = int(part.t[0]) // DAY_MS * DAY_MS if len(part.t) else 0
        measured = (part.x[: len(_POLLUTANTS)] != ABSENT) & ~np.isnan(part.x[: len(_POLLUTANTS)])
        is_there = measured.any(axis=0)
        hour = part.t // HOUR_MS
        there = np.unique(hour[is_there])
        ends = (there + 1) * HOUR_MS - 1
        dirty = np.unique(hour[part.dirty & is_there])
        place = np.searchsorted(dirty, there, side="right") - 1
        near = (
            (place >= 0) & (there - dirty[np.maximum(place, 0)] < hours.HISTORY_HOURS)
            if len(dirty)
            else place >= 0
        )
        wanted = there[(ends <= watermark) & (near | (ends > closed_before))]
        if not len(wanted):
            return []
        first = int(wanted[0]) - hours.HISTORY_HOURS + 1
        whole = part
        if first * HOUR_MS < begin_ms:
            whole = _Part(s, slice(int(np.searchsorted(s.t, first * HOUR_MS)), None), self._quality, None)
        count = int(wanted[-1]) - first + 1
        starts = (first + np.arange(count)) * HOUR_MS
        means = np.full((len(_POLLUTANTS), count), np.nan)
        samples = np.zeros(count, np.int64)
        for pollutant, quantity in enumerate(_POLLUTANTS):
            if quantity not in whole.present:
                continue
            sums = whole.sums(quantity, HOUR_MS, starts, self._use_suspect)
            samples += sums["n_samples"]
            expected = whole.expected(sums["last"], HOUR_MS)
            enough = (sums["n_used"] > 0) & (sums["n_used"] >= self._min_completeness * expected)
            values = sums["total"][enough] / (sums["n_used"][enough] * float(MILLIONTHS))
            means[pollutant, enough] = whole.corrected(quantity, starts, enough, values)
        standards = len(STANDARDS)
        found = np.zeros(len(wanted) * standards, AIR_ROW)
        found["key"] = key
        found["start"] = np.repeat(wanted * HOUR_MS, standards)
        at = wanted - first
        history = np.cumsum(np.r_[np.zeros(hours.HISTORY_HOURS, np.int64), samples])
        found["n_samples"] = np.repeat(history[at + hours.HISTORY_HOURS] - history[at], standards)
        started = part.t - part.t % HOUR_MS
        known = (wanted + 1) * HOUR_MS - 1 <= closed_before
        revisions = part.revisions(AIR_WINDOW, started[is_there], wanted * HOUR_MS, known, is_there)
        found["revision"] = np.repeat(revisions, standards)
        found["nulls"] = found["revision"] > 0
        found["final"] = 1
        found["write_us"] = (found["start"] + HOUR_MS) * 1000 + changes + FINAL_US
        last = np.searchsorted(whole.t, (wanted + 1) * HOUR_MS) - 1
        found["geohash"] = np.repeat(whole.geohashes[whole.origin[last]], standards)
        return [Air(found, at, means, (len(wanted) - 1) * standards + self._standard)]


def _batches(airs: Sequence[Air]) -> Iterator[list[Air]]:
    some: list[Air] = []
    count = 0
    for each in airs:
        if some and count + len(each.at) > HOURS_AT_ONCE:
            yield some
            some, count = [], 0
        some.append(each)
        count += len(each.at)
    if some:
        yield some


class _Part:
    """Some of a sensor's readings, with what is derived from them."""

    def __init__(self, s: Series, which: slice, quality: Quality, dirty: Array | None) -> None:
        self.t, self.origin, self.mark = s.t[which], s.origin[which], s.mark[which]
        self.dirty = np.zeros(len(self.t), np.bool_) if dirty is None else dirty
        self.x, self.verdict = derived(s, which, quality)
        self._series = s
        self.present = np.flatnonzero((self.x != ABSENT).any(axis=1)).tolist()
        self.models, self.stations, self.geohashes = _texts(s)
        self._intervals = np.array([quality.interval_of(each.model or None) for each in s.origins])
        self._scratch = np.empty(len(self.t))

    def sums(self, quantity: int, length_ms: int, starts: Array, use_suspect: bool) -> Array:
        """What the windows of one quantity come to."""
        found = np.zeros(len(starts), SUMS)
        self.add_up(quantity, length_ms, starts, use_suspect, found)
        return found

    def add_up(self, quantity: int, length_ms: int, starts: Array, use_suspect: bool, rows: Array) -> None:
        """Fills rows of SUMS with what the windows of one quantity come to."""
        x, verdict = self.x[quantity], self.verdict[quantity]
        add_up(self.t, x, verdict, RANK, use_suspect, length_ms, starts, self._scratch, rows)

    def expected(self, last: Array, length_ms: int) -> Array:
        """Readings expected in windows whose last reading is given; -1: there is none, and nothing is expected."""
        origin = self.origin[last]
        return np.where(last >= 0, np.rint(length_ms / (self._intervals[origin] * 1000)), 0).astype(np.int64)

    def corrected(self, quantity: int, starts: Array, enough: Array, values: Array) -> Array:
        """PM2.5 of the index is that of the model's published correction, where the model has one."""
        if quantity != 0 or len(self.x) == len(QUANTITIES):
            return values
        place = NAMES.index("pm2_5_corrected")
        sums = self.sums(place, HOUR_MS, starts[enough], True)
        with np.errstate(invalid="ignore"):
            means = sums["total"] / (sums["n_used"] * float(MILLIONTHS))
        return np.where(sums["n_used"] > 0, means, values)

    def describe(self, rows: Array, last: Array, length_ms: int) -> None:
        """What the origin of a window's last reading says: model, station, place, and how many were expected."""
        origin = self.origin[last]
        rows["model"], rows["station"] = self.models[origin], self.stations[origin]
        rows["geohash"] = self.geohashes[origin]
        expected = self.expected(last, length_ms)
        rows["n_expected"] = expected
        rows["completeness"] = np.minimum(rows["n_used"] / np.maximum(expected, 1), 1.0)

    def revisions(
        self, number: int, start: Array, starts: Array, known: Array, which: Array | slice = slice(None)
    ) -> Array:
        """The revision of windows that are written now; those that were written before count one up.

        Args:
            number: of the kind of window.
            start: of the window of each reading.
            starts: of the windows.
            known: of these, which had been closed before.
            which: the readings that ``start`` is of.
        """
        found = np.zeros(len(starts), np.int32)
        if not known.any():
            return found
        told = np.unique(start[(self.mark[which] & TOLD) != 0])
        again = known & np.isin(starts, told)
        for place in np.flatnonzero(again).tolist():
            name = int(starts[place]) // FIVE_MIN_MS * (AIR_WINDOW + 1) + number
            found[place] = self._series.revisions[name] = self._series.revisions.get(name, 0) + 1
        return found


def _is_bad(verdicts: Array) -> Array:
    """Which are of readings that are suspect or failed."""
    flags = verdicts & 15
    found: Array = (flags == SUSPECT) | (flags == FAIL)
    return found


def _texts(s: Series) -> tuple[Array, Array, Array]:
    """Model, station and geohash of each origin."""
    return (
        np.array([each.model.encode() for each in s.origins], "S64"),
        np.array([each.station.encode() for each in s.origins], "S64"),
        np.array([geohash(each.lat, each.lon).encode() for each in s.origins], "S12"),
    )
