"""What a message of sensor_windows must look like."""

from __future__ import annotations

from connectors.columnar import MessageSpec
from connectors.declared import declared_messages
from jobs.sensor_windows.settings import Settings
from schemas.messages import message

SCHEMA = "observation/1"


def message_spec(settings: Settings) -> MessageSpec:
    """The messages that are accepted."""
    return declared_messages(
        message(SCHEMA),
        max_bytes=settings.message.max_bytes,
        max_ahead_s=settings.clock.max_ahead_s,
        allowed_lateness_s=settings.window.allowed_lateness_s,
    )
