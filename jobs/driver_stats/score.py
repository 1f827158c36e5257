"""A driver's score from counts, metres and seconds: every term is kept, so that a reader can check the sum.

Exactness: a term is calculated as an exact fraction of integers and rounded once, to a multiple of 2**-20 of a point
(about a millionth). Doubles hold such numbers and add them without any error, so for whoever reads the row, in
whatever order, the terms add up to ``100 - unclamped`` exactly, not nearly.

Windows are scored from the sums of their parts (``Tally + Tally``), never from scores of their parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import lru_cache

from conf.score import AdditiveRules, PercentRules, ScoreRules
from jobs.driver_stats.layout import NONE

OK, INSUFFICIENT_DISTANCE = "ok", "insufficient_distance"
LOW, MILD, MEDIUM, HIGH = "low", "mild", "medium", "high"
_QUANTUM = 2**20
_LARGEST = 2**31  # points: up to here sums of terms are exact in doubles
_UM_PER_KM = 10**9


def counts_for_score(start_ms: int, counted_ms: int, deduplicate_ms: int) -> bool:
    """Whether an event counts in the score: not within ``deduplicate_ms`` of the last one that did.

    Source: Powerfleet, "same event within 1 minute counts once" (domain.md 5.4). The window does not move with events
    that do not count, so a row of events every 59 s does not hide all but the first. Event tables keep every event.
    Plain comparisons, so that Numba compiles it into the kernel as it is.

    Args:
        start_ms: start of the event.
        counted_ms: start of the last event of this type and driver that counted; layout.NONE: there was none.
        deduplicate_ms: 0 counts every event.
    """
    return counted_ms == NONE or start_ms - counted_ms >= deduplicate_ms


@dataclass(frozen=True, slots=True)
class Tally:
    """What a score is made of, as integers, so that sums depend on no order.

    Attributes:
        distance_um: micrometres driven.
        drive_ms: driving time.
        idle_ms: standing with the ignition on or unknown.
        harsh_accel: events that count in the score (``counts_for_score``), as the next two.
        harsh_brake: as above.
        harsh_corner: as above.
        excessive: speeding episodes of the severity ``severe``.
        minor_ms: driving time in the speeding band, as the next two.
        major_ms: as above.
        severe_ms: as above.
        speeding_um: micrometres in any speeding band.
    """

    distance_um: int = 0
    drive_ms: int = 0
    idle_ms: int = 0
    harsh_accel: int = 0
    harsh_brake: int = 0
    harsh_corner: int = 0
    excessive: int = 0
    minor_ms: int = 0
    major_ms: int = 0
    severe_ms: int = 0
    speeding_um: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Both together; what a window holds is the sum of what its parts hold."""
        return Tally(*(getattr(self, name) + getattr(other, name) for name in _TALLIES))


_TALLIES = tuple(each.name for each in fields(Tally))


@dataclass(frozen=True, slots=True)
class Score:
    """A score, and why it is what it is.

    Attributes:
        state: ``ok`` or ``insufficient_distance``; then score, band and terms are missing.
        score: 0 to 100.
        band: ``low``, ``mild``, ``medium`` or ``high`` risk.
        unclamped: 100 minus the sum of all terms, exactly; below 0 where the score is 0.
        terms: points lost, by name.
        formula: name and version of the rules.
        params_hash: which parameters they had.
    """

    state: str
    formula: str
    params_hash: str
    score: float | None = None
    band: str | None = None
    unclamped: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def penalty_events(self) -> float | None:
        """Sum of the terms of events; exact, as are the next two."""
        return self._sum("event_")

    @property
    def penalty_speeding(self) -> float | None:
        """Sum of the terms of speeding."""
        return self._sum("speeding_")

    @property
    def penalty_idle(self) -> float | None:
        """Sum of the terms of idling."""
        return self._sum("idle")

    def _sum(self, prefix: str) -> float | None:
        if self.state != OK:
            return None
        return sum((term for name, term in self.terms.items() if name.startswith(prefix)), 0.0)

    def columns(self) -> dict[str, float | str | None]:
        """The columns that driver_hour, driver_day, fleet_day and trip have for it."""
        return {
            "score": self.score,
            "score_unclamped": self.unclamped,
            "score_band": self.band,
            "score_state": self.state,
            "penalty_events": self.penalty_events,
            "penalty_speeding": self.penalty_speeding,
            "penalty_idle": self.penalty_idle,
            "formula": self.formula,
            "params_hash": self.params_hash,
        }


def score(rules: AdditiveRules | PercentRules, tally: Tally) -> Score:
    """The score by the formula that the rules are of; kept for a while: a day of one fleet is scored twice."""
    return _score(_Same(rules), tally)


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """Rules that are the same object: what a cache asks for is then quickly told."""

    rules: AdditiveRules | PercentRules

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.rules is self.rules

    def __hash__(self) -> int:
        return id(self.rules)


@lru_cache(maxsize=1024)
def _score(of: _Same, tally: Tally) -> Score:
    rules = of.rules
    if isinstance(rules, AdditiveRules):
        return additive_per_100km(rules, tally)
    return weighted_percent(rules, tally)


