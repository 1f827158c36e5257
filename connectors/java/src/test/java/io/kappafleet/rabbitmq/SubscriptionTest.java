package io.kappafleet.rabbitmq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.rabbitmq.stream.Consumer;
import com.rabbitmq.stream.ConsumerFlowStrategy;
import com.rabbitmq.stream.MessageHandler;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The orders of calls that a client makes around a lost link, which no real broker can be told to.
 */
class SubscriptionTest {
  private static final int CREDITS = 3;

  private final ChunkQueue queue = new ChunkQueue();
  private final SegmentPool pool = new SegmentPool(1 << 20);
  private final List<Long> checks = new ArrayList<>();
  private int creditsGiven;

  private Subscription subscription(long next) {
    Subscription subscription =
        new Subscription(
            new StreamSplit("s", next, StreamSplit.NO_STOP, 0),
            CREDITS,
            queue,
            pool,
            (from, needed) -> checks.add(needed));
    subscription.initialCredits();
    return subscription;
  }

  private ConsumerFlowStrategy.MessageProcessedCallback start(
      Subscription subscription, long first, long count) {
    return subscription.start(
        new ConsumerFlowStrategy.Context() {
          @Override
          public void credits(int credits) {
            creditsGiven += credits;
          }

          @Override
          public long messageCount() {
            return count;
          }

          @Override
          public long chunkId() {
            return first;
          }
        });
  }

  private static void deliver(Subscription subscription, long from, long to) {
    for (long offset = from; offset < to; offset++) {
      subscription.handle(new Delivered(offset), new MessageBytes(Unpooled.buffer(10), 0, 10));
    }
  }

  /** What can be taken without waiting. */
  private List<Long> take() throws IOException {
    queue.wakeUp();
    List<Long> offsets = new ArrayList<>();
    for (ReceivedChunk chunk : queue.take(Integer.MAX_VALUE, Long.MAX_VALUE)) {
      StoredMessage message = new StoredMessage();
      while (chunk.next(message)) {
        offsets.add(message.offset);
      }
      chunk.giveCreditBack();
    }
    return offsets;
  }

  private static void onAnotherThread(Runnable task) throws InterruptedException {
    Thread thread = new Thread(task);
    thread.start();
    thread.join();
  }

  @Test
  void aChunkGivesItsCreditBackWhenItIsTaken() throws Exception {
    Subscription subscription = subscription(0);
    start(subscription, 0, 3);
    deliver(subscription, 0, 3);
    assertThat(creditsGiven).isZero();
    assertThat(take()).containsExactly(0L, 1L, 2L);
    assertThat(creditsGiven).isEqualTo(1);
  }

  @Test
  void messagesBeforeTheOffsetThatWasAskedForCountAsPartOfTheirChunk() throws Exception {
    Subscription subscription = subscription(2);
    queue.release(subscription);
    ConsumerFlowStrategy.MessageProcessedCallback skipped = start(subscription, 0, 4);
    skipped.processed(null);
    skipped.processed(null);
    deliver(subscription, 2, 4);
    assertThat(take()).containsExactly(2L, 3L);
    assertThat(subscription.receivedEnd()).isEqualTo(4);
  }

  @Test
  void aChunkThatIsSkippedWholeGivesItsCreditBack() throws Exception {
    Subscription subscription = subscription(2);
    queue.release(subscription);
    ConsumerFlowStrategy.MessageProcessedCallback skipped = start(subscription, 0, 2);
    skipped.processed(null);
    skipped.processed(null);
    assertThat(take()).isEmpty();
    assertThat(creditsGiven).isEqualTo(1);
  }

  @Test
  void nothingIsHandedOnBeforeTheFirstRangeCheckIsDecided() throws Exception {
    Subscription subscription = subscription(5);
    assertThat(checks).containsExactly(5L);
    start(subscription, 5, 2);
    deliver(subscription, 5, 7);
    assertThat(take()).isEmpty();
    queue.release(subscription);
    assertThat(take()).containsExactly(5L, 6L);
  }

  @Test
  void aChunkAfterAGapIsHeldWithAllThatFollowUntilItIsDecided() throws Exception {
    Subscription subscription = subscription(0);
    start(subscription, 0, 2);
    deliver(subscription, 0, 2);
    assertThat(take()).containsExactly(0L, 1L);
    start(subscription, 5, 2);
    deliver(subscription, 5, 7);
    start(subscription, 7, 1);
    deliver(subscription, 7, 8);
    assertThat(checks).containsExactly(2L);
    assertThat(take()).isEmpty();
    assertThat(creditsGiven).isEqualTo(1);
    queue.release(subscription);
    assertThat(take()).containsExactly(5L, 6L, 7L);
  }

