"""Thresholds and score weights that change while the job runs: reference data, in force from a time on.

A sample is judged by the thresholds of its own time, so an event starts by those of its first sample and keeps that
one. A score has one set of weights: those at the start of its window (hour, day, week), at the start of a rolling
window's last day, at the start of a trip. So all windows of a fleet's day have the same ones.

The vehicles' operator has the table, which is read to its end before the first sample (connectors/reference.py). The
drivers' windows have none: with a driver's first part, and whenever something changed, they are told the weights as
STEP_ROW. What they say of a window then depends on the log alone, since whatever made the window has been told of.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from conf.rule_changes import HARSH, SCORE, THRESHOLDS, with_weights
from conf.score import AdditiveRules, PercentRules
from connectors.reference import ReferenceTable
from jobs.driver_stats import unnamed
from jobs.driver_stats.drive_minutes import DRIVE_ROW
from jobs.driver_stats.kernel import Parameters
from jobs.driver_stats.layout import EVENT_ROW, PART_ROW, TEXT_WORDS, TRIP_ROW, with_texts
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.unnamed import UNNAMED_ROW
from schemas.references import reference

RULES = reference("rules", "rules/1", ("rule_set", "name"))
Rules: TypeAlias = AdditiveRules | PercentRules
Weights: TypeAlias = tuple[float | None, ...]
"""The values of rules/1 behind the thresholds; None: as the settings have it."""

_NAMES = tuple(each.name for each in RULES.values)
_WEIGHTS = tuple(name for name in _NAMES if name not in THRESHOLDS)
_AS_SET: Weights = (None,) * len(_WEIGHTS)

STEP_ROW = np.dtype(
    [
        ("key", "<i4"),
        ("driver", "<i8", (TEXT_WORDS,)),
        ("event_ms", "<i8"),
        # how far the log was read: rows of the furthest count, and all others of before are forgotten
        ("newest", "<i8"),
        ("from_ms", "<i8"),
        ("weights", "<f8", (len(_WEIGHTS),)),
    ]
)
"""What a driver's windows are told: the weights from a time on until the next one's."""

STEP_OUTPUT = with_texts(STEP_ROW)
TRIP_OUTPUT = np.dtype([*with_texts(TRIP_ROW).descr, ("params_hash", "S64")])
MARGIN_MS = 40 * 86_400_000
"""So long before a part may begin what its windows need: a week, or rolling days that end later."""


class Scores:
    """The rules of the score by time.

    Attributes:
        newest: grows with what is known; 0: nothing but the settings.
        starts: from when on, ascending; before the first the settings' rules hold.
        weights: by start.
    """

    def __init__(
        self, rules: Rules, newest: int = 0, starts: Sequence[int] = (), weights: Sequence[Weights] = ()
    ) -> None:
        """Takes what is known; weights that are none together change nothing."""
        self.newest, self.starts, self.weights = newest, tuple(starts), tuple(weights)
        self._rules = [rules, *(_with(rules, each) for each in weights)]

    def at(self, ms: int) -> Rules:
        """The rules in force at a time."""
        return self._rules[bisect_right(self.starts, ms)]

    def needed(self, ms: int) -> int:
        """The first step that windows with something of that time may need."""
        return max(0, bisect_right(self.starts, ms - MARGIN_MS) - 1)


def _with(rules: Rules, weights: Weights) -> Rules:
    try:
        return with_weights(rules, dict(zip(_WEIGHTS, weights, strict=True)))
    except ValueError:
        return rules


def scores_of(rules: Rules, table: ReferenceTable) -> Scores:
    """What a table says of the rules of a score."""
    key = (SCORE, rules.name)
    steps = table.steps(key)
    first = len(_NAMES) - len(_WEIGHTS)
    weights = [
        _AS_SET
        if values is None
        else tuple(float(each) if isinstance(each, int | float) else None for each in values[first:])
        for values in steps.values
    ]
    newest = max((row.order[-1] + 1 for row in table.rows(key)), default=0)
    return Scores(rules, newest, steps.starts, weights)


class Changes:
    """The table as the vehicles' operator uses it."""

    def __init__(self, settings: Settings, parameters: Parameters, table: ReferenceTable) -> None:
        """Takes the table, into which rows may come between calls of :meth:`taken`."""
        self._settings = settings
        self._thresholds = parameters.thresholds
        self._table = table
        self._told: dict[bytes, int] = {}  # from which step on a driver knows all
        self.scores = Scores(settings.score)

    def taken(self, parameters: Parameters) -> Parameters:
        """The kernel's parameters with what changed since the last time."""
        changed = self._table.take_changes()
        if not changed:
            return parameters
        self.scores = scores_of(self._settings.score, self._table)
        self._told.clear()
        starts, by_time = self._by_time()
        least = by_time.min(axis=0)
        return parameters._replace(
            thresholds=least,
            threshold_starts=np.array(starts, np.int64),
            thresholds_from=by_time,
            calm_levels=parameters.rearm_ratio * least.min(axis=0),
        )

    def _by_time(self) -> tuple[list[int], NDArray[Any]]:
        classes = self._settings.vehicle_classes()
        steps = {name: self._table.steps((HARSH, name)) for name in classes}
        starts = sorted({ms for each in steps.values() for ms in each.starts})
        found = np.repeat(self._thresholds[np.newaxis], len(starts) + 1, axis=0)
        for version, ms in enumerate(starts, start=1):
            for row, name in enumerate(classes):
                values = steps[name].at(ms)
                if values is None:
                    continue
                for axis, threshold in enumerate(THRESHOLDS):
                    value = values[_NAMES.index(threshold)]
                    if isinstance(value, int | float) and getattr(self._settings.harsh, threshold) is None:
                        found[version, row, axis] = value
        return starts, found

    def steps_for(self, parts: NDArray[Any]) -> NDArray[Any]:
        """STEP_ROW for the drivers of some parts who have not been told yet what these need."""
        scores = self.scores
        if not scores.newest or not len(parts):
            return np.zeros(0, STEP_ROW)
        wanted: dict[tuple[int, bytes], tuple[int, int]] = {}
        drivers = np.ascontiguousarray(parts["driver"]).view("S64").ravel().tolist()
        for row, (key, driver, minute_ms) in enumerate(
            zip(parts["key"].tolist(), drivers, parts["minute_start"].tolist(), strict=True)
        ):
            first = scores.needed(minute_ms)
            if driver:  # a vehicle without one is told each time: its key is not known here
                if self._told.get(driver, first + 1) <= first:
                    continue
                self._told[driver] = first
            known = wanted.get((key, driver))
            if known is None or known[0] > first:
                wanted[key, driver] = (first, row)
        rows = [
            (row, step) for first, row in wanted.values() for step in range(first, max(1, len(scores.starts)))
        ]
        found = np.zeros(len(rows), STEP_ROW)
        for at, (row, step) in enumerate(rows):
            for name in ("key", "driver", "event_ms"):
                found[name][at] = parts[name][row]
            found["newest"][at] = scores.newest
            there = step < len(scores.starts)
            found["from_ms"][at] = scores.starts[step] if there else 0
            weights = scores.weights[step] if there else _AS_SET
            found["weights"][at] = [math.nan if each is None else each for each in weights]
        return found


