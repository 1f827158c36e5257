"""Comparing tables row by row."""

from __future__ import annotations

from typing import Any

from chaos.tables import Rows, compare

GOOD = {"id": "a", "n": 1, "revision": 0, "updated_at": None, "superseded_by": None}


def rows(*found: dict[str, Any]) -> Rows:
    return {(row["id"],): row for row in found}


def counts(found: Rows, expected: Rows) -> tuple[int, int, int, int]:
    (result,) = compare({"t": found}, {"t": expected})
    return result.equal, result.missing, result.surplus, result.different


def reject(offset: int, reason: str, sha256: str) -> dict[str, Any]:
    return {"id": offset, "offset": offset, "reason": reason, "length": 3, "sha256": sha256, "body": "0x00"}


def test_revision_and_time_of_writing_may_differ_and_nothing_else() -> None:
    assert counts(rows({**GOOD, "revision": 3, "updated_at": "now"}), rows(GOOD)) == (1, 0, 0, 0)
    assert counts(rows({**GOOD, "n": 2}), rows(GOOD)) == (0, 0, 0, 1)


def test_missing_and_surplus_rows_are_told_apart() -> None:
    other = {**GOOD, "id": "b"}
    assert counts(rows(GOOD), rows(GOOD, other)) == (1, 1, 0, 0)
    assert counts(rows(GOOD, other), rows(GOOD)) == (1, 0, 1, 0)


def test_a_row_that_a_later_message_made_void_is_skipped() -> None:
    void = {**GOOD, "id": "b", "superseded_by": "2026-01-31T22:40:00.000Z"}
    assert counts(rows(GOOD, void), rows(GOOD)) == (1, 0, 0, 0)


def test_rejects_are_compared_without_their_place_and_by_the_code_of_their_reason() -> None:
    found = {"reject": rows(reject(17, "not_json: here", "s1"), reject(18, "missing_id", "s2"))}
    expected = {"reject": rows(reject(1, "not_json: there", "s1"), reject(2, "missing_id", "s2"))}
    assert compare(found, expected)[0].same
    expected = {"reject": rows(reject(1, "time_order", "s1"), reject(2, "missing_id", "s2"))}
    (result,) = compare(found, expected)
    assert (result.equal, result.missing, result.surplus) == (1, 1, 1)


def test_each_copy_of_a_bad_message_in_the_log_is_a_reject() -> None:
    found = {"reject": rows(reject(17, "not_json", "s1"), reject(18, "not_json", "s1"))}
    expected = {"reject": rows(reject(1, "not_json", "s1"))}
    assert compare(found, expected, {"s1": 2})[0].same
    assert not compare(found, expected, {"s1": 1})[0].same
    assert not compare(found, expected, {"s1": 3})[0].same
