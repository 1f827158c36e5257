"""API keys: who asks, and what for.

The file holds no key, only SHA-256 digests: keys are 256 random bits, so nothing slower is needed to keep a digest
from being guessed back. The file is read again when it changes, so a removed key ends at once.

::

    keys:
      - name: dispatch
        sha256: 5d41402abc4b2a76b9719d911017c592…
        role: reader            # or admin
        fleets: [north, south]  # a reader of these fleets only; without it: of all
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kappafleet.errors import UserError

PREFIX = "kf_"
CHECKED_EVERY_S = 1.0


class Key(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w.@ -]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: Literal["reader", "admin"]
    fleets: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _admins_see_all(self) -> Key:
        if self.role == "admin" and self.fleets is not None:
            raise ValueError("an admin sees all fleets: leave out fleets, or make it a reader")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[Key] = []

    @model_validator(mode="after")
    def _names_once(self) -> _File:
        names = [key.name for key in self.keys]
        if len(set(names)) < len(names):
            raise ValueError("each name may stand there once")
        return self


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: the key's; of a request without one, its address.
        admin: whether everything may be asked.
        fleets: the only fleets that may be asked for; None: all.
    """

    name: str
    admin: bool
    fleets: frozenset[str] | None = None


LOCAL = Caller("loopback", admin=True)
"""Who asks where no keys are set up, which works from this machine only."""


class Keys:
    """The keys of a file."""

    def __init__(self, path: Path) -> None:
        """Reads the file.

        Raises:
            UserError: it cannot be read, or something in it is wrong.
        """
        self._path = path
        self._checked = time.monotonic()
        self._stamp = _stamp(path)
        self._callers = _callers(load(path))

    def caller(self, token: str) -> Caller | None:
        """Who has this key; None: nobody."""
        if time.monotonic() - self._checked > CHECKED_EVERY_S:
            self._refresh()
        return self._callers.get(digest(token))

    def _refresh(self) -> None:
        """A file that has become unreadable lets nobody in: a key that was to be removed must not live on."""
        self._checked = time.monotonic()
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            self._callers = _callers(load(self._path))
        except UserError:
            self._callers = {}
        self._stamp = stamp


def digest(token: str) -> str:
    """What the file holds of a key."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def load(path: Path) -> list[Key]:
    """The entries of a file.

    Raises:
        UserError: it cannot be read, or something in it is wrong.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the keys' file {path} cannot be read: {error}; make one with: kappafleet key add"
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"the keys' file {path} is no YAML: {' '.join(str(error).split())}") from error
    try:
        return _File.model_validate(document if document is not None else {}).keys
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"the keys' file {path}: {where}: {first['msg']}") from error


def add(path: Path, name: str, role: str, fleets: Sequence[str]) -> str:
    """Adds a key to a file, which is made if it is missing.

    Returns:
        The key, which is kept nowhere.

    Raises:
        UserError: the file is wrong, or has the name already.
    """
    entries = load(path) if path.exists() else []
    if any(each.name == name for each in entries):
        raise UserError(f"{path} has a key named {name} already: remove it first, or take another name")
    token = PREFIX + secrets.token_urlsafe(32)
    try:
        entry = Key.model_validate(
            {"name": name, "sha256": digest(token), "role": role, "fleets": list(fleets) or None}
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise UserError(f"{'.'.join(map(str, first['loc'])) or 'key'}: {first['msg']}") from error
    _write(path, [*entries, entry])
    return token


def remove(path: Path, name: str) -> None:
    """Removes a key from a file.

    Raises:
        UserError: the file is wrong, or has no such key.
    """
    entries = load(path)
    kept = [each for each in entries if each.name != name]
    if len(kept) == len(entries):
        raise UserError(
            f"{path} has no key named {name}; there are: {', '.join(each.name for each in entries)}"
        )
    _write(path, kept)


def _callers(entries: Sequence[Key]) -> Mapping[str, Caller]:
    return {
        key.sha256: Caller(
            key.name, key.role == "admin", None if key.fleets is None else frozenset(key.fleets)
        )
        for key in entries
    }


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _write(path: Path, entries: Sequence[Key]) -> None:
    """All at once, readable by its owner alone."""
    document = {"keys": [each.model_dump(exclude_none=True) for each in entries]}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yaml.safe_dump(document, file, sort_keys=False)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
