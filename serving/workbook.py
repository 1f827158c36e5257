"""A fleet's day or month as a workbook (.xlsx): formatted, with filters, charts and a sheet of definitions.

No text of the data can act as a formula: every text is written as a text, marked as quoted, without characters that
XML cannot carry. The totals are the workbook's only formulas, and these are ours.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import Cell
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from schemas.tables import Column
from serving.definitions import Form, definition
from serving.store import Row

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_ROWS = 100_000
"""Of one workbook; spreadsheets take a million, people do not."""

_LONGEST_TEXT = 32_767
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SECONDS_PER_DAY = 86_400
_HEAD = PatternFill("solid", fgColor="1F4E5F")
_TOTALS = PatternFill("solid", fgColor="E6EEF1")
_MOST_BARS = 25


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of one table.

    Attributes:
        name: of the sheet.
        columns: in their order; the first ones are what the rows are about.
        rows: as the tables have them.
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Row]


def workbook(fleet: str, period: str, version: int, sheets: Sequence[Sheet], made: datetime) -> bytes:
    """Makes a workbook.

    Args:
        fleet: whose.
        period: a day or a month.
        version: of the tables.
        sheets: the first is the leaderboard: one row a driver.
        made: when.

    Returns:
        The file.
    """
    book = Workbook(write_only=True)
    book.properties.title = _text(f"{fleet} {period}")
    book.properties.creator = "kappafleet"
    book.properties.created = book.properties.modified = made.astimezone(UTC).replace(tzinfo=None)
    _summary(book, fleet, period, version, sheets, made)
    for sheet in sheets:
        _rows(book, sheet)
    _definitions(book, sheets)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _summary(
    book: Workbook, fleet: str, period: str, version: int, sheets: Sequence[Sheet], made: datetime
) -> None:
    page = book.create_sheet("Summary")
    page.column_dimensions["A"].width = 26
    page.column_dimensions["B"].width = 32
    drivers = sheets[0]
    last = len(drivers.rows) + 2
    page.append([_styled(page, f"{fleet}: {period}", bold=True, size=16)])
    page.append([_styled(page, "Fleet", bold=True), _styled(page, fleet)])
    page.append([_styled(page, "Period", bold=True), _styled(page, period)])
    page.append([_styled(page, "Made (UTC)", bold=True), _moment(page, made)])
    page.append([_styled(page, "Tables' version", bold=True), version])
    page.append([_styled(page, "Drivers", bold=True), len(drivers.rows)])
    names = [column.name for column in drivers.columns]
    for name in ("distance_km", "drive_s", "idle_s", "harsh_accel", "harsh_brake", "harsh_corner"):
        if name in names and drivers.rows:
            letter = get_column_letter(names.index(name) + 1)
            cell = WriteOnlyCell(page, f"=SUM('{drivers.name}'!{letter}3:{letter}{last})")
            cell.number_format = definition(name).form.value
            page.append([_styled(page, definition(name).label, bold=True), cell])
    if drivers.rows:
        _chart(page, drivers, "distance_km", "D2")
        scored = "score" in names and any(row[names.index("score")] is not None for row in drivers.rows)
        _chart(page, drivers, "score" if scored else "harsh_brake", "D20")


def _chart(page: WriteOnlyWorksheet, drivers: Sheet, name: str, place: str) -> None:
    names = [column.name for column in drivers.columns]
    if name not in names:
        return
    chart = BarChart()
    chart.type = "bar"
    chart.title = definition(name).label
    chart.legend = None
    chart.height, chart.width = 8.5, 18
    chart.x_axis.scaling.orientation = "maxMin"  # the first row on top
    chart.x_axis.delete = chart.y_axis.delete = False
    last = min(len(drivers.rows), _MOST_BARS) + 2
    # The sheet comes after this one, so the references are texts.
    values, labels = (get_column_letter(names.index(each) + 1) for each in (name, "driver_id"))
    chart.add_data(
        Reference(range_string=f"'{drivers.name}'!${values}$3:${values}${last}"), titles_from_data=False
    )
    chart.set_categories(Reference(range_string=f"'{drivers.name}'!${labels}$3:${labels}${last}"))
    page.add_chart(chart, place)  # type: ignore[misc]  # openpyxl's own alias of Worksheet's method


def _rows(book: Workbook, sheet: Sheet) -> None:
    page = book.create_sheet(sheet.name)
    forms = [_form(column) for column in sheet.columns]
    last, width = len(sheet.rows) + 2, get_column_letter(len(sheet.columns))
    page.freeze_panes = f"{get_column_letter(min(2, len(sheet.columns)))}3"
    page.auto_filter.ref = f"A2:{width}{max(last, 2)}"
    for index, column in enumerate(sheet.columns):
        longest = max(
            [len(definition(column.name).label), *(len(str(row[index])) for row in sheet.rows[:200])]
        )
        limit = 14 if forms[index] in (Form.NUMBER, Form.COUNT, Form.DURATION) else 40
        page.column_dimensions[get_column_letter(index + 1)].width = min(max(longest + 2, 9), max(limit, 21))
    page.append(_totals(page, sheet, forms, last))
    page.append([_head(page, definition(column.name).label) for column in sheet.columns])
    for row in sheet.rows:
        page.append([_cell(page, form, value) for form, value in zip(forms, row, strict=True)])


def _totals(page: WriteOnlyWorksheet, sheet: Sheet, forms: Sequence[Form], last: int) -> list[Cell]:
    """Sums of what the filter shows."""
    found = []
    for index, (column, form) in enumerate(zip(sheet.columns, forms, strict=True)):
        cell = WriteOnlyCell(page, "Shown" if index == 0 else None)
        letter = get_column_letter(index + 1)
        if sheet.rows and (form is Form.DURATION or column.name in _ADDED):
            cell.value = f"=SUBTOTAL(109,{letter}3:{letter}{last})"
            cell.number_format = form.value
        cell.font, cell.fill = Font(bold=True), _TOTALS
        found.append(cell)
    return found


_ADDED = frozenset({"distance_km", "harsh_accel", "harsh_brake", "harsh_corner", "n_samples"})


def _definitions(book: Workbook, sheets: Sequence[Sheet]) -> None:
    page = book.create_sheet("Definitions")
    for letter, width in (("A", 24), ("B", 24), ("C", 90)):
        page.column_dimensions[letter].width = width
    page.freeze_panes = "A2"
    page.append([_head(page, text) for text in ("Heading", "Column", "Meaning")])
    seen = dict.fromkeys(column.name for sheet in sheets for column in sheet.columns)
    for name in seen:
        found = definition(name)
        page.append([_styled(page, text) for text in (found.label, name, found.meaning)])
    page.append([])
    page.append([_styled(page, "Sums in the first line of a sheet are of the rows that its filter shows.")])


def _form(column: Column) -> Form:
    if column.cql_type == "timestamp":
        return Form.TIME
    found = definition(column.name).form
    if found is Form.TEXT and column.cql_type in ("int", "bigint"):
        return Form.COUNT
    return Form.NUMBER if found is Form.TEXT and column.cql_type == "double" else found


def _cell(page: WriteOnlyWorksheet, form: Form, value: Any) -> Cell | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return _styled(page, "yes" if value else "no")
    if isinstance(value, datetime):
        return _moment(page, value)
    if isinstance(value, int | float):
        if not math.isfinite(value):
            return None
        cell = WriteOnlyCell(page, value / _SECONDS_PER_DAY if form is Form.DURATION else value)
        cell.number_format = form.value
        return cell
    return _styled(page, str(value))


def _moment(page: WriteOnlyWorksheet, value: datetime) -> Cell:
    cell = WriteOnlyCell(page, value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)
    cell.number_format = Form.TIME.value
    return cell


def _head(page: WriteOnlyWorksheet, text: str) -> Cell:
    cell = _styled(page, text, bold=True)
    cell.font, cell.fill = Font(bold=True, color="FFFFFF"), _HEAD
    cell.alignment = Alignment(wrap_text=True, vertical="center")
    return cell


def _styled(page: WriteOnlyWorksheet, text: str, *, bold: bool = False, size: int = 11) -> Cell:
    """A text as a text: neither a spreadsheet nor openpyxl may take it for a formula or an error value."""
    cell = WriteOnlyCell(page, _text(text))
    cell.data_type = "s"
    cell.number_format = "@"
    cell.quotePrefix = True
    if bold:
        cell.font = Font(bold=True, size=size)
    return cell


def _text(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)[:_LONGEST_TEXT]


def safe_name(texts: Iterable[str]) -> str:
    """A file's name of some texts: letters, digits, dots and dashes."""
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.") or "x" for text in texts)[:120]
