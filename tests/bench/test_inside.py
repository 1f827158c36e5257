"""What is read out of a run of ours: the JVM's log of collections, checkpoints' sizes; and the crowd of vehicles."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("bytewax", reason="the benchmark's packages are not installed: scripts/setup.sh bench")

import msgspec

from bench.generate import Crowd, cached_crowd
from bench.inside import Checkpoints, garbage, growth

LOG = """\
[0.012s] Using G1
[1.000s] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 51M->11M(200M) 9.000ms
[2.000s] GC(1) Pause Young (Normal) (G1 Evacuation Pause) 111M->21M(200M) 10.000ms
[2.500s] GC(2) Concurrent Mark Cycle
[3.000s] GC(3) Pause Young (Concurrent Start) (Metadata GC Threshold) 221M->31M(400M) 20.000ms
[9.000s] GC(4) Pause Full (System.gc()) 300M->31M(400M) 500.000ms
"""


def test_pauses_and_allocation_are_those_of_the_span() -> None:
    found = garbage(LOG.splitlines(), 0.5, 5)
    assert found is not None
    assert found.seconds == pytest.approx(2)
    assert found.pause_share == pytest.approx(0.030 / 2)
    assert found.allocated_mb == 111 - 11 + 221 - 21


def test_no_collection_is_no_figure() -> None:
    assert garbage(LOG.splitlines(), 4, 8) is None


def test_only_completed_checkpoints_count_with_what_they_share(tmp_path: Path) -> None:
    job = tmp_path / "0123"
    (job / "shared").mkdir(parents=True)
    (job / "chk-1").mkdir()
    (job / "chk-1" / "state").write_bytes(b"x" * 100)
    sizes = Checkpoints(tmp_path)
    sizes.look()
    assert sizes.sizes == []
    (job / "shared" / "sst").write_bytes(b"x" * 1000)
    (job / "chk-1" / "_metadata").write_bytes(b"x" * 10)
    sizes.look()
    sizes.look()
    assert sizes.sizes == [1110]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1, 100, 100, 104, 110, 102, 5], 1.1),
        ([100, 100, 100, 100], 1.0),
        ([1, 1, 100], None),
        ([], None),
    ],
)
def test_growth_is_of_full_checkpoints(sizes: list[int], expected: float | None) -> None:
    assert growth(sizes) == (None if expected is None else pytest.approx(expected))


def test_all_vehicles_of_a_crowd_have_their_turn_before_one_comes_again(tmp_path: Path) -> None:
    crowd = Crowd(vehicles=3000, turns=2)
    lines = [msgspec.json.decode(line) for line in cached_crowd(crowd, tmp_path).read_bytes().splitlines()]
    ids = [line["vehicle_id"] for line in lines]
    assert len(ids) == crowd.messages
    assert len(set(ids[:3000])) == 3000
    assert ids[:3000] == ids[3000:]
    assert [line["seq"] for line in lines] == [0] * 3000 + [1] * 3000
    # a copy drives as its original does
    twin = ids.index(f"vehicle-{int(ids[0][-7:]) + 2000:07d}")
    assert lines[twin]["samples"] == lines[0]["samples"]
    assert list(tmp_path.iterdir()) == [tmp_path / crowd.file_name]
