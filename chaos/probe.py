"""Whether results flow: the live row of one vehicle, looked at ten times a second."""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cassandra import DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import ConstantReconnectionPolicy, RoundRobinPolicy

from chaos.feed import Sent
from chaos.traffic import PROBE
from kappafleet.places import LOOPBACK

EVERY_S = 0.1
_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A result in Cassandra: when it was seen first, and the event time of its message."""

    at: float
    event_ms: int


class Probe:
    """Reads Cassandra itself, past every link, from a thread of its own."""

    def __init__(self, port: int, keyspace: str, sent: Sequence[Sent]) -> None:
        """Nothing happens yet.

        Args:
            port: Cassandra's CQL port.
            keyspace: It has the table already.
            sent: The probes on their way; grows meanwhile.
        """
        self._port = port
        self._keyspace = keyspace
        self._sent = sent
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self.seen: list[Seen] = []

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._ends.set()
        self._thread.join(10)

    def first_after(self, moment: float) -> float | None:
        """When the first result of a message published after a moment was seen; None: not yet."""
        sent = list(self._sent)
        later = bisect_right(sent, moment, key=lambda each: each.at)
        if later == len(sent):
            return None
        wanted = sent[later].event_ms
        return next((each.at for each in list(self.seen) if each.event_ms >= wanted), None)

    def silence_s(self, begin: float, end: float) -> float:
        """The longest time without a new result."""
        times = [begin, *(each.at for each in list(self.seen) if begin < each.at < end), end]
        return max(after - before for before, after in pairwise(times))

    def ages_s(self) -> list[float]:
        """How old each result was, counted from its message's publishing, when it was seen."""
        times = {each.event_ms: each.at for each in list(self._sent)}
        return [seen.at - times[seen.event_ms] for seen in list(self.seen) if seen.event_ms in times]

    def _run(self) -> None:
        logging.getLogger("cassandra").setLevel(logging.CRITICAL)  # that it is down is no news here
        while not self._ends.is_set():
            profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=_TIMEOUT_S)
            cluster = Cluster(
                [LOOPBACK],
                port=self._port,
                protocol_version=5,
                connect_timeout=_TIMEOUT_S,
                control_connection_timeout=_TIMEOUT_S,
                reconnection_policy=ConstantReconnectionPolicy(0.2, max_attempts=None),
                execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            )
            try:
                self._look(cluster.connect())
            except (NoHostAvailable, DriverException, OSError):
                self._ends.wait(EVERY_S)
            finally:
                cluster.shutdown()

    def _look(self, session: Session) -> None:
        """Until a query fails: a new connection is quicker than one that may hang."""
        query = session.prepare(
            f"SELECT event_time FROM {self._keyspace}.vehicle_live WHERE fleet_id = ? AND vehicle_id = ?"
        )
        while not self._ends.wait(EVERY_S):
            row = session.execute(query, (PROBE, PROBE)).one()
            if row is not None and row.event_time is not None:
                event_ms = _ms(row.event_time)
                if not self.seen or event_ms != self.seen[-1].event_ms:
                    self.seen.append(Seen(time.monotonic(), event_ms))


def _ms(moment: datetime) -> int:
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)