def with_hashes(trips: NDArray[Any], scores: Scores) -> NDArray[Any]:
    """Trips as TRIP_OUTPUT."""
    found = np.zeros(len(trips), TRIP_OUTPUT)
    for name in TRIP_ROW.names or ():
        found[name] = trips[name]
    found["params_hash"] = [scores.at(ms).params_hash.encode() for ms in trips["start_ms"].tolist()]
    return found


class Step(NamedTuple):
    """A row of STEP_OUTPUT."""

    newest: int
    from_ms: int
    weights: Weights


def is_step(row: bytes) -> bool:
    """Whether a record is a STEP_ROW; a log-in may have any length."""
    return len(row) == STEP_ROW.itemsize and not unnamed.is_message(row)


def read_step(row: bytes) -> Step:
    """Reads a record of STEP_OUTPUT."""
    values: Any = np.frombuffer(row, STEP_OUTPUT)[0]
    return Step(
        int(values["newest"]),
        int(values["from_ms"]),
        tuple(None if each != each else each for each in values["weights"].tolist()),
    )


def step_bytes(step: Step) -> bytes:
    """A record of STEP_OUTPUT."""
    row = np.zeros(1, STEP_OUTPUT)
    row["newest"], row["from_ms"] = step.newest, step.from_ms
    row["weights"] = [math.nan if each is None else each for each in step.weights]
    return row.tobytes()


class Told:
    """What a driver's windows were told, in the form that is kept."""

    def __init__(self, rules: Rules) -> None:
        """Takes the rules of the settings."""
        self._rules = rules
        self._nothing = Scores(rules)
        self._read: dict[tuple[int, tuple[tuple[int, Weights], ...]], Scores] = {}

    def scores(self, kept: Mapping[int, Weights], newest: int) -> Scores:
        """The rules by time; the same object for the same steps, of which all drivers have much the same."""
        if not newest:
            return self._nothing
        steps = tuple(sorted(kept.items()))
        found = self._read.get((newest, steps))
        if found is None:
            if len(self._read) > 256:
                self._read.clear()
            found = Scores(self._rules, newest, [ms for ms, _ in steps], [weights for _, weights in steps])
            self._read[newest, steps] = found
        return found


_OTHERS = (PART_ROW, UNNAMED_ROW, DRIVE_ROW, EVENT_ROW, TRIP_ROW)
assert STEP_ROW.itemsize not in {each.itemsize for each in _OTHERS}, "records are told apart by their length"
