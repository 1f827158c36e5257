"""Measures one run of an engine from outside, the same way for all of them.

How far an engine has come is where its process stands in the input file (``/proc/PID/fdinfo``), so nothing is added to
what is measured. Throughput is counted from the moment a quarter of the input has been read (start-up and the first
compilations are over) to the last byte written to a table (all windows are closed).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.plain_records import STARTED
from kappafleet.places import project_root

WARM_UP = 0.25
POLL_S = 0.02
TIME_LIMIT_S = 900.0
_TICKS = os.sysconf("SC_CLK_TCK")


class RunFailed(Exception):
    """An engine's process did not end well."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run.

    Attributes:
        wall_s: the whole process, start-up and end included.
        read_s: from a quarter of the input to its end.
        read_cpu_s: processor time of all its processes in that span.
        share: of the input that belongs to steady_s.
        steady_s: from a quarter of the input to the last row written; of an engine that takes all of its input before
            it computes, from its begin.
        steady_cpu_s: processor time of all its processes in that span.
        cpu_s: processor time of all its processes.
    """

    wall_s: float
    steady_s: float
    steady_cpu_s: float
    cpu_s: float
    read_s: float
    read_cpu_s: float
    share: float = 1 - WARM_UP

    def per_second(self, count: int) -> float:
        """Of ``count`` messages or samples of the whole input, how many a second in the steady span."""
        return count * self.share / self.steady_s

    def per_cpu_second(self, count: int) -> float:
        """The same for each second of processor time."""
        return count * self.share / max(self.steady_cpu_s, 1e-3)


def measure(
    module: str,
    source: Path,
    folder: Path,
    log: Path,
    *,
    arguments: Sequence[str] = (),
    interpreter: str = sys.executable,
    environment: Mapping[str, str] | None = None,
    only_reading: bool = False,
    batch: bool = False,
    looked: Callable[[], object] = lambda: None,
) -> Measured:
    """Runs ``python -m MODULE SOURCE FOLDER ARGUMENT...``.

    Args:
        module: the engine's.
        source: its input; must take it long enough to be watched.
        folder: where it writes; must not exist.
        log: gets what it prints.
        arguments: more of them.
        interpreter: the Python that runs it.
        environment: over that of this process.
        batch: it takes all of its input before it computes; it makes the file STARTED in its folder when it begins.
        only_reading: end it once all of the input is read, whatever is not written yet.
        looked: called at each look at it.

    Raises:
        RunFailed: it ended with an error, took too long, or could not be watched.
    """
    command = [interpreter, "-m", module, str(source), str(folder), *arguments]
    watch = _Watch(source)
    with log.open("wb") as output:
        begin, begin_epoch = time.monotonic(), time.time()
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": _import_path(), **(environment or {})},
        )
        try:
            while process.poll() is None:
                watch.look(process.pid, time.monotonic() - begin)
                looked()
                if only_reading and watch.all_read:
                    return watch.measured(time.monotonic() - begin, time.monotonic() - begin)
                if time.monotonic() - begin > TIME_LIMIT_S:
                    raise RunFailed(f"{' '.join(command)} was not done after {TIME_LIMIT_S:.0f} s; see {log}")
                time.sleep(POLL_S)
            wall = time.monotonic() - begin
        finally:
            _end_group(process)
    if process.returncode != 0:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise RunFailed(f"{module} failed ({process.returncode}): {' '.join(last)}; see {log}")
    written = max((file.stat().st_mtime for file in _tables(folder)), default=0.0) - begin_epoch
    if batch:
        return watch.measured_whole(wall, written, (folder / STARTED).stat().st_mtime - begin_epoch)
    return watch.measured(wall, written)


def _import_path() -> str:
    """This checkout first: an engine may have an environment of its own, which does not know it."""
    return os.pathsep.join([str(project_root()), *filter(None, [os.environ.get("PYTHONPATH")])])


def _tables(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and "checkpoints" not in file.parts]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Whatever a failed or interrupted run left behind, its Java process above all."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


class _Watch:
    """Positions in the input and processor times of a process tree, over time."""

    def __init__(self, source: Path) -> None:
        self._source = str(source.resolve())
        self._size = source.stat().st_size
        self._position: Path | None = None
        self._cpu: dict[int, float] = {}
        self._seen: list[tuple[float, int, float]] = []

    def look(self, pid: int, now: float) -> None:
        """Takes one look."""
        if self._position is None:
            self._find(pid)
        for each in self._cpu:
            try:
                fields = Path(f"/proc/{each}/stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue  # it ended; its last value stays
            self._cpu[each] = (int(fields[11]) + int(fields[12])) / _TICKS
        position = self._seen[-1][1] if self._seen else 0
        if self._position is not None:
            try:
                position = int(self._position.read_bytes().split(None, 2)[1])
            except (OSError, IndexError):
                position = self._size if position else 0  # the file was closed
        self._seen.append((now, position, sum(self._cpu.values())))

    @property
    def all_read(self) -> bool:
        """Whether it has come to the end of the input."""
        return bool(self._seen) and self._seen[-1][1] >= self._size

    def measured(self, wall: float, written: float) -> Measured:
        """What was seen.

        Raises:
            RunFailed: it was over before there was something to see.
        """
        mark = WARM_UP * self._size
        for before, after in zip(self._seen, self._seen[1:], strict=False):
            if before[1] < mark <= after[1]:
                share = (mark - before[1]) / (after[1] - before[1])
                start = before[0] + share * (after[0] - before[0])
                start_cpu = before[2] + share * (after[2] - before[2])
                break
        else:
            raise RunFailed("the input was read faster than one can watch: give a larger one")
        end_cpu = next((cpu for now, _, cpu in self._seen if now >= written), self._seen[-1][2])
        last = self._seen[-1]
        read, read_cpu = next(
            ((now, cpu) for now, position, cpu in self._seen if position >= self._size), (last[0], last[2])
        )
        return Measured(
            wall, written - start, end_cpu - start_cpu, last[2], read - start, read_cpu - start_cpu
        )

    def measured_whole(self, wall: float, written: float, begin: float) -> Measured:
        """What was seen from some moment on, as the work on the whole input."""
        before = next((cpu for now, _, cpu in self._seen if now >= begin), 0.0)
        end = next((cpu for now, _, cpu in self._seen if now >= written), self._seen[-1][2])
        steady, cpu = written - begin, end - before
        return Measured(wall, steady, cpu, self._seen[-1][2], steady, cpu, share=1.0)

    def _find(self, pid: int) -> None:
        """Looks for the process that has opened the input, and notes all there are."""
        try:
            root = psutil.Process(pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in tree:
            self._cpu.setdefault(process.pid, 0.0)
            fds = Path(f"/proc/{process.pid}/fd")
            try:
                for fd in fds.iterdir():
                    if str(fd.readlink()) == self._source:
                        self._position = Path(f"/proc/{process.pid}/fdinfo/{fd.name}")
            except OSError:
                continue
