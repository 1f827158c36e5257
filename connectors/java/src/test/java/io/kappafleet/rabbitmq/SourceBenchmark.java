package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Address;
import com.rabbitmq.stream.Codec;
import com.rabbitmq.stream.ConsumerFlowStrategy;
import com.rabbitmq.stream.Environment;
import com.rabbitmq.stream.EnvironmentBuilder;
import com.rabbitmq.stream.OffsetSpecification;
import io.kappafleet.record.LogRecord;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * What reading a message costs: {@code SourceBenchmark HOST PORT STREAM,STREAM ROUNDS}.
 *
 * <p>Reads the streams from begin to end, in turns, with the bare stream client ({@code bare}), the
 * client with our codec ({@code codec}), our source with nothing behind it ({@code source}), and
 * our source with a network exchange by key behind it, as in a job ({@code keyed}). Prints messages
 * a second and nanoseconds of processor time a message, of all threads and of those that took most;
 * compilers and garbage collectors count in the first figure only.
 */
final class SourceBenchmark {
  private static final int CREDITS = 10;

  private final String host;
  private final int port;
  private final List<String> streams;
  private final long messages;

  private SourceBenchmark(String host, int port, List<String> streams) throws Exception {
    this.host = host;
    this.port = port;
    this.streams = streams;
    long all = 0;
    try (Environment environment = connect(new BytesCodec())) {
      for (long last :
          new OffsetProbe(environment).lastOffsets(streams, OffsetProbe.CAREFUL).values()) {
        all += last + 1;
      }
    }
    messages = all;
  }

  public static void main(String[] args) throws Exception {
    SourceBenchmark benchmark =
        new SourceBenchmark(args[0], Integer.parseInt(args[1]), List.of(args[2].split(",")));
    List<String> modes =
        args.length > 4 ? List.of(args[4].split(",")) : List.of("bare", "codec", "source", "keyed");
    for (int round = 0; round < Integer.parseInt(args[3]); round++) {
      for (String mode : modes) {
        benchmark.measure(mode);
      }
    }
    System.exit(0);
  }

  private void measure(String mode) throws Exception {
    Map<String, Long> before = processorTimes();
    long processBefore = processNanos();
    long begin = System.nanoTime();
    Map<String, Long> after =
        switch (mode) {
          case "bare" -> readBare(null);
          case "codec" -> readBare(new BytesCodec());
          case "source" -> runJob(false);
          case "keyed" -> runJob(true);
          default -> throw new IllegalArgumentException(mode);
        };
    double seconds = (System.nanoTime() - begin) / 1e9;
    long process = processNanos() - processBefore;
    StringBuilder line = new StringBuilder();
    before.forEach((name, nanos) -> after.merge(name, -nanos, Long::sum));
    long threads = after.values().stream().mapToLong(Long::longValue).sum();
    after.entrySet().stream()
        .filter(each -> each.getValue() > messages * 10)
        .sorted((a, b) -> Long.compare(b.getValue(), a.getValue()))
        .forEach(
            each -> line.append("  %s %d".formatted(each.getKey(), each.getValue() / messages)));
    System.out.printf(
        "%-7s %,11.0f messages/s  %,6d ns process  %,6d ns threads:%s%n",
        mode, messages / seconds, process / messages, threads / messages, line);
  }

  private Map<String, Long> readBare(Codec codec) throws Exception {
    AtomicLong read = new AtomicLong();
    CountDownLatch done = new CountDownLatch(1);
    ConsumerFlowStrategy flow =
        new ConsumerFlowStrategy() {
          @Override
          public int initialCredits() {
            return CREDITS;
          }

          @Override
          public MessageProcessedCallback start(Context context) {
            context.credits(1);
            return message -> {};
          }
        };
    try (Environment environment = connect(codec)) {
      for (String stream : streams) {
        environment.consumerBuilder().stream(stream)
            .offset(OffsetSpecification.first())
            .noTrackingStrategy()
            .flow()
            .strategy(flow)
            .builder()
            .messageHandler(
                (context, message) -> {
                  if (read.incrementAndGet() == messages) {
                    done.countDown();
                  }
                })
            .build();
      }
      if (!done.await(300, TimeUnit.SECONDS)) {
        throw new IllegalStateException("read only " + read.get() + " of " + messages);
      }
      return processorTimes();
    }
  }

  private Map<String, Long> runJob(boolean keyed) throws Exception {
    Counting.seen.set(0);
    Configuration flink = new Configuration();
    flink.setString("parallelism.default", "1");
    flink.setString("pipeline.object-reuse", "true");
    flink.setString("restart-strategy.type", "none");
    flink.setString("execution.checkpointing.interval", "2 s");
    StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, flink);
    RabbitStreamsSource source =
        RabbitStreamsSource.builder()
            .broker(new BrokerAddress(host, port, null, null, null, null, false))
            .streams(streams)
            .bounded()
            .build();
    DataStream<Tuple5<String, byte[], String, Long, Long>> records =
        env.fromSource(source, new LogWatermarks(60_000, 300_000), "log");
    if (keyed) {
      records = records.keyBy(record -> record.f0, Types.STRING);
    }
    records
        .filter(new Counting(messages))
        .returns(LogRecord.TYPE)
        .name("count")
        .sinkTo(new DiscardingSink<>());
    env.execute("benchmark");
    if (Counting.seen.get() != messages) {
      throw new IllegalStateException("read " + Counting.seen.get() + " of " + messages);
    }
    return Counting.atEnd;
  }

  private Environment connect(Codec codec) {
    EnvironmentBuilder builder =
        Environment.builder().host(host).port(port).addressResolver(any -> new Address(host, port));
    if (codec != null) {
      builder.codec(codec);
    }
    return builder.build();
  }

  /** Processor nanoseconds of the live threads, by name without numbers. */
  private static Map<String, Long> processorTimes() {
    var threads = ManagementFactory.getThreadMXBean();
    Map<String, Long> found = new TreeMap<>();
    for (long id : threads.getAllThreadIds()) {
      var info = threads.getThreadInfo(id);
      long nanos = threads.getThreadCpuTime(id);
      if (info != null && nanos > 0) {
        found.merge(info.getThreadName().replaceAll("[-_ (]*[0-9].*", ""), nanos, Long::sum);
      }
    }
    return found;
  }

  private static long processNanos() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  /** Counts, and takes the threads' times before they end. */
  private static final class Counting
      implements org.apache.flink.api.common.functions.FilterFunction<
          Tuple5<String, byte[], String, Long, Long>> {
    private static final long serialVersionUID = 1L;
    static final AtomicLong seen = new AtomicLong();
    static volatile Map<String, Long> atEnd;

    private final long messages;
    private long count;

    Counting(long messages) {
      this.messages = messages;
    }

    @Override
    public boolean filter(Tuple5<String, byte[], String, Long, Long> record) {
      if (++count == messages) {
        atEnd = processorTimes();
        seen.set(count);
      }
      return false;
    }
  }
}
