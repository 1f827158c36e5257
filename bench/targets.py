"""What `make bench` shows in its table, and the targets beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.figures import Figure


@dataclass(frozen=True, slots=True)
class Target:
    """At least, or at most, so much of a figure."""

    figure: str
    kind: Literal[">=", "<="]
    value: float
    text: str

    def met(self, figures: Mapping[str, Figure]) -> bool | None:
        """None when it was not measured."""
        found = figures.get(self.figure)
        if found is None:
            return None
        return found.median >= self.value if self.kind == ">=" else found.median <= self.value


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; names are figures.

    Attributes:
        what: for people.
        ours: what was measured.
        form: how the figure is printed.
        peer: whose figure stands beside it.
        theirs: the peer's figure.
        ratio: the figure of ours to the peer's, taken round by round; empty: of the two medians.
        target: what is wanted.
    """

    what: str
    ours: str
    form: str = ",.0f"
    peer: str = ""
    theirs: str = ""
    ratio: str = ""
    target: Target | None = None


def _engine(n: int, peer: str, key: str, times: float | None = None) -> Row:
    ratio = f"engine/{n}/{key}/ours_to_this"
    return Row(
        f"engine only, {n} sample{'s' if n > 1 else ''} a message, samples/s",
        f"engine/{n}/kappafleet/samples_per_s",
        peer=peer,
        theirs=f"engine/{n}/{key}/samples_per_s",
        ratio=ratio,
        target=None if times is None else Target(ratio, ">=", times, f">= {times:g} x"),
    )


def _engines() -> list[Row]:
    wanted = {(1, "bytewax"): 6.0, (20, "bytewax"): 8.0, (1, "plain-PyFlink"): 40.0}
    peers = {
        "bytewax": "bytewax",
        "plain-PyFlink": "plain PyFlink",
        "Pathway": "Pathway, batch mode",
        "Java-by-hand": "Java by hand, no checkpoints",
    }
    return [_engine(n, peer, key, wanted.get((n, key))) for n in (1, 20, 100) for key, peer in peers.items()]


def _keys() -> list[Row]:
    rows = []
    for vehicles in (1_000, 10_000, 100_000, 1_000_000):
        for backend in ("heap", "rocksdb"):
            rate = f"keys/{vehicles}/{backend}/messages_per_s"
            wanted = None
            if (vehicles, backend) == (100_000, "rocksdb"):
                wanted = Target(rate, ">=", 300_000, ">= 300,000")
            where = "RocksDB" if backend == "rocksdb" else "heap"
            rows.append(Row(f"{vehicles:,} vehicles, {where}, messages/s", rate, target=wanted))
    return rows


def _asked(what: str) -> list[Row]:
    rows = []
    for connections in (1, 16):
        name = f"serve/{what}/{connections}"
        rows += [
            Row(f"GET a driver's {what}, {connections} at once, requests/s", f"{name}/requests_per_s"),
            Row("the same, ms, p50", f"{name}/p50_ms", ".2f"),
            Row("the same, ms, p99", f"{name}/p99_ms", ".2f"),
        ]
    return rows


ROWS: tuple[Row, ...] = (
    *_engines(),
    Row(
        "sensor_windows, 1 reading a message, messages/s",
        "engine/sensors/kappafleet/messages_per_s",
        peer="driver_stats",
        theirs="engine/1/kappafleet/messages_per_s",
    ),
    Row(
        "GC pauses, 1 sample a message",
        "engine/1/kappafleet/gc_share",
        ".2%",
        target=Target("engine/1/kappafleet/gc_share", "<=", 0.03, "< 3 %"),
    ),
    Row("bytes allocated per message of 1 sample", "engine/1/kappafleet/allocated_per_message"),
    Row(
        "checkpoint after an hour of event time : before",
        "engine/20/kappafleet/checkpoint_growth",
        ".2f",
        target=Target("engine/20/kappafleet/checkpoint_growth", "<=", 1.1, "no growth"),
    ),
    *_keys(),
    Row("state bytes per vehicle, heap", "keys/10000/heap/state_bytes_per_vehicle"),
    Row("state bytes per vehicle, RocksDB", "keys/100000/rocksdb/state_bytes_per_vehicle"),
    Row(
        "drain RabbitMQ to Cassandra, messages/s, mean",
        "drain/mean_messages_per_s",
        peer="bare stream client",
        theirs="drain/bare_client_messages_per_s",
        target=Target("drain/mean_messages_per_s", ">=", 400_000, ">= 400,000"),
    ),
    Row(
        "the same once warm",
        "drain/warm_messages_per_s",
        peer="bare stream client",
        theirs="drain/bare_client_warm_messages_per_s",
        target=Target("drain/warm_messages_per_s", ">=", 700_000, ">= 700,000"),
    ),
    Row("upserts a message in the drain", "drain/upserts_per_message", ".3f"),
    Row(
        "live, samples/s",
        "live/processed_samples_per_s",
        peer="published",
        theirs="live/published_samples_per_s",
        target=Target("live/processed_samples_per_s", ">=", 990_000, ">= 1,000,000"),
    ),
    Row(
        "live, behind, s",
        "live/behind_s",
        ".2f",
        target=Target("live/flat", ">=", 1, "flat"),
    ),
    Row(
        "publish to row visible, ms, p50",
        "latency/p50_ms",
        target=Target("latency/p50_ms", "<=", 60, "< 60"),
    ),
    Row(
        "publish to row visible, ms, p99",
        "latency/p99_ms",
        target=Target("latency/p99_ms", "<=", 250, "< 250"),
    ),
    Row(
        "Cassandra sink, upserts/s",
        "sink/ours_upserts_per_s",
        peer="bare driver loop",
        theirs="sink/bare_driver_upserts_per_s",
        ratio="sink/ratio",
    ),
    Row(
        "published one by one over AMQP, messages/s",
        "publish/amqp_1/published_per_s",
        peer="stream protocol",
        theirs="publish/stream_1/published_per_s",
    ),
    Row(
        "such streams read, messages/s",
        "publish/amqp_1/read_per_s",
        peer="stream protocol",
        theirs="publish/stream_1/read_per_s",
    ),
    *_asked("day"),
    *_asked("month"),
    Row("feed, changed rows a second, delivered", "serve/feed/delivered_per_s"),
    Row("the same, publish to follower, ms, p50", "serve/feed/p50_ms"),
    Row("the same, p99", "serve/feed/p99_ms"),
    Row("the same, the server's cores", "serve/feed/cores", ".2f"),
    Row("the same, memory in the first minute, MB", "serve/feed/memory_first_minute_mb"),
    Row(
        "the same, in the last minute, MB",
        "serve/feed/memory_last_minute_mb",
        target=Target("serve/feed/memory_growth", "<=", 1.05, "flat"),
    ),
)
