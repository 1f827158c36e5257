"""Rows for the API's description: what the jobs make of the bundled data (``scripts/make_api_examples.py``)."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from serving.questions import Question


def example_row(question: Question) -> dict[str, Any]:
    """A row of the question's table, with its columns in their order."""
    real = examples()[f"{question.job}/{question.table.name}"]
    return {column.name: real.get(column.name) for column in question.table.columns}


@cache
def examples() -> dict[str, dict[str, Any]]:
    """All rows, by ``JOB/TABLE``."""
    text = (resources.files(__package__) / "examples.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found
