"""The frozen settings of metrics: conf/metrics.yaml, and the definition that it names."""

from __future__ import annotations

from collections.abc import Sequence

from conf.log_parameters import Batch, Clock, Lateness, Message, Watermark
from conf.metrics import Definition, definition
from conf.parameters import Frozen, load
from conf.results import Results
from conf.rule_sets import Positive

KEEP_MARGIN_S = 86_400


class Live(Frozen):
    """How often open results are written."""

    emit_s: Positive


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