def additive_per_100km(rules: AdditiveRules, tally: Tally) -> Score:
    """Points lost per event and kilometre, and per percent of time speeding or idling.

    Source: Samsara's weighted score in kilometres (domain.md 5.1 and "Proposed for us"): ::

        term of events i   = weight_i * n_i / km * 100 * 16.0934
        term of a band b   = weight_b * 100 * seconds_b / driving seconds
        term of idling     = weight * 100 * idle seconds / engine-on seconds
        score              = 100 - sum of terms, between 0 and 100

    Engine-on time is driving and idling. Time of unknown limit is driving time, and in no band. Without driving time
    (or engine-on time) there is no such term.
    """
    if _too_short(rules, tally):
        return _no_score(rules)
    weights = rules.event_weights
    per_event = _exact(rules.events_per_km) * _UM_PER_KM / tally.distance_um
    terms = {
        "event_harsh_accel": _exact(weights.harsh_accel) * tally.harsh_accel * per_event,
        "event_harsh_brake": _exact(weights.harsh_brake) * tally.harsh_brake * per_event,
        "event_harsh_corner": _exact(weights.harsh_corner) * tally.harsh_corner * per_event,
        "speeding_minor": _exact(rules.speeding_weights.minor) * _percent(tally.minor_ms, tally.drive_ms),
        "speeding_major": _exact(rules.speeding_weights.major) * _percent(tally.major_ms, tally.drive_ms),
        "speeding_severe": _exact(rules.speeding_weights.severe) * _percent(tally.severe_ms, tally.drive_ms),
        "idle": _exact(rules.idle_weight) * _percent(tally.idle_ms, tally.drive_ms + tally.idle_ms),
    }
    return _scored(rules, terms)


def weighted_percent(rules: PercentRules, tally: Tally) -> Score:
    """Each rule has a score of its own from 0 to 100, and a share in the whole.

    Source: Geotab's safety scorecard (domain.md 5.2; the score of each rule: knowledge.geotab.com, solution
    221222150008330): 100 - events * 1000 / distance for harsh events and for excessive speeding, 100 - 100 * multiplier
    * share of the distance for speeding, each at least 0; the weights multiply them. Ours: distance in miles, as in
    Geotab's example (10 violations in 50 miles against 500); ``excessive`` are episodes of the band ``severe``; the
    weight of the seat belt, which telemetry/1 does not have, is shared out over the other rules in proportion.
    """
    if _too_short(rules, tally):
        return _no_score(rules)
    weights = rules.weights
    per_event = _exact(rules.events_per_km) * _UM_PER_KM / tally.distance_um
    measured = 100 - _exact(weights.seatbelt)
    speeding = _exact(rules.speeding_multiplier) * _percent(tally.speeding_um, tally.distance_um)
    lost = {
        "event_harsh_accel": (weights.harsh_accel, tally.harsh_accel * per_event),
        "event_harsh_brake": (weights.harsh_brake, tally.harsh_brake * per_event),
        "event_harsh_corner": (weights.harsh_corner, tally.harsh_corner * per_event),
        "speeding_share": (weights.speeding, speeding),
        "speeding_excessive": (weights.excessive_speeding, tally.excessive * per_event),
    }
    terms = {
        name: _exact(weight) / measured * min(each, Fraction(100)) for name, (weight, each) in lost.items()
    }
    return _scored(rules, terms)


def band(rules: ScoreRules, value: float) -> str:
    """Risk band of a score; an edge belongs to the better band. Source: Geotab (domain.md 5.2)."""
    for name, least in ((LOW, rules.bands.low), (MILD, rules.bands.mild), (MEDIUM, rules.bands.medium)):
        if value >= least:
            return name
    return HIGH


def _too_short(rules: ScoreRules, tally: Tally) -> bool:
    return tally.distance_um <= 0 or tally.distance_um < _exact(rules.min_km) * _UM_PER_KM


def _no_score(rules: ScoreRules) -> Score:
    return Score(INSUFFICIENT_DISTANCE, rules.id, _hash(rules))


def _scored(rules: ScoreRules, exact: Mapping[str, Fraction]) -> Score:
    terms = {name: _rounded(term) for name, term in exact.items()}
    unclamped = 100 - sum(terms.values())
    value = min(max(unclamped, 0.0), 100.0)
    return Score(OK, rules.id, _hash(rules), value, band(rules, value), unclamped, terms)


def _rounded(term: Fraction) -> float:
    return min(round(term * _QUANTUM), _LARGEST * _QUANTUM) / _QUANTUM


def _percent(part: int, whole: int) -> Fraction:
    return Fraction(100 * part, whole) if whole > 0 else Fraction(0)


@lru_cache(maxsize=1024)
def _exact(value: float) -> Fraction:
    """A parameter as it is written: 16.0934 is 160934/10000, not the double next to it."""
    return Fraction(repr(float(value)))


@lru_cache(maxsize=64)
def _hash(rules: ScoreRules) -> str:
    return rules.params_hash
