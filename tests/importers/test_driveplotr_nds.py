"""driveplotr-nds: units, signs, identities; then everything on disk."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kappafleet.errors import UserError
from kappafleet.importers import driveplotr_nds
from kappafleet.importers.recording import Recording

COLUMNS = (
    "drive,time_utc,gps_long,gps_lat,gps_heading,gps_fix,speed_mph,accel_x,accel_y,accel_event_cat,gyro_z,"
    "cumulative_drive_dist_mi\n"
)


def table(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "nds.csv"
    file.write_text(COLUMNS + text)
    return file


def test_units_signs_and_identity(tmp_path: Path) -> None:
    (recording,) = driveplotr_nds.recordings(
        table(tmp_path, "7,2019-05-23T20:54:11Z,-95.98,41.25,-90.5,3,10.0,0.5,-0.1,,-0.31,2.0\n")
    )
    assert recording == Recording(
        vehicle_id="nds-drive-7",
        driver_id="nds-driver-7",
        fleet_id="driveplotr-nds",
        vehicle_class="van_light",
        t=[1_558_644_851_000],
        samples={
            "speed": [16.09344],
            "accel_x": [4.903325],  # + forward in both
            "accel_y": [0.980665],  # + right at the origin, + left here
            "lat": [41.25],
            "lon": [-95.98],
            "heading": [269.5],
            "yaw_rate": [-0.31],
            "odometer": [3218.688],
        },
    )


@pytest.mark.parametrize(
    ("unwrapped", "wrapped"),
    [("0", 0.0), ("360", 0.0), ("-0.25", 359.75), ("3704.5", 104.5), ("-1250", 190.0), ("359.99999999", 0.0)],
)
def test_heading_lies_in_0_to_360(tmp_path: Path, unwrapped: str, wrapped: float) -> None:
    row = f"1,2019-05-23T20:54:11Z,1,2,{unwrapped},3,0,0,0,,0,0\n"
    (recording,) = driveplotr_nds.recordings(table(tmp_path, row))
    assert recording.samples["heading"] == [wrapped]


def test_missing_values_are_null_and_no_fix_is_no_position(tmp_path: Path) -> None:
    rows = "1,2019-05-23T20:54:11Z,1,2,3,1,0,NA,,,,\n1,2019-05-23T20:54:12Z,1,2,3,2,0,NaN,,,,\n"
    (recording,) = driveplotr_nds.recordings(table(tmp_path, rows))
    assert recording.samples["accel_x"] == recording.samples["accel_y"] == [None, None]
    assert recording.samples["yaw_rate"] == recording.samples["odometer"] == [None, None]
    assert recording.samples["lat"] == [None, 2.0]
    assert recording.samples["lon"] == [None, 1.0]


def test_zero_has_no_sign(tmp_path: Path) -> None:
    (recording,) = driveplotr_nds.recordings(
        table(tmp_path, "1,2019-05-23T20:54:11Z,1,2,3,3,0,-0.0,0.0,,0,0\n")
    )
    values = [recording.samples[name][0] for name in ("accel_x", "accel_y")]
    assert [math.copysign(1, value) for value in values if value is not None] == [1, 1]


def test_drives_may_be_interleaved_but_each_must_ascend(tmp_path: Path) -> None:
    row = "{},2019-05-23T20:54:{:02d}Z,1,2,3,3,0,0,0,,0,0\n"
    file = table(tmp_path, row.format(1, 1) + row.format(2, 1) + row.format(1, 2))
    assert [(r.vehicle_id, len(r.t)) for r in driveplotr_nds.recordings(file)] == [
        ("nds-drive-1", 2),
        ("nds-drive-2", 1),
    ]
    with pytest.raises(UserError, match=r"line 3: .* does not come after the row before of drive 1"):
        list(driveplotr_nds.recordings(table(tmp_path, row.format(1, 5) + row.format(1, 4))))


def test_published_events_are_runs_of_labelled_rows(tmp_path: Path) -> None:
    row = "{},2019-05-23T20:54:{:02d}Z,1,2,3,3,0,0,0,{},0,0\n"
    labels = ["low", "med", "", "high"]
    rows = "".join(row.format(1, second, label) for second, label in enumerate(labels))
    events = driveplotr_nds.published_events(table(tmp_path, rows))
    assert [(e.end_ms - e.start_ms, e.categories) for e in events] == [(1000, ("low", "med")), (0, ("high",))]


def test_wrong_paths_say_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pass the file nds_"):
        driveplotr_nds.files(tmp_path)
    wrong = tmp_path / "x.csv"
    wrong.write_text("a,b\n")
    with pytest.raises(UserError, match="header lacks drive"):
        list(driveplotr_nds.recordings(wrong))


def test_the_samples(samples: Path) -> None:
    (file,) = driveplotr_nds.files(samples / "driveplotr-nds")
    recordings = list(driveplotr_nds.recordings(file))
    assert [(r.vehicle_id, len(r.t)) for r in recordings] == [("nds-drive-3", 45), ("nds-drive-12", 59)]
    check(recordings)
    (event,) = driveplotr_nds.published_events(file)
    assert (event.vehicle_id, event.categories) == ("nds-drive-3", ("low",))


def test_the_whole_set(shared: Path) -> None:
    (file,) = driveplotr_nds.files(shared / "driveplotr-nds")
    recordings = list(driveplotr_nds.recordings(file))
    totals = len(recordings), sum(len(r.t) for r in recordings)
    assert totals == ((28, 23_187) if totals[0] == 28 else (15, 8_351))
    check(recordings)
    check_signs(recordings)
    events = driveplotr_nds.published_events(file)
    for event in events:
        (recording,) = (r for r in recordings if r.vehicle_id == event.vehicle_id)
        first = recording.t.index(event.start_ms)
        for place in range(first, first + len(event.categories)):
            axes = [recording.samples[name][place] or 0.0 for name in ("accel_x", "accel_y")]
            assert max(map(abs, axes)) > 0.35 * 9.80665


def check(recordings: list[Recording]) -> None:
    for recording in recordings:
        assert all(earlier < later for earlier, later in pairwise(recording.t))
        assert all(len(values) == len(recording.t) for values in recording.samples.values())
        assert all(h is None or 0 <= h < 360 for h in recording.samples["heading"])
        miles = [o for o in recording.samples["odometer"] if o is not None]
        assert all(earlier <= later for earlier, later in pairwise(miles))


def check_signs(recordings: list[Recording]) -> None:
    """ISO 8855: what the accelerometer and gyroscope say has the sign of what speed and GPS heading do."""
    forward, left, turning = [], [], []
    for recording in recordings:
        v, ax, ay, heading, yaw = (
            np.array([math.nan if x is None else x for x in recording.samples[name]])
            for name in ("speed", "accel_x", "accel_y", "heading", "yaw_rate")
        )
        steady = (np.diff(recording.t) == 1000) & np.isfinite(ax[:-1])
        # A second's change of speed and heading shows up after the second in which sensors felt it.
        forward.append(np.stack([ax[:-1], np.diff(v)])[:, steady])
        moving = steady & (v[1:] > 10)
        leftward = -((np.diff(heading) + 180) % 360 - 180)
        left.append(np.stack([ay[:-1], v[1:] * leftward])[:, moving])
        turning.append(np.stack([yaw[:-1], leftward])[:, moving])
    assert np.corrcoef(np.concatenate(forward, axis=1))[0, 1] > 0.4
    assert np.corrcoef(np.concatenate(left, axis=1))[0, 1] > 0.4
    assert np.corrcoef(np.concatenate(turning, axis=1))[0, 1] > 0.7
