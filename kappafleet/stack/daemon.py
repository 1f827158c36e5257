"""One background process of ours: started apart from the terminal, found again by another command, ended for sure."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from kappafleet.errors import ServerError

_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""The processes that this one started, by pid: a parent must take note of their end, or they stay as zombies."""

_POLL_S = 0.05
_KILL_GRACE_S = 10.0


class Daemon:
    """A process that is remembered in a file, ``RUN/NAME.pid``.

    The file holds the pid together with the kernel's start time of the process and the id of this boot, so a
    process that got the same number later is never taken for ours.
    """

    def __init__(self, name: str, run: Path, output: Path) -> None:
        """Nothing happens yet.

        Args:
            name: Unique in ``run``.
            run: Folder of the pid files.
            output: Takes what the process prints; what an earlier one printed is replaced.
        """
        self.name = name
        self.output = output
        self._file = run / f"{name}.pid"

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Starts the process; it lives on when this one ends.

        Raises:
            ServerError: the program is not there or cannot be run.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("wb") as output:
            try:
                child = subprocess.Popen(
                    command,
                    env=dict(environment),
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C in the terminal is not for it
                )
            except OSError as error:
                raise ServerError(f"{self.name} cannot be started: {error}") from error
        _CHILDREN[child.pid] = child
        self._file.write_text(json.dumps([child.pid, _started(child.pid), _boot()]), encoding="utf-8")

    @property
    def pid(self) -> int | None:
        """The process, while it lives."""
        try:
            pid, started, boot = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return None
        if started is not None and boot == _boot() and _started(pid) == started:
            return int(pid)
        _reap()
        return None

    def memory_mb(self) -> int:
        """Resident memory of the process and its children, in MB."""
        pid = self.pid
        if pid is None:
            return 0
        try:
            process = psutil.Process(pid)
            found = sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
        except psutil.Error:
            return 0
        return int(found) // 1_000_000

    def terminate(self) -> None:
        """Asks the process to end; returns at once."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the process without asking (as ``kill -9`` does), with the helpers it started."""
        pid = self._signal(signal.SIGKILL)
        if pid is not None:
            self.await_end(_KILL_GRACE_S)
            _kill_group(pid)

    def await_end(self, limit_s: float) -> bool:
        """Waits until the process has ended.

        Returns:
            Whether it has, within the limit.
        """
        deadline = time.monotonic() + limit_s
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def stop(self, limit_s: float) -> None:
        """Asks the process to end, waits, and after ``limit_s`` seconds ends it without asking."""
        pid = self._signal(signal.SIGTERM)
        if pid is not None:
            if self.await_end(limit_s):
                _kill_group(pid)
            else:
                self.kill()
        self._file.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> int | None:
        pid = self.pid
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return None
        return pid


def _reap() -> None:
    for pid, child in list(_CHILDREN.items()):
        if child.poll() is not None:
            _CHILDREN.pop(pid, None)  # another thread may have done it


@atexit.register
def _leave() -> None:
    """They are meant to outlive this process: Python need not warn of it."""
    for child in _CHILDREN.values():
        child.returncode = 0


def _kill_group(leader: int) -> None:
    """Ends what is left of a process' session: helpers that outlived it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _started(pid: int) -> int | None:
    """Start time in clock ticks since boot, which no change of the clock moves; None: it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the program's name before it may hold anything
    state, threads, start = fields[0], int(fields[17]), int(fields[19])
    # A zombie has ended once its other threads have: until then they hold its ports and files.
    return None if state == "X" or (state == "Z" and threads <= 1) else start


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
