"""From when on a change of settings holds."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from serving.settings_plan import EARLIEST_MS, LATEST_MS


class BadTime(ValueError):
    """A text that is no time; the message says why."""


def effective_ms(text: str) -> int:
    """Epoch ms of ``now`` or of an ISO 8601 time, UTC unless it has an offset.

    Raises:
        BadTime: it is none, or outside 2000 to 2100.
    """
    if text == "now":
        return time.time_ns() // 1_000_000
    try:
        found = datetime.fromisoformat(text)
        ms = round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadTime("write it as 2026-11-22T06:00 (UTC), 2026-11-22T06:00+01:00, or now") from None
    if not EARLIEST_MS <= ms < LATEST_MS:
        raise BadTime("a time from 2000 to 2100 is expected")
    return ms
