"""What a run tells while it runs: the stage on a terminal, a line for each finished part everywhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.status import Status


class Progress:
    """One run's voice; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._begin = time.monotonic()
        self._status: Status | None = None

    def __enter__(self) -> Progress:
        self._status = self.console.status("")
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    @property
    def seconds(self) -> float:
        """Since the run's begin."""
        return time.monotonic() - self._begin

    def stage(self, text: str) -> None:
        """What is done now; shown on a terminal only."""
        if self._status is not None:
            self._status.update(f"{self._clock()} {text}")

    def tell(self, text: str) -> None:
        """Something is done; stays on the screen and in a log."""
        self.console.print(f"{self._clock()} {text}", highlight=False, markup=False, soft_wrap=True)

    def _clock(self) -> str:
        minutes, seconds = divmod(int(self.seconds), 60)
        return f"{minutes:2d}:{seconds:02d}"
