"""Rules of windows: what is in one, when it is written, how it is corrected, and when it is forgotten."""

from __future__ import annotations

import pytest

from tests.metrics.harness import T0, Harness, defined, seconds, sent, windows

HOUR_MS = 3_600_000


def ran(definition, *messages) -> Harness:
    harness = Harness(definition)
    harness.feed(messages)
    harness.advance()
    return harness


def test_a_window_holds_what_is_from_its_start_to_before_its_end():
    harness = ran(defined(), sent([0, 30, 59.999, 60, 119.999], [1, 2, 3, 4, 5]))
    assert windows(harness, "count", "sum", "mean", "min", "max", "final", "revision") == {
        (0, "1m"): (3, 6.0, 2.0, 1.0, 3.0, True, 0),
        (60, "1m"): (2, 9.0, 4.5, 4.0, 5.0, True, 0),
    }


def test_a_sliding_window_begins_every_slide_and_shares_its_samples():
    harness = ran(defined(windows=[{"length": "3m", "slide": "1m"}]), sent([0, 60], [1, 10]))
    assert windows(harness, "sum") == {
        (-120, "3m/1m"): (1.0,),
        (-60, "3m/1m"): (11.0,),
        (0, "3m/1m"): (11.0,),
        (60, "3m/1m"): (10.0,),
    }


def test_the_rate_is_per_second_of_the_whole_window():
    assert windows(ran(defined(), sent([0, 1, 2], [1, None, 2])), "rate_per_s") == {(0, "1m"): (2 / 60,)}


def test_missing_values_are_samples_without_a_value():
    harness = ran(defined(), sent([0, 1], [None, 5]), sent([60]))
    assert windows(harness, "n_samples", "count", "mean", "sum", "p50") == {
        (0, "1m"): (2, 1, 5.0, 5.0, 5.0),
        (60, "1m"): (1, 0, None, 0.0, None),
    }


def test_only_what_was_asked_for_is_written():
    (row,) = windows(
        ran(defined(fields={"v": {"aggregates": ["max"]}}), sent([0], [1])),
        "max",
        "min",
        "mean",
        "rate_per_s",
        "p50",
    ).values()
    assert row == (1.0, None, None, None, None)


def test_exact_percentiles_are_values_that_were_there():
    field = {"percentiles": [1, 50, 90, 99.9], "accuracy": 0, "min": -100, "max": 300, "decimals": 1}
    harness = ran(defined(fields={"v": field}), sent(range(10), [-5.5, 1, 2, 3, 4, 5, 6, 7, 8, 300]))
    assert windows(harness, "p1", "p50", "p90", "p99_9") == {(0, "1m"): (-5.5, 4.0, 8.0, 8.0)}


def test_a_sketch_is_wrong_by_no_more_than_its_accuracy():
    values = [1.7**index / 100 * (-1) ** index for index in range(50)]
    field = {"percentiles": [1, 25, 50, 90, 99], "accuracy": 0.02}
    (row,) = windows(
        ran(defined(fields={"v": field}), sent(range(50), values)), "p1", "p25", "p50", "p90", "p99"
    ).values()
    ordered = sorted(round(value, 3) for value in values)
    for percentile, value in zip((1, 25, 50, 90, 99), row, strict=True):
        assert value == pytest.approx(ordered[int(percentile / 100 * 49)], rel=0.02)


def test_true_counts_as_one():
    harness = Harness(defined(fields={"v": {"type": "boolean", "aggregates": ["sum", "mean"]}}))
    harness.feed([sent([0, 1, 2, 3], [True, False, None, True])])
    harness.advance()
    assert windows(harness, "count", "sum", "mean") == {(0, "1m"): (3, 2.0, 2 / 3)}


def test_zero_has_no_sign():
    for values in ([0.0, -0.0], [-0.0, 0.0]):
        (row,) = windows(ran(defined(), sent([0, 1], values)), "min", "max", "sum", "p50").values()
        assert str(row) == "(0.0, 0.0, 0.0, 0.0)"


def test_sums_are_exact_to_the_decimals():
    harness = ran(defined(), sent(range(50), [0.1] * 50))
    assert windows(harness, "sum", "mean") == {(0, "1m"): (5.0, 0.1)}


def test_a_copy_is_ignored_and_counted_whatever_it_holds():
    harness = ran(
        defined(windows=[{"length": "1m"}, {"length": "1h"}]),
        sent([0, 70], [1, 1], seq=7),
        sent([0, 70], [9, 9], seq=7),
        sent([0, 70], [2, 2], seq=8),
    )
    assert windows(harness, "sum") == {(0, "1m"): (3.0,), (60, "1m"): (3.0,), (0, "1h"): (6.0,)}
    assert harness.windows.counters.copies == 1


