"""Makes serving/examples.json again: for OpenAPI, a row of each table as made of the bundled data.

    python scripts/make_api_examples.py

The tables are worked out without Flink (`kappafleet oracle`), which tests hold to be what the jobs make. Of a table's
rows the one with most values is taken, of these the first.
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
FLAGGED = (
    '{"schema":"observation/1","sensor_id":"sc-22449","sensor_model":"SDS011","lat":57.39,"lon":-2.468,'
    '"samples":{"t":[1556064600000],"pm2_5":[1999.9],"pm10":[1999.9]}}\n'
)
"""No reading of the bundled ones is beyond what its sensor can measure."""
METRIC = "definition=conf/metrics_heart_rate.yaml"


def main() -> None:
    """Works the tables out and writes the file."""
    with tempfile.TemporaryDirectory(prefix="kappafleet-examples-") as scratch:
        folder = Path(scratch)
        inputs: dict[str, tuple[Sequence[str], Sequence[str]]] = {
            "driver_stats": (("data/demo", "data/hours"), ("speeding.limit_kmh=104.6",)),
            "sensor_windows": (("data/sensors",), ()),
            "driver_exposure": (("data/exposure",), ()),
            "metrics": (("data/metrics/heart_rate.jsonl.gz",), (METRIC,)),
        }
        found = {}
        for job, (sources, overrides) in inputs.items():
            source = _together(sources, folder / f"{job}-in")
            out = folder / f"{job}-out"
            words = [word for each in overrides for word in ("--set", each)]
            _kappafleet("oracle", job, "--from", f"file:{source}", "--to", f"file:{out}", *words)
            for question in questions():
                if question.job == job:
                    found[f"{job}/{question.table.name}"] = _row(question.table, out)
    TARGET.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _together(sources: Sequence[str], folder: Path) -> Path:
    """A folder with the inputs, a message that is refused, and a reading that is."""
    folder.mkdir()
    for each in sources:
        path = ROOT / each
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            (folder / file.name).symlink_to(file)
    (folder / "refused.jsonl").write_text(BAD + FLAGGED, encoding="utf-8")
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
