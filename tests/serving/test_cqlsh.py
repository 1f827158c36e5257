"""Each query of docs/cqlsh.md, through the real cqlsh: it is accepted, and it finds its rows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from cassandra.cluster import Session

from connectors.cassandra_client import statements
from schemas.tables import tables
from serving.store import keyspace_of
from tests.serving.other_tables import EXPOSURE, METRICS, SENSORS, other_tables
from tests.serving.tables import FIRST, JOB

ROOT = Path(__file__).resolve().parents[2]
JOBS = (JOB, SENSORS, EXPOSURE, METRICS)
TEXT = (ROOT / "docs" / "cqlsh.md").read_text("utf-8")
DOCUMENTED = [
    statement for block in re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL) for statement in statements(block)
]


def test_each_table_has_a_documented_query() -> None:
    for job in JOBS:
        for table in tables(job):
            assert any(re.search(rf"\bFROM {table.name}\b", each) for each in DOCUMENTED), table.name


def test_every_documented_query_is_accepted_and_finds_rows(filled: Session, tmp_path: Path) -> None:
    with other_tables(filled):
        run = _cqlsh(tmp_path)
    assert run.returncode == 0, run.stderr
    asked = [each for each in DOCUMENTED if each.startswith("SELECT")]
    counts = [int(found) for found in re.findall(r"^\((\d+) rows\)$", run.stdout, re.MULTILINE)]
    assert len(counts) == len(asked), run.stdout + run.stderr
    assert all(counts), list(zip(counts, asked, strict=True))


def _cqlsh(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "queries.cql"
    text = "\n".join(f"{each};" for each in DOCUMENTED)
    for job in JOBS:
        text = text.replace(keyspace_of(job, 1), keyspace_of(job, FIRST))
    script.write_text(text, "utf-8")
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "cqlsh"),
            "127.0.0.1",
            os.environ["KF_TEST_CASSANDRA_PORT"],
            "-f",
            str(script),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore", "CQLSH_NO_BUNDLED": "true"},
    )
