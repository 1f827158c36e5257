"""Context keywords of a station: what its hour was like by all its sensors, and the terms that fit. Pure Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from statistics import median
from typing import Any, NamedTuple

from conf.context import TextIndex, Topics, text_index, topics
from conf.rule_sets import RuleSet
from jobs.sensor_windows.air_quality import index_of, standard
from jobs.sensor_windows.context import ContextIndex, hour_topics
from jobs.sensor_windows.derived import NAMES
from jobs.sensor_windows.groups import HOUR_MS, Parts, Write
from jobs.sensor_windows.hours import POLLUTANTS
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.units import in_unit_of_standard

STANDARD = "epa-2024"
"""Its index says whether an hour was polluted."""

TELLING = frozenset({*POLLUTANTS, "temperature", "humidity", "dew_point", "pm2_5_corrected"})
"""Quantities that say what an hour is like."""


class Condition(NamedTuple):
    """The closed hour of one sensor and quantity.

    Attributes:
        start: epoch ms.
        quantity: index into NAMES.
        n_samples: in it.
        changes: grows with what the hour contains.
        mean: NaN where no reading could be used.
        sensor_id: whose.
        south: it stands south of the equator.
        surroundings: of its station; empty where they are not known.
    """

    start: int
    quantity: int
    n_samples: int
    changes: int
    mean: float
    sensor_id: str
    south: bool
    surroundings: str


class _Rules(RuleSet):
    topics: Topics
    texts: TextIndex
    limit: int


class StationContext:
    """What an hour at a station was like, and the terms of reference texts that fit."""

    def __init__(self, rules: Topics, texts: TextIndex, limit: int) -> None:
        self._rules = rules.conditions
        words = rules.patterns()
        self._places = {
            topic.removeprefix("place:"): its for topic, its in words.items() if topic.startswith("place:")
        }
        self._index = ContextIndex(texts, words)
        self._limit = limit
        self.params_hash = _Rules(
            name="context", version=rules.version, topics=rules, texts=texts, limit=limit
        ).params_hash
        """Changes with everything that the terms depend on."""

    def conditions(self, hour: Mapping[tuple[int, str], Condition]) -> frozenset[str]:
        """The topics of an hour, from the medians of its sensors' means; PM2.5 corrected where the model has that."""
        (start, *_) = (each.start for each in hour.values())
        means: dict[str, dict[str, float]] = {}
        for each in hour.values():
            if each.mean == each.mean:
                means.setdefault(NAMES[each.quantity], {})[each.sensor_id] = each.mean
        if "pm2_5_corrected" in means:
            means["pm2_5"] = means.get("pm2_5", {}) | means.pop("pm2_5_corrected")
        of_hour = {name: median(own.values()) for name, own in means.items()}
        indices: dict[str, int] = {}
        for pollutant, table in standard(STANDARD).pollutants.items():
            quantity = pollutant.removesuffix("_1h")
            if quantity in of_hour:
                value = in_unit_of_standard(quantity, of_hour[quantity], table.unit)
                index = index_of(STANDARD, pollutant, float(value))
                if index is not None:
                    indices[pollutant] = index
        surroundings = " ".join(sorted({each.surroundings.lower() for each in hour.values()}))
        nan = float("nan")
        return hour_topics(
            self._rules,
            month_of(start),
            lat=-1 if any(each.south for each in hour.values()) else 1,
            temperature_c=of_hour.get("temperature", nan),
            humidity=of_hour.get("humidity", nan),
            dew_point_c=of_hour.get("dew_point", nan),
            indices=indices,
            places=[name for name, words in self._places.items() if words.search(surroundings)],
        )

    def columns(self, hour: Mapping[tuple[int, str], Condition]) -> Iterator[dict[str, Any]]:
        """What rows say of an hour's terms, the best first; none where no term fits."""
        conditions = self.conditions(hour)
        samples = sum(each.n_samples for each in hour.values())
        for rank, keyword in enumerate(self._index.keywords(conditions, self._limit), 1):
            yield {
                "rank": rank,
                "conditions": ",".join(sorted(conditions)),
                "term": keyword.term,
                "score": keyword.score,
                "about": ",".join(keyword.about),
                "source": keyword.source,
                "passage": keyword.passage,
                "n_samples": samples,
            }

    def rows(self, hour: Parts[Condition], shown: int) -> Iterator[Write]:
        """The rows of an hour; those of the ``shown`` before that are no more become void."""
        (start, *_) = (each.start for each in hour.values())
        write_us = (start + HOUR_MS) * 1000 + sum(each.changes for each in hour.values())
        count = 0
        for columns in self.columns(hour):
            count += 1
            yield Write(write_us, columns)
        for rank in range(count + 1, shown + 1):
            yield Write(write_us, {"rank": rank, "superseded_by": start})


def month_of(start_ms: int) -> int:
    """The month of a time, 1 to 12."""
    return datetime.fromtimestamp(start_ms // 1000, UTC).month


def station_context(settings: Settings) -> StationContext:
    """What the settings say.

    Raises:
        conf.parameters.ParameterError: topics or index can't be read.
    """
    rules = topics(settings.context.topics)
    where = settings.context.index
    texts = text_index(where) if where else TextIndex(topics=rules.id, sources={}, entries=())
    return StationContext(rules, texts, settings.context.limit)
