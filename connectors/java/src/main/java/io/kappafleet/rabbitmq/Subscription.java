package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Consumer;
import com.rabbitmq.stream.ConsumerFlowStrategy;
import com.rabbitmq.stream.Environment;
import com.rabbitmq.stream.Message;
import com.rabbitmq.stream.MessageHandler;
import com.rabbitmq.stream.OffsetSpecification;
import com.rabbitmq.stream.Resource;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One stream's consumer: gathers messages into chunks, grants credits, and asks for a range check
 * whenever offsets may have been lost.
 *
 * <p>Memory: the broker sends a chunk only for a credit, and a credit goes back only when a chunk
 * leaves our queue; so at most {@code credits} chunks of a stream wait, and the client's thread
 * never blocks.
 *
 * <p>Losses: asked for an offset that is gone, the broker begins silently with the first kept one;
 * asked for an offset beyond the end (a stream deleted and created again) it silently sends
 * nothing. So the range is checked after every subscription, the client's own re-subscriptions
 * included, and when a chunk begins later than expected (which may be legal: the broker's own
 * chunks take offsets too). Until the check is decided nothing of the stream is handed on, and so
 * no checkpoint can pass a gap.
 *
 * <p>The client's threads call it: normally one, two for a moment while a lost link is replaced.
 */
final class Subscription implements ConsumerFlowStrategy, MessageHandler {
  private static final Logger LOG = LoggerFactory.getLogger(Subscription.class);

  private static final long LINKED = Long.MIN_VALUE;

  private final StreamSplit split;
  private final int credits;
  private final ChunkQueue queue;
  private final SegmentPool pool;
  private final RangeCheck rangeCheck;
  private Consumer consumer;
  private volatile boolean closing;
  private volatile int generation;

  /**
   * Since when there is no link, by {@link System#nanoTime}; {@link #LINKED} while there is one.
   */
  private volatile long cutSince = LINKED;

  /** The offset after the last received chunk; {@link StreamSplit#UNRESOLVED} before any. */
  private volatile long expected;

  // Guarded by this.
  private ReceivedChunk filling;
  private long expectedBeforeFilling;
  private Thread filler;

  /** Asks for the proof that a stream still holds an offset; the answer goes to the queue. */
  interface RangeCheck {
    void request(Subscription subscription, long needed);
  }

  Subscription(
      StreamSplit split, int credits, ChunkQueue queue, SegmentPool pool, RangeCheck rangeCheck) {
    this.split = split;
    this.credits = credits;
    this.queue = queue;
    this.pool = pool;
    this.rangeCheck = rangeCheck;
    expected = split.next();
  }

  /** Subscribes; messages may arrive before it returns. */
  void open(Environment environment) {
    consumer =
        environment.consumerBuilder().stream(split.stream())
            .offset(
                split.next() < 0
                    ? OffsetSpecification.first()
                    : OffsetSpecification.offset(split.next()))
            .noTrackingStrategy()
            .flow()
            .strategy(this)
            .builder()
            .messageHandler(this)
            .listeners(this::stateChanged)
            .build();
  }

  void close() {
    closing = true;
    Consumer open = consumer;
    if (open != null) {
      open.close();
    }
  }

  /** No more chunks are wanted. */
  void markClosing() {
    closing = true;
  }

  boolean isClosing() {
    return closing;
  }

  StreamSplit split() {
    return split;
  }

  String stream() {
    return split.stream();
  }

  int generation() {
    return generation;
  }

  /** The offset after the last received message, 0 before any of a stream read from its start. */
  long receivedEnd() {
    return Math.max(expected, 0);
  }

  /** Called by the client for each subscription to the broker, the first and every later one. */
  @Override
  public synchronized int initialCredits() {
    generation++;
    if (filling != null) {
      // Of a chunk that broke off only what was delivered is here; the rest must still exist.
      expected = filling.count > 0 ? filling.lastOffset() + 1 : expectedBeforeFilling;
      push(filling);
    }
    if (expected > 0) {
      queue.suspend(this);
      rangeCheck.request(this, expected);
    }
    return credits;
  }

  @Override
  public synchronized MessageProcessedCallback start(ConsumerFlowStrategy.Context chunk) {
    if (filling != null) {
      if (filling.generation() == generation && filler == Thread.currentThread()) {
        // The client logs an exception (a bad checksum, an unknown compression) and goes on with
        // the next chunk, so that the rest of this one would be missing silently.
        queue.fail(
            new IOException(
                "stream %s: the chunk at offset %d could not be decoded; the log names the reason"
                    .formatted(stream(), filling.firstOffset())));
      }
      push(filling);
    }
    long first = chunk.chunkId();
    long needed = expected;
    if (needed >= 0 && first > needed) {
      LOG.info("stream {}: offset {} was expected, {} arrived", stream(), needed, first);
      queue.suspend(this);
      rangeCheck.request(this, needed);
    }
    expectedBeforeFilling = needed;
    expected = Math.max(needed, first + chunk.messageCount());
    filling =
        new ReceivedChunk(this, chunk, Math.toIntExact(chunk.messageCount()), generation, pool);
    filler = Thread.currentThread();
    ReceivedChunk started = filling;
    return skipped -> skip(started);
  }

  /** A message before the offset that was asked for. */
  private synchronized void skip(ReceivedChunk chunk) {
    if (chunk == filling && chunk.countDown()) {
      push(chunk);
    }
  }

  @Override
  public synchronized void handle(MessageHandler.Context context, Message decoded) {
    MessageBytes message = (MessageBytes) decoded;
    if (filling == null || filler != Thread.currentThread()) {
      // The rest of a chunk whose link was replaced under it; the new link brings it again, and
      // whichever comes first counts.
      ReceivedChunk single = new ReceivedChunk(this, null, 1, generation, pool);
      single.add(message, context.offset(), context.timestamp());
      queue.add(single);
      return;
    }
    filling.add(message, context.offset(), context.timestamp());
    if (filling.countDown()) {
      push(filling);
    }
  }

  private void push(ReceivedChunk chunk) {
    filling = null;
    filler = null;
    queue.add(chunk);
  }

  /** Whether the link has been lost for so long. */
  boolean isCutFor(long nanos, long now) {
    long since = cutSince;
    return since != LINKED && now - since >= nanos;
  }

  /** A consumer that gives up says nothing else. */
  private void stateChanged(Resource.Context change) {
    LOG.info("stream {}: {} -> {}", stream(), change.previousState(), change.currentState());
    cutSince = change.currentState() == Resource.State.RECOVERING ? System.nanoTime() : LINKED;
    if (change.currentState() == Resource.State.CLOSED && !closing) {
      queue.fail(
          new IOException(
              "the consumer of stream %s was closed: the stream was deleted, or the broker refused it"
                  .formatted(stream())));
    }
  }
}
