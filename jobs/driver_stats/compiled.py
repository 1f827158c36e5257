"""Compilation with a cache that notices changes in every file of the kernel.

Numba's cache of a compiled function looks at the file of that function only, not at what it calls. So each version
of the kernel's files has a cache folder of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numba

config: Any = numba.config  # its attributes are made when it is loaded

_HERE = Path(__file__).resolve().parent
_FILES = (
    "compiled.py",
    "layout.py",
    "distance.py",
    "harsh.py",
    "speeding.py",
    "idling.py",
    "score.py",
    "emit.py",
    "harsh_events.py",
    "kernel.py",
    "tails.py",
    "heads.py",
    "parts.py",
    "drive_minutes.py",
    "order.py",
    "present.py",
    "road_cells.py",
)


def _cache_folder() -> str:
    """The folder of this version's compiled functions; empty, which is Numba's default, if it cannot be made."""
    files = resources.files(__package__)
    digest = hashlib.sha256(b"".join((files / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    folder = Path(config.CACHE_DIR or _HERE / "__pycache__") / f"kernel-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""


def njit(function: Callable[..., Any], *, inlined: bool = False) -> Callable[..., Any]:
    """Compiles on first use, with the lock of Python released; from the cache if it is there.

    The code may not make arrays, only change those that it is given: without Numba's memory management (``_nrt``)
    calls don't count references to their arrays, which took half of a sample's time. Numba refuses to compile what
    would need it.

    Args:
        function: plain Python.
        inlined: its code is put into each caller: for the innermost loop only.
    """
    before = config.CACHE_DIR
    config.CACHE_DIR = _FOLDER or before
    try:
        compiled: Callable[..., Any] = numba.njit(forceinline=inlined, **_OPTIONS)(function)
    finally:
        config.CACHE_DIR = before
    return compiled


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """``njit`` for what is called once for each message or sample.

    A call hands over parameters, columns and rows by value, each array as seven words: up to 2 kB on the stack.
    """
    return njit(function, inlined=True)


_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
_FOLDER = _cache_folder()
