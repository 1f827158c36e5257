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
_FILES = ("compiled.py", "cleansing.py", "kernel.py", "judging.py", "sums.py", "closing.py")


def _cache_folder() -> str:
    """The folder of this version's compiled functions; empty, which is Numba's default, if it cannot be made."""
    files = resources.files(__package__)
    digest = hashlib.sha256(b"".join((files / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    folder = Path(config.CACHE_DIR or _HERE / "__pycache__") / f"sensors-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""


def njit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles on first use, from the cache if it is there; the code may change the arrays it is given and make none.

    Without Numba's memory management (``_nrt``) calls don't count references to their arrays.
    """
    before = config.CACHE_DIR
    config.CACHE_DIR = _FOLDER or before
    try:
        compiled: Callable[..., Any] = numba.njit(**_OPTIONS)(function)
    finally:
        config.CACHE_DIR = before
    return compiled


_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
_FOLDER = _cache_folder()
