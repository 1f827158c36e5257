package io.kappafleet.rabbitmq;

import java.io.IOException;
import org.apache.flink.runtime.throwable.ThrowableAnnotation;
import org.apache.flink.runtime.throwable.ThrowableType;

/**
 * The stream no longer holds what the job needs next.
 *
 * <p>No restart can bring the messages back, so Flink is told not to try: the job ends with this
 * sentence instead of failing round and round.
 */
@ThrowableAnnotation(ThrowableType.NonRecoverableError)
public final class OffsetsLostException extends IOException {
  private static final long serialVersionUID = 1L;

  private OffsetsLostException(String message) {
    super(message);
  }

  static OffsetsLostException removedByRetention(String stream, long first, long needed) {
    return new OffsetsLostException(
        ("stream %s starts at offset %d but the checkpoint needs %d: retention removed data;"
                + " restart with --from rabbitmq:?start=first and no savepoint to accept the loss")
            .formatted(stream, first, needed));
  }

  static OffsetsLostException beyondTheEnd(String stream, long last, long needed) {
    String end = last < 0 ? "is empty" : "ends at offset " + last;
    return new OffsetsLostException(
        ("stream %s %s but the checkpoint needs %d: the stream was deleted and created again;"
                + " restart with --from rabbitmq:?start=first and no savepoint to read the new one")
            .formatted(stream, end, needed));
  }
}
