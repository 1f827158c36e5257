"""What the log holds beside what was published."""

from __future__ import annotations

import json
from pathlib import Path

from chaos.log import Disorder, Held, disorder, missing


def body(vehicle_id: str, seq: int) -> bytes:
    return json.dumps({"vehicle_id": vehicle_id, "seq": seq, "samples": {"t": [seq]}}).encode()


A1, A2, A3, B1 = body("a", 1), body("a", 2), body("a", 3), body("b", 1)


def published(folder: Path, *bodies: bytes) -> Path:
    path = folder / "lines.jsonl"
    path.write_bytes(b"".join(each + b"\n" for each in bodies))
    return path


def log(*bodies: bytes, stream: str = "s-0", held: Held | None = None) -> Held:
    found = held or Held()
    for place, each in enumerate(bodies):
        found.note(each, stream, place)
    return found


def test_copies_in_the_log_are_no_loss(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, B1)
    assert missing(log(A1, A2, A2, B1), lines) == 0


def test_what_the_log_does_not_hold_as_often_is_lost(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, A2, B1)
    assert missing(log(A1, A2, B1), lines) == 1
    assert missing(log(A1, B1), lines) == 2


def test_vehicles_may_overtake_each_other_and_copies_come_late(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, B1, A3)
    assert disorder(log(B1, A1, A2, A3, A1, A2), lines) == Disorder(0, 0)


def test_a_message_behind_a_later_one_of_its_vehicle_is_out_of_order(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, B1, A3)
    assert disorder(log(A2, A1, A3, A2, B1), lines) == Disorder(1, 0)
    assert disorder(log(A3, A1, A2, B1), lines) == Disorder(1, 0)


def test_a_vehicle_in_two_streams_has_no_order_there(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, B1, A3)
    assert disorder(log(A3, stream="s-1", held=log(A1, A2, B1)), lines) == Disorder(0, 1)
