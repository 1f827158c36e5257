"""By the clock: who works off a backlog is not shown second by second of its event time.

``vehicle_live`` says where everyone is now. A vehicle at the pace of the clock gets a row for each ``live.interval_s``
of event time. In a backlog that would be a row for each message, none of which anybody sees, and Cassandra would be
what the job waits for. While many messages come at once, a vehicle whose newest sample is before the present is
therefore shown at the first mini-batch of each ``live.backlog_s`` of the clock, and when the watermark has passed the
minute of all it sent. The drivers' windows get its parts as seldom (parts.py). Where few messages come, nothing waits,
and all are shown at once, however old they are.
"""

from __future__ import annotations

from jobs.driver_stats.compiled import njit
from jobs.driver_stats.layout import NONE
from jobs.driver_stats.order import early_live, live_due, nearly_full

PRESENT_MS = 180_000
"""A minute that began so long ago is the present: it ends, waits for `order.buffer_s`, and travels."""


CROWD_MESSAGES = 500
"""So many in a mini-batch are a backlog: it ends within 5 ms when no input waits."""

CROWD_MS = 1000
"""For so long after such a mini-batch it is taken for one still: watermarks and checkpoints cut small ones, too."""


@njit
def show(p, states, tails, rows, start):
    """Makes live rows of all keys that are due, of the past or not.

    Args:
        p: Parameters.
        states: STATE records, one per key; updated in place.
        tails: Tails of the keys.
        rows: Rows; filled from rows.counts on.
        start: index of the first key to treat.

    Returns:
        The number of keys treated; fewer than len(states) when rows are nearly full.
    """
    for k in range(start, len(states)):
        if nearly_full(p, rows):
            return k
        v = states[k]
        if v["newest_t"] != NONE and live_due(p, v):
            early_live(p, v, v["lane"], k, tails, rows)
    return len(states)
