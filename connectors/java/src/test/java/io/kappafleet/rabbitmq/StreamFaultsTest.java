package io.kappafleet.rabbitmq;

import static io.kappafleet.rabbitmq.TestBroker.STREAM_PORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.flink.util.ExceptionUtils;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** Lost links, removed offsets, deleted and recreated streams, quiet and paused ones. */
@EnabledIfEnvironmentVariable(named = STREAM_PORT, matches = "[0-9]+")
@Timeout(180)
class StreamFaultsTest {
  private static TestBroker broker;

  @BeforeAll
  static void connect() {
    broker = new TestBroker();
  }

  @AfterAll
  static void disconnect() {
    broker.close();
  }

  private static RabbitStreamsSource.Builder source(String... streams) {
    return RabbitStreamsSource.builder()
        .broker(TestBroker.address())
        .streams(List.of(streams))
        .idleMs(300);
  }

  private static StreamSplit from(String stream, long next) {
    return new StreamSplit(stream, next, StreamSplit.NO_STOP, 0);
  }

  private static List<String> messages(int from, int to) {
    return IntStream.range(from, to).mapToObj(i -> "m-" + i).toList();
  }

  private static void assertLost(ThrowingCallable reading, String sentence) {
    assertThatThrownBy(reading)
        .satisfies(
            thrown ->
                assertThat(
                        ExceptionUtils.findThrowable(thrown, OffsetsLostException.class)
                            .orElseThrow(() -> new AssertionError(thrown)))
                    .hasMessage(sentence));
  }

  @Test
  void cutLinksLoseNothingAndRepeatNothing() throws Exception {
    String stream = broker.newStream();
    try (TcpProxy proxy = new TcpProxy(TestBroker.streamPort());
        ReaderHarness reader =
            ReaderHarness.reading(
                source(stream).broker(TestBroker.address(proxy.port())).credits(3),
                from(stream, 0))) {
      int published = 0;
      for (int round = 0; round < 4; round++) {
        broker.publish(stream, published, 5_000);
        published += 5_000;
        reader.pollUntilRecords(published - 4_000);
        proxy.cut();
      }
      reader.pollUntilRecords(published);
      reader.pollFor(300);
      assertThat(reader.offsets()).isEqualTo(LongStream.range(0, published).boxed().toList());
      assertThat(reader.bodies()).isEqualTo(messages(0, published));
    }
  }

  @Test
  void connectionsClosedByTheBrokerLoseNothingAndRepeatNothing() throws Exception {
    String stream = broker.newStream();
    try (ReaderHarness reader = ReaderHarness.reading(source(stream), from(stream, 0))) {
      broker.publish(stream, 0, 5_000);
      reader.pollUntilRecords(5_000);
      int closed = broker.closeConsumersOf(stream);
      assumeTrue(closed > 0, "the broker has no plugin rabbitmq_stream_management");
      broker.publish(stream, 5_000, 5_000);
      reader.pollUntilRecords(10_000);
      reader.pollFor(300);
      assertThat(reader.bodies()).isEqualTo(messages(0, 10_000));
      assertThat(reader.redelivered()).isPositive();
    }
  }

  @Test
  void aHalfOpenLinkIsReplacedAfterTwoHeartbeatsAndLosesNothing() throws Exception {
    String stream = broker.newStream();
    try (TcpProxy proxy = new TcpProxy(TestBroker.streamPort());
        ReaderHarness reader =
            ReaderHarness.reading(
                // A look at the stream's end would notice it too.
                source(stream)
                    .broker(TestBroker.address(proxy.port()))
                    .idleMs(600_000)
                    .lagIntervalMs(600_000),
                from(stream, 0))) {
      broker.publish(stream, 0, 1_000);
      reader.pollUntilRecords(1_000);
      proxy.lose();
      long lostAt = System.nanoTime();
      broker.publish(stream, 1_000, 1_000);
      reader.pollFor(1_000);
      assertThat(reader.bodies()).isEqualTo(messages(0, 1_000));
      reader.pollUntilRecords(2_000);
      assertThat(Duration.ofNanos(System.nanoTime() - lostAt))
          .isLessThan(BrokerAddress.HEARTBEAT.multipliedBy(4));
      reader.pollFor(300);
      assertThat(reader.bodies()).isEqualTo(messages(0, 2_000));
    }
  }