def test_the_same_number_at_another_time_is_another_message():
    assert windows(ran(defined(), sent([0], [1], seq=0), sent([1], [1], seq=0)), "sum") == {(0, "1m"): (2.0,)}


def test_without_a_number_every_message_counts():
    assert windows(ran(defined(), sent([0], [1]), sent([0], [1])), "sum") == {(0, "1m"): (2.0,)}
    assert windows(ran(defined(seq=None), sent([0], [1], seq=1), sent([0], [1], seq=1)), "sum") == {
        (0, "1m"): (2.0,)
    }


def test_a_message_of_many_different_values_is_counted_whole_and_once():
    values = [float(index * index) for index in range(200)]
    harness = ran(defined(windows=[{"length": "1h"}]), *2 * [sent(range(200), values, seq=1)])
    ((count, median),) = windows(harness, "count", "p50").values()
    assert count == 200
    assert median == pytest.approx(99 * 99, rel=0.01)


def test_a_late_message_of_many_rows_is_one_correction():
    harness = Harness(defined(windows=[{"length": "1h"}]), keep_ms=HOUR_MS)
    harness.advance(T0 + HOUR_MS)
    for seq in range(2):
        values = [float(index * index + seq) for index in range(200)]
        harness.feed([sent(range(200), values, seq=seq)])
    rows = [row for _, _, row in harness.writes]
    assert [(row["count"], row["revision"]) for row in rows] == [(200, 0), (400, 1)]
    assert [row["p50"] for row in rows] == pytest.approx([99 * 99, 99 * 99 + 1], rel=0.01)


def test_the_watermark_makes_a_window_final_and_a_late_sample_the_next_revision():
    harness = Harness(defined(), keep_ms=HOUR_MS)
    harness.feed([sent([0], [1])])
    harness.advance(T0 + 59_998)
    assert harness.writes == []
    harness.advance(T0 + 59_999)
    harness.advance(T0 + 120_000)
    harness.feed([sent([1], [2])])
    harness.feed([sent([2, 60], [3, 4])])
    assert [
        (seconds(row["window_start"]), row["sum"], row["final"], row["revision"])
        for _, _, row in harness.writes
    ] == [(0, 1.0, True, 0), (0, 3.0, True, 1), (0, 6.0, True, 2), (60, 4.0, True, 0)]


def test_an_open_tumbling_window_is_written_when_the_clock_asks_a_sliding_one_when_it_ends():
    harness = Harness(defined(windows=[{"length": "1m"}, {"length": "2m", "slide": "1m"}]))
    harness.feed([sent([0], [1])], live=True)
    harness.flush()
    harness.flush()
    assert [(row["window"], row["sum"], row["final"]) for _, _, row in harness.writes] == [("1m", 1.0, False)]
    harness.feed([sent([1], [2])], live=True)
    harness.advance(T0 + 60_000)
    harness.flush()
    assert [
        (row["window"], row["sum"], row["final"], row["revision"]) for _, _, row in harness.writes[1:]
    ] == [
        ("1m", 3.0, True, 0),
        ("2m/1m", 3.0, True, 0),
    ]


def test_the_clock_asks_for_every_pane_that_changed_and_for_each_change_anew():
    harness = Harness(defined(), keep_ms=HOUR_MS)
    harness.feed([sent([0, 60], [1, 2])], live=True)
    harness.flush()
    harness.feed([sent([1], [3])], live=True)
    harness.flush()
    assert [(seconds(row["window_start"]), row["sum"]) for _, _, row in harness.writes] == [
        (0, 1.0),
        (60, 2.0),
        (0, 4.0),
    ]


def test_a_late_sample_corrects_those_of_its_sliding_windows_that_are_closed_at_once():
    harness = Harness(defined(windows=[{"length": "3m", "slide": "1m"}]), keep_ms=HOUR_MS)
    harness.feed([sent([0], [1])])
    harness.advance(T0 + 60_000)
    harness.feed([sent([1], [2])])
    assert [(seconds(row["window_start"]), row["sum"], row["revision"]) for _, _, row in harness.writes] == [
        (-120, 1.0, 0),
        (-120, 3.0, 1),
    ]


