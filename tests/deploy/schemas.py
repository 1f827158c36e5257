"""The operator's own schemas, made strict: Kubernetes drops a field that it doesn't know, and nobody notices."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import yaml


def strict_schema(definition: Path, version: str) -> dict[str, Any]:
    """The JSON schema of a CustomResourceDefinition's version, in which an unknown field is an error.

    Raises:
        LookupError: the definition has no such version.
    """
    crd = yaml.safe_load(definition.read_text(encoding="utf-8"))
    for each in crd["spec"]["versions"]:
        if each["name"] == version:
            schema: dict[str, Any] = copy.deepcopy(each["schema"]["openAPIV3Schema"])
            text = {"type": "string"}
            schema["properties"] |= {"apiVersion": text, "kind": text, "metadata": {"type": "object"}}
            schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
            _close(schema)
            return schema
    raise LookupError(f"{definition.name} has no version {version}")


def mistakes(manifest: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """What is wrong with a manifest, one line each, with its place."""
    found = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found)


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for each in schema:
            _close(each)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("properties"), dict):
        open_ended = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
        if not open_ended:
            schema["additionalProperties"] = False
    for each in schema.values():
        _close(each)
