"""Settings as a workbook, edited and given back: cells that are wrong, conflicts, hostile files, LibreOffice."""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import subprocess
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from conf.parameters import load
from conf.rule_changes import Changeable, weights_of, with_weights
from conf.score import additive, weighted
from jobs.driver_stats.settings import Settings
from schemas.references import Value
from serving.settings_plan import Plan, messages, plan
from serving.settings_times import BadTime, effective_ms
from serving.settings_upload import MOST_BYTES, CellError, Refused, read
from tests.serving.settings_books import (
    CELL,
    CONF,
    HOUR_MS,
    KNOWN,
    NOW_MS,
    edited,
    exported,
    limit,
    log_of,
    login,
    rules,
    saved,
    settings,
    station,
    zipped,
)


def planned(data: bytes, told: list[dict[str, Any]] | None = None, from_ms: int = NOW_MS) -> Plan:
    return plan(read(data), settings(told), CONF[0], from_ms)


def published(
    data: bytes, told: list[dict[str, Any]] | None = None, from_ms: int = NOW_MS
) -> list[dict[str, Any]]:
    """The messages that an import would publish."""
    known = KNOWN if told is None else told
    now = settings(known)
    found = plan(read(data), now, CONF[0], from_ms)
    assert found.applies, (found.errors, found.conflicts)
    return [json.loads(body) for body in messages(found, now, CONF[0], log_of(known), from_ms)]


def row_of(sheet: str, *key: Value) -> int:
    """In which row of the export something stands."""
    page = openpyxl.load_workbook(io.BytesIO(exported()))[sheet]
    for number, row in enumerate(page.iter_rows(values_only=True), start=1):
        if tuple(row[: len(key)]) == key:
            return number
    raise AssertionError(f"{sheet} has no row {key}")


VAN = f"C{row_of('Thresholds', 'van')}"
BRAKE_WEIGHT = f"C{row_of('Score weights', 'additive_per_100km', 'harsh_brake')}"
LIMIT = f"D{row_of('Speed limits', CELL)}"


def test_the_workbook_has_what_conf_says_and_what_the_streams_say_over_it() -> None:
    rows = settings(
        [*KNOWN, rules("van", {"brake_ms2": 2.5}, NOW_MS), rules("bus", {"brake_ms2": 1}, NOW_MS + 1)]
    )
    of_job = Settings.load()
    assert tuple(each[0] for each in rows.rows["Thresholds"]) == of_job.vehicle_classes()
    van = of_job.harsh.classes["van"]
    assert rows.rows["Thresholds"]["van",] == {
        "accel_ms2": van.accel_ms2,
        "brake_ms2": 2.5,
        "corner_ms2": van.corner_ms2,
    }
    assert rows.rows["Thresholds"]["truck",]["brake_ms2"] == of_job.harsh.classes["van_light"].brake_ms2
    assert rows.rows["Speed limits"] == {
        (CELL, None, None): {"limit_kmh": 50.0},
        ("u33", 0.0, 90.0): {"limit_kmh": 100.0},
    }
    assert rows.rows["Assignments"] == {("v-1",): {"driver_id": "anna"}}
    assert rows.rows["Stations"]["DEBE034",]["place"] == "Berlin"
    assert [(each.key, each.from_ms) for each in rows.scheduled] == [(("bus",), NOW_MS + 1)]
    weights = {key[1]: row["value"] for key, row in rows.rows["Score weights"].items()}
    assert weights == weights_of(of_job.score)


def test_an_export_that_nobody_edited_changes_nothing() -> None:
    found = planned(exported())
    assert (found.errors, found.conflicts, found.changes, found.outdated) == ([], [], [], False)
    assert not found.applies


