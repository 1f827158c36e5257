"""The faults: each breaks one thing for real, keeps it broken for a while, and mends it."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from chaos.feed import Feed
from chaos.job import Job, wait_until
from chaos.link import Link
from chaos.schedule import Fault, Kind
from kappafleet.errors import ServerError
from kappafleet.stack.server import Server
from kappafleet.stack.stack import Stack

START_ATTEMPTS = 3

_NO_BYTES = 0
"""Of a file: whoever may not write beyond it has a full disk, whether root or not."""


@dataclass(slots=True)
class Broken:
    """What was done, by ``time.monotonic()``.

    Attributes:
        victim: Who it was.
        begun: When it began.
        counts_from: Results of messages published after it prove that the fault is over.
        restarted: When what was down was started, or let be, again; None: nothing was down.
        mended: When it answered again.
    """

    victim: str
    begun: float
    counts_from: float
    restarted: float | None = None
    mended: float = 0.0


@dataclass(slots=True)
class World:
    """Everything that can be broken."""

    stack: Stack
    job: Job
    feed: Feed
    broker_link: Link
    cassandra_link: Link
    interrupted: threading.Event = field(default_factory=threading.Event)
    """Set from outside: mend what is broken, and no longer wait."""
    deaths: list[str] = field(default_factory=list)
    """Of servers that nobody ended."""

    def hold(self, seconds: float) -> None:
        """Leaves things broken."""
        self.interrupted.wait(seconds)

    def up(self) -> None:
        """Starts what does not run, as a supervisor would; a server that dies at its start is started once more.

        Raises:
            UserError: it dies again and again.
        """
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self.stack.up()
                return
            except ServerError as error:
                self.deaths.append(str(error))
                if attempt == START_ATTEMPTS:
                    raise

    def supervise(self) -> None:
        """Starts servers that died by themselves."""
        dead = [each.name for each in self.stack.servers if not each.alive]
        if dead:
            self.deaths.append(f"{', '.join(dead)} died by itself")
            self.up()


def execute(world: World, fault: Fault) -> Broken:
    """Breaks, holds, mends; returns when what was broken answers again.

    Raises:
        UserError: it cannot be mended.
    """
    return _FAULTS[fault.kind](world, fault)


def _down(end: Callable[[Server], None], name: str) -> Callable[[World, Fault], Broken]:
    """A server ends, and is started again."""

    def fault(world: World, fault: Fault) -> Broken:
        return _ended(world, fault, [each for each in world.stack.servers if each.name == name], end)

    return fault


def _jobmanager(end: Callable[[Server], None]) -> Callable[[World, Fault], Broken]:
    """The tasks work on without it for a while; it is the new one that stops and restarts them."""

    def fault(world: World, fault: Fault) -> Broken:
        broken = _ended(world, fault, [world.stack.jobmanager], end)
        world.job.await_running()
        broken.counts_from = time.monotonic()
        return broken

    return fault


def _everything(world: World, fault: Fault) -> Broken:
    return _ended(world, fault, list(world.stack.servers), _kill)


def _a_taskmanager(end: Callable[[Server], None]) -> Callable[[World, Fault], Broken]:
    """One that works, if any does."""

    def fault(world: World, fault: Fault) -> Broken:
        among = world.job.taskmanagers() or list(world.stack.taskmanagers)
        return _ended(world, fault, [_picked(among, fault.pick)], end)

    return fault


def _ended(world: World, fault: Fault, victims: list[Server], end: Callable[[Server], None]) -> Broken:
    begun = time.monotonic()
    threads = [threading.Thread(target=end, args=(each,)) for each in victims]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    down = time.monotonic()
    try:
        world.hold(fault.hold_s)
    finally:
        restarted = time.monotonic()
        world.up()
    name = "all" if len(victims) == len(world.stack.servers) else ", ".join(each.name for each in victims)
    return Broken(name, begun, down, restarted, time.monotonic())


def _link_frozen(world: World, fault: Fault) -> Broken:
    begun = time.monotonic()
    connections = world.broker_link.connections
    world.broker_link.freeze()
    try:
        world.hold(fault.hold_s)
    finally:
        world.broker_link.thaw()
    now = time.monotonic()
    return Broken(f"{connections} connections", begun, begun, now, now)


def _link_lost(world: World, _fault: Fault) -> Broken:
    wait_until(lambda: world.broker_link.connections > 0, 60, lambda: "the job to connect to the broker")
    begun = time.monotonic()
    connections = world.broker_link.connections
    world.broker_link.lose()
    return Broken(f"{connections} connections", begun, begun, None, time.monotonic())


def _refused(world: World, fault: Fault) -> Broken:
    begun = time.monotonic()
    world.cassandra_link.refuse()
    try:
        world.hold(fault.hold_s)
    finally:
        world.cassandra_link.allow()
    now = time.monotonic()
    return Broken("its port", begun, begun, now, now)


def _suspended(world: World, fault: Fault) -> Broken:
    begun = time.monotonic()
    pid = world.stack.cassandra.daemon.pid
    with _stopped(pid):
        world.hold(fault.hold_s)
    now = time.monotonic()
    return Broken(f"SIGSTOP to pid {pid}", begun, begun, now, now)


def _disk_full(world: World, fault: Fault) -> Broken:
    begun = time.monotonic()
    before = world.job.checkpoints()
    victims = [world.stack.jobmanager, *world.stack.taskmanagers]
    with _unable_to_write([each.daemon.pid for each in victims]):
        world.hold(fault.hold_s)
    now = time.monotonic()
    failed = world.job.checkpoints()["failed"] - before["failed"]
    _await_checkpoint(world, now)
    return Broken(f"{failed} checkpoints failed", begun, begun, now, time.monotonic())


def _copies(world: World, fault: Fault) -> Broken:
    begun = time.monotonic()
    count = world.feed.repeat(fault.pick)
    return Broken(f"{count} messages", begun, begun, None, time.monotonic())


def _resumed(parallelism: int | None) -> Callable[[World, Fault], Broken]:
    """Stopped with a savepoint and submitted again from it; None: with as many subtasks as before."""

    def fault(world: World, _fault: Fault) -> Broken:
        begun = time.monotonic()
        savepoint = world.job.stop_with_savepoint()
        stopped = time.monotonic()
        world.job.submit(parallelism or world.job.parallelism, savepoint)
        world.job.await_running()
        return Broken(f"parallelism {world.job.parallelism}", begun, stopped, stopped, time.monotonic())

    return fault


def _kill(server: Server) -> None:
    server.kill()


def _terminate(server: Server) -> None:
    server.stop()


_FAULTS: dict[Kind, Callable[[World, Fault], Broken]] = {
    Kind.TASKMANAGER: _a_taskmanager(_kill),
    Kind.JOBMANAGER: _jobmanager(_kill),
    Kind.RABBITMQ: _down(_kill, "rabbitmq"),
    Kind.CASSANDRA: _down(_kill, "cassandra"),
    Kind.ZOOKEEPER: _down(_kill, "zookeeper"),
    Kind.EVERYTHING: _everything,
    Kind.LINK_FROZEN: _link_frozen,
    Kind.LINK_LOST: _link_lost,
    Kind.REFUSED: _refused,
    Kind.SUSPENDED: _suspended,
    Kind.DISK_FULL: _disk_full,
    Kind.COPIES: _copies,
    Kind.TERM_TASKMANAGER: _a_taskmanager(_terminate),
    Kind.TERM_JOBMANAGER: _jobmanager(_terminate),
    Kind.TERM_RABBITMQ: _down(_terminate, "rabbitmq"),
    Kind.TERM_CASSANDRA: _down(_terminate, "cassandra"),
    Kind.SAVEPOINT: _resumed(None),
    Kind.RESCALE_UP: _resumed(2),
    Kind.RESCALE_DOWN: _resumed(1),
}


def _picked(among: Sequence[Server], pick: float) -> Server:
    return among[min(int(pick * len(among)), len(among) - 1)]


@contextmanager
def _stopped(pid: int | None) -> Iterator[None]:
    """A process that is there but does nothing."""
    if pid is not None:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def _unable_to_write(pids: list[int | None]) -> Iterator[None]:
    """Processes that can write no byte to any file, as on a full disk.

    The soft limit of a file's size is lowered, which an ordinary user may do and undo to processes of their own; a
    JVM ignores the signal that comes with it, and its writes fail.
    """
    before: dict[int, tuple[int, int]] = {}
    try:
        for pid in (each for each in pids if each is not None):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                soft, hard = psutil.Process(pid).rlimit(resource.RLIMIT_FSIZE)
                before[pid] = soft, hard
                psutil.Process(pid).rlimit(resource.RLIMIT_FSIZE, (_NO_BYTES, hard))
        yield
    finally:
        for pid, limits in before.items():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                psutil.Process(pid).rlimit(resource.RLIMIT_FSIZE, limits)


def _await_checkpoint(world: World, since: float, limit_s: float = 60.0) -> None:
    """Until a checkpoint is completed that was begun after a moment; gives up quietly."""
    before = world.job.checkpoints()["completed"]
    while world.job.checkpoints()["completed"] <= before and time.monotonic() - since < limit_s:
        world.hold(0.1)
        if world.interrupted.is_set():
            return
