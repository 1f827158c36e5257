package io.kappafleet.rabbitmq;

import java.io.Serializable;
import java.util.List;
import java.util.Map;
import javax.annotation.Nullable;

/**
 * Everything that a source was told; part of the job graph, so without the password.
 *
 * @param broker where to connect
 * @param streams the streams by name; empty when {@code prefix} names them
 * @param prefix reads {@code prefix-0}, {@code prefix-1}, ... up to the first that doesn't exist;
 *     null when {@code streams} names them
 * @param start where to begin without a checkpoint
 * @param bounded stop at the end that each stream has at the start
 * @param stopOffsets last offset by stream, inclusive, instead of its end; only when bounded
 * @param idField the body's field that holds the key of messages without the header {@code key}
 * @param credits chunks of a stream that may wait in memory
 * @param maxBatchMessages messages that are handed to Flink at once, rounded up to whole chunks
 * @param maxBatchBytes the same in bytes of messages
 * @param idleMs a stream without messages for so long is quiet
 * @param liveDistanceMs how far behind the wall clock the watermark of a quiet stream that was read
 *     to its end follows; negative to mark the stream idle instead. Unbounded only.
 * @param lagIntervalMs how often the end of a busy stream is looked up, for the metrics
 * @param discoveryIntervalMs how often to look for further streams of {@code prefix}; 0 never
 */
public record StreamsSettings(
    BrokerAddress broker,
    List<String> streams,
    @Nullable String prefix,
    StartPosition start,
    boolean bounded,
    Map<String, Long> stopOffsets,
    String idField,
    int credits,
    int maxBatchMessages,
    long maxBatchBytes,
    long idleMs,
    long liveDistanceMs,
    long lagIntervalMs,
    long discoveryIntervalMs)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  public StreamsSettings {
    streams = List.copyOf(streams);
    stopOffsets = Map.copyOf(stopOffsets);
    if (streams.isEmpty() == (prefix == null)) {
      throw new IllegalArgumentException("name either the streams or their prefix");
    }
    if (!stopOffsets.isEmpty() && !bounded) {
      throw new IllegalArgumentException("a stop offset makes the source bounded");
    }
    if (credits < 1 || maxBatchMessages < 1 || maxBatchBytes < 1) {
      throw new IllegalArgumentException("credits and batch limits are at least 1");
    }
    if (idleMs < 1 || lagIntervalMs < 1 || discoveryIntervalMs < 0) {
      throw new IllegalArgumentException("idleMs and lagIntervalMs are at least 1");
    }
  }

  /** A quiet stream's watermark follows the wall clock. */
  boolean followsClock() {
    return !bounded && liveDistanceMs >= 0;
  }

  /** How often to look whether a stream is quiet: often enough for the idle time, seldom enough. */
  long tickMs() {
    return Math.min(Math.max(Math.min(idleMs / 2, lagIntervalMs), 100), 5_000);
  }

  /** The streams for messages to people. */
  String describeStreams() {
    return prefix == null ? String.join(", ", streams) : prefix + "-0, " + prefix + "-1, ...";
  }
}
