"""Reads a job's parameter file and lays overrides over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

ModelT = TypeVar("ModelT", bound=BaseModel)

LARGEST = 1e15
"""No parameter needs a larger number, and of so many seconds the milliseconds still fit in 64 bits."""


class ParameterError(ValueError):
    """A parameter that does not exist or a value that it cannot take; the text is for the user."""


class Frozen(BaseModel):
    """Base of all settings: immutable, and an unknown name is an error, as is a number beyond LARGEST."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _is_small_enough(cls, value: Any) -> Any:
        if isinstance(value, int | float) and abs(value) > LARGEST:
            raise ValueError(f"a number is at most {LARGEST:g}")
        return value


def _parsed(value: str, override: str) -> Any:
    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a date and is none
        reason = getattr(error, "problem", None) or error
        raise ParameterError(f"--set {override}: {value} is not YAML: {reason}") from None


def load(job: str, model: type[ModelT], overrides: Sequence[str] = ()) -> ModelT:
    """The settings of a job: its file in conf/, then ``name=value`` overrides in their order.

    Raises:
        ParameterError: an override is not ``name=value``, names no parameter, or its value is refused.
    """
    text = (resources.files(__package__) / f"{job}.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    for override in overrides:
        name, separator, value = override.partition("=")
        if not separator or not name:
            raise ParameterError(f"--set {override}: write it as name=value, such as trip.stop_s=0")
        _set(values, name.strip(), _parsed(value, override), override, model)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ParameterError(f"parameter {name}: {first['msg']} (got {first['input']!r})") from None


def _set(values: dict[str, Any], name: str, value: Any, override: str, model: type[BaseModel]) -> None:
    *path, leaf = name.split(".")
    known: type[BaseModel] | None = model
    target = values
    for part in path:
        field = known.model_fields.get(part) if known else None
        inner = target.setdefault(part, {}) if field or isinstance(target.get(part), dict) else None
        if not isinstance(inner, dict):
            raise ParameterError(f"--set {override}: there is no parameter {name}; see conf/ for their names")
        annotation = field.annotation if field else None
        known = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
        target = inner
    if known is not None and leaf not in known.model_fields:
        raise ParameterError(f"--set {override}: there is no parameter {name}; see conf/ for their names")
    if isinstance(value, Mapping):
        raise ParameterError(f"--set {override}: give one value, not a mapping")
    target[leaf] = value
