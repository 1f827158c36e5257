"""`kappafleet settings export|import`: the settings in force as a workbook, and an edited one applied."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kappafleet.errors import UserError

if TYPE_CHECKING:
    from serving.settings_plan import Plan
    from serving.settings_upload import Upload


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    settings = typer.Typer(
        name="settings",
        help="Thresholds, score weights, speed limits, assignments and stations, as a workbook (.xlsx).",
        no_args_is_help=True,
    )
    settings.command(name="export")(export)
    settings.command(name="import")(import_)
    app.add_typer(settings)


def export(file: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="What to write.")]) -> None:
    """Write the settings in force as a workbook: those of conf/, and what was published over them."""
    from datetime import UTC, datetime

    from serving.settings_log import settings_in_force
    from serving.settings_workbook import settings_workbook

    found = settings_in_force()
    try:
        file.write_bytes(settings_workbook(found, datetime.now(UTC)))
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error
    print(f"{file}: settings of version {found.version()}")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="An export that was edited.")],
    effective_from: Annotated[
        str, typer.Option(help="From when on it holds: 2026-11-22T06:00 (UTC unless it says else), or now.")
    ] = "now",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Apply an edited workbook of settings: check each cell, show what changes, publish it.

    Nothing is applied where a cell is wrong, or where the settings have changed since the export.
    """
    from serving.settings_log import apply, planned
    from serving.settings_upload import MOST_BYTES, Refused, read

    from_ms = effective_ms(effective_from)
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    try:
        upload = read(data)
    except Refused as refused:
        raise UserError(f"{file}: {refused}") from refused
    found = planned(upload, from_ms)
    _stop_where_wrong(found)
    if not found.changes:
        print("nothing to change")
        return
    _show(found, from_ms)
    if dry_run:
        print("nothing was applied: --dry-run")
        return
    if not yes:
        typer.confirm("Apply?", abort=True)
    _applied(apply(upload, from_ms), upload)


def _applied(done: Plan, upload: Upload) -> None:
    _stop_where_wrong(done)
    print(f"applied: {len(done.changes)} cells of {len(done.rows)} rows, over version {upload.version}")


def effective_ms(text: str) -> int:
    """A time that a user gave, in epoch ms.

    Raises:
        UserError: it is none.
    """
    from serving.settings_times import BadTime
    from serving.settings_times import effective_ms as parsed

    try:
        return parsed(text)
    except BadTime as error:
        raise UserError(f"--effective-from {text}: {error}") from error


def _stop_where_wrong(found: Plan) -> None:
    """Tells every wrong cell and every conflict.

    Raises:
        UserError: there are some.
    """
    from serving.settings_plan import cell_text

    for error in found.errors:
        print(f"{error.sheet}!{error.cell}: {error.reason}", file=sys.stderr)
    if found.errors:
        raise UserError(f"{len(found.errors)} cells are wrong; nothing was applied")
    for each in found.conflicts:
        place = f"{each.sheet}!{each.cell or '(' + each.row + ')'} {each.column}"
        edited = "" if each.edited == each.exported else f", here {cell_text(each.edited)}"
        print(
            f"{place}: exported {cell_text(each.exported)}, now {cell_text(each.now)}{edited}",
            file=sys.stderr,
        )
    if found.outdated:
        raise UserError(
            f"the settings were changed since version {found.exported} was exported (now {found.version}); nothing was "
            "applied: export anew, and edit that"
        )


def _show(found: Plan, from_ms: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from serving.settings_plan import cell_text
    from serving.settings_workbook import moment

    table = Table("Sheet", "Cell", "Row", "Column", "Now", "Then", title=f"From {moment(from_ms)} UTC on")
    for each in found.changes:
        cells = (each.sheet, each.cell, each.row, each.column, cell_text(each.before), cell_text(each.after))
        table.add_row(*(Text(cell) for cell in cells))  # a text of the workbook is no markup
    Console(width=None if sys.stdout.isatty() else 160).print(table)
