package io.kappafleet.rabbitmq;

import static io.kappafleet.rabbitmq.TestBroker.STREAM_PORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.stream.LongStream;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.flink.util.Collector;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The source inside Flink: checkpoints, failures, rescaling, watermarks. */
@EnabledIfEnvironmentVariable(named = STREAM_PORT, matches = "[0-9]+")
@Timeout(180)
class RabbitStreamsJobTest {
  @RegisterExtension
  static final MiniClusterExtension CLUSTER =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(4)
              .build());

  private static TestBroker broker;

  @BeforeAll
  static void connect() {
    broker = new TestBroker();
  }

  @AfterAll
  static void disconnect() {
    broker.close();
  }

  @BeforeEach
  void forget() {
    Tally.reset();
  }

  private static RabbitStreamsSource.Builder source(Collection<String> streams) {
    return RabbitStreamsSource.builder()
        .broker(TestBroker.address())
        .streams(List.copyOf(streams))
        .idleMs(300);
  }

  /** Bounded by offsets that may lie ahead. */
  private static RabbitStreamsSource upTo(long offset, List<String> streams) {
    RabbitStreamsSource.Builder source = source(streams);
    streams.forEach(stream -> source.stopAt(stream, offset));
    return source.build();
  }

  private static StreamExecutionEnvironment environment(
      int parallelism, Path folder, Configuration configuration) {
    configuration.setString("execution.checkpointing.dir", folder.toUri().toString());
    configuration.setString("restart-strategy.type", "fixed-delay");
    configuration.setString("restart-strategy.fixed-delay.attempts", "5");
    configuration.setString("restart-strategy.fixed-delay.delay", "100 ms");
    StreamExecutionEnvironment env =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    env.setParallelism(parallelism);
    env.enableCheckpointing(100);
    return env;
  }

  private static void build(
      StreamExecutionEnvironment env, RabbitStreamsSource source, int failures) {
    records(env, source)
        .keyBy(record -> record.f2)
        .process(new Tally(failures))
        .returns(Types.VOID)
        .uid("tally")
        .sinkTo(new DiscardingSink<>());
  }

  private static DataStream<Tuple5<String, byte[], String, Long, Long>> records(
      StreamExecutionEnvironment env, RabbitStreamsSource source) {
    return env.fromSource(source, new LogWatermarks(1_000, 300_000), "streams").uid("streams");
  }

  private static List<String> newStreams(int count) {
    List<String> streams = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      streams.add(broker.newStream());
    }
    return streams;
  }

  private static void await(String what, BooleanSupplier done) throws InterruptedException {
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (!done.getAsBoolean()) {
      assertThat(System.nanoTime()).as(what).isLessThan(deadline);
      Thread.sleep(20);
    }
  }

  @Test
  void everyMessageIsCountedOnceOverFailures(@TempDir Path folder) throws Exception {
    List<String> streams = newStreams(3);
    streams.forEach(stream -> broker.publish(stream, 0, 20_000));
    StreamExecutionEnvironment env = environment(2, folder, new Configuration());
    build(env, source(streams).bounded().build(), 3);

    env.execute();

    // At least: a busy machine may add a failure of its own, which must not count twice either.
    assertThat(Tally.FAILURES.get()).isGreaterThanOrEqualTo(3);
    for (String stream : streams) {
      assertThat(Tally.FINAL.get(stream)).isEqualTo(LongStream.range(0, 20_000).boxed().toList());
    }
  }

  @Test
  void aSavepointGoesOnAtAnotherParallelismWithoutLossOrRepetition(@TempDir Path folder)
      throws Exception {
    List<String> streams = newStreams(4);
    streams.forEach(stream -> broker.publish(stream, 0, 3_000));
    StreamExecutionEnvironment first = environment(1, folder, new Configuration());
    build(first, upTo(4_999, streams), 0);
    JobClient job = first.executeAsync();
    await("messages before the savepoint", () -> Tally.SEEN.get() >= 12_000);
    String savepoint =
        job.stopWithSavepoint(false, folder.toUri().toString(), SavepointFormatType.CANONICAL)
            .get(60, TimeUnit.SECONDS);
    streams.forEach(stream -> broker.publish(stream, 3_000, 2_000));

    Tally.FINAL.clear();
    Configuration restored = new Configuration();
    restored.set(StateRecoveryOptions.SAVEPOINT_PATH, savepoint);
    StreamExecutionEnvironment second = environment(3, folder, restored);
    build(second, upTo(4_999, streams), 1);
    second.execute();

    for (String stream : streams) {
      assertThat(Tally.FINAL.get(stream)).isEqualTo(LongStream.range(0, 5_000).boxed().toList());
    }
  }

  @Test
  void restoringToRemovedOffsetsEndsTheJobInsteadOfRestartingItForEver(@TempDir Path folder)
      throws Exception {
    String stream = broker.newSmallStream();
    broker.publish(stream, 0, 1_000);
    StreamExecutionEnvironment first = environment(1, folder, new Configuration());
    build(first, source(List.of(stream)).build(), 0);
    JobClient job = first.executeAsync();
    await("messages before the savepoint", () -> Tally.SEEN.get() >= 1_000);
    String savepoint =
        job.stopWithSavepoint(false, folder.toUri().toString(), SavepointFormatType.CANONICAL)
            .get(60, TimeUnit.SECONDS);
    broker.truncateBeyond(stream, 1_000);
    int opened = Tally.OPENED.get();

    Configuration restored = new Configuration();
    restored.set(StateRecoveryOptions.SAVEPOINT_PATH, savepoint);
    StreamExecutionEnvironment second = environment(1, folder, restored);
    build(second, source(List.of(stream)).build(), 0);

    assertThatThrownBy(second::execute)
        .hasStackTraceContaining(
            "but the checkpoint needs 1000: retention removed data; restart with --from")
        .hasStackTraceContaining("stream " + stream + " starts at offset");
    // Of six possible attempts one is enough; a second happens when the enumerator's message meets
    // the task that has just failed, which Flink answers with a failover of its own.
    assertThat(Tally.OPENED.get() - opened).isBetween(1, 2);
  }

  @Test
  void quietStreamsLetWindowsCloseWhileOneIsEmptyAndASubtaskHasNone(@TempDir Path folder)
      throws Exception {
    List<String> streams = newStreams(2);
    long eventMs = System.currentTimeMillis();
    broker.publishMessages(
        streams.get(0),
        10,
        (i, builder) ->
            builder
                .applicationProperties()
                .entry("event_time", eventMs)
                .messageBuilder()
                .addData(TestBroker.bytes("{}")));
    StreamExecutionEnvironment env = environment(4, folder, new Configuration());
    records(env, source(streams).liveDistanceMs(1_000).build())
        .keyBy(record -> "all")
        .process(new LastWatermark())
        .returns(Types.VOID)
        .sinkTo(new DiscardingSink<>());
    JobClient job = env.executeAsync();
    try {
      await("a timer two seconds after the last event", () -> LastWatermark.FIRED.get() > 0);
      assertThat(System.currentTimeMillis()).isGreaterThanOrEqualTo(eventMs + 3_000);
    } finally {
      job.cancel().get(30, TimeUnit.SECONDS);
    }
  }

  @Test
  void aMissingStreamFailsTheJobWithItsName(@TempDir Path folder) {
    Configuration configuration = new Configuration();
    StreamExecutionEnvironment env = environment(1, folder, configuration);
    configuration.setString("restart-strategy.type", "none");
    env.configure(configuration);
    build(env, source(List.of("no-such-stream")).build(), 0);

    assertThatThrownBy(env::execute)
        .hasStackTraceContaining("stream no-such-stream does not exist at 127.0.0.1");
  }

  /** Fires once the watermark is two seconds behind the events. */
  static final class LastWatermark
      extends KeyedProcessFunction<String, Tuple5<String, byte[], String, Long, Long>, Void> {
    static final AtomicLong FIRED = new AtomicLong();

    @Override
    public void processElement(
        Tuple5<String, byte[], String, Long, Long> record, Context context, Collector<Void> out) {
      context.timerService().registerEventTimeTimer(context.timestamp() + 2_000);
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Void> out) {
      FIRED.set(timestamp);
    }
  }

  /**
   * Keeps every offset in its state, and shows at the end of input what that holds; throws now and
   * then, each time after a completed checkpoint and further messages.
   */
  static final class Tally
      extends KeyedProcessFunction<String, Tuple5<String, byte[], String, Long, Long>, Void>
      implements CheckpointListener {
    static final Map<String, List<Long>> FINAL = new ConcurrentHashMap<>();
    static final AtomicInteger FAILURES = new AtomicInteger();
    static final AtomicInteger OPENED = new AtomicInteger();
    static final AtomicLong SEEN = new AtomicLong();

    private final int failures;
    private transient ListState<Long> offsets;
    private transient long sinceOpen;
    private transient boolean checkpointed;

    Tally(int failures) {
      this.failures = failures;
    }

    static void reset() {
      FINAL.clear();
      FAILURES.set(0);
      SEEN.set(0);
    }

    @Override
    public void open(OpenContext context) {
      OPENED.incrementAndGet();
      offsets = getRuntimeContext().getListState(new ListStateDescriptor<>("offsets", Types.LONG));
    }

    @Override
    public void processElement(
        Tuple5<String, byte[], String, Long, Long> record, Context context, Collector<Void> out)
        throws Exception {
      offsets.add(record.f3);
      context.timerService().registerEventTimeTimer(Long.MAX_VALUE);
      SEEN.incrementAndGet();
      sinceOpen++;
      if (FAILURES.get() < failures) {
        if (sinceOpen % 100 == 0) {
          // Slow enough for checkpoints between the failures.
          Thread.sleep(10);
        }
        if (checkpointed && sinceOpen % 2_000 == 0) {
          FAILURES.incrementAndGet();
          throw new IllegalStateException("induced");
        }
      }
    }

    @Override
    public void notifyCheckpointComplete(long checkpointId) {
      checkpointed = true;
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Void> out)
        throws Exception {
      List<Long> all = new ArrayList<>();
      offsets.get().forEach(all::add);
      FINAL.put(context.getCurrentKey(), all);
    }
  }
}
