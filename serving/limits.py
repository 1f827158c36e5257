"""How often one caller may ask: a token bucket for each, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_CALLERS = 10_000


class RateLimit:
    """Lets each caller ask ``burst`` times at once and ``rate`` times a second after that."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        """Makes the limit; a rate of 0 means none.

        Args:
            rate: requests a second.
            burst: requests at once.
            now: seconds, rising.
        """
        self._rate, self._burst, self._now = rate, float(burst), now
        self._callers: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, caller: str) -> float:
        """Counts a request.

        Returns:
            0 if it may pass, else after how many seconds the next one may.
        """
        if not self._rate:
            return 0.0
        now = self._now()
        tokens, then = self._callers.pop(caller, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        passes = tokens >= 1.0
        self._callers[caller] = (tokens - 1.0 if passes else tokens, now)
        if len(self._callers) > MOST_CALLERS:
            self._callers.popitem(last=False)
        return 0.0 if passes else (1.0 - tokens) / self._rate
