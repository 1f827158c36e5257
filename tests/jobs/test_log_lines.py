"""The log as oracles read it: what the file source hands on, and the row of what the operator refuses."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from jobs import log_lines as module
from jobs.log_lines import REJECT_BODY_BYTES, Line, log_lines, reject_row
from kappafleet.errors import UserError
from schemas.tables import table


def test_lines_know_their_file_and_their_number_in_it(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(b"three\n\nfour")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"one\r\ntwo\n"))
    (tmp_path / ".hidden").write_bytes(b"nothing\n")
    assert list(log_lines(tmp_path)) == [
        Line(b"one", "a.jsonl.gz", 1),
        Line(b"two", "a.jsonl.gz", 2),
        Line(b"three", "b.jsonl", 1),
        Line(b"four", "b.jsonl", 3),  # an empty line has a number, too
    ]


def test_lines_given_as_such_are_numbered_and_have_no_source() -> None:
    assert list(log_lines([b"one", b"two"])) == [Line(b"one", "", 1), Line(b"two", "", 2)]


def test_a_long_line_is_cut_where_the_file_source_cuts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 3)
    file = tmp_path / "long.jsonl"
    file.write_bytes(b"123456\n78\n")
    assert [line.body for line in log_lines(file)] == [b"123", b"78"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        list(log_lines(tmp_path / "nothing"))


@pytest.mark.parametrize("job", ["driver_stats", "metrics"])
def test_a_refused_message_is_a_row_of_every_jobs_rejects(job: str) -> None:
    body = b"x" * (REJECT_BODY_BYTES + 1)
    row = reject_row(Line(body, "a.jsonl", 7), "not_json", arrival_ms=1_763_701_200_000)
    assert sorted(row) == sorted(column.name for column in table(job, "reject").columns)
    assert row == {
        "day": "2025-11-21",
        "source": "a.jsonl",
        "received_at": "2025-11-21T05:00:00.000Z",
        "offset": 7,
        "reason": "not_json",
        "body": "0x" + "78" * REJECT_BODY_BYTES,
        "length": REJECT_BODY_BYTES + 1,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
