"""Reference data: rows that hold from a time on, as the schemas of ``schemas/`` declare them.

A message of reference data is flat: ``schema``, the fields of its key, the fields of its value, and ``valid_from``,
``valid_to`` and ``version``, which are the same for all kinds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

Value: TypeAlias = str | float | int | bool | None
Kind: TypeAlias = Literal["string", "integer", "number", "boolean"]

COMMON = ("schema", "valid_from", "valid_to", "version")
MAX_TEXT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a key or of a value."""

    name: str
    kind: Kind
    required: bool
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    pattern: re.Pattern[str] | None = None
    max_bytes: int = MAX_TEXT_BYTES


@dataclass(frozen=True, slots=True)
class Reference:
    """One kind of reference data.

    Attributes:
        name: of its exchange in RabbitMQ, and under which a job's function finds it.
        schema: of its messages.
        keys: what a row is about.
        values: what it says; where all of them are missing, the row is withdrawn.
        needs: pairs of fields; a row that has the first has the second.
    """

    name: str
    schema: str
    keys: tuple[Field, ...]
    values: tuple[Field, ...]
    needs: tuple[tuple[str, str], ...] = ()


@cache
def reference(name: str, schema: str, keys: tuple[str, ...]) -> Reference:
    """Reads ``schemas/<schema with / as ->.schema.json``; what is neither a key nor common is a value.

    Raises:
        FileNotFoundError: there is no such schema.
        ValueError: a key is not declared, or a field is of a type that none can have.
    """
    text = (resources.files(__package__) / f"{schema.replace('/', '-')}.schema.json").read_text("utf-8")
    declared: dict[str, Any] = json.loads(text)
    required = set(declared["required"])
    fields = {
        each: _field(each, how, each in required)
        for each, how in declared["properties"].items()
        if each not in COMMON
    }
    missing = [each for each in keys if each not in fields]
    if missing:
        raise ValueError(f"schema {schema} declares no {', '.join(missing)}")
    values = tuple(field for each, field in fields.items() if each not in keys)
    needs = tuple(
        (one, other) for one, others in declared.get("dependentRequired", {}).items() for other in others
    )
    return Reference(name, schema, tuple(fields[each] for each in keys), values, needs)


def _field(name: str, declared: dict[str, Any], required: bool) -> Field:
    kinds = declared["type"] if isinstance(declared["type"], list) else [declared["type"]]
    (kind,) = (each for each in kinds if each != "null")
    if kind not in ("string", "integer", "number", "boolean"):
        raise ValueError(f"field {name} has type {kind}, which no field of reference data can have")
    pattern = declared.get("pattern")
    return Field(
        name,
        kind,
        required and "null" not in kinds,
        declared.get("minimum"),
        declared.get("exclusiveMinimum"),
        declared.get("maximum"),
        None if pattern is None else re.compile(pattern),
        declared.get("maxLength", MAX_TEXT_BYTES),
    )
