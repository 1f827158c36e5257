"""sensor-community: columns, units, order; the mirror's 6-minute series out of the raw readings; the bundled data."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from jobs.sensor_windows.resampling import last_in_steps
from kappafleet.commands.import_ import import_
from kappafleet.errors import UserError
from kappafleet.importers import Observations, sensor_community

HEAD = "sensor_id;sensor_type;location;lat;lon;timestamp;"
SDS = HEAD + "P1;durP1;ratioP1;P2;durP2;ratioP2\n"
STATIONS = {"11392": "22449", "11441": "22549", "11476": "22618"}


def table(tmp_path: Path, text: str, name: str = "2019-04-01_sds011_sensor_7.csv") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


def test_columns_and_identity(tmp_path: Path) -> None:
    (found,) = sensor_community.recordings(
        table(tmp_path, SDS + "7;SDS011;3;57.39;-2.468;2019-04-01T00:00:10;4.00;;;0.80;;\n")
    )
    assert found == Observations(
        sensor_id="sc-7",
        station_id="sc-location-3",
        sensor_model="SDS011",
        lat=57.39,
        lon=-2.468,
        t=[1_554_076_810_000],
        samples={"pm2_5": [0.8], "pm10": [4.0]},
    )


def test_weather_sensors_and_their_pressure_in_hpa(tmp_path: Path) -> None:
    text = (
        HEAD + "pressure;altitude;pressure_sealevel;temperature;humidity\n"
        "8;BME280;3;;;2019-04-01T00:00:10+00:00;100812.59;;;8.31;99.9\n"
        "8;BME280;3;;;2019-04-01T00:02:40.500;unavailable;;;nan;\n"
    )
    (found,) = sensor_community.recordings(table(tmp_path, text))
    assert (found.lat, found.lon, found.t) == (None, None, [1_554_076_810_000, 1_554_076_960_500])
    assert found.samples == {
        "temperature": [8.31, None],
        "humidity": [99.9, None],
        "pressure": [1008.1259, None],
    }
    assert "lat" not in found.head()


def test_many_sensors_in_any_order_and_of_equal_times_the_first(tmp_path: Path) -> None:
    row = "{};SDS011;3;1;2;2019-04-01T00:00:{:02d};{};;;1;;\n"
    text = SDS + row.format(7, 20, 1) + row.format(9, 5, 2) + row.format(7, 10, 3) + row.format(7, 20, 4)
    found = list(sensor_community.recordings(table(tmp_path, text)))
    assert [(r.sensor_id, r.samples["pm10"]) for r in found] == [("sc-7", [3.0, 1.0]), ("sc-9", [2.0])]


def test_wrong_files_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.csv"):
        sensor_community.files(tmp_path)
    with pytest.raises(UserError, match="header lacks sensor_id"):
        list(sensor_community.recordings(table(tmp_path, "a;b\n1;2\n")))
    with pytest.raises(UserError, match="line 2: timestamp is 'noon'"):
        list(sensor_community.recordings(table(tmp_path, SDS + "7;SDS011;3;1;2;noon;1;;;1;;\n")))
    with pytest.raises(UserError, match="line 2: P1 is 'x'"):
        list(
            sensor_community.recordings(table(tmp_path, SDS + "7;SDS011;3;1;2;2019-04-01T00:00:00;x;;;1;;\n"))
        )
    with pytest.raises(UserError, match="lack info or readings"):
        list(sensor_community.recordings(table(tmp_path, '{"1": {}}', "location_1.json")))


def test_the_last_value_in_each_step() -> None:
    t = np.array([359, 0, 360, 719, 719, 1500], np.int64)
    x = np.array([1, 2, 3, 4, 5, np.nan])
    starts, values = last_in_steps(t, x, 360)
    assert (starts.tolist(), values.tolist()) == ([0, 360], [1, 5])
    assert last_in_steps(t[:0], x[:0], 360)[0].tolist() == []


def reproduced(raw: Path, series: Path) -> int:
    """Compares every interval of the series that lies within the raw readings; how many had particulate matter."""
    (recording,) = sensor_community.recordings(raw)
    t = np.array(recording.t, np.int64)
    made: dict[int, dict[str, float]] = {}
    for quantity, values in recording.samples.items():
        for start, value in zip(
            *last_in_steps(t, np.array(values, float), sensor_community.SERIES_MS), strict=True
        ):
            made.setdefault(int(start), {})[quantity] = float(value)
    edges = t[0] // sensor_community.SERIES_MS, t[-1] // sensor_community.SERIES_MS
    inside = range(*(int(edge) * sensor_community.SERIES_MS for edge in (edges[0] + 1, edges[1])))
    theirs = {
        start: {name: values[name] for name in ("pm2_5", "pm10") if name in values}
        for start, values in sensor_community.series(series).items()
        if start in inside
    }
    wanted = {start: values for start, values in theirs.items() if values}
    assert {start: values for start, values in made.items() if start in inside} == wanted
    return len(wanted)


def test_the_series_of_the_sample(samples: Path) -> None:
    folder = samples / "sensor-community"
    raw, series = sensor_community.files(folder)
    assert reproduced(raw, series) == 238
    (weather,) = sensor_community.recordings(series)
    assert (weather.sensor_id, weather.sensor_model, list(weather.samples)) == (
        "sc-22450",
        "DHT22",
        ["temperature", "humidity"],
    )


@pytest.mark.parametrize(("location", "intervals"), [("11392", 6689), ("11441", 6711), ("11476", 6709)])
def test_the_mirrors_series_out_of_the_raw_readings(shared: Path, location: str, intervals: int) -> None:
    (raw,) = (shared / "sensor-community").glob(f"raw_sds011_{STATIONS[location]}_*.csv.gz")
    assert (
        reproduced(raw, shared / "sensor-community" / f"location_{location}_6min_last.json.gz") == intervals
    )


def test_the_bundled_messages_are_those_of_the_importer(
    demo: Path, samples: Path, shared: Path, tmp_path: Path
) -> None:
    bundled = gzip.decompress(
        (demo.parent / "sensors" / "sensor-community.jsonl.gz").read_bytes()
    ).splitlines()
    messages = [json.loads(line) for line in bundled]
    assert len({message["sensor_id"] for message in messages}) == 6
    out = tmp_path / "all.jsonl"
    import_("sensor-community", shared / "sensor-community", out=str(out), samples_per_message=1)
    whole = {}
    for line in out.read_text().splitlines():
        message = json.loads(line)
        del message["seq"]
        whole[message["sensor_id"], message["samples"]["t"][0]] = message
    for message in messages:
        del message["seq"]
        assert whole[message["sensor_id"], message["samples"]["t"][0]] == message


def test_the_command_counts_sensors_and_narrows(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.jsonl"
    import_("sensor-community", samples / "sensor-community", out=str(out), vehicle=["sc-22449"])
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert "563 messages, 563 samples, 1 sensors" in capsys.readouterr().err
    assert [line["seq"] for line in lines] == list(range(1, 564))
    assert all(a["samples"]["t"][-1] < b["samples"]["t"][0] for a, b in pairwise(lines))
    assert set(lines[0]) == {
        "schema",
        "sensor_id",
        "station_id",
        "sensor_model",
        "lat",
        "lon",
        "seq",
        "samples",
    }
