"""What a driver did, written short, for the tests of the laws on hours of driving."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, settings

from jobs.driver_stats.hours import DRIVING, ON_DUTY, Activity

PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

MIN, HOUR = 60_000, 3_600_000
MONDAY = 1_700_438_400_000  # 2023-11-20, 00:00 UTC


def ms(text):
    """``4:30`` is four hours and a half."""
    hour, _, minute = text.partition(":")
    return int(hour) * HOUR + int(minute or 0) * MIN


def plan(text, start=MONDAY + 6 * HOUR):
    """``4:30 +45 w1:00 1:00``: drive, be off duty for 45 minutes (``+9:00`` hours), work, drive."""
    at = start
    for word in text.split():
        if word.startswith("+"):
            at += ms(word[1:]) if ":" in word else int(word[1:]) * MIN
            continue
        length = ms(word.removeprefix("w"))
        yield Activity(at, at + length, ON_DUTY if word.startswith("w") else DRIVING)
        at += length


def cut_at(whole, cuts):
    """The same activities, each cut at those of the moments after MONDAY that lie inside it."""
    for start, end, kind in whole:
        edges = sorted({start, end, *(MONDAY + cut for cut in cuts if start < MONDAY + cut < end)})
        for begin, stop in pairwise(edges):
            yield Activity(begin, stop, kind)