def test_an_edit_is_a_change_and_a_message() -> None:
    data = edited(
        ("Thresholds", VAN, 2.5),
        ("Score weights", BRAKE_WEIGHT, 3),
        ("Speed limits", LIMIT, 30),
        ("Speed limits", "A4", "u281z"),
        ("Speed limits", "D4", 80),
        ("Assignments", "B2", "ben"),
        ("Stations", "C2", "Land Berlin"),
    )
    found = planned(data)
    assert [(each.sheet, each.cell, each.column, each.before, each.after) for each in found.changes] == [
        ("Thresholds", VAN, "brake_ms2", 3.53, 2.5),
        ("Score weights", BRAKE_WEIGHT, "value", 1.0, 3.0),
        ("Speed limits", LIMIT, "limit_kmh", 50.0, 30.0),
        ("Speed limits", "D4", "limit_kmh", None, 80.0),
        ("Assignments", "B2", "driver_id", "anna", "ben"),
        ("Stations", "C2", "region", None, "Land Berlin"),
    ]
    from_ms = NOW_MS + HOUR_MS
    sent = published(data, from_ms=from_ms)
    van = {"accel_ms2": 3.43, "brake_ms2": 2.5, "corner_ms2": 3.43}
    weights = {**weights_of(additive()), "harsh_brake": 3.0}
    operator = KNOWN[2]["operator"]
    assert sorted(sent, key=json.dumps) == sorted(
        [
            rules("van", van, from_ms),
            rules("additive_per_100km", weights, from_ms, "score"),
            limit(CELL, 30, from_ms),
            limit("u281z", 80, from_ms),
            login("v-1", "ben", from_ms),
            station(
                "DEBE034",
                from_ms,
                place="Berlin",
                region="Land Berlin",
                country=None,
                surroundings=None,
                operator=operator,
            ),
        ],
        key=json.dumps,
    )
    then = settings([*KNOWN, *sent], from_ms)
    assert then.rows["Thresholds"]["van",]["brake_ms2"] == 2.5
    assert then.rows["Assignments"] == {("v-1",): {"driver_id": "ben"}}
    assert settings([*KNOWN, *sent], from_ms - 1).rows == settings().rows


def test_empty_values_end_a_row_and_what_is_below_it() -> None:
    known = [*KNOWN, limit(CELL, 70, NOW_MS - 2 * HOUR_MS, version=4), limit(CELL, 20, NOW_MS, version=2)]
    data = edited(("Speed limits", LIMIT, None), ("Assignments", "B2", None), data=exported(settings(known)))
    sent = published(data, known)
    then = settings([*known, *sent])
    assert then.rows["Speed limits"] == {("u33", 0.0, 90.0): {"limit_kmh": 100.0}}
    assert then.rows["Assignments"] == {}
    assert settings([*known, *sent], NOW_MS - 1).rows["Speed limits"][CELL, None, None] == {"limit_kmh": 50.0}


