"""`kappafleet aqi`: concentrations to an index of air quality, line by line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Annotated

import typer

from kappafleet.errors import UserError

LINES_AT_ONCE = 1 << 16
MAX_DIGITS = 1000

_NUMBER = re.compile(rf"(?=.{{1,{MAX_DIGITS}}}$)[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{{1,9}})?")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(name="aqi")(aqi)


def aqi(
    standard: Annotated[str, typer.Option(help="epa-2012, epa-2024, eaqi-2019 or eaqi-2024")],
    pollutant: Annotated[
        str,
        typer.Option(
            help="pm2_5, pm10, no2, o3 (the mean of 8 hours), o3_1h, so2 or co, where the standard has it"
        ),
    ],
) -> None:
    """One concentration per line on stdin, in the standard's unit; one index per line on stdout.

    US AQI (epa-*): µg/m³ of pm2_5 and pm10, ppb of no2 and so2, ppm of o3, o3_1h and co; the concentration is cut to
    the table's decimals, the index rounded half up; below 0 counts as 0; above 500 the last band goes on. European
    index (eaqi-*): µg/m³; the band, from 1 (good) to 6 (extremely poor); an upper edge belongs to the band below. An
    empty line stands for no concentration, and for no index: that of o3 ends at 0.200 ppm, that of o3_1h begins at
    0.125.

    Exit code 2: a line that is no number, or a standard or pollutant that there is not.
    """
    for line in index_lines(standard, pollutant, sys.stdin):
        sys.stdout.write(line)
    sys.stdout.flush()


def index_lines(standard: str, pollutant: str, lines: Iterable[str]) -> Iterator[str]:
    """The output for lines of input, many lines in one text.

    Raises:
        UserError: as ``aqi`` says; what stands before the wrong line was given out if it is far before it.
    """
    from conf.air_quality import STANDARDS
    from conf.air_quality import standard as table_of
    from jobs.sensor_windows.air_quality import NO_INDEX, indices_of_decimals

    if standard not in STANDARDS:
        raise UserError(f"--standard {standard}: there is none; known: {', '.join(STANDARDS)}")
    known = tuple(table_of(standard).pollutants)
    if pollutant not in known:
        raise UserError(f"--pollutant {pollutant}: {standard} has none; known: {', '.join(known)}")
    remaining = iter(lines)
    read = 0
    while chunk := [line.strip() for line in islice(remaining, LINES_AT_ONCE)]:
        different = dict.fromkeys(chunk)  # a monitor's file has few different concentrations
        different.pop("", None)
        for text in different:
            if not _NUMBER.fullmatch(text):
                raise UserError(f"stdin line {read + chunk.index(text) + 1}: {text[:40]!r} is no number")
        indices = indices_of_decimals(standard, pollutant, [Decimal(text) for text in different])
        shown = {
            text: "" if index == NO_INDEX else str(index)
            for text, index in zip(different, indices.tolist(), strict=True)
        }
        shown[""] = ""
        yield "".join(shown[text] + "\n" for text in chunk)
        read += len(chunk)