  @Test
  void aPasswordThatWasChangedFailsTheReaderWithTheReasonOnceItsLinkIsLost() throws Exception {
    String stream = broker.newStream();
    String user = broker.newUser();
    try (TcpProxy proxy = new TcpProxy(TestBroker.streamPort());
        ReaderHarness reader =
            ReaderHarness.reading(
                source(stream)
                    .broker(
                        new BrokerAddress(
                            "127.0.0.1", proxy.port(), null, user, null, null, false)),
                from(stream, 0))) {
      broker.publish(stream, 0, 100);
      reader.pollUntilRecords(100);
      broker.setPassword(user, "another");
      reader.pollFor(500); // what is connected stays so
      proxy.cut();
      assertThatThrownBy(() -> reader.pollUntil(() -> false))
          .hasStackTraceContaining(
              "as user %s: it refuses the user or the password".formatted(user));
    }
  }

  @Test
  void aBrokerThatIsAwayHoldsTheWatermarkAndIsReadOnLater() throws Exception {
    String stream = broker.newStream();
    try (TcpProxy proxy = new TcpProxy(TestBroker.streamPort());
        ReaderHarness reader =
            ReaderHarness.reading(
                source(stream).broker(TestBroker.address(proxy.port())).liveDistanceMs(0),
                from(stream, 0))) {
      broker.publish(stream, 0, 100);
      reader.pollUntil(() -> reader.watermarks.containsKey(stream));
      long leftMs = System.currentTimeMillis();
      proxy.goAway();
      broker.publish(stream, 100, 100);
      reader.pollFor(2_000);
      assertThat(reader.watermarks.get(stream)).isLessThanOrEqualTo(leftMs);
      proxy.comeBack();
      reader.pollUntilRecords(200);
      assertThat(reader.bodies()).isEqualTo(messages(0, 200));
      reader.pollUntil(() -> reader.watermarks.get(stream) > leftMs);
    }
  }

  @Test
  void restoringToARemovedOffsetFailsWithBothOffsets() throws Exception {
    String stream = broker.newSmallStream();
    broker.publish(stream, 0, 500);
    broker.truncateBeyond(stream, 412);
    long first = broker.range(stream).first();

    try (ReaderHarness reader = ReaderHarness.reading(source(stream), from(stream, 412))) {
      assertLost(
          () -> reader.pollUntilRecords(1),
          ("stream %s starts at offset %d but the checkpoint needs 412: retention removed data;"
                  + " restart with --from rabbitmq:?start=first and no savepoint to accept the loss")
              .formatted(stream, first));
      assertThat(reader.records).isEmpty();
      assertThat(reader.snapshot()).containsExactly(from(stream, 412));
    }
  }

  @Test
  void offsetsRemovedWhileTheLinkIsDownFailTheJobAndNoCheckpointPassesTheGap() throws Exception {
    String stream = broker.newSmallStream();
    try (TcpProxy proxy = new TcpProxy(TestBroker.streamPort());
        ReaderHarness reader =
            ReaderHarness.reading(
                source(stream).broker(TestBroker.address(proxy.port())), from(stream, 0))) {
      broker.publish(stream, 0, 100);
      reader.pollUntilRecords(100);
      proxy.goAway();
      broker.truncateBeyond(stream, 100);
      proxy.comeBack();
      assertThatThrownBy(() -> reader.pollUntilRecords(101))
          .hasStackTraceContaining("but the checkpoint needs 100: retention removed data");
      assertThat(reader.records).hasSize(100);
      assertThat(reader.snapshot()).containsExactly(from(stream, 100));
    }
  }

