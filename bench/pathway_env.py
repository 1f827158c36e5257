"""Pathway's environment: 130 packages and 1.3 GB, kept out of the project's own one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from kappafleet.errors import UserError
from kappafleet.places import project_root

FOLDER = project_root() / "build" / "bench" / "pathway"
LOCK = project_root() / "requirements-bench-pathway.lock"


def python() -> Path | None:
    """Its interpreter, if it was installed for the present lock file."""
    found = FOLDER / "bin" / "python"
    stamp = FOLDER / ".made-from"
    return found if stamp.is_file() and stamp.read_text(encoding="utf-8") == _wanted() else None


def install() -> Path:
    """Installs it unless it is there; its interpreter.

    Raises:
        UserError: pip cannot.
    """
    there = python()
    if there is not None:
        return there
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    interpreter = FOLDER / "bin" / "python"
    pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for command in (
        [sys.executable, "-m", "venv", str(FOLDER)],
        [*pip, "--no-deps", "--require-hashes", "-r", str(LOCK)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            told = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise UserError(f"Pathway cannot be installed: {told[-1]}")
    (FOLDER / ".made-from").write_text(_wanted(), encoding="utf-8")
    return interpreter


def _wanted() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()
