"""The frozen settings of metrics: conf/metrics.yaml, and the definition that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from conf.metrics import Definition, definition
from conf.parameters import Frozen, load
from conf.results import Results
from conf.rule_sets import NotNegative, Positive

KEEP_MARGIN_S = 86_400


class Watermark(Frozen):
    """How far the watermark stays behind the newest event time."""

    delay_s: NotNegative
    idle_s: Positive


class Lateness(Frozen):
    """How late a message may be."""

    allowed_lateness_s: NotNegative


class Clock(Frozen):
    """How far ahead of its arrival a message may be."""

    max_ahead_s: NotNegative


class Live(Frozen):
    """How often open results are written."""

    emit_s: Positive


class Message(Frozen):
    """Bounds of a message."""

    max_bytes: Annotated[int, Field(ge=1024, le=4 * 1024 * 1024)]


class Batch(Frozen):
    """Mini-batches of the columnar operator."""

    max_messages: Annotated[int, Field(ge=1, le=1_000_000)]
    max_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)]
    max_delay_ms: Annotated[int, Field(ge=1)]


class Parameters(Frozen):
    """Every parameter of conf/metrics.yaml."""

    version: int
    definition: str
    watermark: Watermark
    window: Lateness
    clock: Clock
    live: Live
    message: Message
    batch: Batch
    results: Results


class Settings(Parameters):
    """The parameters, and what the definition says.

    Attributes:
        metric: the definition.
    """

    metric: Definition

    @classmethod
    def load(cls, overrides: Sequence[str] = ()) -> Settings:
        """The parameters with ``name=value`` overrides, and the definition that they name.

        Raises:
            conf.parameters.ParameterError: an unknown name, a refused value, or no definition.
        """
        parameters = load("metrics", Parameters, overrides)
        return cls(**parameters.model_dump(), metric=definition(parameters.definition))

    @property
    def exchange(self) -> str:
        """Where the messages are published."""
        return self.metric.stream

    def keep_ms(self) -> int | None:
        """How long, in event time, a closed window is kept for late samples; None: for ever.

        A day more than a message may be late: whatever is accepted still finds its window.
        """
        lateness_s = self.window.allowed_lateness_s
        return round((lateness_s + KEEP_MARGIN_S) * 1000) if lateness_s else None
