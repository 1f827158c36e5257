package io.kappafleet.columnar;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.List;

/**
 * What one call into Python returned: {@code (timers, deletions or None, counters or None, rejects
 * or None, then for each output key index and rows, or None twice)}, each a {@code bytes} but for
 * the rejects, which are JSON. The states are in the {@link Arena}.
 */
final class FunctionResult {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int OUTPUTS_FROM = 4;

  /** A message of the batch that the function refuses, and why. */
  record Rejected(int message, String reason) {}

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

  /** The messages that the function refuses. */
  List<Rejected> rejects() {
    if (parts[3] == null) {
      return List.of();
    }
    try {
      return List.of(JSON.readValue((String) parts[3], Rejected[].class));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the rejects of a function cannot be read: " + e, e);
    }
  }

  /** The key of each row of an output; null without rows. */
  IntBuffer keyIndex(int output) {
    byte[] bytes = (byte[]) parts[OUTPUTS_FROM + 2 * output];
    return bytes == null
        ? null
        : ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
  }

  byte[] rows(int output) {
    return (byte[]) parts[OUTPUTS_FROM + 2 * output + 1];
  }

  private static LongBuffer longs(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
  }
}
