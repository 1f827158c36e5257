"""Makes serving/examples.json again: for each table a row that its job makes of the bundled data, for OpenAPI.

    python scripts/make_api_examples.py

Jobs run from files to files. Of a table's rows the one with most values is taken, of these the first.
"""

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas.tables import Table
from serving.questions import questions

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "serving" / "examples.json"
BAD = '{"schema":"telemetry/1","samples":{"t":[1558900866000]}}\n'
METRIC = "definition=conf/metrics_heart_rate.yaml"


def main() -> None:
    """Runs the jobs and writes the file."""
    with tempfile.TemporaryDirectory(prefix="kappafleet-examples-") as scratch:
        folder = Path(scratch)
        terms = folder / "terms.json"
        _kappafleet("context", "data/context", "--out", str(terms))
        inputs: dict[str, tuple[Sequence[str], Sequence[str]]] = {
            "driver_stats": (("data/demo", "data/hours"), ("speeding.limit_kmh=104.6",)),
            "sensor_windows": (("data/sensors",), (f"context.index={terms}",)),
            "driver_exposure": (("data/exposure",), ()),
            "metrics": (("data/metrics/heart_rate.jsonl.gz",), (METRIC,)),
        }
        found = {}
        for job, (sources, overrides) in inputs.items():
            source = _together(sources, folder / f"{job}-in")
            out = folder / f"{job}-out"
            words = [word for each in overrides for word in ("--set", each)]
            _kappafleet("run", job, "--from", f"file:{source}", "--to", f"file:{out}", *words)
            for question in questions():
                if question.job == job:
                    found[f"{job}/{question.table.name}"] = _row(question.table, out)
    TARGET.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _together(sources: Sequence[str], folder: Path) -> Path:
    """A folder with the inputs and a message that is refused."""
    folder.mkdir()
    for each in sources:
        path = ROOT / each
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            (folder / file.name).symlink_to(file)
    (folder / "refused.jsonl").write_text(BAD, encoding="utf-8")
    return folder


def _kappafleet(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "kappafleet", *words], cwd=ROOT, check=True)


def _row(table: Table, folder: Path) -> dict[str, Any]:
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in (folder / f"{table.name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        newest[tuple(row[name] for name in table.primary_key)] = row
    rows = [row for row in newest.values() if row.get("superseded_by") is None]
    best = max(rows, key=lambda row: sum(value is not None for value in row.values()))
    return {column.name: _as_api(column.cql_type, best.get(column.name)) for column in table.columns}


def _as_api(cql_type: str, value: Any) -> Any:
    if cql_type == "blob" and value is not None:
        return base64.b64encode(bytes.fromhex(value.removeprefix("0x"))).decode()
    return value


if __name__ == "__main__":
    main()
