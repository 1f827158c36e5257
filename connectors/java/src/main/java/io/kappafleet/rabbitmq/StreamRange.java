package io.kappafleet.rabbitmq;

/**
 * What a stream holds.
 *
 * @param first the oldest kept offset
 * @param last the newest offset; first - 1 when the stream is empty
 * @param lastMs when the broker received the newest chunk, epoch milliseconds; 0 when empty
 */
record StreamRange(long first, long last, long lastMs) {
  /** A stream into which nothing was written yet. */
  static final StreamRange EMPTY = new StreamRange(0, -1, 0);

  boolean isEmpty() {
    return last < first;
  }
}
