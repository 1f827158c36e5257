package io.kappafleet.rabbitmq;

/** A split while it is read; belongs to the task thread, metrics read it too. */
final class SplitState {
  private final StreamSplit split;
  private final SplitProgress progress;

  /** Volatile for the metrics' thread; one writer, so plain increments are fine. */
  private volatile long next;

  SplitState(StreamSplit split, SplitProgress progress) {
    this.split = split;
    this.progress = progress;
    next = split.next();
  }

  StreamSplit split() {
    return split;
  }

  SplitProgress progress() {
    return progress;
  }

  long next() {
    return next;
  }

  void advanceTo(long newNext) {
    next = newNext;
  }

  /** Messages up to the end (or the stop offset) at the last look. */
  long pending() {
    long end = Math.min(progress.endOffset, split.stop());
    return Math.max(0, end + 1 - Math.max(next, 0));
  }

  StreamSplit snapshot() {
    return split.at(next);
  }
}
