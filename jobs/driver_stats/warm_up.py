"""Compiles all kernels into Numba's cache: ``python -m jobs.driver_stats.warm_up``.

Else the first job on a machine does it, half a minute of computing in each TaskManager at once. It runs a small drive
through everything: samples that wait, a displaced one, a gap, a backlog that fills it, a preview that is taken back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from connectors.in_memory import Decoded, InMemory
from jobs.driver_stats.inputs import SCHEMA
from jobs.driver_stats.road_limits import ROAD_LIMITS
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.vehicle_operator import VehicleOperator
from schemas.messages import message

if TYPE_CHECKING:
    from connectors.columnar_runtime import ColumnarFunction

_T0 = 1_700_000_000_000
_ROAD = b'{"schema":"road_limit/1","cell":"u3","limit_kmh":45,"valid_from":0}'


def main() -> None:
    """Runs the drive; nothing is kept but the cache."""
    operator = VehicleOperator()
    settings = Settings.load(["road_limits.enabled=true", "rule_changes.enabled=true"])
    operator.open(json.dumps({"settings": settings.model_dump(), "live": True}), 0)
    operator.references[ROAD_LIMITS.name].put(_ROAD)
    keys = InMemory(cast("ColumnarFunction", operator), message(SCHEMA))
    second = [*range(200), *range(700, 1100)]
    for at in range(0, len(second), 40):
        keys.batch([_message(at // 40, second[at : at + 40])])
    keys.batch([_message(100, [1103]), _message(101, [1101])])
    keys.advance(_T0 + 2_000_000)
    keys.batch([_message(102, [1102])])
    for n, at in enumerate(range(200, 700, 100)):
        keys.batch([_message(200 + n, list(range(at, at + 100)))])
    keys.batch(
        [_message(1, second[40:80]), _message(300, [2000]), _message(301, [5000]), _message(302, [5030])]
    )
    keys.advance()


def _message(seq: int, seconds: list[int]) -> Decoded:
    """Braking harshly and speeding now and then, with a new driver half way."""
    return Decoded(
        key="warm-up",
        times=[_T0 + second * 1000 for second in seconds],
        samples={
            "speed": [50.0 for _ in seconds],
            "accel_x": [-6.0 if second % 50 == 0 else 0.0 for second in seconds],
            "lat": [52.0 for _ in seconds],
            "lon": [13.0 for _ in seconds],
            "speed_limit": [40.0 if second % 300 < 100 else None for second in seconds],
        },
        texts={"driver_id": "anna" if seq < 8 else "ben", "vehicle_class": "truck"},
        integers={"seq": seq},
    )


if __name__ == "__main__":
    main()
