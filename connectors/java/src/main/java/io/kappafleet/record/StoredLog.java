package io.kappafleet.record;

import java.io.IOException;
import java.io.Serializable;
import java.util.function.Consumer;
import org.apache.flink.api.java.tuple.Tuple5;

/**
 * What a log holds, to be read from its beginning to the end that it has at that moment, outside of
 * Flink's sources: for data that must be complete before a job judges its first message.
 */
@FunctionalInterface
public interface StoredLog extends Serializable {
  /**
   * Reads all of it, in order.
   *
   * @throws IOException when it cannot be read to its end
   */
  void read(Consumer<Tuple5<String, byte[], String, Long, Long>> each)
      throws IOException, InterruptedException;
}
