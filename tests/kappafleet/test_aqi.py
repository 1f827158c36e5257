"""`kappafleet aqi`: the contract's command, and EPA's published index through it."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest

from kappafleet import cli

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "epa-airdata-aqi"


def run(monkeypatch: pytest.MonkeyPatch, standard: str, pollutant: str, text: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return cli.run(["aqi", "--standard", standard, "--pollutant", pollutant])


@pytest.mark.parametrize(
    ("standard", "pollutant", "given", "expected"),
    [
        ("epa-2024", "pm2_5", "0 9.0 9.09 9.1 35.49 225.5 300 400", "0 50 50 51 100 301 449 649"),
        ("epa-2012", "pm2_5", "12.0 12.1 150.4 500.4", "50 51 200 500"),
        ("epa-2024", "pm10", "54.9 55 +5.5e1 604", "50 51 51 500"),
        ("epa-2024", "o3", "0.0545 0.055 0.0874125 .2", "50 51 154 300"),
        ("epa-2024", "o3_1h", "0.125 0.604", "101 500"),
        ("epa-2024", "pm2_5", "9.0999999999999999999999 -1.2", "50 0"),  # decimal arithmetic
        ("eaqi-2024", "pm2_5", "0 5 5.01 15 140 140.0001", "1 1 2 2 5 6"),
        ("eaqi-2019", "no2", "40 41 340 341", "1 2 5 6"),
    ],
)
def test_one_index_per_line(
    standard: str,
    pollutant: str,
    given: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, standard, pollutant, given.replace(" ", "\n") + "\n") == 0
    assert capsys.readouterr().out == expected.replace(" ", "\n") + "\n"


def test_no_index_is_an_empty_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "epa-2024", "o3", "0.2\r\n0.201\n\n0.054") == 0
    assert capsys.readouterr().out == "300\n\n\n50\n"


@pytest.mark.parametrize(
    ("standard", "pollutant", "text", "says"),
    [
        ("epa-2025", "pm2_5", "1", "known: epa-2012, epa-2024, eaqi-2019, eaqi-2024"),
        ("eaqi-2024", "co", "1", "eaqi-2024 has none; known: pm2_5, pm10, no2, o3, so2"),
        ("epa-2024", "pm2_5", "1\n2\n1,5\n", "stdin line 3: '1,5' is no number"),
        ("epa-2024", "pm2_5", "nan\n", "stdin line 1"),
        ("epa-2024", "pm2_5", "1_0\n", "stdin line 1"),
        ("epa-2024", "pm2_5", "1" * 1001, "stdin line 1"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    standard: str,
    pollutant: str,
    text: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, standard, pollutant, text) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert says in line


def test_long_input_is_read_in_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kappafleet.commands.aqi.LINES_AT_ONCE", 3)
    assert run(monkeypatch, "epa-2024", "pm10", "\n".join(["54", "55", "604", "0"] * 4)) == 0
    assert capsys.readouterr().out.split() == ["50", "51", "500", "0"] * 4


@pytest.mark.parametrize(
    ("name", "standard", "pollutant"),
    [
        ("no2_NY2018", "epa-2012", "no2"),
        ("o3_NY2018", "epa-2012", "o3"),
        ("pm10_LA2020", "epa-2012", "pm10"),
        ("pm10_LA2021", "epa-2012", "pm10"),
        ("pm25_2012bp_MD2019", "epa-2012", "pm2_5"),
        ("pm25_2024bp_NY2022", "epa-2024", "pm2_5"),
    ],
)
def test_what_epa_published(
    name: str,
    standard: str,
    pollutant: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = SHARED / f"{name}.csv.gz"
    if not file.is_file():
        pytest.skip(f"EPA's published values are not here ({file})")
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text)
    (value,) = (place for place, title in enumerate(header) if "Concentration" in title)
    (index,) = (
        place for place, title in enumerate(header) if title.upper().replace(" ", "_") == "DAILY_AQI_VALUE"
    )
    rows = [row for row in rows if not row[value].startswith("-")]
    assert run(monkeypatch, standard, pollutant, "".join(row[value] + "\n" for row in rows)) == 0
    assert capsys.readouterr().out.split() == [row[index] for row in rows]
    assert len(rows) > 300
