"""The frozen settings of sensor_windows: conf/sensor_windows.yaml, and the rules of cleansing that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from conf.log_parameters import Batch, Clock, Lateness, Message, Watermark
from conf.parameters import Frozen, load
from conf.quality import Quality, quality
from conf.results import Results
from conf.rule_sets import NotNegative, RuleSet

KEEP_MARGIN_S = 86_400


class Windows(Lateness):
    """What goes into windows."""

    use: Literal["good_and_suspect", "good"]


class Index(Frozen):
    """How indices are made."""

    standard: Literal["epa-2012", "epa-2024", "eaqi-2019", "eaqi-2024"]
    min_completeness: Annotated[float, Field(ge=0, le=1)]


class Neighbours(Frozen):
    """Who is compared with whom."""

    cell: Annotated[int, Field(ge=1, le=9)]
    min_count: Annotated[int, Field(ge=1)]
    disagree_ratio: NotNegative
    disagree_min: NotNegative


class Stations(Frozen):
    """Whether station metadata is read."""

    enabled: bool


class Context(Frozen):
    """Which terms of which texts go with an hour; an empty ``index``: none."""

    topics: str
    index: str
    limit: Annotated[int, Field(ge=1, le=20)]


class Live(Frozen):
    """How often live rows are written."""

    interval_s: NotNegative


class Parameters(Frozen):
    """Every parameter of conf/sensor_windows.yaml."""

    version: int
    quality: str
    watermark: Watermark
    window: Windows
    clock: Clock
    index: Index
    neighbours: Neighbours
    stations: Stations
    context: Context
    live: Live
    message: Message
    batch: Batch
    results: Results


class _Rules(RuleSet):
    quality: Quality
    window: Windows
    index: Index
    neighbours: Neighbours


class Settings(Parameters):
    """The parameters, and what the rules of cleansing say.

    Attributes:
        rules: of cleansing.
    """

    rules: Quality

    @classmethod
    def load(cls, overrides: Sequence[str] = ()) -> Settings:
        """The parameters with ``name=value`` overrides, and the rules that they name.

        Raises:
            conf.parameters.ParameterError: an unknown name or a refused value.
        """
        parameters = load("sensor_windows", Parameters, overrides)
        return cls(**parameters.model_dump(), rules=quality(parameters.quality))

    @property
    def params_hash(self) -> str:
        """Changes with everything that a number in a table depends on."""
        return _Rules(
            name="sensor_windows",
            version=self.version,
            quality=self.rules,
            window=self.window,
            index=self.index,
            neighbours=self.neighbours,
        ).params_hash

    def keep_ms(self) -> int | None:
        """How long, in event time, the readings of a closed day are kept for late ones; None: for ever.

        A day more than a message may be late: whatever is accepted still finds its windows.
        """
        lateness_s = self.window.allowed_lateness_s
        return round((lateness_s + KEEP_MARGIN_S) * 1000) if lateness_s else None
