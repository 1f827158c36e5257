"""Messages into streams and out of them again, by the Java programs over the stream protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.generate import Fast, Workload, cached, cached_fast
from bench.java_tools import Program, Told
from bench.servers import stream_address
from kappafleet.places import project_root
from kappafleet.stack.stack import Stack

INPUTS = project_root() / "build" / "bench"
TEMPLATE_VEHICLES = 1000
TEMPLATE_SECONDS = 100
FAST_SECONDS = 4


def templates(samples: int, hz: int = 1) -> Path:
    """Lines from which a publisher makes messages: 100 seconds of driving of 1,000 vehicles, of fast ones 4."""
    if hz > 1:
        return cached_fast(Fast(samples, hz, FAST_SECONDS, TEMPLATE_VEHICLES), INPUTS)
    return cached(Workload(samples, max(samples, TEMPLATE_SECONDS), TEMPLATE_VEHICLES), INPUTS)


def publisher(
    servers: Stack,
    streams: Sequence[str],
    *,
    samples: int,
    vehicles: int,
    messages: int,
    rate: float = 0,
    period_ms: float = 1000,
    last_ms: int = 0,
    sub_batch: int = 1,
    hz: int = 1,
) -> Program:
    """A publisher of generated messages, sampled at ``hz``; see ``PublishStreams.java``."""
    options = {
        **stream_address(servers),
        "streams": ",".join(streams),
        "templates": templates(samples, hz),
        "vehicles": vehicles,
        "messages": messages,
        "rate": rate,
        "period_ms": period_ms,
        "last_ms": last_ms,
        "sub_batch": sub_batch,
    }
    return Program("PublishStreams", options)


def read_bare(servers: Stack, streams: Sequence[str], messages: int) -> Told:
    """How fast the bare stream client reads so many messages from the streams' begin."""
    options = {**stream_address(servers), "streams": ",".join(streams), "messages": messages}
    with Program("ReadStreams", options) as reader:
        return reader.last()
