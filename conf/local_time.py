"""Parameters of local time: in which zone a fleet's hours, days and weeks are."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from conf.parameters import Frozen, load


def _known(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (KeyError, OSError, ValueError):  # not found, a folder, or not a name at all
        raise ValueError(
            f"{zone} is no time zone; a name of the IANA list such as Europe/Berlin is wanted"
        ) from None
    return zone


Zone = Annotated[str, AfterValidator(_known)]


class LocalTime(Frozen):
    """Time zones by fleet, and how long the rolling window of the score is."""

    version: int
    zone: Zone
    fleets: dict[str, Zone]
    rolling_days: Annotated[int, Field(ge=1, le=366)]

    def zone_of(self, fleet_id: str) -> str:
        """The zone of a fleet; one that is not named has the common one."""
        return self.fleets.get(fleet_id, self.zone)


def local_time(overrides: tuple[str, ...] = ()) -> LocalTime:
    """The parameters of conf/local_time.yaml.

    Raises:
        conf.parameters.ParameterError: an unknown name or a zone that does not exist.
    """
    return load("local_time", LocalTime, overrides)
