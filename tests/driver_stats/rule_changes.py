"""Changes of rules for tests: messages, and drives with brakings that one threshold or another calls harsh."""

from __future__ import annotations

from typing import Any

from tests.driver_stats.harness import cut_into, epoch_ms

Message = dict[str, Any]

T0 = epoch_ms("2026-03-02T04:00:00Z")
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
BRAKE_MS2 = 3.0
"""Below the threshold of every class in conf/."""


def rules(name: str, valid_from: int, rule_set: str = "harsh", **values: Any) -> Message:
    return {"schema": "rules/1", "rule_set": rule_set, "name": name, **values, "valid_from": valid_from}


def weights(valid_from: int, **values: Any) -> Message:
    return rules("additive_per_100km", valid_from, "score", **values)


def drive(
    vehicle: str, start: int, minutes: int, *, driver: str | None = "", of: str = "van"
) -> list[Message]:
    """90 km/h; one sample of each minute brakes with BRAKE_MS2."""
    samples = [
        {
            "t": start + second * 1000,
            "speed": 90.0,
            "accel_x": -BRAKE_MS2 if second % 60 == 30 else 0.0,
            "accel_y": 0.0,
        }
        for second in range(0, minutes * 60, 2)
    ]
    fields = {"vehicle_id": vehicle, "vehicle_class": of}
    name = f"driver of {vehicle}" if driver == "" else driver
    if name is not None:
        fields["driver_id"] = name
    return list(cut_into(samples, 30, **fields))
