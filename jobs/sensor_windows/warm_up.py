"""Compiles all kernels into Numba's cache: ``python -m jobs.sensor_windows.warm_up``.

Else the first job on a machine does it in each TaskManager at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from connectors.in_memory import Decoded, InMemory
from jobs.sensor_windows.inputs import SCHEMA
from jobs.sensor_windows.sensor_operator import SensorOperator
from jobs.sensor_windows.settings import Settings
from schemas.messages import message

if TYPE_CHECKING:
    from connectors.columnar_runtime import ColumnarFunction

_T0 = 1_700_000_000_000
_INTERVAL_MS = 150_000


def main() -> None:
    """Runs a few readings through everything; nothing is kept but the cache."""
    operator = SensorOperator()
    settings = Settings.load().model_dump(mode="json", exclude_unset=True)
    operator.open(json.dumps({"settings": settings, "live": True}), 0)
    keys = InMemory(cast("ColumnarFunction", operator), message(SCHEMA))
    for first in range(0, 200, 10):
        times = [_T0 + _INTERVAL_MS * (first + each) for each in range(10)]
        samples: dict[str, list[float | bool | None] | None] = {
            "pm2_5": [9.0] * 10,
            "temperature": [20.0] * 10,
            "humidity": [None, *[50.0] * 9],
        }
        keys.batch(
            [Decoded("warm-up", times, samples, {"sensor_model": "SDS011"}, {}, {"lat": 52.0, "lon": 13.0})]
        )
        keys.advance(times[0])
    keys.batch([Decoded("warm-up", [_T0 + 1], {"pm10": [1.0]})])
    keys.advance()


if __name__ == "__main__":
    main()