def test_every_wrong_cell_is_told_with_sheet_cell_and_reason() -> None:
    data = edited(
        ("Thresholds", VAN, "hard"),
        ("Thresholds", "B2", -1),
        ("Thresholds", "D2", None),
        ("Thresholds", "A20", "tank"),
        ("Thresholds", "B20", 1),
        ("Thresholds", "C20", 1),
        ("Thresholds", "D20", 1),
        ("Score weights", BRAKE_WEIGHT, 1e9),
        ("Speed limits", LIMIT, "=40+10"),
        ("Speed limits", "A4", "Berlin"),
        ("Speed limits", "D4", 50),
        ("Speed limits", "A5", "u33d"),
        ("Speed limits", "B5", 10),
        ("Speed limits", "D5", 50),
        ("Speed limits", "A6", CELL),
        ("Speed limits", "D6", 60),
        ("Speed limits", "F7", "note"),
        ("Assignments", "B2", "x" * 65),
        ("Assignments", "A3", 17),
        ("Assignments", "B3", "ben"),
        ("Stations", "B2", "=HYPERLINK(1)"),
        ("Stations", "C2", True),
    )
    # A text that only looks like a formula: a spreadsheet writes it as a string.
    book = openpyxl.load_workbook(io.BytesIO(data))
    book["Stations"]["A3"], book["Stations"]["B3"] = "DEHE001", "+49 30"
    found = planned(saved(book))
    assert {(each.sheet, each.cell): each.reason for each in found.errors} == {
        ("Thresholds", VAN): "brake_ms2 is a number, not 'hard'",
        ("Thresholds", "B2"): "accel_ms2 has to be more than 0",
        ("Thresholds", "D2"): "corner_ms2 is missing",
        ("Thresholds", "A20"): "there is no tank: this sheet takes no new rows",
        ("Score weights", BRAKE_WEIGHT): "value has to be at most 1000",
        ("Speed limits", LIMIT): "a formula: write the value itself",
        ("Speed limits", "A4"): "cell is not of the form ^[0-9bcdefghjkmnpqrstuvwxyz]{1,9}$",
        ("Speed limits", "B5"): "give heading_from and heading_to, or neither",
        ("Speed limits", "F7"): "this column has no heading",
        ("Assignments", "B2"): "driver_id has more than 64 bytes",
        ("Assignments", "A3"): "vehicle_id is a text: format the cell as text",
        ("Stations", "B2"): "a formula: write the value itself",
        ("Stations", "C2"): "true or false: neither a text nor a number",
        ("Stations", "B3"): "place begins like a formula ('+')",
    }
    assert not found.applies


def test_a_row_that_is_there_twice_or_a_wrong_heading_is_told() -> None:
    twice = edited(("Speed limits", "A4", CELL), ("Speed limits", "D4", 60))
    assert planned(twice).errors == [CellError("Speed limits", "A4", f"row {LIMIT[1:]} is about the same")]
    heading = planned(edited(("Thresholds", "C1", "brake"))).errors
    assert [(each.sheet, each.cell) for each in heading] == [("Thresholds", "C1")]
    book = openpyxl.load_workbook(io.BytesIO(exported()))
    book.create_sheet("Tresholds")
    assert [(each.sheet, each.cell) for each in planned(saved(book)).errors] == [("Tresholds", "A1")]


def test_sheets_and_rows_that_are_gone_stay_as_they_are() -> None:
    book = openpyxl.load_workbook(io.BytesIO(exported()))
    del book["Stations"]
    book["Speed limits"].delete_rows(2, 5)
    found = planned(saved(book))
    assert (found.errors, found.changes) == ([], [])


def test_a_change_by_somebody_else_is_a_conflict_cell_by_cell() -> None:
    theirs = [*KNOWN, rules("van", {"brake_ms2": 3.0}, NOW_MS), login("v-2", "carl", NOW_MS)]
    found = planned(edited(("Thresholds", VAN, 2.5)), theirs)
    assert found.outdated
    assert not found.applies
    assert [tuple(each) for each in found.conflicts] == [
        ("Thresholds", VAN, "van", "brake_ms2", 3.53, 3.0, 2.5),
        ("Assignments", "", "v-2", "driver_id", None, "carl", None),
    ]


def test_a_change_that_is_only_scheduled_is_another_version_too() -> None:
    theirs = [*KNOWN, rules("van", {"brake_ms2": 3.0}, NOW_MS + HOUR_MS)]
    assert planned(edited(("Thresholds", VAN, 2.5)), theirs).outdated
    # And one that is exported with it cannot be passed over.
    data = edited(("Thresholds", VAN, 2.5), data=exported(settings(theirs)))
    assert planned(data, theirs).applies
    late = planned(data, theirs, NOW_MS + HOUR_MS)
    assert [(each.cell, each.reason[:28]) for each in late.errors] == [(VAN, "another change is to hold fr")]


def test_a_change_cannot_hold_from_before_what_is_in_force() -> None:
    (error,) = planned(edited(("Speed limits", LIMIT, 30)), from_ms=NOW_MS - HOUR_MS - 1).errors
    assert (error.cell, "after the effective time" in error.reason) == (LIMIT, True)


