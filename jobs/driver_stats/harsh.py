"""What the kernel's harsh events need beyond thresholds: derived accelerations, GPS jumps, possible crashes.

The kernel has the event machine (thresholds by class, minimum speeds, re-arming, severity, the peak and where it was).
This module gives it values: ``derive`` makes accelerations of speed and heading where no accelerometer is, and
``axis_value`` adds a fourth axis, the horizontal vector, whose event is a possible crash.

Source: traccar's BehaviorEventHandler (difference of the speeds of two fixes), v * yaw rate for the lateral one,
Teltonika (1 Hz), Geotab (a vector of 2.5 g may be a crash), no more than 3 s between fixes: domain.md 1 and 2.

A jump of the GPS is never an event. Derived values are refused when the positions lie further apart than the speed
allows, before and after the jump; when they are larger than any vehicle's; and always for crashes. A speed that a GPS
made of a jump is not credible (``credible_kmh``), so that it becomes neither distance nor the maximum.

Scalar functions over a structured record, as kernel.py has them, compiled by Numba and the same without it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.harsh import HarshRuleSet
from jobs.driver_stats.compiled import njit
from jobs.driver_stats.kernel import EARTH_RADIUS_M, haversine_m
from jobs.driver_stats.layout import NONE

# The kernel's three axes, and the vector of both.
ACCEL_AXIS, BRAKE_AXIS, CORNER_AXIS, CRASH_AXIS = range(4)
HARSH_AXES = 4
HARSH_TYPES = ("harsh_accel", "harsh_brake", "harsh_corner", "possible_crash")
"""Types of driver_event by axis; in place of layout.EVENT_TYPES."""

_M_PER_DEGREE = EARTH_RADIUS_M * math.pi / 180

DERIVE_FIELDS: list[Any] = [
    # the fix that the next one is compared with
    ("derive_t", "<i8"),
    ("derive_kmh", "<f8"),
    ("derive_heading", "<f8"),
    ("derive_lat", "<f8"),
    ("derive_lon", "<f8"),
    # what was derived last; it holds for samples that come too soon after it
    ("derive_x", "<f8"),
    ("derive_y", "<f8"),
    # the newest credible speed
    ("credible_t", "<i8"),
    ("credible_kmh", "<f8"),
]
"""What is remembered to derive, as fields of a lane."""

DERIVE = np.dtype(DERIVE_FIELDS, align=True)


class HarshRules(NamedTuple):
    """The rules as Numba takes them."""

    min_gap_ms: int
    max_gap_ms: int
    max_accel: float
    max_brake: float
    max_corner: float
    max_kmh: float
    distance_ratio: float
    slack_m: float
    slack_kmh: float
    crash: float


def compiled_rules(rules: HarshRuleSet) -> HarshRules:
    """The parameters in the form that the kernel takes."""
    return HarshRules(
        round(rules.derived.min_gap_s * 1000),
        round(rules.derived.max_gap_s * 1000),
        rules.derived.max_accel_ms2,
        rules.derived.max_brake_ms2,
        rules.derived.max_corner_ms2,
        rules.jump.max_kmh,
        rules.jump.distance_ratio,
        rules.jump.slack_m,
        rules.jump.slack_kmh,
        rules.crash.vector_ms2,
    )


def nothing_known() -> NDArray[np.void]:
    """The record of a vehicle that was never seen."""
    record = np.zeros(1, DERIVE)
    clear_derived(record[0])
    return record


@njit
def clear_derived(s: Any) -> None:
    """Nothing to derive from."""
    s["derive_t"] = NONE
    s["derive_kmh"] = math.nan
    s["derive_heading"] = math.nan
    s["derive_lat"] = math.nan
    s["derive_lon"] = math.nan
    s["derive_x"] = math.nan
    s["derive_y"] = math.nan
    s["credible_t"] = NONE
    s["credible_kmh"] = math.nan


@njit
def credible_kmh(r: HarshRules, s: Any, t: int, speed: float) -> float:
    """The sample's speed, or NaN if it is bad data: over ``max_kmh``, or risen faster than any vehicle's.

    Compared with the newest credible one, up to ``max_gap_ms`` old; so a wrong refusal ends after that time. A fall is
    always credible: a crash is one, and it makes no distance.
    """
    if not 0 <= speed <= r.max_kmh:
        return math.nan
    gap = t - s["credible_t"] if s["credible_t"] != NONE else r.max_gap_ms + 1
    if gap <= r.max_gap_ms and speed - s["credible_kmh"] > r.slack_kmh + r.max_accel * 3.6e-3 * gap:
        return math.nan
    s["credible_t"] = t
    s["credible_kmh"] = speed
    return speed


@njit
def derive(
    r: HarshRules, s: Any, t: int, speed: float, heading: float, yaw_rate: float, lat: float, lon: float
) -> tuple[float, float]:
    """Accelerations forward and to the left in m/s² (ISO 8855) since the fix before; NaN where there is none to tell.

    To be called, in order, with each sample that lacks one of the two; of an axis that is measured the result is not
    used. Lateral: v * yaw rate where there is one, else v * change of heading.

    Args:
        r: HarshRules.
        s: record with DERIVE_FIELDS; updated.
        t: epoch ms.
        speed: km/h, a credible one; NaN where it is missing, as in all that follow.
        heading: degrees, clockwise from north.
        yaw_rate: degrees/s, to the left.
        lat: degrees.
        lon: degrees.
    """
    gap = t - s["derive_t"] if s["derive_t"] != NONE else r.max_gap_ms + 1
    if gap < r.min_gap_ms:
        return s["derive_x"], s["derive_y"]
    x, y = math.nan, math.nan
    if gap <= r.max_gap_ms and gap > 0 and not _jumped(r, s, gap, speed, lat, lon):
        x = _within((speed - s["derive_kmh"]) / 3.6e-3 / gap, r.max_brake, r.max_accel)
        turn = value_or(yaw_rate, -_wrapped(heading - s["derive_heading"]) * 1e3 / gap)
        # No change of heading is sudden enough to believe, either, if the speed next to it is not to be believed.
        if x == x:
            y = _within(speed / 3.6 * math.radians(turn), r.max_corner, r.max_corner)
    s["derive_t"] = t
    s["derive_kmh"] = speed
    s["derive_heading"] = heading
    s["derive_lat"] = lat
    s["derive_lon"] = lon
    s["derive_x"] = x
    s["derive_y"] = y
    return x, y


@njit
def _jumped(r: HarshRules, s: Any, gap: int, speed: float, lat: float, lon: float) -> bool:
    """Whether the fixes lie further apart than the faster of their speeds allows; unknown is no."""
    known = (
        lat == lat
        and lon == lon
        and s["derive_lat"] == s["derive_lat"]
        and s["derive_lon"] == s["derive_lon"]
    )
    if not known:
        return False
    allowed_m = r.slack_m + r.distance_ratio * max(speed, s["derive_kmh"]) / 3.6e3 * gap
    # Degrees of longitude are never longer than those of latitude: most samples need no more than this.
    north, east = (lat - s["derive_lat"]) * _M_PER_DEGREE, (lon - s["derive_lon"]) * _M_PER_DEGREE
    if north * north + east * east <= allowed_m * allowed_m:
        return False
    return bool(haversine_m(s["derive_lat"], s["derive_lon"], lat, lon) > allowed_m)


@njit
def _within(value: float, below: float, above: float) -> float:
    return value if -below <= value <= above else math.nan


@njit
def _wrapped(degrees: float) -> float:
    """A difference of headings, -180 to 180."""
    if -180.0 <= degrees <= 180.0:
        return degrees
    return (degrees + 180.0) % 360.0 - 180.0


@njit
def value_or(measured: float, derived: float) -> float:
    """What the accelerometer says, else what was derived."""
    return measured if measured == measured else derived


@njit
def axis_value(axis: int, accel_x: float, accel_y: float) -> float:
    """What an axis compares with its threshold; of the crash axis, give it measured values only.

    The vector of one axis alone is that axis: a device may have only one.
    """
    if axis == ACCEL_AXIS:
        return accel_x
    if axis == BRAKE_AXIS:
        return -accel_x
    if axis == CORNER_AXIS:
        return abs(accel_y)
    if accel_x == accel_x and accel_y == accel_y:
        return math.sqrt(accel_x * accel_x + accel_y * accel_y)
    return math.fabs(value_or(accel_x, accel_y))
