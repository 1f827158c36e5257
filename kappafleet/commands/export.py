"""``kappafleet export``: a fleet's day or month as a workbook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command(name="export")(export)


def export(
    fleet: Annotated[str, typer.Argument(help="The fleet, such as default.")],
    day: Annotated[str | None, typer.Option(help="A day, such as 2026-11-21. Default: today.")] = None,
    month: Annotated[str | None, typer.Option(help="A month, such as 2026-11.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="FILE.xlsx, or a folder. Default: FLEET_PERIOD.xlsx here.")
    ] = None,
) -> None:
    """Write a fleet's drivers, trips and events of a day or a month as a workbook for spreadsheets (.xlsx)."""
    import asyncio
    from datetime import UTC, datetime

    from connectors.cassandra_client import connect
    from kappafleet.connections import CassandraConnection
    from kappafleet.errors import UserError
    from serving.keys import LOCAL
    from serving.problems import Problem
    from serving.store import Store
    from serving.workbook import safe_name
    from serving.workbooks import fleet_period

    given = {name: value for name, value in (("day", day), ("month", month)) if value is not None}

    with connect(CassandraConnection.from_environment()) as session:

        async def made() -> tuple[bytes, str]:
            return await fleet_period(Store(session), fleet, given, LOCAL, datetime.now(UTC))

        try:
            body, period = asyncio.run(made())
        except Problem as problem:
            raise UserError(problem.detail) from problem
    path = to or Path()
    if path.is_dir():
        path = path / f"{safe_name([fleet, period])}.xlsx"
    try:
        path.write_bytes(body)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    print(path)
