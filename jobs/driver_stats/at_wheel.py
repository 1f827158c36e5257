"""How long a driver may still drive, shown at the vehicle that he drives: ``drive_left_*`` of vehicle_live.

These columns are written by the drivers' stage, the others of the row by the vehicles': an upsert that leaves columns
as they are. A driver writes to the vehicle of his newest minute, unless that minute was taken from him since (a late
log-in), and only when something changed. ``drive_left_driver`` says of whom it is: as long as it is not the row's
``driver_id``, nothing is known of him who drives now.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from connectors.rows import FrameEncoder, Value
from jobs.driver_stats.drive_minutes import Drive
from jobs.driver_stats.driving_hours import DriveLeft
from schemas.tables import table

TABLE = table("driver_stats", "vehicle_live")
OWN = ""


class _Wheel(NamedTuple):
    """The vehicle of the newest minute, that minute, and what was written of it."""

    vehicle_id: str
    fleet_id: str
    minute_ms: int
    told: str


class AtWheel:
    """The vehicle of the driver whose key is current."""

    def __init__(self, context: RuntimeContext) -> None:
        """Opens the state."""
        self._state = context.get_map_state(MapStateDescriptor("at_wheel", Types.STRING(), Types.STRING()))
        self._encoder = FrameEncoder(TABLE)

    def note(self, drive: Drive) -> None:
        """Takes a record of driving: minutes given to the driver, or taken from him."""
        known = self._known()
        given = max(
            (at for at, drive_ms, idle_ms in drive.minutes() if max(drive_ms, idle_ms) > 0), default=None
        )
        taken = max(
            (at for at, drive_ms, idle_ms in drive.minutes() if min(drive_ms, idle_ms) < 0), default=None
        )
        if given is not None and (known is None or given >= known.minute_ms):
            same = known is not None and known.vehicle_id == drive.vehicle_id
            told = known.told if known is not None and same else ""
            self._put(_Wheel(drive.vehicle_id, drive.fleet_id, given, told))
            return
        gone = known is not None and taken is not None and taken >= known.minute_ms
        if gone and known is not None and drive.vehicle_id == known.vehicle_id:
            self.forget()

    def row(self, driver_id: str, left: DriveLeft | None, closed_ms: int) -> bytes | None:
        """The upsert of what is left at ``closed_ms``; None where nothing changed."""
        known = self._known()
        if known is None or left is None or known.told == left.text():
            return None
        self._put(known._replace(told=left.text()))
        values: dict[str, Value] = {
            "fleet_id": known.fleet_id,
            "vehicle_id": known.vehicle_id,
            "drive_left_min": left.minutes,
            "drive_left_rule": left.rule,
            "drive_left_driver": driver_id,
            "drive_left_at": closed_ms,
        }
        return self._encoder.encode(closed_ms * 1000, [values.get(each.name) for each in TABLE.columns])

    def forget(self) -> None:
        """Nothing is known of the driver any more."""
        self._state.remove(OWN)

    def _known(self) -> _Wheel | None:
        stored = self._state.get(OWN)
        return None if stored is None else _Wheel(*json.loads(stored))

    def _put(self, wheel: _Wheel) -> None:
        self._state.put(OWN, json.dumps(wheel))
