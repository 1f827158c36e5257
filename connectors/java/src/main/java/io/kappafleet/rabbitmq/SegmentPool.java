package io.kappafleet.rabbitmq;

import java.util.concurrent.ArrayBlockingQueue;

/**
 * Arrays in which chunks wait, used again and again: what waits long would otherwise be copied by
 * the garbage collector, once and again. Thread-safe; never blocks, and never gives out an array
 * that somebody holds.
 */
final class SegmentPool {
  /** Small enough for any heap region, large enough for hundreds of messages. */
  static final int SEGMENT_BYTES = 64 << 10;

  private final ArrayBlockingQueue<byte[]> free;

  /**
   * @param maxBytes what may be kept for later
   */
  SegmentPool(long maxBytes) {
    free = new ArrayBlockingQueue<>(Math.toIntExact(Math.max(1, maxBytes / SEGMENT_BYTES)));
  }

  /**
   * An array with any content.
   *
   * @param least so many bytes must fit
   * @param wanted so many are likely to be needed; few get an array of their own
   */
  byte[] take(int least, long wanted) {
    if (least > SEGMENT_BYTES || wanted < SEGMENT_BYTES / 8) {
      return new byte[(int) Math.max(least, Math.min(wanted, SEGMENT_BYTES / 8))];
    }
    byte[] pooled = free.poll();
    return pooled != null ? pooled : new byte[SEGMENT_BYTES];
  }

  /** The caller must not use the array any more. */
  void giveBack(byte[] segment) {
    if (segment.length == SEGMENT_BYTES) {
      free.offer(segment);
    }
  }
}
