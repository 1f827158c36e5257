"""The Python faces of the file ends, on a mini cluster. What lines and rows look like is tested in Java."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from pyflink.common import Types, WatermarkStrategy
from pyflink.datastream import StreamExecutionEnvironment

from connectors.files import JsonLinesSink, json_lines_source
from connectors.rows import FrameEncoder
from kappafleet.errors import UserError
from schemas.tables import parse, to_json

TABLES = tuple(
    parse(
        """
        CREATE TABLE IF NOT EXISTS readings (
            id text, at timestamp, value double, seen boolean, PRIMARY KEY ((id), at)
        );
        CREATE TABLE IF NOT EXISTS never_written (id text, PRIMARY KEY ((id)));
        """
    )
)


def test_messages_of_a_folder_arrive_in_order(env: StreamExecutionEnvironment, tmp_path: Path) -> None:
    first = {"vehicle_id": "v1", "samples": {"t": [1_700_000_000_000]}}
    second = {"vehicle_id": "v2", "samples": {"t": [1_600_000_000_000]}}
    (tmp_path / "b.jsonl").write_text("not json\n")
    (tmp_path / "a.jsonl.gz").write_bytes(
        gzip.compress(f"{json.dumps(first)}\n\n{json.dumps(second)}".encode())
    )

    records = env.from_source(
        json_lines_source(tmp_path, id_field="vehicle_id"), WatermarkStrategy.no_watermarks(), "lines"
    )
    with records.execute_and_collect() as found:
        collected = [
            (key, bytes(body), source, offset, arrival) for key, body, source, offset, arrival in found
        ]

    assert collected == [
        ("v1", json.dumps(first).encode(), "a.jsonl.gz", 1, 0),
        ("v2", json.dumps(second).encode(), "a.jsonl.gz", 3, 0),
        ("", b"not json", "b.jsonl", 1, 0),
    ]


def test_missing_path_and_empty_folder_are_told_before_any_job(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file or folder .*nothing"):
        json_lines_source(tmp_path / "nothing", id_field="vehicle_id")
    (tmp_path / ".hidden").write_text("{}")
    with pytest.raises(UserError, match="holds no files"):
        json_lines_source(tmp_path, id_field="vehicle_id")


def test_damaged_gzip_file_fails_the_job_with_its_name(
    env: StreamExecutionEnvironment, tmp_path: Path
) -> None:
    (tmp_path / "bad.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 1000)[:-9])

    records = env.from_source(
        json_lines_source(tmp_path, id_field="vehicle_id"), WatermarkStrategy.no_watermarks(), "lines"
    )
    with (
        pytest.raises(Exception, match=r"bad\.jsonl\.gz is not a whole, valid gzip file"),
        records.execute_and_collect() as found,
    ):
        list(found)


def test_rows_are_written_to_one_file_a_table(env: StreamExecutionEnvironment, tmp_path: Path) -> None:
    encoder = FrameEncoder(TABLES[0])
    frames = [
        encoder.encode(1, ("v1", 1_763_700_000_000, 12.5, True)),
        encoder.encode(2, ("v1", 1_763_700_060_000, None, None)),
    ]

    rows = env.from_collection(frames).map(bytes, output_type=Types.PRIMITIVE_ARRAY(Types.BYTE()))
    rows.sink_to(JsonLinesSink(tmp_path / "out", to_json(TABLES))).set_parallelism(1)
    env.execute()

    assert (tmp_path / "out" / "never_written.jsonl").read_bytes() == b""
    lines = (tmp_path / "out" / "readings.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": "v1", "at": "2025-11-21T04:40:00.000Z", "value": 12.5, "seen": True},
        {"id": "v1", "at": "2025-11-21T04:41:00.000Z", "value": None, "seen": None},
    ]