def test_weights_have_to_go_together() -> None:
    rules_of = load("driver_stats", Changeable, ["rules.score=score_weighted_percent_1"])
    conf = (rules_of, CONF[1])
    from serving.settings_sheets import in_force

    now = in_force(conf, log_of([]), NOW_MS)
    data = edited(("Score weights", "C2", 50), data=exported(now))
    (error,) = plan(read(data), now, rules_of, NOW_MS).errors
    assert (error.sheet, error.cell) == ("Score weights", "C2")
    assert "they have to add up to 100" in error.reason
    with pytest.raises(ValueError, match="add up"):
        with_weights(weighted(), {"harsh_brake": 11.0})


@pytest.mark.parametrize(
    "text", ["tomorrow", "1999-12-31T23:59", "2100-01-01T00:00+00:00", "", "99999-01-01"]
)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadTime):
        effective_ms(text)


def test_a_time_is_utc_unless_it_says_else() -> None:
    assert effective_ms("2026-01-01") == effective_ms("2026-01-01T01:00+01:00") == NOW_MS
    assert abs(effective_ms("now") - time.time() * 1000) < 5000


# -- hostile files --


def add(**parts: bytes) -> bytes:
    return zipped(lambda known: known.update({name.replace("__", "/"): body for name, body in parts.items()}))


