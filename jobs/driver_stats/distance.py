"""How far a vehicle came between two samples, and whether it stands."""

from __future__ import annotations

import math

from jobs.driver_stats.compiled import njit

UM_PER_KMH_MS = 1e9 / 3.6e6  # micrometres per (km/h x ms)
EARTH_RADIUS_M = 6_371_008.8  # IUGG mean radius


@njit
def distance_um(plausible_kmh, gap, speed, odometer, lat, lon, last_odometer, last_lat, last_lon):
    """Micrometres since the sample before: by speed, else by odometer, else by position; -1 where unknown."""
    if speed == speed:
        return math.floor(speed * gap * UM_PER_KMH_MS + 0.5)
    plausible_um = math.floor(plausible_kmh * gap * UM_PER_KMH_MS)
    if odometer == odometer and last_odometer == last_odometer:
        driven_m = odometer - last_odometer
        if driven_m >= 0 and driven_m * 1e6 <= plausible_um:
            return math.floor(driven_m * 1e6 + 0.5)
    if lat == lat and lon == lon and last_lat == last_lat and last_lon == last_lon:
        moved_um = haversine_m(last_lat, last_lon, lat, lon) * 1e6
        if moved_um <= plausible_um:
            return math.floor(moved_um + 0.5)
    return -1


@njit
def haversine_m(lat1, lon1, lat2, lon2):
    """Great-circle distance in metres of two points in degrees (haversine formula, mean Earth radius); NaN of NaN."""
    phi1 = math.radians(lat1)
    phi2 = math.radians(lat2)
    a = math.sin((phi2 - phi1) / 2) ** 2
    a += math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    # In this order, so that NaN stays NaN: min(1.0, NaN) is 1.0, half the way around the Earth.
    return 2 * EARTH_RADIUS_M * math.asin(1.0 if a > 1.0 else math.sqrt(a))


@njit
def is_standing(standing_kmh, speed, um, gap):
    """Below standing.speed_kmh, by the sample's speed or else by its distance; unknown is not standing."""
    if speed == speed:
        return speed < standing_kmh
    return um >= 0 and gap > 0 and um < standing_kmh * gap * UM_PER_KMH_MS
