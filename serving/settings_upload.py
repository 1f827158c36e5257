"""Reads a workbook that somebody gives back: bounded, and nothing in it is run or followed.

Before a spreadsheet library sees the file it is looked at as a zip: how many parts there are, how large they become,
how much larger than they are, and whether any holds what no workbook of settings needs (macros, links to other files,
embedded objects, data connections, entities of XML). Then only the cells that a sheet may have are read.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter

from serving.settings_sheets import MOST_ROWS, SHEETS, Cell, Key, Sheet, Values, rows_of_text, sheet
from serving.settings_workbook import HIDDEN, PIECE, READ_ME, SCHEDULED

MOST_BYTES = 16 * 1024 * 1024
MOST_INFLATED_BYTES = 64 * 1024 * 1024
MOST_PARTS = 200
MOST_RATIO = 200
"""How many times larger than packed a part of over a megabyte may be; what LibreOffice and Excel write is below 40."""
MOST_COLUMNS = 40
MOST_ERRORS = 1000

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_SMALL = 1024 * 1024
_CHUNK = 1024 * 1024
_UNWANTED = (
    ("vbaproject", "macros"),
    ("xl/macrosheets/", "macros"),
    ("xl/dialogsheets/", "macros"),
    ("xl/externallinks/", "links to other files"),
    ("xl/embeddings/", "embedded objects"),
    ("xl/activex/", "ActiveX controls"),
    ("xl/connections.xml", "data connections"),
    ("xl/querytables/", "data connections"),
    ("customui/", "a user interface of its own"),
)


class Refused(ValueError):
    """The file as a whole cannot be used; the text, one line, is for people."""


class CellError(NamedTuple):
    """What is wrong with a cell."""

    sheet: str
    cell: str
    reason: str


class Row(NamedTuple):
    """A row as it was given, and where its cells are."""

    key: Key
    values: Values
    cells: dict[str, str]


@dataclass(slots=True)
class Upload:
    """What a workbook says.

    Attributes:
        version: of the settings that were exported.
        before: what these were.
        rows: by sheet; a sheet that is not there was not edited.
        errors: what could not be read.
    """

    version: str
    before: dict[str, dict[Key, Values]]
    rows: dict[str, list[Row]] = field(default_factory=dict)
    errors: list[CellError] = field(default_factory=list)


def read(data: bytes) -> Upload:
    """Reads a workbook.

    Raises:
        Refused: the file is none, is too large, or holds what is not taken.
    """
    look(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
    except RecursionError:
        raise Refused("the workbook is nested too deeply") from None
    except Exception as error:
        # openpyxl raises whatever a malformed part led to: KeyError, TypeError, ValueError and more.
        raise Refused(f"this is no workbook that can be read: {_first_line(error)}") from error
    try:
        return _read(book)
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"a sheet of the workbook cannot be read: {_first_line(error)}") from error
    finally:
        book.close()


def look(data: bytes) -> None:
    """Looks at a file as a zip, without keeping what is in it.

    Raises:
        Refused: it is not what ``read`` takes.
    """
    if len(data) > MOST_BYTES:
        raise Refused(f"the file has {len(data):,} bytes, at most {MOST_BYTES:,} are read")
    if data.startswith(_OLE):
        raise Refused("the file is encrypted, or of the old format .xls: save it as .xlsx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _look(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, OSError) as error:
        raise Refused(f"this is no .xlsx file: {_first_line(error)}") from error
    except RuntimeError as error:  # it wants a password
        raise Refused("the file is encrypted: save it without a password") from error


def _look(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    if len(parts) > MOST_PARTS:
        raise Refused(f"the file has {len(parts):,} parts, at most {MOST_PARTS} are read")
    names = [part.filename.lower() for part in parts]
    if len(set(names)) < len(names):
        raise Refused("the file has two parts of the same name")
    if sum(part.file_size for part in parts) > MOST_INFLATED_BYTES:
        raise Refused(f"unpacked the file would have more than {MOST_INFLATED_BYTES:,} bytes")
    for part, name in zip(parts, names, strict=True):
        if part.flag_bits & 1:
            raise Refused("the file is encrypted: save it without a password")
        found = next((what for piece, what in _UNWANTED if piece in name), None)
        if found:
            raise Refused(f"the workbook holds {found}: save it without them")
        if part.file_size > _SMALL and part.file_size > MOST_RATIO * max(part.compress_size, 1):
            raise Refused(
                f"part {part.filename[:100]} would unpack to {part.file_size:,} bytes: that is no sheet"
            )
        if name.endswith((".xml", ".rels", ".vml")):
            _look_at_xml(archive, part)
    if "[content_types].xml" not in names or "xl/workbook.xml" not in names:
        raise Refused("this is no .xlsx file: it holds no workbook")


def _look_at_xml(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Refuses a document type, with which entities come, and encodings that could hide one: nobody writes them."""
    with archive.open(part) as file:
        before = b""
        while piece := file.read(_CHUNK):
            window = before + piece
            if not before and window.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00")):
                raise Refused(f"part {part.filename[:100]} is not in UTF-8")
            if b"<!DOCTYPE" in window or b"<!ENTITY" in window:
                raise Refused(
                    f"part {part.filename[:100]} declares a document type: no spreadsheet writes that"
                )
            if b"macroEnabled" in window and part.filename.lower() == "[content_types].xml":
                raise Refused("the workbook holds macros: save it without them")
            before = window[-16:]


