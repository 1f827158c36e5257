"""Compilation of a job's kernel, with a cache that notices changes in every file of it.

Numba's cache of a compiled function looks at the file of that function only, not at what it calls. So each version
of the kernel's files has a cache folder of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numba

config: Any = numba.config  # its attributes are made when it is loaded

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}


class Kernel:
    """What compiles the functions of one kernel."""

    def __init__(self, package: str, files: Sequence[str]) -> None:
        """Takes the package and the names of all its files of which the kernel is made."""
        self._folder = _cache_folder(package, files)

    def njit(self, function: Callable[..., Any], *, inlined: bool = False) -> Callable[..., Any]:
        """Compiles on first use, with the lock of Python released; from the cache if it is there.

        The code may not make arrays, only change those that it is given: without Numba's memory management (``_nrt``)
        calls don't count references to their arrays, which took half of a sample's time. Numba refuses to compile what
        would need it.

        Args:
            function: plain Python.
            inlined: its code is put into each caller: for the innermost loop only.
        """
        before = config.CACHE_DIR
        config.CACHE_DIR = self._folder or before
        try:
            compiled: Callable[..., Any] = numba.njit(forceinline=inlined, **_OPTIONS)(function)
        finally:
            config.CACHE_DIR = before
        return compiled

    def inlined(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``njit`` for what is called once for each message or sample.

        A call hands over parameters, columns and rows by value, each array as seven words: up to 2 kB on the stack.
        """
        return self.njit(function, inlined=True)


def _cache_folder(package: str, files: Sequence[str]) -> str:
    """The folder of this version's compiled functions; empty, which is Numba's default, if it cannot be made."""
    folder = resources.files(package)
    code = [(folder / name).read_bytes() for name in files]
    digest = hashlib.sha256(b"".join([Path(__file__).read_bytes(), *code])).hexdigest()[:16]
    beside = Path(str(folder)) / "__pycache__"
    found = Path(config.CACHE_DIR or beside) / f"{package.rpartition('.')[2]}-{digest}"
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(found) if os.access(found, os.W_OK) else ""
