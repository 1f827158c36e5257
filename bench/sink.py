"""Mode ``sink``: our Cassandra sink beside a bare loop of the Java driver, the same rows into the same table.

Both write ``vehicle_live`` with prepared upserts, write times and at most 512 in flight; ours is a Flink job of a
source of numbers and the sink, with a checkpoint every 2 s. Rows a second are counted from a quarter of the rows to
the last confirmed one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.figures import Figure, figure
from bench.java_tools import Program, Told
from bench.outputs import Different
from bench.progress import Progress
from bench.servers import JOB, stream_address, tables
from kappafleet.stack.stack import Stack
from schemas.tables import table, to_json
from schemas.tables import tables as job_tables

KEYSPACE = "bench_sink"
TABLE = "vehicle_live"
IN_FLIGHT = 512
VEHICLES = 10_000  # as in LiveRow.java
OURS, BARE = "SinkJob", "WriteTable"


def run(servers: Stack, progress: Progress, rows: int, rounds: int) -> list[Figure]:
    """Alternates the two."""
    found: dict[str, list[float]] = {OURS: [], BARE: []}
    with tables(KEYSPACE) as session, tempfile.TemporaryDirectory(prefix="kappafleet-bench-") as scratch:
        for number in range(rounds):
            for program in found:
                session.execute(f"TRUNCATE {KEYSPACE}.{TABLE}", timeout=60)
                progress.stage(f"sink: round {number + 1} of {rounds}, {program} writes {rows:,} rows")
                told = _write(servers, program, rows, Path(scratch))
                found[program].append(0.75 * rows / told["steady_s"])
                count = len(session.execute(f"SELECT vehicle_id FROM {KEYSPACE}.{TABLE}", timeout=60).all())
                if count != min(rows, VEHICLES):
                    raise Different(f"sink: {program} left {count} rows, not {min(rows, VEHICLES)}")
    ratios = [ours / bare for ours, bare in zip(found[OURS], found[BARE], strict=True)]
    figures = [
        figure("sink/ours_upserts_per_s", "upserts/s", found[OURS]),
        figure("sink/bare_driver_upserts_per_s", "upserts/s", found[BARE]),
        figure("sink/ratio", "ours : bare", ratios),
    ]
    ours, bare, ratio = figures
    progress.tell(
        f"sink   {ours.median:,.0f} upserts/s, a bare driver loop {bare.median:,.0f}: {ratio.median:.2f} of it"
    )
    return figures


def _write(servers: Stack, program: str, rows: int, scratch: Path) -> Told:
    options: dict[str, object] = {
        **stream_address(servers),
        "port": servers.ports.cql,
        "keyspace": KEYSPACE,
        "rows": rows,
        "in_flight": IN_FLIGHT,
    }
    if program == OURS:
        specification = scratch / "tables.json"
        specification.write_text(to_json(job_tables(JOB)), encoding="utf-8")
        options |= {
            "tables": specification,
            "table": table(JOB, TABLE).index,
            "checkpoints": (scratch / "checkpoints").as_uri(),
        }
    with Program(program, options) as running:
        return running.last()