def _read(book: Any) -> Upload:
    names = list(book.sheetnames)
    if HIDDEN not in names:
        raise Refused(
            f"the workbook has no sheet {HIDDEN}, which says what was exported: export one, and edit that"
        )
    version, before = _exported(book[HIDDEN])
    found = Upload(version, before)
    for name in names:
        if name in (HIDDEN, READ_ME, SCHEDULED):
            continue
        of = sheet(name)
        if of is None:
            known = ", ".join(each.name for each in SHEETS)
            found.errors.append(
                CellError(name, "A1", f"there is no such sheet of settings; there are {known}")
            )
            continue
        found.rows[name] = list(_rows(book[name], of, found.errors))
        if len(found.errors) >= MOST_ERRORS:
            break
    return found


def _exported(page: Any) -> tuple[str, dict[str, dict[Key, Values]]]:
    told: dict[str, list[str]] = {}
    for cells in page.iter_rows(max_row=MOST_INFLATED_BYTES // PIECE, max_col=2):
        pair = [each.value for each in cells]
        if len(pair) == 2 and all(isinstance(each, str) for each in pair):
            told.setdefault(pair[0], []).append(pair[1])
    try:
        (version,) = told["version"]
        return version, rows_of_text("".join(told["settings"]))
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise Refused(f"sheet {HIDDEN} was changed: export a workbook anew, and edit that") from None


def _rows(page: Any, of: Sheet, errors: list[CellError]) -> Iterator[Row]:
    """The rows of a sheet; what is wrong with them goes to ``errors``, and they are left out."""
    lines = page.iter_rows(max_row=MOST_ROWS + 2, max_col=MOST_COLUMNS)
    columns = _columns(next(lines, ()), of, errors)
    if columns is None:
        return
    seen: dict[Key, int] = {}
    for number, cells in enumerate(lines, start=2):
        by_name = {name: cells[index] for name, index in columns.items() if index < len(cells)}
        if all(_is_empty(cell) for cell in cells):
            continue
        if number > MOST_ROWS + 1:
            errors.append(CellError(of.name, f"A{number}", f"more than {MOST_ROWS:,} rows are not read"))
            return
        places = {name: f"{get_column_letter(index + 1)}{number}" for name, index in columns.items()}
        wrong = len(errors)
        for index, cell in enumerate(cells):
            if index not in columns.values() and not _is_empty(cell):
                place = f"{get_column_letter(index + 1)}{number}"
                errors.append(CellError(of.name, place, "this column has no heading"))
        read = {
            name: _value(cell, CellError(of.name, places[name], ""), errors) for name, cell in by_name.items()
        }
        if len(errors) > wrong:
            if len(errors) >= MOST_ERRORS:
                return
            continue
        key: Key = tuple(read.get(each.name) for each in of.keys)
        if key in seen:
            errors.append(CellError(of.name, places[of.keys[0].name], f"row {seen[key]} is about the same"))
            continue
        seen[key] = number
        yield Row(key, {each.name: read.get(each.name) for each in of.values}, places)


def _columns(heading: Sequence[Any], of: Sheet, errors: list[CellError]) -> dict[str, int] | None:
    """Where each column is; None where they are not those of the sheet."""
    wrong = len(errors)
    found: dict[str, int] = {}
    known = {each.name for each in of.columns}
    for index, cell in enumerate(heading):
        place = f"{get_column_letter(index + 1)}1"
        if _is_empty(cell):
            continue
        name = str(cell.value).strip()
        if name not in known:
            names = ", ".join(each.name for each in of.columns)
            errors.append(CellError(of.name, place, f"there is no column {name[:60]!r}; there are {names}"))
        elif name in found:
            errors.append(CellError(of.name, place, f"column {name} is there twice"))
        else:
            found[name] = index
    for each in of.columns:
        if each.name not in found and len(errors) == wrong:
            errors.append(CellError(of.name, "A1", f"column {each.name} is missing"))
    return found if len(errors) == wrong else None


def _is_empty(cell: Any) -> bool:
    return cell.value is None or (isinstance(cell.value, str) and not cell.value.strip())


def _value(cell: Any, at: CellError, errors: list[CellError]) -> Cell:
    """What a cell says, as a text or a number; a formula is neither, whatever it last gave."""
    value = cell.value
    reason = None
    if _is_empty(cell):
        return None
    if cell.data_type == "f":
        reason = "a formula: write the value itself"
    elif cell.data_type == "e":
        reason = f"an error value ({value})"
    elif isinstance(value, bool):
        reason = "true or false: neither a text nor a number"
    elif isinstance(value, datetime | date | time | timedelta):
        reason = "a date or time: format the cell as a number or text"
    elif isinstance(value, int | float):
        return float(value)
    elif isinstance(value, str):
        return value.strip()
    else:
        reason = "neither a text nor a number"
    errors.append(at._replace(reason=reason))
    return None


def _first_line(error: Exception) -> str:
    if isinstance(error, ParseError):
        return f"malformed XML, {error}"
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200]