  @Test
  void offsetsRemovedBehindASlowReaderFailTheJobAndNoCheckpointPassesTheGap() throws Exception {
    String stream = broker.newSmallStream();
    try (ReaderHarness reader = ReaderHarness.reading(source(stream).credits(1), from(stream, 0))) {
      broker.publish(stream, 0, 100);
      reader.pollUntilRecords(100);
      reader.pause(stream);
      reader.pollFor(200);
      broker.truncateBeyond(stream, 5_000);
      reader.resume(stream);
      long end = broker.range(stream).last();
      // Either the broker still has the segment open that is being read, and all is delivered, or
      // the job fails; passing over a gap is what must not be.
      try {
        reader.pollUntil(() -> reader.offsets().contains(end));
      } catch (Exception e) {
        assertThat(ExceptionUtils.findThrowable(e, OffsetsLostException.class)).isPresent();
      }
      List<Long> offsets = reader.offsets();
      assertThat(offsets).isEqualTo(LongStream.range(0, offsets.size()).boxed().toList());
      assertThat(reader.snapshot()).containsExactly(from(stream, offsets.size()));
    }
  }

  @Test
  void restoringBeyondTheEndOfARecreatedStreamFails() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 500);
    broker.recreate(stream);
    broker.publish(stream, 0, 10);

    try (ReaderHarness reader = ReaderHarness.reading(source(stream), from(stream, 412))) {
      assertLost(
          () -> reader.pollUntilRecords(1),
          ("stream %s ends at offset 9 but the checkpoint needs 412: the stream was deleted and"
                  + " created again; restart with --from rabbitmq:?start=first and no savepoint to"
                  + " read the new one")
              .formatted(stream));
    }
  }

  @Test
  void restoringBeyondTheEndOfAnEmptyStreamFails() throws Exception {
    String stream = broker.newStream();

    try (ReaderHarness reader = ReaderHarness.reading(source(stream), from(stream, 412))) {
      assertThatThrownBy(() -> reader.pollUntilRecords(1))
          .hasStackTraceContaining("stream " + stream + " is empty but the checkpoint needs 412");
    }
  }

  @Test
  void restoringToTheOffsetAfterTheLastGoesOn() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 50);

    try (ReaderHarness reader = ReaderHarness.reading(source(stream), from(stream, 50))) {
      reader.pollFor(500);
      broker.publish(stream, 50, 5);
      reader.pollUntilRecords(5);
      assertThat(reader.bodies()).isEqualTo(messages(50, 55));
    }
  }

  @Test
  void aStreamRecreatedWhileTheLinkIsDownFailsInsteadOfStalling() throws Exception {
    String stream = broker.newStream();
    try (TcpProxy proxy = new TcpProxy(TestBroker.streamPort());
        ReaderHarness reader =
            ReaderHarness.reading(
                source(stream).broker(TestBroker.address(proxy.port())), from(stream, 0))) {
      broker.publish(stream, 0, 1_000);
      reader.pollUntilRecords(1_000);
      proxy.goAway();
      broker.recreate(stream);
      broker.publish(stream, 0, 10);
      proxy.comeBack();
      assertThatThrownBy(() -> reader.pollUntilRecords(1_001))
          .hasStackTraceContaining("ends at offset 9 but the checkpoint needs 1000");
    }
  }

  @Test
  void aDeletedStreamFailsTheReader() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 10);
    try (ReaderHarness reader = ReaderHarness.reading(source(stream), from(stream, 0))) {
      reader.pollUntilRecords(10);
      broker.environment.deleteStream(stream);
      assertThatThrownBy(() -> reader.pollUntilRecords(11))
          .hasStackTraceContaining("the consumer of stream " + stream + " was closed");
    }
  }

  @Test
  void aStreamThatNeverWasFailsTheReader() throws Exception {
    try (ReaderHarness reader =
        ReaderHarness.reading(source("no-such-stream"), from("no-such-stream", 0))) {
      assertThatThrownBy(() -> reader.pollUntilRecords(1))
          .hasStackTraceContaining("no-such-stream");
    }
  }

  @Test
  void offsetsTakenByTheBrokerItselfAreALegalGap() throws Exception {
    String stream = broker.newStream();
    try (ReaderHarness reader = ReaderHarness.reading(source(stream), from(stream, 0))) {
      int published = 0;
      for (int round = 0; round < 3; round++) {
        broker.publish(stream, published, 10);
        published += 10;
        reader.pollUntilRecords(published);
        broker.storeOffset(stream, round);
      }
      broker.publish(stream, published, 10);
      reader.pollUntilRecords(published + 10);
      assertThat(reader.bodies()).isEqualTo(messages(0, published + 10));
      assertThat(reader.offsets()).isNotEqualTo(LongStream.range(0, 40).boxed().toList());
    }
  }

  @Test
  void aPausedSplitKeepsItsMessagesAndBoundsItsMemoryWhileOthersGoOn() throws Exception {
    String paused = broker.newStream();
    String other = broker.newStream();
    try (ReaderHarness reader =
        ReaderHarness.reading(source(paused, other).credits(2), from(paused, 0), from(other, 0))) {
      broker.publishOneByOne(paused, 0, 3);
      reader.pollUntilRecords(3);
      reader.pause(paused);
      reader.pollFor(200);
      broker.publishOneByOne(paused, 3, 50);
      broker.publish(other, 0, 100);
      reader.pollUntilRecords(103);
      reader.pollFor(300);
      assertThat(reader.bodiesOf(paused)).isEqualTo(messages(0, 3));
      assertThat(reader.snapshot()).contains(from(paused, 3), from(other, 100));
      reader.resume(paused);
      reader.pollUntilRecords(153);
      assertThat(reader.bodiesOf(paused)).isEqualTo(messages(0, 53));
      assertThat(reader.bodiesOf(other)).isEqualTo(messages(0, 100));
    }
  }

  @Test
  void quietAndEmptyStreamsFollowTheClockAtTheGivenDistance() throws Exception {
    String empty = broker.newStream();
    String quiet = broker.newStream();
    broker.publish(quiet, 0, 10);
    long beganMs = System.currentTimeMillis();
    try (ReaderHarness reader =
        ReaderHarness.reading(
            source(empty, quiet).liveDistanceMs(5_000), from(empty, -1), from(quiet, 0))) {
      reader.pollUntil(() -> reader.watermarks.size() == 2);
      assertThat(reader.watermarks.values())
          .allSatisfy(
              watermark ->
                  assertThat(watermark)
                      .isBetween(beganMs - 5_000, System.currentTimeMillis() - 5_000));
      long first = reader.watermarks.get(empty);
      reader.pollUntil(() -> reader.watermarks.get(empty) > first);
      assertThat(reader.idle).isEmpty();
    }
  }

  @Test
  void aStreamWithUnreadMessagesDoesNotFollowTheClock() throws Exception {
    String stream = broker.newStream();
    try (ReaderHarness reader =
        ReaderHarness.reading(source(stream).liveDistanceMs(0), from(stream, 0))) {
      broker.publish(stream, 0, 10);
      reader.pollUntilRecords(10);
      reader.pause(stream);
      reader.pollFor(200);
      broker.publish(stream, 10, 10);
      long unreadMs = System.currentTimeMillis();
      reader.pollFor(2_000);
      assertThat(reader.records).hasSize(10);
      assertThat(reader.watermarks.getOrDefault(stream, 0L)).isLessThanOrEqualTo(unreadMs);
      reader.resume(stream);
      reader.pollUntil(() -> reader.watermarks.getOrDefault(stream, 0L) > unreadMs);
      assertThat(reader.records).hasSize(20);
    }
  }

  @Test
  void aBoundedSourceNeverFollowsTheClockAndMarksAQuietStreamIdle() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 10);
    try (ReaderHarness reader =
        ReaderHarness.reading(
            source(stream).stopAt(stream, 100), new StreamSplit(stream, 0, 100, 0))) {
      reader.pollUntil(() -> reader.idle.contains(stream));
      assertThat(reader.watermarks).isEmpty();
      broker.publish(stream, 10, 200);
      reader.pollUntil(reader::isFinished);
      assertThat(reader.bodies()).isEqualTo(messages(0, 101));
    }
  }

  @Test
  void aReaderWithoutStreamsIsIdleOnceAllAreAssigned() throws Exception {
    try (ReaderHarness reader = new ReaderHarness(source("any").build())) {
      reader.pollFor(100);
      assertThat(reader.idle).isEmpty();
      reader.assignmentComplete();
      reader.pollFor(100);
      assertThat(reader.idle).contains("reader");
    }
  }
}
