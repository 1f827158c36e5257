"""Background processes: found again, ended for sure, never mistaken for another's."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kappafleet.errors import ServerError
from kappafleet.stack.daemon import Daemon

OBEDIENT = "import time; print('here', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
WITH_HELPER = (
    "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
)

Make = Callable[[str], Daemon]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Make]:
    made: list[Daemon] = []

    def start(code: str) -> Daemon:
        daemon = Daemon("one", tmp_path / "run", tmp_path / "logs" / "one.out")
        made.append(daemon)
        daemon.start([sys.executable, "-c", code], os.environ, tmp_path)
        _eventually(lambda: daemon.output.read_text() != "")
        return daemon

    yield start
    for daemon in made:
        daemon.kill()


def _eventually(holds: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _again(daemon: Daemon, folder: Path) -> Daemon:
    """The same process as another command sees it: by its pid file alone."""
    return Daemon(daemon.name, folder / "run", daemon.output)


def test_another_command_finds_and_ends_the_process(started: Make, tmp_path: Path) -> None:
    daemon = started(OBEDIENT)
    found = _again(daemon, tmp_path)
    assert found.pid == daemon.pid is not None
    assert found.memory_mb() > 0
    found.stop(limit_s=10)
    assert (found.pid, daemon.pid, found.memory_mb()) == (None, None, 0)
    assert not list((tmp_path / "run").iterdir())


def test_a_process_that_ignores_the_request_to_end_is_killed(started: Make) -> None:
    daemon = started(STUBBORN)
    begun = time.monotonic()
    daemon.stop(limit_s=0.2)
    assert time.monotonic() - begun >= 0.2
    assert daemon.pid is None


def test_helpers_end_with_their_process(started: Make) -> None:
    daemon = started(WITH_HELPER)
    helper = int(daemon.output.read_text())
    daemon.kill()
    _eventually(
        lambda: not psutil.pid_exists(helper) or psutil.Process(helper).status() == psutil.STATUS_ZOMBIE
    )


@pytest.mark.parametrize("change", [("start time", 1), ("boot", 2)], ids=lambda change: change[0])
def test_a_process_with_the_same_number_but_another_life_is_left_alone(
    started: Make, tmp_path: Path, change: tuple[str, int]
) -> None:
    daemon = started(OBEDIENT)
    file = tmp_path / "run" / "one.pid"
    remembered = file.read_text()
    wrong = json.loads(remembered)
    wrong[change[1]] = "another" if change[1] == 2 else 1
    file.write_text(json.dumps(wrong))
    _again(daemon, tmp_path).stop(limit_s=1)
    file.write_text(remembered)
    assert _again(daemon, tmp_path).pid is not None


@pytest.mark.parametrize("content", ["", "nonsense", "[]", "{}", "12"])
def test_a_damaged_pid_file_counts_as_no_process(tmp_path: Path, content: str) -> None:
    daemon = Daemon("one", tmp_path, tmp_path / "out")
    (tmp_path / "one.pid").write_text(content)
    assert daemon.pid is None
    daemon.stop(limit_s=1)


def test_a_program_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    daemon = Daemon("one", tmp_path, tmp_path / "out")
    with pytest.raises(ServerError, match="one cannot be started"):
        daemon.start(["/no/such/program"], {}, tmp_path)


def test_a_child_that_has_ended_leaves_no_zombie(started: Make, tmp_path: Path) -> None:
    daemon = started("print('done')")
    number = json.loads((tmp_path / "run" / "one.pid").read_text())[0]
    _eventually(lambda: daemon.pid is None)
    assert not psutil.pid_exists(number)
