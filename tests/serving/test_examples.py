"""The examples of the API's description: a row of each table, with each of its columns, as the job makes it."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import pytest

from serving.examples import example_row, examples
from serving.questions import Question, questions

ALWAYS_EMPTY = {"superseded_by", "updated_at"}
"""Of rows that hold; and from files, in which no row has a time of writing."""


def fits(cql_type: str, value: Any) -> bool:
    if cql_type == "timestamp":
        return datetime.fromisoformat(value).tzinfo is not None
    if cql_type == "blob":
        return len(base64.b64decode(value, validate=True)) > 0
    kinds: dict[str, tuple[type, ...]] = {
        "text": (str,),
        "boolean": (bool,),
        "int": (int,),
        "bigint": (int,),
        "double": (int, float),
    }
    return isinstance(value, kinds[cql_type])


@pytest.mark.parametrize("question", questions(), ids=lambda each: each.name)
def test_each_question_has_a_row_with_each_column_of_its_table(question: Question) -> None:
    row = examples()[f"{question.job}/{question.table.name}"]
    assert list(row) == [column.name for column in question.table.columns], "run scripts/make_api_examples.py"
    for column in question.table.columns:
        value = row[column.name]
        assert value is None or fits(column.cql_type, value), (column.name, value)
    assert all(row[name] is not None for name in question.table.primary_key)
    empty = {name for name, value in row.items() if value is None} - ALWAYS_EMPTY
    assert len(empty) < len(row) / 2, empty


def test_an_example_is_a_row_of_its_own_job() -> None:
    refused = [example_row(each) for each in questions() if each.table.name == "reject"]
    assert len(refused) == 4
    assert example_row(next(each for each in questions() if each.name == "driver-days"))["driver_id"]
