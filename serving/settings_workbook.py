"""Settings as a workbook (.xlsx) that people edit and give back.

What may be edited is white, the rest is grey. A hidden sheet holds the version of the settings, and what they were, so
that an import can tell what was edited and whether somebody else has changed something since.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import Cell as PageCell
from openpyxl.styles import Font, PatternFill, Protection
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet
from openpyxl.worksheet.datavalidation import DataValidation

from schemas.references import Field
from serving.settings_sheets import MOST_ROWS, SHEETS, Cell, InForce, Key, Sheet, Values
from serving.workbook import head, styled

READ_ME, SCHEDULED, HIDDEN = "Read me", "Scheduled", "kappafleet"
PIECE = 30_000
"""Characters of a hidden cell; spreadsheets take 32,767."""
_GREY = PatternFill("solid", fgColor="ECEFF1")
_HOW = (
    "Edit white cells, or add rows below (not to Thresholds and Score weights). Rows and sheets that you remove stay "
    "as they are. Then: kappafleet settings import FILE.xlsx (with --dry-run it only says what would change)."
)


def settings_workbook(settings: InForce, made: datetime) -> bytes:
    """Makes a workbook.

    Args:
        settings: what is in force.
        made: when.

    Returns:
        The file.
    """
    book = Workbook(write_only=True)
    book.properties.title = "kappafleet settings"
    book.properties.creator = "kappafleet"
    book.properties.created = book.properties.modified = made.astimezone(UTC).replace(tzinfo=None)
    left_out = [each.name for each in SHEETS if len(settings.rows[each.name]) > MOST_ROWS]
    _read_me(book, settings, made, left_out)
    for each in SHEETS:
        if each.name not in left_out:
            _rows(book, each, settings.rows[each.name])
    _scheduled(book, settings)
    _hidden(book, settings, left_out)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _read_me(book: Workbook, settings: InForce, made: datetime, left_out: list[str]) -> None:
    page = book.create_sheet(READ_ME)
    page.column_dimensions["A"].width, page.column_dimensions["B"].width = 22, 110
    page.append([styled(page, "Settings of kappafleet", bold=True, size=16)])
    lines = [
        ("Version", settings.version()),
        ("In force at (UTC)", f"{made.astimezone(UTC):%Y-%m-%d %H:%M:%S}"),
    ]
    lines += [("How to", _HOW), *((each.name, each.about) for each in SHEETS)]
    lines += [
        (name, f"left out: more than {MOST_ROWS:,} rows; change them with kappafleet publish")
        for name in left_out
    ]
    for title, text in lines:
        page.append([styled(page, title, bold=True), styled(page, text)])


def _rows(book: Workbook, sheet: Sheet, rows: dict[Key, Values]) -> None:
    page = book.create_sheet(sheet.name)
    page.freeze_panes = f"{get_column_letter(len(sheet.keys) + 1)}2"
    for index, column in enumerate(sheet.columns):
        page.column_dimensions[get_column_letter(index + 1)].width = 26 if column.kind == "string" else 15
        _validate(page, get_column_letter(index + 1), column)
    page.append([head(page, column.name) for column in sheet.columns])
    for key in sorted(rows, key=_order):
        page.append(
            [
                *(_cell(page, value, edits=False) for value in key),
                *(_cell(page, rows[key].get(column.name), edits=True) for column in sheet.values),
            ]
        )


def _order(key: Key) -> list[tuple[bool, str, float]]:
    """Empty cells last."""
    return [
        (value is None, value if isinstance(value, str) else "", value if isinstance(value, float) else 0.0)
        for value in key
    ]


def _validate(page: WriteOnlyWorksheet, letter: str, column: Field) -> None:
    """Lets the spreadsheet itself refuse what no import takes."""
    if column.kind != "number":
        return
    least = column.minimum if column.minimum is not None else column.above
    if least is None or column.maximum is None:
        return
    rule = DataValidation(
        type="decimal", operator="between", formula1=f"{least:g}", formula2=f"{column.maximum:g}"
    )
    rule.error = f"{column.name}: a number from {least:g} to {column.maximum:g}"
    rule.showErrorMessage = True
    rule.add(f"{letter}2:{letter}{MOST_ROWS + 1}")
    page.data_validations.append(rule)  # type: ignore[attr-defined]  # the stubs lack it


def _scheduled(book: Workbook, settings: InForce) -> None:
    page = book.create_sheet(SCHEDULED)
    for letter, width in (("A", 18), ("B", 36), ("C", 24), ("D", 20), ("E", 20)):
        page.column_dimensions[letter].width = width
    page.append([head(page, text) for text in ("Sheet", "Row", "From (UTC)", "Column", "Value")])
    for each in sorted(settings.scheduled, key=lambda one: (one.from_ms, one.sheet, _order(one.key)))[
        :MOST_ROWS
    ]:
        row = " ".join(f"{value:g}" if isinstance(value, float) else value or "-" for value in each.key)
        for name, value in each.values:
            page.append(
                [
                    styled(page, each.sheet),
                    styled(page, row),
                    styled(page, moment(each.from_ms)),
                    styled(page, name),
                    _cell(page, value, edits=False),
                ]
            )


def _hidden(book: Workbook, settings: InForce, left_out: list[str]) -> None:
    page = book.create_sheet(HIDDEN)
    page.sheet_state = "hidden"
    page.append([styled(page, "version"), styled(page, settings.version())])
    page.append([styled(page, "left out"), styled(page, ",".join(left_out))])
    kept = InForce(
        {name: rows for name, rows in settings.rows.items() if name not in left_out}, {}, settings.scheduled
    )
    text = kept.text()
    for start in range(0, len(text), PIECE):
        page.append([styled(page, "settings"), styled(page, text[start : start + PIECE])])


def moment(ms: int) -> str:
    """A time for people, UTC; beyond the calendar as it is."""
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"


def _cell(page: WriteOnlyWorksheet, value: Cell, *, edits: bool) -> PageCell:
    if isinstance(value, str):
        cell = styled(page, value)
    else:
        cell = WriteOnlyCell(page, value)
        cell.number_format = "General"
    if edits:
        cell.protection = Protection(locked=False)
    else:
        cell.fill = _GREY
        cell.font = Font(color="455A64")
    return cell
