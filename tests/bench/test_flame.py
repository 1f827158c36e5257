"""Rules of the profile's table."""

from __future__ import annotations

import pytest

from bench.flame import by_kind


def test_shares_are_by_thread_and_by_the_first_kind_that_a_frame_names() -> None:
    shares = by_kind(
        [
            "[vehicles: minutes, trips (1/1)#0 tid=12];a.b;io/kappafleet/columnar/PlainDecoder.number_[j];memcpy 30\n",
            "[vehicles: minutes, trips (2/2)#1 tid=13];io/kappafleet/columnar/KeyedRows.gather_[j] 20\n",
            "[C2 CompilerThre tid=3];CompileBroker::compiler_thread_loop;Compile::Compile 40\n",
            "[main tid=1];what.nobody.knows 10\n",
        ]
    )
    assert shares == pytest.approx(
        {
            ("vehicles: minutes, trips", "decoding"): 0.3,
            ("vehicles: minutes, trips", "state to and from the arena"): 0.2,
            ("C CompilerThre", "JVM's compilers"): 0.4,
            ("main", "other"): 0.1,
        }
    )


def test_no_samples_are_no_shares() -> None:
    assert by_kind([]) == {}
