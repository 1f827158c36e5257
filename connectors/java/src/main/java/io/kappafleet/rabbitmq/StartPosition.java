package io.kappafleet.rabbitmq;

import java.io.Serializable;

/**
 * Where a job without a checkpoint begins to read each stream.
 *
 * @param kind one of the four ways to say it
 * @param value the offset or the time in epoch milliseconds; 0 for the other two
 */
public record StartPosition(Kind kind, long value) implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The four ways to say where to begin. */
  public enum Kind {
    /** The oldest message that retention has kept. */
    FIRST,
    /** The next message to arrive after the job has started. */
    LAST,
    /** A given offset, which must still exist, or be the next one to be written. */
    OFFSET,
    /** The first message that the broker received at or after a time. */
    TIMESTAMP
  }

  public static final StartPosition FIRST = new StartPosition(Kind.FIRST, 0);
  public static final StartPosition LAST = new StartPosition(Kind.LAST, 0);

  public StartPosition {
    if (value < 0) {
      throw new IllegalArgumentException(
          "an offset or a time to start at is never negative: " + value);
    }
  }

  /**
   * Reads {@code first}, {@code last}, {@code offset:N} or {@code timestamp:MS}.
   *
   * @throws IllegalArgumentException for anything else, naming the four forms
   */
  public static StartPosition parse(String text) {
    if (text.equals("first")) {
      return FIRST;
    }
    if (text.equals("last")) {
      return LAST;
    }
    try {
      if (text.startsWith("offset:")) {
        return new StartPosition(Kind.OFFSET, Long.parseLong(text.substring("offset:".length())));
      }
      if (text.startsWith("timestamp:")) {
        return new StartPosition(
            Kind.TIMESTAMP, Long.parseLong(text.substring("timestamp:".length())));
      }
    } catch (NumberFormatException e) {
      // Falls through to the one message that names the four forms.
    }
    throw new IllegalArgumentException(
        "start is '" + text + "'; it must be first, last, offset:N or timestamp:EPOCH_MS");
  }
}
