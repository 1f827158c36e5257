"""nrel-cmap: units, times, identities; then everything on disk against what its origin says of it."""

import gzip
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from kappafleet.errors import UserError
from kappafleet.importers import nrel_cmap
from kappafleet.importers.recording import Recording

HEADER = "timestamp,cycle_sec,timestep,speed_mph,accel_meters_ps\n"

# Vehicles, vehicle-days, rows, trips: of the whole set as published, and of the part that development has.
WHOLE = (22, 48, 219_152, 241)
PART = (12, 24, 105_025, 115)


def day(tmp_path: Path, text: str, name: str = "4107032_1/2007-05-21.csv") -> Path:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HEADER + text)
    return file


def only(file: Path) -> Recording:
    (recording,) = nrel_cmap.recordings(file)
    return recording


def utc(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def test_units_times_and_identity(tmp_path: Path) -> None:
    recording = only(day(tmp_path, "2007-05-21 06:35:46,0,1,0.0,0.0\n2007-05-21 06:35:48,2,2,10.0,5.0\n"))
    assert recording == Recording(
        vehicle_id="cmap-4107032-1",
        driver_id="cmap-driver-4107032-1",
        fleet_id="nrel-cmap",
        vehicle_class="van_light",
        t=[utc("2007-05-21 11:35:46"), utc("2007-05-21 11:35:48")],  # daylight saving time: UTC - 5 h
        # 10 mph = 16.09344 km/h; 5 mph per second = 2.2352 m/s²
        samples={"speed": [0.0, 16.09344], "accel_x": [0.0, 2.2352]},
    )


def test_winter_is_six_hours_behind_utc(tmp_path: Path) -> None:
    assert only(day(tmp_path, "2007-02-01 12:00:00,0,1,0,0\n")).t == [utc("2007-02-01 18:00:00")]


def test_the_hour_repeated_in_autumn_goes_on_ascending(tmp_path: Path) -> None:
    rows = [
        f"2007-11-04 {time},0,1,0,0\n"
        for time in ("00:59:59", "01:00:00", "01:59:59", "01:00:00", "02:00:00")
    ]
    assert only(day(tmp_path, "".join(rows))).t == [
        utc("2007-11-04 05:59:59"),
        utc("2007-11-04 06:00:00"),
        utc("2007-11-04 06:59:59"),
        utc("2007-11-04 07:00:00"),
        utc("2007-11-04 08:00:00"),
    ]


def test_missing_values_are_null(tmp_path: Path) -> None:
    recording = only(day(tmp_path, "2007-05-21 06:35:46,0,1,,NaN\n"))
    assert recording.samples == {"speed": [None], "accel_x": [None]}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("2007-05-21 06:35:46,0,1,fast,0\n", "line 2: speed_mph is 'fast'"),
        ("2007-05-21 06:35:46,0,1,inf,0\n", "line 2: speed_mph is 'inf'"),
        ("21/05/2007 06:35,0,1,0,0\n", "line 2: '21/05/2007 06:35' is not a time"),
        ("2007-05-21 06:35:46,0,1,0,0\n2007-05-21 06:35:46,1,1,0,0\n", "line 3: .* does not come after"),
        ("2007-05-21 06:35:46,0\n", "line 2: 2 cells"),
    ],
)
def test_bad_rows_are_named_by_file_and_line(tmp_path: Path, rows: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"2007-05-21.csv.*{reason}"):
        only(day(tmp_path, rows))


def test_wrong_paths_say_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no <date>\.csv"):
        nrel_cmap.files(tmp_path)
    with pytest.raises(UserError, match="named <sampno>_<vehno>"):
        nrel_cmap.files(day(tmp_path, "", "elsewhere/2007-05-21.csv"))
    with pytest.raises(UserError, match="trip statistics, not samples"):
        nrel_cmap.files(day(tmp_path, "", "4107032_1/trips.csv"))
    other = tmp_path / "1_1" / "2007-01-01.csv"
    other.parent.mkdir()
    other.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="header lacks timestamp"):
        only(other)
    broken = tmp_path / "1_1" / "2007-01-02.csv.gz"
    broken.write_bytes(b"not gzip")
    with pytest.raises(UserError, match="can't be read"):
        only(broken)


def test_a_day_found_twice_is_refused(tmp_path: Path) -> None:
    file = day(tmp_path, "")
    file.with_name(file.name + ".gz").write_bytes(gzip.compress(HEADER.encode()))
    with pytest.raises(UserError, match="holds 2007-05-21 twice"):
        nrel_cmap.files(tmp_path)


def test_files_come_by_vehicle_and_date(tmp_path: Path) -> None:
    names = ["2_1/2007-01-02.csv", "2_1/2007-01-01.csv", "1_2/2007-01-03.csv", "1_2/trips.csv"]
    for name in names:
        day(tmp_path, "", name)
    found = [str(file.relative_to(tmp_path)) for file in nrel_cmap.files(tmp_path)]
    assert found == ["1_2/2007-01-03.csv", "2_1/2007-01-01.csv", "2_1/2007-01-02.csv"]


def test_published_trips_of_the_samples(samples: Path) -> None:
    first, *_ = nrel_cmap.published_trips(samples / "nrel-cmap-drives")
    assert first.vehicle_id == "cmap-4033363-1"
    assert (first.start_ms, first.end_ms) == (utc("2007-08-25 16:07:26"), utc("2007-08-25 16:08:36"))
    assert first.distance_m == pytest.approx(0.0499602835819 * 1609.344)
    assert first.max_speed_kmh == pytest.approx(6.11532695312 * 1.609344)
    assert (first.zero_s, first.driving_s) == (7.0, 64.0)


def test_published_statistics_are_those_of_the_imported_samples(samples: Path) -> None:
    check_against_origin(samples / "nrel-cmap-drives")


def test_the_whole_set_agrees_with_its_origin(shared: Path) -> None:
    folder = shared / "nrel-cmap-drives"
    totals = check_against_origin(folder)
    assert totals == (WHOLE if totals[0] == WHOLE[0] else PART)


def check_against_origin(folder: Path) -> tuple[int, int, int, int]:
    """Checks times, trips and NREL's statistics of everything in `folder`; returns its totals."""
    times: dict[str, list[int]] = {}
    speeds: dict[str, list[float]] = {}
    files = nrel_cmap.files(folder)
    for file in files:
        for recording in nrel_cmap.recordings(file):
            with gzip.open(file, "rt") as text:
                assert len(recording.t) == sum(1 for _ in text) - 1
            times.setdefault(recording.vehicle_id, []).extend(recording.t)
            speeds.setdefault(recording.vehicle_id, []).extend(
                s for s in recording.samples["speed"] if s is not None
            )
    published = nrel_cmap.published_trips(folder)
    for vehicle, t in times.items():
        assert all(earlier < later for earlier, later in pairwise(t)), vehicle
        gaps = sum(later - earlier >= 300_000 for earlier, later in pairwise(t))
        assert gaps + 1 == sum(trip.vehicle_id == vehicle for trip in published), vehicle
    for trip in published:
        inside = [
            speed
            for time, speed in zip(times[trip.vehicle_id], speeds[trip.vehicle_id], strict=True)
            if trip.start_ms <= time <= trip.end_ms
        ]
        assert max(inside) == pytest.approx(trip.max_speed_kmh, abs=1e-6)
        assert sum(speed == 0 for speed in inside) == trip.zero_s
        assert sum(speed > 0 for speed in inside) == trip.driving_s
    return len(times), len(files), sum(map(len, times.values())), len(published)
