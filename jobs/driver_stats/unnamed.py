"""What goes between vehicles, log-ins and drivers where no message names the driver: pure forms, no state.

A vehicle sends its minutes without a driver as UNNAMED_ROW; log-ins come as messages assignment/1; the drivers' windows
get parts whose maximum stands apart (``Attributed``), because a maximum that was given can't be taken away again.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.driver_stats.attribution import NOBODY, Login, Minute
from jobs.driver_stats.drive_minutes import DRIVE_ROW, HOUR_MS, NO_RULE
from jobs.driver_stats.hours import MINUTE_MS
from jobs.driver_stats.layout import DRIVE_MS, FOLDS, IDLE_MS, PART_ROW
from jobs.driver_stats.windows import read_part

SCHEMA = "assignment/1"
MAX_ID_BYTES = 64
PREFIX = "unknown:"
EARLIEST_MS, LATEST_MS = 946_684_800_000, 4_102_444_800_000
"""Times that are accepted, as in telemetry."""

UNNAMED_ROW = np.dtype([*PART_ROW.descr, ("rule", "<i4")])
"""A minute's share without a driver, and the rule set of drivers' hours that its vehicle is under."""

_FRAME = struct.Struct(">iqqi")
_MESSAGE = struct.pack(">i", -1)
_ATTRIBUTED = struct.pack("<i", -2)
_HEAD = struct.Struct("<i64s?dd")
_TRIP = struct.Struct("<qdd")
_TRIP_AT: int = dict(PART_ROW.fields or {})["trip_ms"][1]


class RefusedLogin(ValueError):
    """An assignment that is none; the text is for the reject table."""


class LoginMessage(NamedTuple):
    """A message as it came: its bytes, and where it stands in the log."""

    body: bytes
    source: str
    offset: int
    arrival_ms: int


def is_message(value: bytes) -> bool:
    """Whether a record is a message, and not a row."""
    return value[:4] == _MESSAGE


def message(value: bytes) -> LoginMessage:
    """Reads what ``io.kappafleet.columnar.SchemaSplit`` makes of a log record."""
    _, offset, arrival_ms, length = _FRAME.unpack_from(value)
    body = _FRAME.size + length
    return LoginMessage(value[body:], value[_FRAME.size : body].decode(), offset, arrival_ms)


def login(sent: LoginMessage, vehicle_id: str) -> Login:
    """The log-in that a message tells of.

    Args:
        sent: the message.
        vehicle_id: by which it was keyed.

    Raises:
        RefusedLogin: it is not as schemas/assignment-1.schema.json says.
    """
    try:
        told = json.loads(sent.body)
    except (ValueError, RecursionError):
        raise RefusedLogin("not_json: the message is no JSON") from None
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise RefusedLogin(f"wrong_schema: the message is not of schema {SCHEMA}")
    if not vehicle_id or told.get("vehicle_id") != vehicle_id or not _is_id(vehicle_id):
        raise RefusedLogin("missing_id: vehicle_id is no text of 1 to 64 bytes")
    driver_id = told.get("driver_id")
    if driver_id is None:
        driver_id = NOBODY
    elif not _is_id(driver_id):
        raise RefusedLogin("missing_id: driver_id is no text of up to 64 bytes")
    at_ms, seq = told.get("t"), told.get("seq")
    if type(at_ms) is not int or not EARLIEST_MS <= at_ms <= LATEST_MS:
        raise RefusedLogin("time_out_of_range: t is no time in epoch milliseconds that is accepted")
    if seq is not None and type(seq) is not int:
        raise RefusedLogin("not_a_number: seq is no integer")
    return Login(at_ms, sent.offset if seq is None else seq, driver_id)


def _is_id(value: object) -> bool:
    """Whether it is a text of up to 64 bytes; JSON has texts that are none in UTF-8."""
    try:
        return isinstance(value, str) and len(value.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:
        return False


def rows(states: NDArray[Any], parts: NDArray[Any], rule_of_class: NDArray[np.int64]) -> NDArray[Any]:
    """Parts as UNNAMED_ROW."""
    found = np.zeros(len(parts), UNNAMED_ROW)
    for name in PART_ROW.names or ():
        found[name] = parts[name]
    found["rule"] = rule_of_class[states["lane"]["vehicle_class"][parts["key"]]]
    return found


def nameless(parts: NDArray[Any]) -> NDArray[np.bool_]:
    """Which parts, or other rows, have no driver."""
    found: NDArray[np.bool_] = ~parts["driver"].any(axis=1)
    return found


def read(row: bytes) -> tuple[Minute, int]:
    """A minute's share, and its vehicle's rule set."""
    part = read_part(row[: PART_ROW.itemsize])
    (rule,) = struct.unpack_from("<i", row, PART_ROW.itemsize)
    trip_ms, lat, lon = _TRIP.unpack_from(row, _TRIP_AT)
    return Minute(part.minute_start, part.fleet_id, part.sums, part.max_kmh, trip_ms, lat, lon), rule


class Attributed(NamedTuple):
    """A part, and its vehicle's top speeds: raised to ``hour_kmh`` and ``day_kmh``, or, ``anew``, set to them."""

    vehicle: str
    anew: bool
    hour_kmh: float
    day_kmh: float
    part: bytes


def is_attributed(row: bytes) -> bool:
    """Whether a record is one of ``attributed``."""
    return row[:4] == _ATTRIBUTED


def attributed(vehicle: str, minute: Minute, *, anew: bool, hour_kmh: float, day_kmh: float) -> bytes:
    """A minute given to a driver, or, with negative sums, taken from one; its own maximum does not count."""
    part = np.zeros(1, PART_ROW)
    part["fleet"][0] = _words(minute.fleet_id)
    part["minute_start"] = minute.start_ms
    part["event_ms"] = minute.start_ms + MINUTE_MS - 1
    part["sums"][0] = minute.sums
    part["max_kmh"] = math.nan
    return _HEAD.pack(-2, vehicle.encode(), anew, hour_kmh, day_kmh) + part.tobytes()


def read_attributed(row: bytes) -> Attributed:
    """Reads ``attributed``."""
    _, vehicle, anew, hour_kmh, day_kmh = _HEAD.unpack_from(row)
    return Attributed(vehicle.rstrip(b"\0").decode(), anew, hour_kmh, day_kmh, row[_HEAD.size :])


def drive(vehicle_id: str, minute: Minute, rule: int) -> bytes | None:
    """A minute for the rules of drivers' hours; None where there is nothing for them in it."""
    drive_ms, idle_ms = minute.sums[DRIVE_MS], minute.sums[IDLE_MS]
    if rule == NO_RULE or (drive_ms == 0 and idle_ms == 0):
        return None
    row = np.zeros(1, DRIVE_ROW)
    hour = minute.start_ms - minute.start_ms % HOUR_MS
    row["rule"], row["hour_start"], row["folds"] = rule, hour, minute.sums[FOLDS]
    row["event_ms"] = minute.start_ms + MINUTE_MS - 1
    row["vehicle"][0], row["fleet"][0] = _words(vehicle_id), _words(minute.fleet_id)
    row["drive_ms"][0, (minute.start_ms - hour) // MINUTE_MS] = drive_ms
    row["idle_ms"][0, (minute.start_ms - hour) // MINUTE_MS] = idle_ms
    return row.tobytes()


def _words(text: str) -> NDArray[np.int64]:
    return np.frombuffer(text.encode().ljust(64, b"\0"), np.int64)


def top(*values: float) -> float:
    """The largest that is there; NaN without any."""
    return max((value for value in values if value == value), default=math.nan)
