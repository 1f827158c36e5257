package io.kappafleet.rabbitmq;

import java.io.Serializable;
import org.apache.flink.api.connector.source.SourceSplit;

/**
 * One stream, and how far it was read: what a checkpoint holds.
 *
 * @param stream the stream's name, which is the split's id
 * @param next the next offset to emit; {@link #UNRESOLVED} for a stream that was empty when the job
 *     began at its first message
 * @param stop the last offset to emit, inclusive; {@link #NO_STOP} to read for ever
 * @param notBeforeMs messages that the broker received earlier are skipped; 0 for none. A chunk is
 *     found by its time, and a time in the future by none.
 */
public record StreamSplit(String stream, long next, long stop, long notBeforeMs)
    implements SourceSplit, Serializable {
  private static final long serialVersionUID = 1L;

  /** From the first message, wherever that will be. */
  public static final long UNRESOLVED = -1;

  public static final long NO_STOP = Long.MAX_VALUE;

  @Override
  public String splitId() {
    return stream;
  }

  /** Nothing is left to read. */
  boolean isDone() {
    return stop != NO_STOP && Math.max(next, 0) > stop;
  }

  StreamSplit at(long newNext) {
    return new StreamSplit(stream, newNext, stop, notBeforeMs);
  }
}
