"""What the message schemas declare: the fields of ``schemas/*.schema.json`` that become columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class NumberField:
    """A number and its inclusive bounds; None where there is none."""

    name: str
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message schema: its id, the field that is the key, and its fields by kind, in the schema's order."""

    schema_id: str
    id_field: str
    max_id_bytes: int
    texts: tuple[str, ...]
    integers: tuple[str, ...]
    numbers: tuple[NumberField, ...]
    number_samples: tuple[NumberField, ...]
    boolean_samples: tuple[str, ...]


@cache
def message(schema_id: str) -> Message:
    """Reads ``schemas/<schema_id with / as ->.schema.json``.

    Raises:
        FileNotFoundError: there is no such schema.
        ValueError: the schema has a field of a type that cannot become a column.
    """
    text = (resources.files(__package__) / f"{schema_id.replace('/', '-')}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    (id_field,) = (name for name in schema["required"] if name != "samples")
    texts, integers, numbers, number_samples, boolean_samples = [], [], [], [], []
    for name, field in schema["properties"].items():
        if name in ("schema", "samples", id_field):
            continue
        kind = _kind(name, field)
        if kind == "string":
            texts.append(name)
        elif kind == "integer":
            integers.append(name)
        else:
            numbers.append(_number(name, field))
    for name, field in schema["properties"]["samples"]["properties"].items():
        if name == "t":
            continue
        items = field["items"]
        if _kind(name, items) == "boolean":
            boolean_samples.append(name)
        else:
            number_samples.append(_number(name, items))
    return Message(
        schema["$id"],
        id_field,
        schema["properties"][id_field]["maxLength"],
        tuple(texts),
        tuple(integers),
        tuple(numbers),
        tuple(number_samples),
        tuple(boolean_samples),
    )


def _kind(name: str, field: dict[str, Any]) -> str:
    declared = field["type"] if isinstance(field["type"], list) else [field["type"]]
    (kind,) = (item for item in declared if item != "null")
    if kind not in ("string", "integer", "number", "boolean"):
        raise ValueError(f"field {name} has type {kind}, which cannot become a column")
    return str(kind)


def _number(name: str, field: dict[str, Any]) -> NumberField:
    return NumberField(name, field.get("minimum"), field.get("maximum"))
