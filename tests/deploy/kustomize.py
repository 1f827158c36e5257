"""What `kubectl kustomize` makes of our overlays: the few of its features that they use, and an error for any other."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

_KNOWN = {"apiVersion", "kind", "resources", "configMapGenerator", "patches", "configurations"}


def render(folder: Path) -> list[Manifest]:
    """All manifests of a kustomization. Generated ConfigMaps keep their plain name, without the hash.

    Raises:
        ValueError: it uses what is not understood here, or a patch does not fit.
    """
    kustomization = _load(folder / "kustomization.yaml")
    unknown = set(kustomization) - _KNOWN
    if unknown:
        raise ValueError(f"{folder.name}: {', '.join(sorted(unknown))} is not understood")
    manifests: list[Manifest] = []
    for resource in kustomization.get("resources", []):
        path = folder / resource
        manifests += render(path) if path.is_dir() else _load_all(path)
    for generator in kustomization.get("configMapGenerator", []):
        manifests.append(_config_map(folder, generator))
    for patch in kustomization.get("patches", []):
        _patch(manifests, folder / patch["path"], patch.get("target"))
    return manifests


def named_files(folder: Path) -> list[Path]:
    """Every file that a kustomization names, and those of the kustomizations that it builds on."""
    kustomization = _load(folder / "kustomization.yaml")
    found = [folder / "kustomization.yaml"]
    for resource in kustomization.get("resources", []):
        path = folder / resource
        found += named_files(path) if path.is_dir() else [path]
    found += [folder / name for name in kustomization.get("configurations", [])]
    found += [folder / name for each in kustomization.get("configMapGenerator", []) for name in each["envs"]]
    found += [folder / patch["path"] for patch in kustomization.get("patches", [])]
    return [path.resolve() for path in found]


def read_env(path: Path) -> dict[str, str]:
    """The variables of an env file."""
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    return dict(line.split("=", 1) for line in lines)  # type: ignore[misc]  # two parts, or dict() raises


def _config_map(folder: Path, generator: Manifest) -> Manifest:
    data = {name: value for file in generator["envs"] for name, value in read_env(folder / file).items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}


def _patch(manifests: list[Manifest], path: Path, target: Manifest | None) -> None:
    patch = yaml.safe_load(path.read_text(encoding="utf-8"))
    selector = target or {"kind": patch["kind"], "name": patch["metadata"]["name"]}
    fitting = [
        each
        for each in manifests
        if (each["kind"], each["metadata"]["name"]) == (selector["kind"], selector["name"])
    ]
    if len(fitting) != 1:
        raise ValueError(f"{path}: {len(fitting)} manifests are {selector['kind']} {selector['name']}")
    if isinstance(patch, dict):
        _merge(fitting[0], patch)
    else:
        for operation in patch:
            _add(fitting[0], operation, path)


def _merge(into: Manifest, patch: Manifest) -> None:
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value)


def _add(into: Any, operation: Manifest, path: Path) -> None:
    if operation["op"] != "add":
        raise ValueError(f"{path}: op {operation['op']} is not understood")
    *parents, last = operation["path"].removeprefix("/").split("/")
    for name in parents:
        into = into[int(name)] if isinstance(into, list) else into[name]
    if isinstance(into, list):
        into.insert(len(into) if last == "-" else int(last), operation["value"])
    else:
        into[last] = operation["value"]


def _load(path: Path) -> Manifest:
    found: Manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _load_all(path: Path) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]
