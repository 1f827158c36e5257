"""What the tables of cells and stations must be, worked out from the rows of sensor_hour in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from conf.context import Topics, text_index, topics
from connectors.rows_in_memory import Row
from jobs.sensor_windows.air_quality import index_of, standard
from jobs.sensor_windows.context import ContextIndex, hour_topics
from jobs.sensor_windows.hours import POLLUTANTS
from jobs.sensor_windows.quantities import QUANTITIES
from jobs.sensor_windows.settings import Settings
from jobs.sensor_windows.station_context import station_context
from jobs.sensor_windows.units import in_unit_of_standard

CONTEXT_QUANTITIES = (*POLLUTANTS, "temperature", "humidity", "dew_point", "pm2_5_corrected")


def cells(hours: Iterable[Row], settings: Settings) -> Iterator[Row]:
    """Each hourly mean beside the median of the others in its cell."""
    rules = settings.neighbours
    groups: defaultdict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in hours:
        if row["geohash"] and row["quantity"] in QUANTITIES:
            groups[row["geohash"][: rules.cell], row["hour_start"], row["quantity"]].append(row)
    for (cell, start, quantity), rows in groups.items():
        for row in rows:
            others = [each["mean"] for each in rows if each is not row and each["mean"] is not None]
            is_told = row["mean"] is not None and len(others) >= rules.min_count
            middle = median(others) if is_told else None
            distance = None if middle is None else abs(row["mean"] - middle)
            yield {
                "cell": cell,
                "day": start[:10],
                "hour_start": start,
                "quantity": quantity,
                "sensor_id": row["sensor_id"],
                "mean": row["mean"],
                "neighbours_median": middle,
                "neighbours": len(others),
                "disagrees": None
                if middle is None or distance is None
                else distance > rules.disagree_min and distance > rules.disagree_ratio * abs(middle),
                "params_hash": settings.params_hash,
                "n_samples": row["n_samples"],
                "final": True,
                "revision": 0,
            }


def contexts(hours: Iterable[Row], settings: Settings) -> Iterator[Row]:
    """The terms that fit each station's hour, by the medians of its sensors' means."""
    if not settings.context.index:
        return
    rules = topics(settings.context.topics)
    index = ContextIndex(text_index(settings.context.index), rules.patterns())
    params_hash = station_context(settings).params_hash
    stations: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in hours:
        if row["quantity"] in CONTEXT_QUANTITIES:
            stations[row["station_id"] or f"sensor:{row['sensor_id']}", row["hour_start"]].append(row)
    for (station, start), rows in stations.items():
        conditions = _conditions(rules, start, rows)
        for rank, found in enumerate(index.keywords(conditions, settings.context.limit), 1):
            yield {
                "station_id": station,
                "month": start[:7],
                "hour_start": start,
                "rank": rank,
                "conditions": ",".join(sorted(conditions)),
                "term": found.term,
                "score": found.score,
                "about": ",".join(found.about),
                "source": found.source,
                "passage": found.passage,
                "params_hash": params_hash,
                "n_samples": sum(row["n_samples"] for row in rows),
                "final": True,
                "revision": 0,
            }


def _conditions(rules: Topics, start: str, rows: Sequence[Row]) -> frozenset[str]:
    measured = [row for row in rows if row["mean"] is not None]
    corrected = {row["sensor_id"] for row in measured if row["quantity"] == "pm2_5_corrected"}

    def middle(name: str) -> float:
        means = [row["mean"] for row in measured if row["quantity"] == name]
        if name == "pm2_5":
            means = [
                row["mean"]
                for row in measured
                if row["quantity"] == ("pm2_5_corrected" if row["sensor_id"] in corrected else "pm2_5")
            ]
        return median(means) if means else math.nan

    indices: dict[str, int] = {}
    for pollutant, table in standard("epa-2024").pollutants.items():
        quantity = pollutant.removesuffix("_1h")
        concentration = float(in_unit_of_standard(quantity, middle(quantity), table.unit))
        index = index_of("epa-2024", pollutant, concentration)
        if index is not None:
            indices[pollutant] = index
    said = " ".join(row["surroundings"] or "" for row in rows).lower()
    return hour_topics(
        rules.conditions,
        int(start[5:7]),
        lat=-1.0 if any(_south(row["geohash"]) for row in rows) else 1.0,
        temperature_c=middle("temperature"),
        humidity=middle("humidity"),
        dew_point_c=middle("dew_point"),
        indices=indices,
        places=[
            topic.partition(":")[2]
            for topic, words in rules.patterns().items()
            if topic.startswith("place:") and words.search(said)
        ],
    )


def _south(of: str | None) -> bool:
    """Characters of a geohash whose second bit, the first one of the latitude, is 0."""
    return of is not None and of[0] in "01234567hjkmnpqr"
