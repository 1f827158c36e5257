"""Cutting recordings into messages: any cut holds the same samples, and no message spans too much."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kappafleet.errors import UserError
from kappafleet.importers import driveplotr_nds, nrel_cmap
from kappafleet.importers.recording import Recording, cuts, message_lines

CUTS = [1, 7, 60, 1000]


def recording(t: list[int], vehicle: str = "v") -> Recording:
    return Recording(
        vehicle, "d", "f", "van_light", t, {"speed": [time / 1000 for time in t], "heading": [None] * len(t)}
    )


def flattened(recordings: list[Recording], samples_per_message: int) -> dict[str, list[tuple[object, ...]]]:
    """All samples by vehicle, as the messages hold them."""
    samples: dict[str, list[tuple[object, ...]]] = {}
    for line, count in message_lines(recordings, samples_per_message):
        message = json.loads(line)
        columns = list(message["samples"].values())
        assert {len(column) for column in columns} == {count}
        samples.setdefault(message["vehicle_id"], []).extend(zip(*columns, strict=True))
    return samples


def test_a_message_line_is_compact_json_of_the_contract() -> None:
    (made,) = message_lines([recording([1000, 2000])])
    assert made == (
        '{"schema":"telemetry/1","vehicle_id":"v","driver_id":"d","fleet_id":"f","vehicle_class":"van_light","seq":1,'
        '"samples":{"t":[1000,2000],"speed":[1.0,2.0],"heading":[null,null]}}',
        2,
    )


def test_seq_grows_by_one_per_vehicle_through_all_its_recordings() -> None:
    input_ = [recording([0, 1000, 2000]), recording([0], "w"), recording([9000, 10_000])]
    messages = [json.loads(line) for line, _ in message_lines(input_, 2)]
    assert [(m["vehicle_id"], m["seq"], m["samples"]["t"]) for m in messages] == [
        ("v", 1, [0, 1000]),
        ("v", 2, [2000]),
        ("w", 1, [0]),
        ("v", 3, [9000, 10_000]),
    ]


def test_a_gap_above_30_seconds_starts_a_message() -> None:
    t = [0, 1000, 31_000, 61_001]
    assert list(cuts(t, 1000)) == [(0, 3), (3, 4)]


def test_gaps_below_30_seconds_do_not_stretch_a_message_to_its_seconds() -> None:
    t = list(range(0, 200_000, 20_000))
    assert list(cuts(t, 60)) == [(0, 3), (3, 6), (6, 9), (9, 10)]


def test_an_empty_recording_makes_no_message() -> None:
    assert list(message_lines([recording([])])) == []


def test_overlapping_recordings_of_a_vehicle_are_refused() -> None:
    with pytest.raises(
        UserError, match="v: a recording starts at 2000 ms, not after the previous one's end at 2000"
    ):
        list(message_lines([recording([1000, 2000]), recording([2000])]))


@given(st.lists(st.integers(1, 100_000), max_size=200), st.integers(1, 80))
def test_any_cut_holds_every_sample_once_in_order(steps: list[int], samples_per_message: int) -> None:
    t = [sum(steps[: i + 1]) for i in range(len(steps))]
    pieces = list(cuts(t, samples_per_message))
    assert [i for first, end in pieces for i in range(first, end)] == list(range(len(t)))
    for first, end in pieces:
        assert 1 <= end - first <= samples_per_message
        assert t[end - 1] - t[first] < max(samples_per_message * 1000, 1)
        assert all(later - earlier <= 30_000 for earlier, later in pairwise(t[first:end]))


def test_real_recordings_are_the_same_samples_in_any_cut(samples: Path) -> None:
    files = nrel_cmap.files(samples / "nrel-cmap-drives")
    recordings = [r for file in files for r in nrel_cmap.recordings(file)]
    for file in driveplotr_nds.files(samples / "driveplotr-nds"):
        recordings += driveplotr_nds.recordings(file)
    whole = {r.vehicle_id: list(zip(r.t, *r.samples.values(), strict=True)) for r in recordings}
    for samples_per_message in CUTS:
        assert flattened(recordings, samples_per_message) == whole
