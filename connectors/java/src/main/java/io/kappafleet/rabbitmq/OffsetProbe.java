package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Consumer;
import com.rabbitmq.stream.ConsumerFlowStrategy;
import com.rabbitmq.stream.Environment;
import com.rabbitmq.stream.Message;
import com.rabbitmq.stream.MessageHandler;
import com.rabbitmq.stream.NoOffsetException;
import com.rabbitmq.stream.OffsetSpecification;
import com.rabbitmq.stream.StreamException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Finds out what streams hold, by short-lived consumers that take one chunk.
 *
 * <p>RabbitMQ 3.10 has no request for it; later brokers have, but only for the first offset. A
 * consumer of an empty stream hears nothing, so there silence for a limited time means empty,
 * unless the broker can be asked (3.11 and later). All streams of a call are asked at once: several
 * empty ones cost one time limit.
 */
final class OffsetProbe {
  /** Silence that is taken for emptiness where a wrong guess would lose data. */
  static final Duration CAREFUL = Duration.ofSeconds(4);

  /** Silence that is taken for emptiness where a wrong guess does no harm. */
  static final Duration QUICK = Duration.ofSeconds(1);

  /** How long a stream that is known to hold messages may take to deliver one. */
  private static final Duration PATIENCE = Duration.ofSeconds(15);

  private final Environment environment;
  private volatile boolean statsUnknown;

  OffsetProbe(Environment environment) {
    this.environment = environment;
  }

  /**
   * First and last offset of every stream.
   *
   * @param silence how long to wait before a stream is taken for empty
   * @throws IOException when a stream that holds messages delivers none in time
   */
  Map<String, StreamRange> ranges(Collection<String> streams, Duration silence)
      throws IOException, InterruptedException {
    Map<String, StreamRange> ranges = new LinkedHashMap<>();
    Map<String, OneChunk> firsts = new LinkedHashMap<>();
    Map<String, OneChunk> lasts = new LinkedHashMap<>();
    try {
      for (String stream : streams) {
        if (isKnownToBeEmpty(stream)) {
          ranges.put(stream, StreamRange.EMPTY);
          continue;
        }
        firsts.put(stream, new OneChunk(stream, OffsetSpecification.first()));
        lasts.put(stream, new OneChunk(stream, OffsetSpecification.last()));
      }
      long silentAt = System.nanoTime() + silence.toNanos();
      long lateAt = System.nanoTime() + PATIENCE.toNanos();
      for (String stream : firsts.keySet()) {
        Chunk first = firsts.get(stream).await(statsUnknown ? silentAt : lateAt);
        Chunk last = lasts.get(stream).await(first != null ? lateAt : silentAt);
        if (first == null && last != null) {
          first = firsts.get(stream).await(lateAt);
        }
        if (first == null && last == null && statsUnknown) {
          ranges.put(stream, StreamRange.EMPTY);
        } else if (first == null || last == null) {
          throw new IOException(
              "stream %s holds messages but delivered none within %d s"
                  .formatted(stream, PATIENCE.toSeconds()));
        } else {
          ranges.put(stream, new StreamRange(first.first, last.last, last.timestampMs));
        }
      }
      return ranges;
    } finally {
      firsts.values().forEach(OneChunk::close);
      lasts.values().forEach(OneChunk::close);
    }
  }

  StreamRange range(String stream, Duration silence) throws IOException, InterruptedException {
    return ranges(List.of(stream), silence).get(stream);
  }

  /** The last offset of every stream; -1 for those that stay silent. */
  Map<String, Long> lastOffsets(Collection<String> streams, Duration silence)
      throws IOException, InterruptedException {
    Map<String, OneChunk> probes = new LinkedHashMap<>();
    try {
      for (String stream : streams) {
        probes.put(stream, new OneChunk(stream, OffsetSpecification.last()));
      }
      long silentAt = System.nanoTime() + silence.toNanos();
      Map<String, Long> offsets = new LinkedHashMap<>();
      for (Map.Entry<String, OneChunk> probe : probes.entrySet()) {
        Chunk chunk = probe.getValue().await(silentAt);
        offsets.put(probe.getKey(), chunk == null ? -1 : chunk.last);
      }
      return offsets;
    } finally {
      probes.values().forEach(OneChunk::close);
    }
  }

  /**
   * The first offset of the chunk that holds the first message received at or after a time; the
   * caller knows that the stream holds one. Earlier messages may follow in that chunk.
   */
  long firstOffsetSince(String stream, long timestampMs) throws IOException, InterruptedException {
    OneChunk probe = new OneChunk(stream, OffsetSpecification.timestamp(timestampMs));
    try {
      Chunk chunk = probe.await(System.nanoTime() + PATIENCE.toNanos());
      if (chunk == null) {
        throw new IOException(
            "stream %s delivered nothing for timestamp %d within %d s"
                .formatted(stream, timestampMs, PATIENCE.toSeconds()));
      }
      return chunk.first;
    } finally {
      probe.close();
    }
  }

  private boolean isKnownToBeEmpty(String stream) {
    if (statsUnknown) {
      return false;
    }
    try {
      environment.queryStreamStats(stream).firstOffset();
      return false;
    } catch (NoOffsetException e) {
      return true;
    } catch (StreamException e) {
      // The client wraps its own refusal to ask a broker before 3.11.
      if (e.getCause() instanceof UnsupportedOperationException) {
        statsUnknown = true;
        return false;
      }
      throw e;
    }
  }

  private record Chunk(long first, long last, long timestampMs) {}

  /** A consumer that takes a single chunk. */
  private final class OneChunk implements ConsumerFlowStrategy, MessageHandler {
    private final CompletableFuture<Chunk> received = new CompletableFuture<>();
    private final List<ConsumerFlowStrategy.Context> chunks = new ArrayList<>(1);
    private final Consumer consumer;

    private OneChunk(String stream, OffsetSpecification from) {
      consumer =
          environment.consumerBuilder().stream(stream)
              .offset(from)
              .noTrackingStrategy()
              .flow()
              .strategy(this)
              .builder()
              .messageHandler(this)
              .build();
    }

    @Override
    public int initialCredits() {
      return 1;
    }

    @Override
    public synchronized MessageProcessedCallback start(ConsumerFlowStrategy.Context chunk) {
      chunks.add(chunk);
      return processed -> {};
    }

    /** The chunk's time is told only with its messages. */
    @Override
    public synchronized void handle(MessageHandler.Context context, Message message) {
      if (!received.isDone() && !chunks.isEmpty()) {
        ConsumerFlowStrategy.Context chunk = chunks.get(0);
        received.complete(
            new Chunk(
                chunk.chunkId(), chunk.chunkId() + chunk.messageCount() - 1, context.timestamp()));
      }
    }

    /** Null when nothing has come by the time. */
    private Chunk await(long deadlineNanos) throws InterruptedException {
      try {
        return received.get(Math.max(0, deadlineNanos - System.nanoTime()), TimeUnit.NANOSECONDS);
      } catch (TimeoutException e) {
        return null;
      } catch (ExecutionException e) {
        throw new IllegalStateException(e);
      }
    }

    private void close() {
      try {
        consumer.close();
      } catch (RuntimeException e) {
        // The link is down, and with it the subscription is gone.
      }
    }
  }
}
