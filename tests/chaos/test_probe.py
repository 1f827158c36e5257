"""What the probe concludes from what it has seen."""

from __future__ import annotations

from chaos.feed import Sent
from chaos.probe import Probe, Seen

SENT = [Sent(at=10.0 + index, event_ms=1000 * index, index=20 * index) for index in range(5)]


def probe(*seen: tuple[float, int]) -> Probe:
    found = Probe(0, "keyspace", SENT)
    found.seen = [Seen(at, event_ms) for at, event_ms in seen]
    return found


def test_a_fault_is_over_with_the_first_result_of_a_message_published_after_it() -> None:
    """Messages of 12 and 13 are published after it; results of older ones do not count."""
    assert probe((10.5, 0), (14.5, 1000)).first_after(11.5) is None
    assert probe((10.5, 0), (14.5, 1000), (15.0, 2000), (16.0, 3000)).first_after(11.5) == 15.0


def test_a_result_that_was_overtaken_by_a_later_one_counts_too() -> None:
    assert probe((10.5, 0), (17.0, 4000)).first_after(11.5) == 17.0


def test_nothing_was_published_after_it_yet() -> None:
    assert probe((17.0, 4000)).first_after(20.0) is None


def test_silence_is_the_longest_time_without_a_new_result_within_a_span() -> None:
    seen = probe((1.0, 0), (12.0, 1000), (15.0, 2000), (40.0, 3000))
    assert seen.silence_s(11.0, 16.0) == 3.0
    assert seen.silence_s(10.5, 20.0) == 5.0
    assert seen.silence_s(16.0, 30.0) == 14.0


def test_the_age_of_a_result_counts_from_its_message() -> None:
    assert probe((10.5, 0), (12.75, 2000)).ages_s() == [0.5, 0.75]
