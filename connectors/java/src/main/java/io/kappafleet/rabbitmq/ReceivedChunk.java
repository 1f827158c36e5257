package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.ConsumerFlowStrategy;
import javax.annotation.Nullable;

/** Decoded messages of one chunk on their way from the client's thread to the fetcher's. */
final class ReceivedChunk {
  final Subscription subscription;
  final LogMessage[] messages;
  int count;
  long bytes;

  @Nullable private final ConsumerFlowStrategy.Context context;
  private final int generation;
  private int left;

  /**
   * @param context null for messages that came without their chunk's beginning
   * @param generation which link of the subscription it came over
   */
  ReceivedChunk(
      Subscription subscription,
      @Nullable ConsumerFlowStrategy.Context context,
      int capacity,
      int generation) {
    this.subscription = subscription;
    this.context = context;
    this.generation = generation;
    messages = new LogMessage[capacity];
    left = capacity;
  }

  int generation() {
    return generation;
  }

  void add(LogMessage message) {
    messages[count++] = message;
    bytes += message.body.length;
  }

  /** Counts one message of the chunk, wanted or not; true for its last one. */
  boolean countDown() {
    return --left == 0;
  }

  long firstOffset() {
    return context == null ? messages[0].offset : context.chunkId();
  }

  /** Lets the broker send one more; a link that is gone gave its own credits to its successor. */
  void giveCreditBack() {
    if (context != null && generation == subscription.generation()) {
      context.credits(1);
    }
  }
}
