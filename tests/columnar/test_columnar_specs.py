"""What the Python face and the runtime refuse, before anything starts or is misread."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from connectors.columnar import Limits, MessageSpec, NumberField, OutputSpec, SampleField
from connectors.columnar_runtime import (
    NO_STORE,
    Result,
    check_function,
    check_rejects,
    check_result,
    no_tails,
    tail_growth,
    uses_store,
)
from tests.columnar.columnar_counting import Counting
from tests.columnar.columnar_jobs import Run, spec

ROW = np.dtype([("n", "<i8")])


def test_missing_bounds_become_null_and_rows_default_to_the_outputs_name() -> None:
    plain = json.loads(spec(Run("in", "out")).to_json())

    assert plain["message"]["samples"] == [{"name": "speed", "kind": "number", "min": 0, "max": 400}]
    assert [output["rows"] for output in plain["outputs"]] == ["counts", "counts"]
    assert [table["name"] for table in plain["tables"]] == ["counts", "reject", "streamed"]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: MessageSpec("s/1", "id", (), max_id_bytes=65), "max_id_bytes"),
        (lambda: MessageSpec("s/1", "id", (), earliest_ms=2, latest_ms=1), "earliest_ms"),
        (lambda: MessageSpec("s/1", "id", (), texts=("id",)), "declared twice"),
        (
            lambda: MessageSpec("s/1", "id", (), integers=("a",), numbers=(NumberField("a"),)),
            "declared twice",
        ),
        (lambda: MessageSpec("s/1", "id", (SampleField("t"),)), "declared twice"),
        (lambda: OutputSpec("table", "minute", table=0), "needs table, write_us and columns"),
        (lambda: OutputSpec("stream", "part", key_field="driver"), "needs key_field and event_ms"),
        (
            lambda: OutputSpec("stream", "part", key_field="driver", event_ms="t", nulls="corrected"),
            "nulls is for tables",
        ),
        (lambda: Limits(max_delay_ms=0), "must be positive"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(made: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        made()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"state_dtype": np.dtype("<i8")}, "state_dtype is not a structured dtype"),
        ({"state_dtype": np.dtype([("n", ">i8")])}, "state_dtype is not of fixed size and little endian"),
        ({"outputs": {"minute": np.dtype([("n", "O")])}}, "minute is not of fixed size and little endian"),
        (
            {"tail_growth": (1, 2)},
            r"tail_growth is \(1, 2\), not the words for a key, a message and a sample",
        ),
        ({"tail_growth": (1, -2, 0)}, "tail_growth is"),
        ({"tail_growth": 5}, "tail_growth is 5"),
    ],
)
def test_a_layout_that_java_cannot_read_is_refused(changed: dict[str, Any], told: str) -> None:
    function = SimpleNamespace(**{"state_dtype": ROW, "outputs": {"minute": ROW}, **changed})
    with pytest.raises(TypeError, match=told):
        check_function(function)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (Result(np.zeros(3, np.int64)), r"timers has the shape \(3,\) for 2 keys"),
        (Result(np.zeros(2, np.int64), deletions=np.zeros(1, np.bool_)), "deletions has the shape"),
        (Result(np.zeros(2, np.int64), counters=np.zeros(5, np.int64)), "counters has the shape"),
        (
            Result(np.zeros(2, np.int64), {"hours": (np.zeros(0, np.int32), np.zeros(0, ROW))}),
            "'hours' is not declared",
        ),
        (
            Result(np.zeros(2, np.int64), {"counts": (np.zeros(1, np.int32), np.zeros(1, ROW))}),
            "its rows or their keys are not as declared",
        ),
    ],
)
def test_a_result_of_another_shape_is_refused(result: Result, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_result(result, 2, Counting())


@pytest.mark.parametrize(
    ("index", "reason", "messages", "told"),
    [
        (3, "code: why", 3, "rejects has message 3 of 3"),
        (-1, "code: why", 3, "rejects has message -1 of 3"),
        (0, "why", 3, "'code: explanation' is expected"),
        (0, "Not code: why", 3, "'code: explanation' is expected"),
        (0, "code: why", None, r"timers\(\) has no messages"),
    ],
)
def test_a_reject_of_no_message_or_without_a_code_is_refused(
    index: int, reason: str, messages: int | None, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        check_rejects([(index, reason)], messages)
    check_rejects([(2, "out_of_order: t[0] lies in the past")], 3)
    check_rejects((), None)


def test_a_function_that_declares_no_tail_and_no_store_has_none() -> None:
    function = Counting()
    assert tail_growth(function) is None
    assert not uses_store(function)
    tails = no_tails(3)
    assert [len(each) for each in (tails.words, tails.start, tails.length, tails.capacity)] == [0, 3, 3, 3]
    with pytest.raises(ValueError, match="read-only"):
        tails.length[0] = 1
    with pytest.raises(RuntimeError, match="uses_store"):
        NO_STORE.get(0)
    with pytest.raises(RuntimeError, match="uses_store"):
        NO_STORE.put(0, b"x")
