"""`kappafleet import`: what it writes, and what it says to wrong arguments."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from kappafleet.commands.import_ import import_
from kappafleet.errors import UserError
from kappafleet.importers import driveplotr_nds, nrel_cmap


def test_the_bundled_demo_is_what_the_importers_make(demo: Path, shared: Path, tmp_path: Path) -> None:
    for name, folder in (("nrel-cmap", "nrel-cmap-drives"), ("driveplotr-nds", "driveplotr-nds")):
        bundled = gzip.decompress((demo / f"{name}.jsonl.gz").read_bytes()).splitlines()
        vehicles = sorted({json.loads(line)["vehicle_id"] for line in bundled})
        out = tmp_path / f"{name}.jsonl.gz"
        import_(name, shared / folder, out=str(out), vehicle=vehicles)
        assert gzip.decompress(out.read_bytes()).splitlines() == bundled


def test_the_bundled_statistics_are_those_of_the_origins(demo: Path, shared: Path) -> None:
    trips = {
        (trip.vehicle_id, trip.start_ms, trip.end_ms, trip.distance_m, trip.max_speed_kmh, trip.zero_s)
        for trip in nrel_cmap.published_trips(shared / "nrel-cmap-drives")
    }
    with (demo.parent / "published" / "nrel-cmap-trips.csv").open() as text:
        for row in csv.DictReader(text):
            numbers = [float(row[name]) for name in ("distance_m", "max_speed_kmh", "zero_s")]
            assert (row["vehicle_id"], int(row["start_ms"]), int(row["end_ms"]), *numbers) in trips
    events = {
        (event.vehicle_id, event.start_ms, event.end_ms, " ".join(event.categories))
        for event in driveplotr_nds.published_events(shared / "driveplotr-nds")
    }
    with (demo.parent / "published" / "driveplotr-nds-events.csv").open() as text:
        for row in csv.DictReader(text):
            assert (row["vehicle_id"], int(row["start_ms"]), int(row["end_ms"]), row["categories"]) in events


def test_plain_and_gzip_hold_the_same_lines(samples: Path, tmp_path: Path) -> None:
    plain, packed = tmp_path / "x.jsonl", tmp_path / "x.jsonl.gz"
    for out in (plain, packed):
        import_("driveplotr-nds", samples / "driveplotr-nds", out=str(out))
    assert plain.read_bytes() == gzip.decompress(packed.read_bytes())
    assert plain.read_bytes().endswith(b"}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jsonl", "x.jsonl.gz"]


def test_dash_is_stdout_and_nothing_else_goes_there(
    samples: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    import_("nrel-cmap", samples / "nrel-cmap-drives" / "4033363_1", samples_per_message=1000)
    captured = capfdbinary.readouterr()
    messages = [json.loads(line) for line in captured.out.splitlines()]
    assert [m["vehicle_id"] for m in messages] == ["cmap-4033363-1"]
    assert len(messages[0]["samples"]["t"]) == 76
    assert b"1 messages, 76 samples, 1 vehicles" in captured.err


def test_vehicle_and_limit_narrow_the_output(samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    import_("nrel-cmap", samples / "nrel-cmap-drives", out=str(out), vehicle=["cmap-4113492-1"], limit=3)
    assert [json.loads(line)["seq"] for line in out.read_text().splitlines()] == [1, 2, 3]


def test_a_failed_import_leaves_the_old_file_alone(tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    out.write_text("old\n")
    broken = tmp_path / "1_1" / "2007-01-01.csv"
    broken.parent.mkdir()
    broken.write_text("timestamp,speed_mph,accel_meters_ps\nnever,0,0\n")
    with pytest.raises(UserError, match="'never' is not a time"):
        import_("nrel-cmap", broken, out=str(out))
    assert out.read_text() == "old\n"
    assert not list(tmp_path.glob("*.part"))


def test_wrong_arguments_say_what_is_right(samples: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown format 'nrel'; known: nrel-cmap, driveplotr-nds"):
        import_("nrel", samples)
    with pytest.raises(UserError, match="no such file or folder"):
        import_("nrel-cmap", tmp_path / "absent")
    with pytest.raises(UserError, match="holds no samples of nobody"):
        import_("nrel-cmap", samples / "nrel-cmap-drives", vehicle=["nobody"], out=str(tmp_path / "x.jsonl"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="can't be written"):
        import_("nrel-cmap", samples / "nrel-cmap-drives", out=str(tmp_path / "absent" / "x.jsonl"))
