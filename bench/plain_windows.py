"""Drivers' hours and days in plain Python: what the peers compute of the parts that vehicles give."""

from __future__ import annotations

from typing import Any

from bench.plain_records import DriverDay, DriverHour, FleetDay, Part, Sums, Windows

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def add_part(windows: Windows, part: Part) -> None:
    """Adds a part to its driver's hour and day."""
    start = part.minute_start
    hour = start - start % HOUR_MS
    day = start - start % DAY_MS
    sums = windows.hours.get(hour)
    if sums is None:
        sums = windows.hours[hour] = Sums()
    _add(sums, part)
    days = windows.days.setdefault(part.fleet_id, {})
    sums = days.get(day)
    if sums is None:
        sums = days[day] = Sums()
    _add(sums, part)


def _add(sums: Sums, more: Part | Sums) -> None:
    sums.n += more.n
    sums.drive_ms += more.drive_ms
    sums.idle_ms += more.idle_ms
    sums.stopped_ms += more.stopped_ms
    sums.distance_um += more.distance_um
    sums.accel += more.accel
    sums.brake += more.brake
    sums.corner += more.corner
    if more.max_kmh is not None and (sums.max_kmh is None or more.max_kmh > sums.max_kmh):
        sums.max_kmh = more.max_kmh


def finish_driver(windows: Windows, driver_id: str, out: list[Any]) -> None:
    """The end of input: all windows of a driver are complete."""
    for hour, sums in windows.hours.items():
        out.append(DriverHour(driver_id, hour, **_metrics(sums)))
    totals: dict[int, Sums] = {}
    for fleet_id, days in windows.days.items():
        for day, sums in days.items():
            out.append(FleetDay(fleet_id, day, driver_id, **_metrics(sums)))
            _add(totals.setdefault(day, Sums()), sums)
    for day, sums in totals.items():
        out.append(DriverDay(driver_id, day, **_metrics(sums)))


def _metrics(sums: Sums) -> dict[str, Any]:
    km = sums.distance_um / 1e9
    return {
        "distance_km": km,
        "drive_s": sums.drive_ms / 1e3,
        "idle_s": sums.idle_ms / 1e3,
        "stopped_s": sums.stopped_ms / 1e3,
        "max_speed_kmh": sums.max_kmh,
        "mean_speed_kmh": km / (sums.drive_ms / 3.6e6) if sums.drive_ms > 0 else None,
        "harsh_accel": sums.accel,
        "harsh_brake": sums.brake,
        "harsh_corner": sums.corner,
        "n_samples": sums.n,
    }
