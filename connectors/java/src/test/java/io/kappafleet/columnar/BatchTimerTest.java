package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.streaming.runtime.tasks.TestProcessingTimeService;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class BatchTimerTest {
  private static final long MAX = 50;

  private final TestProcessingTimeService clock = new TestProcessingTimeService();
  private final List<Long> flushes = new ArrayList<>();
  private boolean waiting;
  private BatchTimer timer;

  @BeforeEach
  void setUp() throws Exception {
    clock.setCurrentTime(1000);
    timer =
        new BatchTimer(
            clock,
            MAX,
            () -> waiting,
            () -> {
              flushes.add(clock.getCurrentProcessingTime());
              timer.closed();
            });
  }

  @Test
  void aBatchEndsAtTheFirstLookWhenNothingWaits() throws Exception {
    timer.opened();
    clock.setCurrentTime(1000 + BatchTimer.LOOK_MS - 1);
    assertThat(flushes).isEmpty();
    clock.setCurrentTime(1000 + BatchTimer.LOOK_MS);
    assertThat(flushes).containsExactly(1000 + BatchTimer.LOOK_MS);
    assertThat(clock.getNumActiveTimers()).isZero();
  }

  @Test
  void underABacklogABatchEndsAtItsLongestDelay() throws Exception {
    waiting = true;
    timer.opened();
    for (long now = 1000; now < 1000 + MAX; now++) {
      clock.setCurrentTime(now);
    }
    assertThat(flushes).isEmpty();
    clock.setCurrentTime(1000 + MAX);
    assertThat(flushes).containsExactly(1000 + MAX);
  }

  @Test
  void aBatchEndsSoonAfterTheBacklogIsGone() throws Exception {
    waiting = true;
    timer.opened();
    for (long now = 1000; now <= 1020; now++) {
      clock.setCurrentTime(now);
    }
    waiting = false;
    clock.setCurrentTime(1020 + BatchTimer.LOOK_MS);
    assertThat(flushes).hasSize(1);
  }

  /** The look that the batch before it asked for does not end the next one early. */
  @Test
  void eachBatchHasItsOwnTime() throws Exception {
    timer.opened();
    clock.setCurrentTime(1001);
    timer.closed();
    timer.opened();
    assertThat(clock.getNumActiveTimers()).isEqualTo(1);
    clock.setCurrentTime(1000 + BatchTimer.LOOK_MS);
    assertThat(flushes).isEmpty();
    clock.setCurrentTime(1001 + BatchTimer.LOOK_MS);
    assertThat(flushes).hasSize(1);
  }

  @Test
  void aClosedBatchIsNotEndedAndNotLookedAtAgain() throws Exception {
    timer.opened();
    timer.closed();
    clock.setCurrentTime(2000);
    assertThat(flushes).isEmpty();
    assertThat(clock.getNumActiveTimers()).isZero();
  }
}
