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
from tests.serving.tables import FIRST, JOB

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "cqlsh.md").read_text("utf-8")
DOCUMENTED = [
    statement for block in re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL) for statement in statements(block)
]


def test_each_table_has_a_documented_query() -> None:
    for table in tables("driver_stats"):
        assert any(re.search(rf"\bFROM {table.name}\b", each) for each in DOCUMENTED), table.name


def test_every_documented_query_is_accepted_and_finds_rows(filled: Session, tmp_path: Path) -> None:
    script = tmp_path / "queries.cql"
    text = "\n".join(f"{each};" for each in DOCUMENTED).replace(keyspace_of(JOB, 1), keyspace_of(JOB, FIRST))
    script.write_text(text, "utf-8")
    run = subprocess.run(
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
    assert run.returncode == 0, run.stderr
    counts = [int(found) for found in re.findall(r"^\((\d+) rows\)$", run.stdout, re.MULTILINE)]
    assert len(counts) == sum(each.startswith("SELECT") for each in DOCUMENTED), run.stdout + run.stderr
    assert all(counts), list(zip(counts, DOCUMENTED[:1] + DOCUMENTED[2:], strict=True))