def bomb() -> bytes:
    """A sheet of 2 GB in 2 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(200):
                sheet.write(b" " * 10_000_000)
    return out.getvalue()


def lying() -> bytes:
    """Says that its sheets unpack to a hundred bytes."""
    data = bytearray(zipped(lambda parts: parts.update({"xl/sharedStrings.xml": b"<a>" + b" " * 90_000_000})))
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<I", data, at + 24, 100)
        at += 4
    return bytes(data)


def entities() -> bytes:
    """A billion laughs."""
    doctype = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "' + b"ha" * 50 + b'">'
    for n in range(1, 10):
        doctype += f'<!ENTITY {chr(97 + n)} "{f"&{chr(96 + n)};" * 10}">'.encode()
    return zipped(
        lambda parts: parts.update({"xl/sharedStrings.xml": doctype + b"]><sst><si><t>&j;</t></si></sst>"})
    )


def encrypted() -> bytes:
    data = bytearray(exported())
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 8] |= 1
        at += 4
    return bytes(data)


def parts(known: dict[str, bytes]) -> None:
    known.update({f"xl/media/{n}.png": b"" for n in range(300)})


def macro_type(known: dict[str, bytes]) -> None:
    known["[Content_Types].xml"] = known["[Content_Types].xml"].replace(
        b"spreadsheetml.sheet.main", b"ms-excel.sheet.macroEnabled.main"
    )


def without_version() -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(exported()))
    del book["kappafleet"]
    return saved(book)


HOSTILE = {
    "bomb": (bomb, "unpacked the file would have more than"),
    "ratio": (lambda: add(xl__a=b" " * 40_000_000), "would unpack to 40,000,000 bytes"),
    "lies": (lying, "this is no .xlsx file|no workbook that can be read"),
    "entities": (entities, "declares a document type"),
    "utf-16": (lambda: add(**{"xl__a.xml": "<a/>".encode("utf-16")}), "not in UTF-8"),
    "parts": (lambda: zipped(parts), "has 3.. parts, at most 200"),
    "large": (lambda: b"PK" + bytes(MOST_BYTES), "at most 16,777,216 are read"),
    "encrypted": (encrypted, "is encrypted"),
    "password": (
        lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(4096),
        "is encrypted, or of the old format",
    ),
    "macros": (lambda: add(**{"xl__vbaProject.bin": b"x"}), "holds macros"),
    "macro type": (lambda: zipped(macro_type), "holds macros"),
    "links": (lambda: add(**{"xl__externalLinks__externalLink1.xml": b"<a/>"}), "links to other files"),
    "objects": (lambda: add(**{"xl__embeddings__a.bin": b"x"}), "embedded objects"),
    "connections": (lambda: add(**{"xl__connections.xml": b"<a/>"}), "data connections"),
    "text": (lambda: b"vehicle_class,brake_ms2\nvan,2\n", "is no .xlsx file"),
    "empty": (lambda: b"", "is no .xlsx file"),
    "cut": (lambda: exported()[:-400], "is no .xlsx file"),
    "no workbook": (lambda: zipped(lambda known: known.pop("xl/workbook.xml")), "it holds no workbook"),
    "broken sheet": (
        lambda: zipped(lambda known: known.update({"xl/worksheets/sheet2.xml": b"<worksheet><row"})),
        "cannot be read|that can be read",
    ),
    "no version": (without_version, "has no sheet kappafleet"),
    "version": (lambda: edited(("kappafleet", "B3", "{}")), "sheet kappafleet was changed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_one_line_and_little_memory(name: str) -> None:
    make, reason = HOSTILE[name]
    data = make()
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(Refused, match=reason) as refused:
        read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "\n" not in str(refused.value)
    assert peak < 100 * 1024 * 1024
    assert time.process_time() - started < 20


def test_a_sheet_with_too_many_rows_is_told() -> None:
    book = openpyxl.load_workbook(io.BytesIO(exported()))
    page = book["Speed limits"]
    for n in range(4, 20_100):
        page.cell(n, 1, f"u{n}".replace("a", "b"))
        page.cell(n, 4, 50)
    found = planned(saved(book))
    assert ("Speed limits", "A20002") in {(each.sheet, each.cell) for each in found.errors}


def test_bytes_that_are_changed_at_random_never_do_more_than_be_refused() -> None:
    rng = random.Random(8)
    good = zipped(lambda _: None)
    for _ in range(60):
        data = bytearray(good)
        for _ in range(rng.randint(1, 30)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            found = planned(bytes(data))
        except Refused:
            continue
        assert found.errors or found.outdated or not found.changes


def test_a_text_of_the_streams_is_no_formula_in_the_workbook() -> None:
    page = openpyxl.load_workbook(io.BytesIO(exported()))["Stations"]
    cell = next(cell for row in page.iter_rows() for cell in row if "cmd" in str(cell.value))
    assert (cell.data_type, cell.quotePrefix, cell.value) == ("s", True, KNOWN[2]["operator"])
    assert planned(exported()).errors == []  # it is not edited, so it may stay


@pytest.mark.skipif(
    not shutil.which("soffice"), reason="LibreOffice is not installed (libreoffice-calc-nogui)"
)
def test_an_edit_made_in_libreoffice_comes_back(tmp_path: Path) -> None:
    """The file goes through LibreOffice's own format and back; in between a cell of that is edited."""

    def converted(file: Path, form: str) -> Path:
        run = subprocess.run(
            [
                "soffice",
                f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
                "--headless",
                "--convert-to",
                form,
                "--outdir",
                str(tmp_path / form),
                str(file),
            ],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        found = tmp_path / form / f"{file.stem}.{form}"
        assert found.exists(), run.stderr
        return found

    book = tmp_path / "book.xlsx"
    book.write_bytes(exported())
    opened = converted(book, "fods")
    text = opened.read_text("utf-8")
    assert "Err:" not in text
    assert text.count('office:value="3.53"') == 1
    opened.write_text(text.replace('office:value="3.53"', 'office:value="2.5"'), "utf-8")
    found = planned(converted(opened, "xlsx").read_bytes())
    assert found.errors == []
    assert [(each.sheet, each.cell, each.before, each.after) for each in found.changes] == [
        ("Thresholds", VAN, 3.53, 2.5)
    ]
    assert found.applies