  @Test
  void twoOpenChecksMustBothBeDecided() throws Exception {
    Subscription subscription = subscription(2);
    start(subscription, 4, 1);
    deliver(subscription, 4, 5);
    assertThat(checks).containsExactly(2L, 2L);
    queue.release(subscription);
    assertThat(take()).isEmpty();
    queue.release(subscription);
    assertThat(take()).containsExactly(4L);
  }

  @Test
  void aStreamReadFromItsFirstMessageAcceptsAnyFirstOffset() throws Exception {
    Subscription subscription = subscription(StreamSplit.UNRESOLVED);
    start(subscription, 900, 1);
    deliver(subscription, 900, 901);
    assertThat(checks).isEmpty();
    assertThat(take()).containsExactly(900L);
  }

  @Test
  void theUnfinishedChunkOfALostLinkIsKeptAndItsRestMustStillExist() throws Exception {
    Subscription subscription = subscription(0);
    start(subscription, 0, 10);
    deliver(subscription, 0, 4);
    subscription.initialCredits();
    assertThat(checks).containsExactly(4L);
    queue.release(subscription);
    assertThat(take()).containsExactly(0L, 1L, 2L, 3L);
    assertThat(creditsGiven).as("credits of the old link").isZero();
    start(subscription, 8, 2);
    assertThat(checks).as("4 to 7 are missing").containsExactly(4L, 4L);
  }

  @Test
  void aChunkThatBrokeOffBeforeItsFirstMessageIsNeededWhole() {
    Subscription subscription = subscription(7);
    start(subscription, 5, 10).processed(null);
    subscription.initialCredits();
    assertThat(checks).containsExactly(7L, 7L);
  }

  @Test
  void whatTheOldLinkStillDeliversBesideTheNewOneIsKept() throws Exception {
    Subscription subscription = subscription(0);
    start(subscription, 0, 6);
    deliver(subscription, 0, 2);
    subscription.initialCredits();
    queue.release(subscription);
    onAnotherThread(
        () -> {
          start(subscription, 0, 6);
          deliver(subscription, 1, 3);
        });
    deliver(subscription, 2, 6);
    assertThat(take()).containsExactly(0L, 1L, 2L, 3L, 4L, 5L);
    assertThat(creditsGiven).isZero();
  }

  @Test
  void aChunkThatWasGivenUpForAnErrorFailsTheReaderInsteadOfLosingItsRest() {
    Subscription subscription = subscription(0);
    start(subscription, 0, 10);
    deliver(subscription, 0, 4);
    start(subscription, 10, 1);
    deliver(subscription, 10, 11);
    assertThatThrownBy(this::take)
        .hasMessage(
            "stream s: the chunk at offset 0 could not be decoded; the log names the reason");
  }

  @Test
  void aPausedSplitKeepsItsOrderAndItsCredits() throws Exception {
    Subscription subscription = subscription(0);
    queue.pause(subscription);
    for (int chunk = 0; chunk < CREDITS; chunk++) {
      start(subscription, chunk, 1);
      deliver(subscription, chunk, chunk + 1);
      assertThat(take()).isEmpty();
    }
    assertThat(creditsGiven).isZero();
    queue.resume(subscription);
    assertThat(take()).containsExactly(0L, 1L, 2L);
  }

  @Test
  void aPausedSplitThatIsAlsoUndecidedWaitsForBoth() throws Exception {
    Subscription subscription = subscription(1);
    queue.pause(subscription);
    start(subscription, 1, 1);
    deliver(subscription, 1, 2);
    queue.release(subscription);
    assertThat(take()).isEmpty();
    queue.resume(subscription);
    assertThat(take()).containsExactly(1L);
  }

  @Test
  void aTakeIsBoundedInMessagesAndBytes() throws Exception {
    Subscription subscription = subscription(0);
    for (int chunk = 0; chunk < 3; chunk++) {
      start(subscription, chunk * 2, 2);
      deliver(subscription, chunk * 2, chunk * 2 + 2);
    }
    assertThat(queue.take(2, Long.MAX_VALUE)).hasSize(1);
    assertThat(queue.take(Integer.MAX_VALUE, 25)).hasSize(2);
  }

  /** A message's place as the client tells it. */
  private record Delivered(long offset) implements MessageHandler.Context {
    @Override
    public void storeOffset() {}

    @Override
    public long timestamp() {
      return 0;
    }

    @Override
    public long committedChunkId() {
      return 0;
    }

    @Override
    public String stream() {
      return "s";
    }

    @Override
    public Consumer consumer() {
      return null;
    }

    @Override
    public void processed() {}
  }
}
