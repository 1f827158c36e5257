"""``kappafleet key add|remove|list``: the API keys of ``kappafleet serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_key = typer.Typer(help="The API keys of kappafleet serve.")
_FILE = typer.Option(envvar="KF_SERVING_KEYS", help="File of keys.")


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.add_typer(_key, name="key")


@_key.command()
def add(
    name: Annotated[str, typer.Argument(help="Who it is for.")],
    keys: Annotated[Path, _FILE],
    role: Annotated[Literal["reader", "admin"], typer.Option(help="admin: also rejects.")] = "reader",
    fleet: Annotated[
        list[str] | None, typer.Option(help="Only this fleet; may be repeated. Default: all.")
    ] = None,
) -> None:
    """Add a key and print it; it is kept nowhere, so note it."""
    from serving import keys as file

    print(file.add(keys, name, role, fleet or []))


@_key.command()
def remove(
    name: Annotated[str, typer.Argument(help="Whose key.")],
    keys: Annotated[Path, _FILE],
) -> None:
    """Remove a key: a running server refuses it within a second."""
    from serving import keys as file

    file.remove(keys, name)


@_key.command(name="list")
def list_(keys: Annotated[Path, _FILE]) -> None:
    """List names, roles and fleets."""
    from serving import keys as file

    for each in file.load(keys):
        print(f"{each.name}\t{each.role}\t{', '.join(each.fleets) if each.fleets else 'all fleets'}")