def test_a_window_that_was_final_is_not_open_again_after_a_restart():
    harness = Harness(defined(), keep_ms=HOUR_MS)
    harness.feed([sent([0], [1])], live=True)
    harness.advance(T0 + 60_000)
    harness.watermark = -(2**63)  # a restored job's watermark begins anew
    harness.feed([sent([1], [2])], live=True)
    harness.flush()
    assert [row["final"] for _, _, row in harness.writes] == [True]
    harness.advance(T0 + 60_000)
    assert [(row["sum"], row["revision"]) for _, _, row in harness.writes] == [(1.0, 0), (3.0, 1)]


def test_what_is_over_is_forgotten_to_the_last_timer():
    definition = defined(windows=[{"length": "1m"}, {"length": "10m", "slide": "2m"}, {"length": "1h"}])
    harness = Harness(definition, keep_ms=HOUR_MS)
    for minute in range(30):
        harness.feed([sent([60 * minute, 60 * minute + 61], [1, 2], seq=minute)])
        harness.advance(T0 + 60_000 * (minute - 1))
    kept = harness.state_size()
    harness.advance(T0 + 3 * HOUR_MS)
    assert kept > 30
    assert harness.state_size() == 0


def test_what_was_forgotten_is_not_written_anew_from_a_part_of_it():
    harness = Harness(defined(windows=[{"length": "1m"}, {"length": "1h"}]), keep_ms=60_000)
    harness.feed([sent([0], [1])])
    harness.advance(T0 + 120_000)
    harness.feed([sent([1], [2])])
    harness.advance()
    assert windows(harness, "sum") == {(0, "1m"): (1.0,), (0, "1h"): (3.0,)}
    assert harness.windows.counters.too_old == 1


def test_a_sliding_window_that_is_over_is_not_corrected_while_its_later_panes_are_kept():
    harness = Harness(defined(windows=[{"length": "2m", "slide": "1m"}]), keep_ms=30_000)
    harness.feed([sent([0, 60], [1, 10])])
    harness.advance(T0 + 150_000)
    harness.feed([sent([61], [100])])
    harness.advance()
    assert windows(harness, "sum") == {(-60, "2m/1m"): (1.0,), (0, "2m/1m"): (11.0,), (60, "2m/1m"): (110.0,)}


def test_state_of_another_definition_is_refused():
    before, after = Harness(defined()), Harness(defined(fields={"v": {"decimals": 1}}))
    before.feed([sent([0], [1])])
    after.stores, after.timers = before.stores, before.timers
    with pytest.raises(ValueError, match="the state is of another definition"):
        after.feed([sent([1], [1])])


LIMITS = [
    {"name": "high", "field": "v", "aggregate": "max", "above": 10, "event": True, "severity": "alarm"},
    {"name": "few", "field": "v", "aggregate": "count", "below": 2, "event": True},
    {"name": "mean_low", "field": "v", "aggregate": "mean", "below": 5, "min_count": 2},
]


def test_thresholds_mark_rows_and_those_that_are_to_make_events():
    harness = ran(defined(thresholds=LIMITS), sent([0, 1, 60, 61, 120], [1, 10, 11, 12, 3]), sent([180]))
    assert windows(harness, "marks") == {
        (0, "1m"): (None,),
        (60, "1m"): ("high",),
        (120, "1m"): ("few",),
        (180, "1m"): (None,),  # no value at all: min_count is 1
    }
    events = harness.tables()["metric_event"].values()
    assert [(seconds(e["window_start"]), e["threshold"], e["value"], e["severity"]) for e in events] == [
        (60, "high", 12.0, "alarm"),
        (120, "few", 1, "warning"),
    ]


def test_an_event_that_a_late_sample_takes_back_is_superseded():
    harness = Harness(defined(thresholds=LIMITS), keep_ms=HOUR_MS)
    harness.feed([sent([0], [1])])
    harness.advance(T0 + 60_000)
    assert [key[-1] for key in harness.tables()["metric_event"]] == ["few"]
    harness.feed([sent([1], [20])])
    assert [key[-1] for key in harness.tables()["metric_event"]] == ["high"]
    assert windows(harness, "marks") == {(0, "1m"): ("high",)}


def test_a_threshold_of_one_window_leaves_the_others_alone():
    limit = {**LIMITS[0], "window": "1h"}
    harness = ran(defined(windows=[{"length": "1m"}, {"length": "1h"}], thresholds=[limit]), sent([0], [11]))
    assert windows(harness, "marks") == {(0, "1m"): (None,), (0, "1h"): ("high",)}
