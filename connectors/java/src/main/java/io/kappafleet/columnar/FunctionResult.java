package io.kappafleet.columnar;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.LongBuffer;

/**
 * What one call into Python returned: {@code (timers, deletions or None, counters or None, then for
 * each output key index and rows, or None twice)}, each a {@code bytes}. The states are in the
 * {@link Arena}.
 */
final class FunctionResult {
  private final LongBuffer timers;
  private final byte[] deletions;
  private final LongBuffer counters;
  private final Object[] parts;

  FunctionResult(Object[] parts) {
    this.parts = parts;
    timers = longs((byte[]) parts[0]);
    deletions = (byte[]) parts[1];
    counters = parts[2] == null ? LongBuffer.allocate(0) : longs((byte[]) parts[2]);
  }

  /** The next event-time timer of a key. */
  long timer(int key) {
    return timers.get(key);
  }

  /** Whether a key's state ends. */
  boolean isDeleted(int key) {
    return deletions != null && deletions[key] != 0;
  }

  /** How much each counter grows; empty when none does. */
  LongBuffer counters() {
    return counters;
  }

  /** The key of each row of an output; null without rows. */
  IntBuffer keyIndex(int output) {
    byte[] bytes = (byte[]) parts[3 + 2 * output];
    return bytes == null
        ? null
        : ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
  }

  byte[] rows(int output) {
    return (byte[]) parts[4 + 2 * output];
  }

  private static LongBuffer longs(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
  }
}
