"""Episodes of speeding and of idling in plain Python."""

from __future__ import annotations

from typing import Any

from bench.plain_records import DriverEvent
from bench.plain_state import Episode, Idling, Sums, Vehicle
from jobs.driver_stats.settings import Settings

OK, MINOR, MAJOR, SEVERE, UNKNOWN = range(5)


class Episodes:
    """Of a vehicle; those that were long enough are appended to ``out`` when they are over."""

    def __init__(self, settings: Settings) -> None:
        rules = settings.speeding
        self._upper = tuple(
            (band, each.over_kmh, 1 + each.over_percent / 100)
            for band, each in (
                (SEVERE, rules.bands.severe),
                (MAJOR, rules.bands.major),
                (MINOR, rules.bands.minor),
            )
        )
        self._speeding_ms = round(rules.min_episode_s * 1000)
        self._idling_ms = round(settings.idle.event_s * 1000)
        self._speeding_rule, self._idling_rule = rules.id, settings.idle.id

    def band(self, speed: float, limit: float) -> int:
        """The speeding band: in each both conditions hold."""
        for band, over, factor in self._upper:
            if speed > limit + over and speed > limit * factor:
                return band
        return OK

    def speeding(
        self,
        s: Vehicle,
        t: int,
        span: int,
        band: int,
        speed: float,
        limit: float,
        lat: float | None,
        lon: float | None,
    ) -> None:
        """A sample in a band, and what it covers."""
        episode = s.speeding
        if episode is None:
            episode = s.speeding = Episode(t - span, t)
        episode.end = t
        episode.n += 1
        if band >= MAJOR:
            episode.major_ms += span
            if band == SEVERE:
                episode.severe_ms += span
        if speed - limit > episode.over:
            episode.over = speed - limit
            episode.limit = limit
            episode.speed = speed
            episode.lat = lat
            episode.lon = lon

    def end_speeding(self, s: Vehicle, vehicle_id: str, out: list[Any]) -> None:
        """The open episode of speeding is over."""
        episode = s.speeding
        if episode is None:
            return
        s.speeding = None
        if episode.end - episode.start < self._speeding_ms:
            return
        least = max(self._speeding_ms, 1)
        severe, major = episode.severe_ms >= least, episode.major_ms >= least
        out.append(
            DriverEvent(
                s.driver,
                episode.start,
                "speeding",
                vehicle_id,
                s.fleet,
                episode.end,
                (episode.end - episode.start) / 1e3,
                episode.over,
                "km/h",
                "severe" if severe else ("major" if major else "minor"),
                episode.lat,
                episode.lon,
                episode.speed,
                episode.limit,
                False,
                self._speeding_rule,
                episode.n,
            )
        )

    def idling(self, s: Vehicle, t: int, span: int, lat: float | None, lon: float | None) -> None:
        """A sample that stands with the engine on, and what it covers."""
        idling = s.idling
        if idling is None:
            idling = s.idling = Idling(t - span)
        idling.n += 1
        if idling.lat is None and lat is not None and lon is not None:
            idling.lat = lat
            idling.lon = lon

    def end_idling(self, s: Vehicle, vehicle_id: str, end: int, out: list[Any]) -> None:
        """The open episode of idling is over; its last sample was at ``end``."""
        idling = s.idling
        if idling is None:
            return
        s.idling = None
        if not 0 < self._idling_ms <= end - idling.start:
            return
        seconds = (end - idling.start) / 1e3
        out.append(
            DriverEvent(
                s.driver,
                idling.start,
                "idling",
                vehicle_id,
                s.fleet,
                end,
                seconds,
                seconds,
                "s",
                None,
                idling.lat,
                idling.lon,
                None,
                None,
                False,
                self._idling_rule,
                idling.n,
            )
        )


def add_band(sums: Sums, band: int, ms: int, um: int) -> None:
    """Adds driving that is not known to be within the limit."""
    if band == UNKNOWN:
        sums.unknown_ms += ms
        sums.unknown_um += um
    elif band == MINOR:
        sums.minor_ms += ms
        sums.minor_um += um
    elif band == MAJOR:
        sums.major_ms += ms
        sums.major_um += um
    else:
        sums.severe_ms += ms
        sums.severe_um += um
