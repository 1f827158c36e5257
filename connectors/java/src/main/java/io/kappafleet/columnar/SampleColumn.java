package io.kappafleet.columnar;

import java.util.Arrays;

/**
 * One array of samples over all messages of a mini-batch, numbers or booleans.
 *
 * <p>The decoder appends the values of the current message behind those of the messages before it;
 * until {@link #commit} moves the end, they do not count, so a refused message leaves nothing.
 */
final class SampleColumn {
  /** What a mini-batch may leave allocated for the next one. */
  private static final int KEPT = 1 << 18;

  private final boolean booleans;
  private double[] numbers;
  private byte[] flags;
  private int end;
  private int next;
  private boolean present;

  SampleColumn(boolean booleans) {
    this.booleans = booleans;
    clear();
  }

  boolean isBooleans() {
    return booleans;
  }

  double[] numbers() {
    return numbers;
  }

  byte[] flags() {
    return flags;
  }

  void clear() {
    end = 0;
    next = 0;
    if (booleans) {
      flags = flags == null || flags.length > KEPT ? new byte[1024] : flags;
    } else {
      numbers = numbers == null || numbers.length > KEPT ? new double[1024] : numbers;
    }
  }

  /** Forgets what was added since the last commit. */
  void begin() {
    next = end;
    present = false;
  }

  /** The current message has the array, if only an empty one. */
  void start() {
    present = true;
  }

  boolean isPresent() {
    return present;
  }

  void add(double value) {
    if (next == numbers.length) {
      numbers = Arrays.copyOf(numbers, next * 2);
    }
    numbers[next++] = value;
  }

  void add(byte flag) {
    if (next == flags.length) {
      flags = Arrays.copyOf(flags, next * 2);
    }
    flags[next++] = flag;
  }

  /** How many values the current message has added. */
  int added() {
    return next - end;
  }

  /** Ends the message at {@code samples} values in all; an array that was not there is missing. */
  void commit(int samples) {
    if (next < samples) {
      fillMissing(samples);
    }
    end = samples;
  }

  private void fillMissing(int samples) {
    if (booleans) {
      if (samples > flags.length) {
        flags = Arrays.copyOf(flags, Math.max(samples, flags.length * 2));
      }
      Arrays.fill(flags, next, samples, ColumnBatch.UNKNOWN);
    } else {
      if (samples > numbers.length) {
        numbers = Arrays.copyOf(numbers, Math.max(samples, numbers.length * 2));
      }
      Arrays.fill(numbers, next, samples, Double.NaN);
    }
    next = samples;
  }
}
