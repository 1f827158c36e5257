"""What the log holds beside what was published."""

from __future__ import annotations

import json
from pathlib import Path

from chaos.log import Held, missing, reordered


def body(vehicle_id: str, seq: int) -> bytes:
    return json.dumps({"vehicle_id": vehicle_id, "seq": seq, "samples": {"t": [seq]}}).encode()


A1, A2, A3, B1 = body("a", 1), body("a", 2), body("a", 3), body("b", 1)


def published(folder: Path, *bodies: bytes) -> Path:
    path = folder / "lines.jsonl"
    path.write_bytes(b"".join(each + b"\n" for each in bodies))
    return path


def log(*bodies: bytes) -> Held:
    held = Held()
    for place, each in enumerate(bodies):
        held.note(each, place)
    return held


def test_copies_in_the_log_are_no_loss(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, B1)
    assert missing(log(A1, A2, A2, B1), lines) == 0


def test_what_the_log_does_not_hold_as_often_is_lost(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, A2, B1)
    assert missing(log(A1, A2, B1), lines) == 1
    assert missing(log(A1, B1), lines) == 2


def test_vehicles_may_overtake_each_other_and_copies_come_late(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, B1, A3)
    assert reordered(log(B1, A1, A2, A3, A1, A2), lines) == 0


def test_a_message_behind_a_later_one_of_its_vehicle_is_out_of_order(tmp_path: Path) -> None:
    lines = published(tmp_path, A1, A2, B1, A3)
    assert reordered(log(A2, A1, A3, A2, B1), lines) == 1
    assert reordered(log(A3, A1, A2, B1), lines) == 1
