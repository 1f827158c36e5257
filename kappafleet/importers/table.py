"""Reading a published CSV file: plain or gzip, columns by name, errors that name file and line."""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from kappafleet.errors import UserError

MISSING = frozenset({"", "NA", "NaN", "nan"})

MPH_TO_KMH = 1.609344
"""Exact: the international mile is 1609.344 m."""
MILE_TO_M = 1609.344
MPH_S_TO_MS2 = 0.44704
"""Exact: mph per second in m/s²."""
G_TO_MS2 = 9.80665
"""Exact: standard gravity."""


def rows(
    path: Path, columns: Sequence[str], what: str, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """Each row of `path` as (line number, the cells of `columns`).

    Args:
        path: a CSV file with a header; gzip when its name ends in `.gz`.
        columns: the columns wanted, in the order wanted; further ones are ignored.
        what: what the file should be, for the error message.
        delimiter: what stands between two cells.

    Raises:
        UserError: the file can't be read, lacks a column, or has a row that is too short.
    """
    try:
        open_text = gzip.open if path.suffix == ".gz" else open
        with open_text(path, "rt", encoding="utf-8", newline="") as text:
            reader = csv.reader(text, delimiter=delimiter)
            header = next(reader, [])
            missing = [name for name in columns if name not in header]
            if missing:
                raise UserError(
                    f"{path} is not {what}: its header lacks {', '.join(missing)}; "
                    "is the path or the format wrong?"
                )
            places = [header.index(name) for name in columns]
            width = max(places) + 1
            for row in reader:
                if len(row) < width:
                    raise UserError(
                        f"{path} line {reader.line_num}: {len(row)} cells where {len(header)} are expected"
                    )
                yield reader.line_num, [row[place] for place in places]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} can't be read as {what}: {error}") from error


def header(path: Path, what: str, delimiter: str = ",") -> list[str]:
    """The names of the columns of `path`, as `rows` reads it.

    Raises:
        UserError: the file can't be read.
    """
    try:
        open_text = gzip.open if path.suffix == ".gz" else open
        with open_text(path, "rt", encoding="utf-8", newline="") as text:
            return next(csv.reader(text, delimiter=delimiter), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} can't be read as {what}: {error}") from error


def number(cell: str, path: Path, line: int, column: str) -> float | None:
    """The cell's value; None when it is missing.

    Raises:
        UserError: the cell holds something that is not a finite number.
    """
    if cell in MISSING:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{path} line {line}: {column} is {cell!r}, not a number")
    return value


def scaled(value: float | None, factor: float) -> float | None:
    """`value * factor` with six decimals, far below what any source resolves; None stays None."""
    return None if value is None else round(value * factor, 6) + 0.0  # + 0.0: no negative zero
