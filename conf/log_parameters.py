"""Parameters that every job has which reads the log: how late, how far ahead, how large, in which mini-batches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from conf.parameters import Frozen
from conf.rule_sets import NotNegative, Positive


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


class Message(Frozen):
    """Bounds of a message."""

    max_bytes: Annotated[int, Field(ge=1024, le=4 * 1024 * 1024)]


class Batch(Frozen):
    """Mini-batches of the columnar operator."""

    max_messages: Annotated[int, Field(ge=1, le=1_000_000)]
    max_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)]
    max_delay_ms: Annotated[int, Field(ge=1)]
