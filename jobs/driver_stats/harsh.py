"""What the kernel's harsh events need beyond thresholds: derived accelerations, GPS jumps, possible crashes.

harsh_events.py has the event machine (thresholds by class, minimum speeds, re-arming, the peak and where it was).
This module gives it values: ``derive`` makes accelerations of speed and heading where no accelerometer is, and
``axis_value`` adds a fourth axis, the horizontal vector, whose event is a possible crash.

Source: traccar's BehaviorEventHandler (difference of the speeds of two fixes), v * yaw rate for the lateral one,
Teltonika (1 Hz), Geotab (a vector of 2.5 g may be a crash), no more than 3 s between fixes: domain.md 1 and 2.

A jump of the GPS is never an event. Derived values are refused when the positions lie further apart than the speed
allows, before and after the jump; when they are larger than any vehicle's; and always for crashes. A speed that a GPS
made of a jump is not credible (``credible_kmh``), so that it becomes neither distance nor an event.

Scalar functions over a structured record, as kernel.py has them, compiled by Numba and the same without it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.harsh import HarshRuleSet
from jobs.driver_stats.compiled import njit
from jobs.driver_stats.distance import EARTH_RADIUS_M, haversine_m
from jobs.driver_stats.layout import ACCEL_AXIS, BRAKE_AXIS, CORNER_AXIS, CREDIBLE_FIELDS, DERIVE_FIELDS, NONE

MINUTE_MS = 60_000
_M_PER_DEGREE = EARTH_RADIUS_M * math.pi / 180

DERIVE = np.dtype([*DERIVE_FIELDS, *CREDIBLE_FIELDS], align=True)


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
    s["credible_lat"] = math.nan
    s["credible_lon"] = math.nan


@njit
def credible_kmh(r: HarshRules, s: Any, t: int, speed: float, lat: float, lon: float) -> float:
    """The sample's speed, or NaN if it is bad data: over ``max_kmh``, or what a GPS made of a jump.

    That is a speed risen faster than any vehicle's since the newest credible one, at a place further away than that one
    allows. A speed without places is believed: it need not come from a GPS. Compared with a credible speed up to
    ``max_gap_ms`` old; so a wrong refusal ends after that time. A fall is always credible: a crash is one, and it makes
    no distance.
    """
    if not 0 <= speed <= r.max_kmh:
        return math.nan
    gap = t - s["credible_t"] if s["credible_t"] != NONE else r.max_gap_ms + 1
    if (
        gap <= r.max_gap_ms
        and speed - s["credible_kmh"] > r.slack_kmh + r.max_accel * 3.6e-3 * gap
        and _too_far(r, s["credible_lat"], s["credible_lon"], lat, lon, gap, s["credible_kmh"])
    ):
        return math.nan
    s["credible_t"] = t
    s["credible_kmh"] = speed
    s["credible_lat"] = lat
    s["credible_lon"] = lon
    return speed


@njit
def derive(
    r: HarshRules, s: Any, t: int, speed: float, heading: float, yaw_rate: float, lat: float, lon: float
) -> tuple[float, float]:
    """Accelerations forward and to the left in m/s² (ISO 8855) since the fix before; NaN where there is none to tell.

    To be called, in order, with each sample that lacks one of the two; of an axis that is measured the result is not
    used. Lateral: v * yaw rate where there is one, else v * change of heading. Each minute's first sample is a fix,
    even if it comes too soon to derive from: so what is derived depends on no more than a minute of samples.

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
    x, y = math.nan, math.nan
    if gap < r.min_gap_ms:
        if t // MINUTE_MS == s["derive_t"] // MINUTE_MS:
            return s["derive_x"], s["derive_y"]
        x, y = s["derive_x"], s["derive_y"]
    elif (
        gap <= r.max_gap_ms
        and gap > 0
        and not _too_far(r, s["derive_lat"], s["derive_lon"], lat, lon, gap, max(speed, s["derive_kmh"]))
    ):
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
def _too_far(r: HarshRules, lat1: float, lon1: float, lat2: float, lon2: float, gap: int, kmh: float) -> bool:
    """Whether two places lie further apart than a speed allows; unknown is no."""
    if not (lat1 == lat1 and lon1 == lon1 and lat2 == lat2 and lon2 == lon2):
        return False
    allowed_m = r.slack_m + r.distance_ratio * kmh / 3.6e3 * gap
    # Degrees of longitude are never longer than those of latitude: most samples need no more than this.
    north, east = (lat2 - lat1) * _M_PER_DEGREE, (lon2 - lon1) * _M_PER_DEGREE
    if north * north + east * east <= allowed_m * allowed_m:
        return False
    return bool(haversine_m(lat1, lon1, lat2, lon2) > allowed_m)


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
