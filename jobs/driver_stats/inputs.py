"""What a message of driver_stats must look like: the schema and the settings as the operator's decoder reads them."""

from __future__ import annotations

from connectors.columnar import MessageSpec
from connectors.declared import declared_messages
from jobs.driver_stats.settings import Settings
from schemas.messages import message

SCHEMA = "telemetry/1"


def message_spec(settings: Settings) -> MessageSpec:
    """The messages that are accepted."""
    return declared_messages(
        message(SCHEMA),
        max_bytes=settings.message.max_bytes,
        max_ahead_s=settings.clock.max_ahead_s,
        allowed_lateness_s=settings.window.allowed_lateness_s,
    )
