"""What the origins of a sensor's readings mean to its windows. Pure numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.quality import Quality
from jobs.sensor_windows.cleansing import Rules
from jobs.sensor_windows.places import geohash
from jobs.sensor_windows.series import Origin, origins_of

MOST = 32_768
"""So many lists of origins are remembered; most sensors have one origin, for ever."""

Array = NDArray[Any]


class Described(NamedTuple):
    """The origins of one sensor.

    Attributes:
        origins: as the messages said.
        codes: [O] of the model, in Rules.limits.
        intervals: [O] seconds between readings.
        corrections: [O] of PM2.5; None: there is none.
        models: [O] texts, as the next two.
        stations: [O].
        geohashes: [O]; empty where the place is not known.
        placed: [O] whether it is known.
    """

    origins: tuple[Origin, ...]
    codes: Array
    intervals: Array
    corrections: tuple[str | None, ...]
    models: Array
    stations: Array
    geohashes: Array
    placed: tuple[bool, ...]


def describer(quality: Quality, rules: Rules) -> Callable[[bytes], Described]:
    """A function that describes the origins of ``Stored.origins``."""

    @lru_cache(maxsize=MOST)
    def described(data: bytes) -> Described:
        origins = tuple(origins_of(data))
        known = [quality.models.get(each.model) for each in origins]
        return Described(
            origins,
            np.array([rules.code_of(each.model or None) for each in origins], np.int64),
            np.array([quality.interval_of(each.model or None) for each in origins], np.float64),
            tuple(None if model is None else model.correction for model in known),
            np.array([each.model.encode() for each in origins], "S64"),
            np.array([each.station.encode() for each in origins], "S64"),
            np.array([geohash(each.lat, each.lon).encode() for each in origins], "S12"),
            tuple(not math.isnan(each.lat) and not math.isnan(each.lon) for each in origins),
        )

    return described
