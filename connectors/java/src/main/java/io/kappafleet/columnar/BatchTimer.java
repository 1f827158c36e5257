package io.kappafleet.columnar;

import java.util.function.BooleanSupplier;
import org.apache.flink.streaming.runtime.tasks.ProcessingTimeService;

/**
 * Ends a mini-batch by the clock: soon when nothing more is waiting to be read, later when there is
 * a backlog.
 *
 * <p>A batch that is open is looked at every {@link #LOOK_MS}. At low load nothing waits then, and
 * the batch ends although it is small: that is the latency. Under a backlog there is always more to
 * take in, and the batch grows to its other limits, at most for the longest delay.
 */
final class BatchTimer {
  /** Between two looks: even a batch of one message costs a third of a millisecond. */
  static final long LOOK_MS = 5;

  /** What ends the batch. */
  interface Flush {
    void run() throws Exception;
  }

  private final ProcessingTimeService clock;
  private final long maxDelayMs;
  private final BooleanSupplier inputWaits;
  private final Flush flush;
  private boolean open;
  private boolean pending;
  private long startedMs;

  /**
   * @param inputWaits whether there are messages that can be read at once
   */
  BatchTimer(
      ProcessingTimeService clock, long maxDelayMs, BooleanSupplier inputWaits, Flush flush) {
    this.clock = clock;
    this.maxDelayMs = maxDelayMs;
    this.inputWaits = inputWaits;
    this.flush = flush;
  }

  /** A batch has got its first message. */
  void opened() {
    open = true;
    startedMs = clock.getCurrentProcessingTime();
    if (!pending) {
      lookAt(startedMs + LOOK_MS);
    }
  }

  /** The batch has ended. */
  void closed() {
    open = false;
  }

  private void lookAt(long next) {
    pending = true;
    clock.registerTimer(Math.min(next, startedMs + maxDelayMs), this::look);
  }

  private void look(long ignored) throws Exception {
    pending = false;
    if (!open) {
      return;
    }
    long now = clock.getCurrentProcessingTime();
    if (now < startedMs + LOOK_MS && now < startedMs + maxDelayMs) {
      lookAt(startedMs + LOOK_MS); // It was for the batch before this one.
    } else if (now < startedMs + maxDelayMs && inputWaits.getAsBoolean()) {
      lookAt(now + LOOK_MS);
    } else {
      flush.run();
    }
  }
}
