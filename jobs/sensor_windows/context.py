"""Context keywords: terms of reference texts that fit an hour at a station, with the passage that they come from.

The texts are read beforehand (``kappafleet context``); here they are only looked up. Pure logic.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from conf.context import HourConditions, TextIndex

POLLUTANT_TOPICS = {
    "pm2_5": "particulates",
    "pm10": "particulates",
    "so2": "sulphur_dioxide",
    "no2": "nitrogen_dioxide",
    "o3": "ozone",
    "o3_1h": "ozone",
    "co": "carbon_monoxide",
}
SEASONS = ("winter", "spring", "summer", "autumn")
"""From December, three months each, in the northern half of the world."""


class Keyword(NamedTuple):
    """A term that fits.

    Attributes:
        term: one to three words.
        score: its weight in the passage.
        about: those of the hour's topics that the passage is about.
        source: the text's title.
        passage: the passage.
    """

    term: str
    score: float
    about: tuple[str, ...]
    source: str
    passage: str


def hour_topics(
    rules: HourConditions,
    month: int,
    *,
    lat: float = math.nan,
    temperature_c: float = math.nan,
    humidity: float = math.nan,
    dew_point_c: float = math.nan,
    indices: Mapping[str, int] | None = None,
    places: Iterable[str] = (),
) -> frozenset[str]:
    """What an hour at a station is like, as topics such as ``weather:fog``.

    Args:
        rules: the thresholds.
        month: 1 to 12.
        lat: of the station; south of the equator seasons are the other way round; NaN: taken as north.
        temperature_c: mean of the hour; NaN: not known, as in those that follow.
        humidity: %.
        dew_point_c: of these two.
        indices: US index of each pollutant.
        places: topics of the station's surroundings, such as ``town``.
    """
    season = SEASONS[(month % 12 // 3 + (2 if lat < 0 else 0)) % 4]
    found = {f"season:{season}", *(f"place:{place}" for place in places)}
    if humidity >= rules.fog.min_humidity and temperature_c - dew_point_c <= rules.fog.max_spread_c:
        found.add("weather:fog")
    if temperature_c <= rules.frost_max_c:
        found.add("weather:frost")
    if temperature_c >= rules.heat_min_c:
        found.add("weather:heat")
    if humidity >= rules.damp_min_humidity:
        found.add("weather:damp")
    if humidity <= rules.dry_max_humidity:
        found.add("weather:dry")
    for pollutant, index in (indices or {}).items():
        if index >= rules.polluted_min_index and pollutant in POLLUTANT_TOPICS:
            found.add(f"pollutant:{POLLUTANT_TOPICS[pollutant]}")
    return frozenset(found)


class ContextIndex:
    """Looks terms up by topics; the same topics always give the same terms."""

    def __init__(self, texts: TextIndex, words: Mapping[str, re.Pattern[str]]) -> None:
        """Takes an index, and what finds the words of each topic (``Topics.patterns``)."""
        self._texts, self._words = texts, words
        self._known: dict[tuple[frozenset[str], int], tuple[Keyword, ...]] = {}

    def keywords(self, hour: frozenset[str], limit: int = 5) -> tuple[Keyword, ...]:
        """The terms whose passages are about most of the hour's topics, of these those with the largest scores.

        A passage counts only if it is about the hour's weather or one of its pollutants: a season or a kind of place
        alone says too little. Passages about another season come last; of those that fit equally well come first the
        terms that name one of the hour's topics. Each term comes once.

        Args:
            hour: as ``hour_topics`` gives them.
            limit: at most so many.
        """
        found = self._known.get((hour, limit))
        if found is None:
            if (
                len(self._known) > 1000
            ):  # there are few combinations; more come only from many kinds of places
                self._known.clear()
            found = self._known[hour, limit] = self._look_up(hour, limit)
        return found

    def _look_up(self, hour: frozenset[str], limit: int) -> tuple[Keyword, ...]:
        ranked = []
        for entry in self._texts.entries:
            about = tuple(topic for topic in entry.about if topic in hour)
            if any(topic.startswith(("weather:", "pollutant:")) for topic in about):
                seasons = {topic for topic in entry.about if topic.startswith("season:")}
                of_another = bool(seasons) and seasons.isdisjoint(hour)
                names = any(self._words[topic].search(entry.term) for topic in about)
                fit = of_another, -len(about), not names, -entry.score
                ranked.append((fit, entry.term, entry.source, entry.passage, about))
        chosen: dict[str, Keyword] = {}
        for (*_, score), term, source, passage, about in sorted(ranked):
            if len(chosen) == limit:
                break
            text = self._texts.sources[source]
            chosen.setdefault(term, Keyword(term, -score, about, text.title, text.passages[passage]))
        return tuple(chosen.values())
