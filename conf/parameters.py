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


def load(job: str, model: type[ModelT], overrides: Sequence[str] = (), section: str = "") -> ModelT:
    """The settings of a job: its file in conf/, then ``name=value`` overrides in their order.

    A section ``rules`` names files in conf/, each of which is read as the section of that name before any override but
    those of ``rules`` itself: ``rules.score=score_samsara_1`` and then ``score.min_km=5``.

    Args:
        job: the file's name, without ``.yaml``.
        model: what is in it.
        overrides: what the user set.
        section: under which name users know the file, if it is one of several of a job; then overrides and errors
            have it in front of each name.

    Raises:
        ParameterError: an override is not ``name=value``, names no parameter, or its value is refused.
    """
    values = _file(job)
    parsed = []
    for override in overrides:
        name, separator, value = override.partition("=")
        if not separator or not name:
            raise ParameterError(f"--set {override}: write it as name=value, such as trip.stop_s=0")
        inside = name.strip().removeprefix(f"{section}.") if section else name.strip()
        parsed.append((inside, _parsed(value, override), override))
    which = [item for item in parsed if item[0].startswith("rules.")]
    for name, value, override in which:
        _set(values, name, value, override, model)
    for rules, file in values.get("rules", {}).items():
        values[rules] = _file(file)
    for item in parsed:
        if item not in which:
            _set(values, *item, model)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in ((section,) if section else ()) + first["loc"])
        raise ParameterError(f"parameter {name}: {first['msg']} (got {first['input']!r})") from None


def _file(name: object) -> dict[str, Any]:
    """What a file in conf/ holds."""
    try:
        text = (resources.files(__package__) / f"{name}.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParameterError(f"there is no file {name}.yaml in conf/") from None
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _set(values: dict[str, Any], name: str, value: Any, override: str, model: type[BaseModel]) -> None:
    *path, leaf = name.split(".")
    known: type[BaseModel] | None = model
    target = values
    for part in path:
        field = known.model_fields.get(part) if known else None
        inner = target.setdefault(part, {}) if field or isinstance(target.get(part), dict) else None
        if not isinstance(inner, dict):
            raise ParameterError(
                f"--set {override}: there is no parameter {_named(override)}; see conf/ for their names"
            )
        annotation = field.annotation if field else None
        known = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
        target = inner
    if known is not None and leaf not in known.model_fields:
        raise ParameterError(
            f"--set {override}: there is no parameter {_named(override)}; see conf/ for their names"
        )
    if isinstance(value, Mapping):
        raise ParameterError(f"--set {override}: give one value, not a mapping")
    target[leaf] = value


def _named(override: str) -> str:
    return override.partition("=")[0].strip()
