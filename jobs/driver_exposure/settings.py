"""The frozen settings of driver_exposure: conf/driver_exposure.yaml, and those of the two jobs that it joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from conf.log_parameters import Clock, Lateness, Watermark
from conf.parameters import Frozen, ParameterError, load
from conf.results import Results
from conf.rule_sets import RuleSet
from jobs.driver_stats.settings import Settings as Vehicles
from jobs.sensor_windows.settings import Settings as Sensors

KEEP_MARGIN_S = 86_400
VEHICLES, SENSORS = "driver_stats.", "sensor_windows."
_SHARED = ("window.allowed_lateness_s", "clock.max_ahead_s")


class Parameters(Frozen):
    """Every parameter of conf/driver_exposure.yaml."""

    version: int
    cell: Annotated[int, Field(ge=1, le=9)]
    min_completeness: Annotated[float, Field(ge=0, le=1)]
    watermark: Watermark
    window: Lateness
    clock: Clock
    results: Results


class _Rules(RuleSet):
    cell: int
    min_completeness: float
    vehicles: str
    sensors: str


class Settings(Parameters):
    """The parameters, and the settings of both halves.

    Attributes:
        vehicles: how minutes and harsh events are found.
        sensors: how hourly means are made.
    """

    vehicles: Vehicles
    sensors: Sensors

    @classmethod
    def load(cls, overrides: Sequence[str] = ()) -> Settings:
        """The parameters with ``name=value`` overrides; ``driver_stats.NAME`` is one of that job's.

        How late or ahead a message may be is the same in both halves.

        Raises:
            conf.parameters.ParameterError: an unknown name or a refused value.
        """
        halves: dict[str, list[str]] = {VEHICLES: [], SENSORS: []}
        own = []
        for each in overrides:
            half = next((name for name in halves if each.startswith(name)), None)
            if half is None:
                own.append(each)
                continue
            inside = each.removeprefix(half)
            if inside.partition("=")[0].strip() in _SHARED:
                raise ParameterError(f"--set {each}: it is that of both halves: --set {inside}")
            halves[half].append(inside)
        parameters = load("driver_exposure", Parameters, own)
        shared = [
            f"window.allowed_lateness_s={parameters.window.allowed_lateness_s!r}",
            f"clock.max_ahead_s={parameters.clock.max_ahead_s!r}",
        ]
        vehicles = Vehicles.load([*halves[VEHICLES], *shared])
        for name in ("assignments", "road_limits"):
            if getattr(vehicles, name).enabled:
                raise ParameterError(
                    f"--set driver_stats.{name}.enabled=true: driver_exposure reads no {name}"
                )
        sensors = Sensors.load([*halves[SENSORS], *shared])
        if sensors.stations.enabled:
            raise ParameterError(
                "--set sensor_windows.stations.enabled=true: driver_exposure reads no stations"
            )
        return cls(**parameters.model_dump(), vehicles=vehicles, sensors=sensors)

    @property
    def params_hash(self) -> str:
        """Changes with everything that a number in a table depends on."""
        v = self.vehicles
        of_vehicles = {
            name: getattr(v, name).model_dump(mode="json")
            for name in ("harsh", "harsh_rules", "order", "sample", "standing", "idle", "gps")
        }
        return _Rules(
            name="driver_exposure",
            version=self.version,
            cell=self.cell,
            min_completeness=self.min_completeness,
            vehicles=repr(of_vehicles),
            sensors=self.sensors.params_hash,
        ).params_hash

    def keep_ms(self) -> int | None:
        """How long, in event time, a closed hour is kept for late messages; None: for ever.

        A day more than a message may be late: whatever is accepted still finds its hour.
        """
        lateness_s = self.window.allowed_lateness_s
        return round((lateness_s + KEEP_MARGIN_S) * 1000) if lateness_s else None
