package io.kappafleet.rabbitmq;

import static io.kappafleet.rabbitmq.TestBroker.bytes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** Where reading begins and ends, and what a record holds. */
@EnabledIfEnvironmentVariable(named = TestBroker.STREAM_PORT, matches = "[0-9]+")
@Timeout(120)
class StreamsReaderTest {
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

  private static List<String> messages(int from, int to) {
    return IntStream.range(from, to).mapToObj(i -> "m-" + i).toList();
  }

  @Test
  void boundedSourceReadsEverythingThatWasThereAtTheStart() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 1_000);
    RabbitStreamsSource.Builder source = source(stream).bounded();
    List<StreamSplit> splits = ReaderHarness.discover(source);
    broker.publish(stream, 1_000, 500);

    try (ReaderHarness reader = ReaderHarness.reading(source, splits.get(0))) {
      reader.pollUntil(reader::isFinished);
      assertThat(reader.bodies()).isEqualTo(messages(0, 1_000));
      assertThat(reader.offsets()).isEqualTo(LongStream.range(0, 1_000).boxed().toList());
      assertThat(reader.released).containsExactly(stream);
    }
  }

  @Test
  void boundedSourceEndsAtTheGivenOffset() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 1_000);

    ReaderHarness reader = ReaderHarness.readAll(source(stream).stopAt(stream, 321));

    assertThat(reader.bodies()).isEqualTo(messages(0, 322));
  }

  @Test
  void boundedSourceOfAnEmptyStreamEndsAtOnce() throws Exception {
    String stream = broker.newStream();

    ReaderHarness reader = ReaderHarness.readAll(source(stream).bounded());

    assertThat(reader.records).isEmpty();
  }

  @Test
  void startsAtAnOffsetInsideAChunk() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 1_000);

    ReaderHarness reader =
        ReaderHarness.readAll(source(stream).bounded().start(StartPosition.parse("offset:777")));

    assertThat(reader.bodies()).isEqualTo(messages(777, 1_000));
  }

  @Test
  void startAtLastReadsTheNextMessageToArriveAndLaterOnes() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 100);
    RabbitStreamsSource.Builder source = source(stream).start(StartPosition.LAST);
    StreamSplit split = ReaderHarness.discover(source).get(0);

    try (ReaderHarness reader = ReaderHarness.reading(source, split)) {
      reader.pollFor(500);
      assertThat(reader.records).isEmpty();
      broker.publish(stream, 100, 50);
      reader.pollUntilRecords(50);
      assertThat(reader.bodies()).isEqualTo(messages(100, 150));
    }
  }

  @Test
  void startAtLastOfAnEmptyStreamReadsItsFirstMessage() throws Exception {
    String stream = broker.newStream();
    RabbitStreamsSource.Builder source = source(stream).start(StartPosition.LAST);
    StreamSplit split = ReaderHarness.discover(source).get(0);
    broker.publish(stream, 0, 10);

    try (ReaderHarness reader = ReaderHarness.reading(source, split)) {
      reader.pollUntilRecords(10);
      assertThat(reader.bodies()).isEqualTo(messages(0, 10));
    }
  }

  @Test
  void startAtATimestampSkipsWhatTheBrokerReceivedEarlier() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 100);
    ReaderHarness before = ReaderHarness.readAll(source(stream).bounded());
    long lastArrivalMs = before.records.get(99).f4;
    while (System.currentTimeMillis() <= lastArrivalMs + 5) {
      Thread.onSpinWait();
    }
    long cutMs = System.currentTimeMillis();
    broker.publish(stream, 100, 100);

    ReaderHarness reader =
        ReaderHarness.readAll(
            source(stream).bounded().start(StartPosition.parse("timestamp:" + cutMs)));

    assertThat(reader.bodies()).isEqualTo(messages(100, 200));
    assertThat(reader.records).allMatch(r -> r.f4 >= cutMs);
  }

  @Test
  void startAtATimestampInTheFutureWaitsForIt() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 100);
    long futureMs = System.currentTimeMillis() + 1_500;
    RabbitStreamsSource.Builder source =
        source(stream).start(StartPosition.parse("timestamp:" + futureMs));
    StreamSplit split = ReaderHarness.discover(source).get(0);

    try (ReaderHarness reader = ReaderHarness.reading(source, split)) {
      broker.publish(stream, 100, 10);
      reader.pollFor(Math.max(0, futureMs - System.currentTimeMillis()) + 100);
      assertThat(reader.records).isEmpty();
      broker.publish(stream, 110, 10);
      reader.pollUntilRecords(10);
      assertThat(reader.bodies()).isEqualTo(messages(110, 120));
    }
  }

  @Test
  void anEmptyStreamIsReadOnceSomethingArrives() throws Exception {
    String stream = broker.newStream();
    RabbitStreamsSource.Builder source = source(stream);
    StreamSplit split = ReaderHarness.discover(source).get(0);
    assertThat(split.next()).isEqualTo(StreamSplit.UNRESOLVED);

    try (ReaderHarness reader = ReaderHarness.reading(source, split)) {
      reader.pollFor(300);
      broker.publish(stream, 0, 10);
      reader.pollUntilRecords(10);
      assertThat(reader.bodies()).isEqualTo(messages(0, 10));
      assertThat(reader.snapshot()).extracting(StreamSplit::next).containsExactly(10L);
    }
  }

  @Test
  void manySmallChunksAreReadInOrder() throws Exception {
    String stream = broker.newStream();
    broker.publishOneByOne(stream, 0, 500);

    ReaderHarness reader = ReaderHarness.readAll(source(stream).bounded().credits(1));

    assertThat(reader.bodies()).isEqualTo(messages(0, 500));
  }

  @Test
  void amqp091HeadersGiveKeyAndEventTime() throws Exception {
    String stream = broker.newStream();
    byte[] body = bytes("{\"vehicle_id\":\"from-body\",\"samples\":{\"t\":[1700000000000]}}");
    broker.publishAmqp(stream, Map.of("key", "v-1", "event_time", 1_700_000_001_000L), body);
    broker.publishAmqp(stream, Map.of("other", List.of(1, 2)), body);
    broker.publishAmqp(stream, Map.of("event_time", 12), body);

    ReaderHarness reader = ReaderHarness.readAll(source(stream).bounded());

    assertThat(reader.records)
        .extracting(r -> r.f0)
        .containsExactly("v-1", "from-body", "from-body");
    assertThat(reader.timestamps).containsExactly(1_700_000_001_000L, 1_700_000_000_000L, 12L);
    assertThat(reader.records).allSatisfy(r -> assertThat(r.f1).isEqualTo(body));
    assertThat(reader.records).allSatisfy(r -> assertThat(r.f2).isEqualTo(stream));
    long now = System.currentTimeMillis();
    assertThat(reader.records).allSatisfy(r -> assertThat(r.f4).isBetween(now - 60_000, now));
  }

  @Test
  void aMessageWithoutADataSectionBecomesARecordWithItsBytes() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 1);
    broker.publishMessages(
        stream,
        1,
        (i, builder) -> builder.applicationProperties().entry("a", "b").messageBuilder());
    broker.publish(stream, 2, 1);

    ReaderHarness reader = ReaderHarness.readAll(source(stream).bounded());

    assertThat(reader.bodies()).containsExactly("m-0", "", "m-2");
  }

  @Test
  void aMessageOfFiveMegabytesPasses() throws Exception {
    String stream = broker.newStream();
    byte[] large = new byte[5 << 20];
    java.util.Arrays.fill(large, (byte) 'x');
    broker.publish(stream, 0, 1);
    broker.publishAmqp(stream, Map.of("key", "large"), large);
    broker.publish(stream, 2, 1);

    ReaderHarness reader = ReaderHarness.readAll(source(stream).bounded());

    assertThat(reader.records).hasSize(3);
    assertThat(reader.records.get(1).f0).isEqualTo("large");
    assertThat(reader.records.get(1).f1).isEqualTo(large);
  }

  @Test
  void aMissingStreamIsNamed() {
    assertThatThrownBy(() -> ReaderHarness.discover(source("no-such-stream")))
        .hasMessageContaining("stream no-such-stream does not exist at 127.0.0.1");
  }

  @Test
  void aPrefixReadsItsStreamsUpToTheFirstGap() throws Exception {
    String name = broker.newStream();
    for (int partition : new int[] {0, 1, 3}) {
      broker.environment.streamCreator().stream(name + "-" + partition).create();
    }
    try {
      RabbitStreamsSource.Builder source =
          RabbitStreamsSource.builder().broker(TestBroker.address()).prefix(name);
      assertThat(ReaderHarness.discover(source))
          .extracting(StreamSplit::stream)
          .containsExactly(name + "-0", name + "-1");
    } finally {
      for (int partition : new int[] {0, 1, 3}) {
        broker.environment.deleteStream(name + "-" + partition);
      }
    }
  }

  @Test
  void aBrokerThatIsAwayIsNamed() {
    RabbitStreamsSource.Builder source = source("any").broker(TestBroker.address(1));
    assertThatThrownBy(() -> ReaderHarness.discover(source))
        .hasMessageContaining("cannot connect to RabbitMQ streams at 127.0.0.1:1");
  }

  @Test
  void metricsTellLagAndOffsets() throws Exception {
    String stream = broker.newStream();
    broker.publish(stream, 0, 100);
    RabbitStreamsSource.Builder source = source(stream).lagIntervalMs(100);
    try (ReaderHarness reader =
        ReaderHarness.reading(source, new StreamSplit(stream, 0, StreamSplit.NO_STOP, 0))) {
      reader.pollUntilRecords(100);
      reader.pause(stream);
      broker.publish(stream, 100, 50);
      reader.pollUntil(() -> reader.gauges.get("pendingRecords").getValue().equals(50L));
      assertThat(reader.gauges.get("stream." + stream + ".currentOffset").getValue())
          .isEqualTo(99L);
      assertThat(reader.gauges.get("stream." + stream + ".endOffset").getValue()).isEqualTo(149L);
      reader.resume(stream);
      reader.pollUntilRecords(150);
      assertThat(reader.gauges.get("pendingRecords").getValue()).isEqualTo(0L);
    }
  }
}
