"""Workbooks: what they hold, that no text in them is a formula, and that LibreOffice opens them without an error."""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import subprocess
import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from cassandra.cluster import Session
from openpyxl.worksheet.worksheet import Worksheet

from schemas.tables import Column
from serving import keys
from serving.keys import LOCAL
from serving.problems import Problem
from serving.store import Store
from serving.workbook import Sheet, safe_name, workbook
from serving.workbooks import fleet_period
from tests.serving.conftest import Client
from tests.serving.tables import HOSTILE, NOW

HOSTILE_TEXTS = (
    HOSTILE,
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    '=HYPERLINK("http://evil.example","open")',
    "#REF!",
    "\x00\x01\ud800",
    "x" * 40_000,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def book_of(drivers: tuple[str, ...]) -> bytes:
    columns = (
        Column("driver_id", "text"),
        Column("distance_km", "double"),
        Column("drive_s", "double"),
        Column("harsh_brake", "int"),
        Column("final", "boolean"),
        Column("updated_at", "timestamp"),
    )
    rows = [
        (driver, 10.5 + index, 5400.0, index, True, datetime(2026, 11, 21))
        for index, driver in enumerate(drivers)
    ]
    return workbook(HOSTILE, "2026-11-21", 1, [Sheet("Drivers", columns, rows)], NOW)


def sheet(body: bytes, name: str) -> Worksheet:
    found = openpyxl.load_workbook(io.BytesIO(body))[name]
    assert isinstance(found, Worksheet)
    return found


def test_no_text_of_the_data_is_a_formula() -> None:
    body = book_of(HOSTILE_TEXTS)
    page = sheet(body, "Drivers")
    for index, text in enumerate(HOSTILE_TEXTS):
        cell = page.cell(index + 3, 1)
        assert cell.data_type == "s", text[:20]
        assert cell.quotePrefix
        if len(text) < 1000 and "\x00" not in text:
            assert cell.value == text
    formulas = [
        cell.value
        for name in ("Summary", "Drivers", "Definitions")
        for row in sheet(body, name).iter_rows()
        for cell in row
        if cell.data_type == "f"
    ]
    assert formulas
    assert all(text.startswith(("=SUM('Drivers'!", "=SUBTOTAL(109,")) for text in formulas)


def _parts(body: bytes, prefix: str) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return [archive.read(name) for name in archive.namelist() if name.startswith(prefix)]


def test_numbers_times_and_durations_are_such_and_formatted() -> None:
    page = sheet(book_of(("anna", "ben")), "Drivers")
    assert [cell.value for cell in page[2]][:3] == ["Driver", "Distance, km", "Driving, h:mm:ss"]
    assert page["B3"].value == 10.5
    assert page["C3"].number_format == "[hh]:mm:ss"
    assert page["F3"].value == datetime(2026, 11, 21)
    assert page.auto_filter.ref == "A2:F4"
    assert page.freeze_panes == "B3"


def test_a_summary_has_charts_and_every_column_its_definition() -> None:
    body = book_of(("anna", "ben"))
    assert len(_parts(body, "xl/charts/chart")) == 2
    defined = {row[1].value for row in sheet(body, "Definitions").iter_rows(min_row=2) if len(row) > 1}
    assert {"driver_id", "distance_km", "drive_s", "harsh_brake"} <= defined


def test_a_name_of_a_file_has_nothing_to_fear_in_it() -> None:
    assert safe_name(['a"\r\nSet-Cookie: x', "../..", "2026-11"]) == "a-Set-Cookie-x_x_2026-11"


@pytest.mark.anyio
async def test_a_fleets_day_has_its_drivers_trips_and_events(client: Client) -> None:
    answer = await client().get("/v1/fleets/north/workbook?day=2026-11-21")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="north_2026-11-21.xlsx"'
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert book.sheetnames == ["Summary", "Drivers", "Trips", "Events", "Definitions"]
    assert [row[0].value for row in book["Drivers"].iter_rows(min_row=3)] == ["anna", HOSTILE]
    # Of Anna's three events one is void, and one was in a vehicle of another fleet.
    assert book["Events"].max_row == 3


@pytest.mark.anyio
async def test_a_month_adds_a_drivers_days_up(client: Client) -> None:
    answer = await client().get("/v1/fleets/south/workbook?month=2026-11")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    days = [row[0].value for row in book["Days"].iter_rows(min_row=3)]
    assert sorted(set(days)) == ["anna", "ben"]
    names = [cell.value for cell in book["Drivers"][2]]
    row = next(row for row in book["Drivers"].iter_rows(min_row=3) if row[0].value == "anna")
    assert row[names.index("Distance, km")].value == sum(100.0 + day for day in range(1, 21, 2))
    assert "Score" not in names  # a score is of a day


@pytest.mark.anyio
async def test_a_wrong_period_or_fleet_is_refused(client: Client, tmp_path: Path) -> None:
    asking = client()
    for query in ("day=2026-11-21&month=2026-11", "day=tomorrow", "month=2026-13", "year=2026"):
        assert (await asking.get(f"/v1/fleets/north/workbook?{query}")).status_code == 400, query
    token = keys.add(tmp_path / "keys.yaml", "north", "reader", ["north"])
    scoped = client(keys=tmp_path / "keys.yaml", token=token)
    assert (await scoped.get("/v1/fleets/south/workbook")).status_code == 403
    assert (await scoped.get("/v1/fleets/north/workbook")).status_code == 200


def test_more_rows_than_a_workbook_takes_are_refused(
    filled: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.workbooks.MAX_ROWS", 3)
    with pytest.raises(Problem, match="more than 3 rows") as problem:
        asyncio.run(fleet_period(Store(filled), "north", {"month": "2026-11"}, LOCAL, NOW))
    assert problem.value.status == 413


@pytest.mark.skipif(
    not shutil.which("soffice"), reason="LibreOffice is not installed (libreoffice-calc-nogui)"
)
def test_libreoffice_opens_it_and_recalculates_without_an_error(tmp_path: Path) -> None:
    texts = HOSTILE_TEXTS[:-1]  # LibreOffice takes minutes to lay out a word of 32,767 letters
    (tmp_path / "book.xlsx").write_bytes(book_of(texts))
    run = subprocess.run(
        [
            "soffice",
            f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
            "--headless",
            "--convert-to",
            "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1",
            "--outdir",
            str(tmp_path),
            str(tmp_path / "book.xlsx"),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    sheets = {path.stem: path.read_text("utf-8") for path in tmp_path.glob("book-*.csv")}
    assert set(sheets) == {"book-Summary", "book-Drivers", "book-Definitions"}
    summary = dict(row[:2] for row in csv.reader(io.StringIO(sheets["book-Summary"])) if len(row) > 1)
    assert summary["Distance, km"] == f"{sum(10.5 + index for index in range(len(texts))):,.1f}"
    drivers = list(csv.reader(io.StringIO(sheets["book-Drivers"])))
    assert drivers[0][2] == "13:30:00"
    assert drivers[3][0] == "=1+1"
    assert not any(cell.startswith(("Err:", "#NAME", "#VALUE", "#DIV")) for row in drivers for cell in row)
