"""Order, pace and shift of a replay: functions of lines and a given now."""

import gzip
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kappafleet.messages import Message, line_files, message
from kappafleet.pacing import at_event_pace, at_rate, plain, shifted_to, unpaced

NOW = 1_800_000_000_000


def telemetry(vehicle: str, *t: int) -> bytes:
    return json.dumps({"vehicle_id": vehicle, "samples": {"t": t}}, separators=(",", ":")).encode()


def write(tmp_path: Path, *bodies: bytes) -> list[Path]:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"".join(body + b"\n" for body in bodies))
    return [file]


def times(messages: list[Message]) -> list[tuple[str, list[int]]]:
    return [(m.key, json.loads(m.body)["samples"]["t"]) for m in messages]


def test_unpaced_is_everything_at_once_in_order() -> None:
    input_ = [message(b"1"), message(b"2")]
    assert list(unpaced(input_)) == [(0.0, input_[0]), (0.0, input_[1])]


def test_a_rate_spreads_messages_evenly() -> None:
    assert [due for due, _ in at_rate([message(b"x")] * 4, 2)] == [0.0, 0.5, 1.0, 1.5]


def test_event_pace_merges_vehicles_by_the_time_of_the_last_sample() -> None:
    input_ = [
        telemetry("a", 0, 10_000),
        telemetry("a", 20_000),
        telemetry("b", 5000),
        telemetry("b", 6000, 20_000),
    ]
    paced = [(due, m.key, m.event_ms) for due, m in at_event_pace(map(message, input_), 10)]
    assert paced == [(0.0, "b", 5000), (0.5, "a", 10_000), (1.5, "a", 20_000), (1.5, "b", 20_000)]


def test_lines_without_a_time_stay_behind_their_predecessor() -> None:
    input_ = [b"first", telemetry("a", 9000), b"bad", telemetry("b", 5000)]
    paced = [(due, m.body) for due, m in at_event_pace(map(message, input_), 1)]
    assert paced == [(0.0, b"first"), (0.0, input_[3]), (4.0, input_[1]), (4.0, b"bad")]


def test_event_pace_of_nothing_is_nothing() -> None:
    assert list(at_event_pace([], 1)) == []
    assert [due for due, _ in at_event_pace([message(b"bad")], 1)] == [0.0]


def test_event_pace_reads_everything_before_the_first_message_is_due() -> None:
    input_ = iter([message(telemetry("a", 1)), message(telemetry("a", 2))])
    paced = at_event_pace(input_, 1)
    assert list(input_) == []
    assert len(list(paced)) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=30))
def test_event_pace_keeps_every_body_and_ascends(input_: list[tuple[str, int]]) -> None:
    bodies = [telemetry(vehicle, time) for vehicle, time in input_]
    paced = list(at_event_pace(map(message, bodies), 2))
    assert sorted(m.body for _, m in paced) == sorted(bodies)
    assert [due for due, _ in paced] == sorted(due for due, _ in paced)


def test_shift_moves_each_vehicle_by_one_span_to_end_now(tmp_path: Path) -> None:
    day = 1_600_000_000_000
    files = write(
        tmp_path,
        telemetry("a", day, day + 7),
        telemetry("b", day + 500),
        telemetry("a", day + 1000, day + 3000),
    )
    assert times(list(shifted_to(NOW, files, None))) == [
        ("a", [NOW - 3000, NOW - 2993]),
        ("b", [NOW]),
        ("a", [NOW - 2000, NOW]),
    ]


def test_shift_finds_the_last_sample_whatever_the_order_of_messages(tmp_path: Path) -> None:
    day = 1_600_000_000_000
    files = write(tmp_path, telemetry("a", day + 9), telemetry("a", day))
    assert times(list(shifted_to(NOW, files, None))) == [("a", [NOW]), ("a", [NOW - 9])]


def test_shift_leaves_bad_lines_alone_and_is_not_dragged_by_them(tmp_path: Path) -> None:
    day = 1_600_000_000_000
    bad = [
        b"not json",
        telemetry("a", day, 4_300_000_000_000),  # the year 2106
        b'{"vehicle_id":"a","samples":{"t":[1600000000000,"x"]}}',
        b'{"vehicle_id":"a","samples":{"t":[1600000000000],"speed":[NaN]}}',
        b'{"samples":{"t":[1600000000000]}}',
        b'{"vehicle_id":"a","samples":{"t":[]}}',
    ]
    moved = list(shifted_to(NOW, write(tmp_path, *bad, telemetry("a", day)), None))
    assert [m.body for m in moved[:-1]] == bad
    assert times(moved[-1:]) == [("a", [NOW])]


def test_shift_changes_nothing_but_times(demo_files: list[Path]) -> None:
    lasts: dict[str, int] = {}
    for before, after in zip(plain(demo_files, None), shifted_to(NOW, demo_files, None), strict=True):
        old, new = json.loads(before.body), json.loads(after.body)
        moves = {b - a for a, b in zip(old["samples"].pop("t"), new["samples"].pop("t"), strict=True)}
        assert len(moves) == 1
        assert old == new
        assert (after.key, after.message_id, after.samples) == (before.key, before.message_id, before.samples)
        assert after.event_ms is not None
        assert after.event_ms <= NOW
        lasts[after.key] = after.event_ms
    assert set(lasts.values()) == {NOW}


def test_plain_lines_go_out_byte_for_byte(demo_files: list[Path]) -> None:
    bodies = [line for file in demo_files for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert [m.body for m in plain(demo_files, None)] == bodies


def test_line_files_of_the_demo_are_message_lines_only(demo_files: list[Path]) -> None:
    assert all(m.key and m.event_ms for m in plain(line_files(demo_files[0].parent), None))
