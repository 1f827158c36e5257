"""`kappafleet context FOLDER`: an index of the key terms of reference texts, for the job sensor_windows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from kappafleet.errors import UserError


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(name="context")(context)


def context(
    folder: Annotated[Path, typer.Argument(help="Reference texts: .txt (UTF-8) and .epub files.")],
    out: Annotated[Path, typer.Option(help="Where to write the index (.json).")],
) -> None:
    """Extract key terms from reference texts, by what their passages are about: pollutant, weather, season, place.

    Needs scikit-learn: pip install 'kappafleet[context]'. The same texts give the same index.
    """
    from conf.context import topics
    from kappafleet.reference_texts import index, texts

    found = index(texts(folder), topics())
    try:
        out.write_text(
            json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
    except OSError as error:
        raise UserError(f"{out} can't be written: {error}") from error
    print(f"{len(found.entries):,} terms of {len(found.sources)} texts -> {out}", file=sys.stderr)
