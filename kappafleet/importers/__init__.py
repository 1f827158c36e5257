"""Public data sets to message lines: one module per format, and the registry of them.

A module of a format has a `NAME`, a one-line `TITLE`, `files(path)` (what it would read, so that progress is
known) and `recordings(file)` (one file's `Recording`s or `Observations`). Adding a format: write the module, name it in
`FORMATS`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from kappafleet.errors import UserError
from kappafleet.importers import driveplotr_nds, nrel_cmap, sensor_community
from kappafleet.importers.recording import Observations, Recorded, Recording


class Format(Protocol):
    """What a module of a format offers."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """What users call the format."""

    @property
    def TITLE(self) -> str:  # noqa: N802
        """One line: what it is, and which files it reads."""

    def files(self, path: Path) -> list[Path]:
        """The files of `path` that `recordings` would read, each vehicle's or sensor's in the order of time."""

    def recordings(self, file: Path) -> Iterator[Recorded]:
        """What one file holds."""


_MODULES: tuple[Format, ...] = (nrel_cmap, driveplotr_nds, sensor_community)

FORMATS: dict[str, Format] = {module.NAME: module for module in _MODULES}


def format_named(name: str) -> Format:
    """The format called `name`.

    Raises:
        UserError: there is none; the message lists those there are.
    """
    if name not in FORMATS:
        raise UserError(f"unknown format {name!r}; known: {', '.join(FORMATS)}")
    return FORMATS[name]


__all__ = ["FORMATS", "Format", "Observations", "Recorded", "Recording", "format_named"]
