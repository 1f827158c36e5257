package io.kappafleet.rabbitmq;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.SimpleCounter;
import org.apache.flink.metrics.groups.SourceReaderMetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.runtime.metrics.groups.InternalSourceReaderMetricGroup;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;

/**
 * A real reader against a real broker, polled by the test instead of a task: shows records, splits'
 * watermarks and snapshots at exact moments.
 */
final class ReaderHarness implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  final List<Tuple5<String, byte[], String, Long, Long>> records = new ArrayList<>();
  final List<Long> timestamps = new ArrayList<>();
  final Map<String, Long> watermarks = new TreeMap<>();
  final List<String> idle = new ArrayList<>();
  final List<String> released = new ArrayList<>();
  final Map<String, Gauge<?>> gauges = new HashMap<>();
  private final Map<String, Counter> counters = new HashMap<>();
  private final StreamsReader reader;
  private final Output output = new Output("reader");
  private final Map<String, Output> splitOutputs = new HashMap<>();
  private InputStatus status;

  ReaderHarness(RabbitStreamsSource source) {
    reader = (StreamsReader) source.createReader(new Context());
    reader.start();
  }

  /** A reader that was given these splits, and no more will come. */
  static ReaderHarness reading(RabbitStreamsSource.Builder source, StreamSplit... splits) {
    ReaderHarness harness = new ReaderHarness(source.build());
    harness.reader.addSplits(List.of(splits));
    harness.reader.notifyNoMoreSplits();
    return harness;
  }

  /** The splits that an enumerator would make of these settings now. */
  static List<StreamSplit> discover(RabbitStreamsSource.Builder source) throws Exception {
    return StreamsEnumerator.fromBroker(source.settings()).newSplits(java.util.Set.of(), true);
  }

  /** Reads a bounded source to its end. */
  static ReaderHarness readAll(RabbitStreamsSource.Builder source) throws Exception {
    ReaderHarness harness = reading(source, discover(source).toArray(StreamSplit[]::new));
    try {
      harness.pollUntil(harness::isFinished);
    } finally {
      harness.close();
    }
    return harness;
  }

  void pollUntil(BooleanSupplier done) throws Exception {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!done.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new TimeoutException("after " + records.size() + " records");
      }
      poll(100);
    }
  }

  void pollUntilRecords(int count) throws Exception {
    pollUntil(() -> records.size() >= count);
  }

  /** Polls for so long, to see that something doesn't happen. */
  void pollFor(long ms) throws Exception {
    long deadline = System.nanoTime() + Duration.ofMillis(ms).toNanos();
    while (System.nanoTime() < deadline) {
      poll(20);
    }
  }

  private void poll(long waitMs) throws Exception {
    status = reader.pollNext(output);
    if (status == InputStatus.NOTHING_AVAILABLE) {
      try {
        reader.isAvailable().get(waitMs, TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        // The caller's deadline counts.
      }
    }
  }

  boolean isFinished() {
    return status == InputStatus.END_OF_INPUT;
  }

  List<StreamSplit> snapshot() {
    return reader.snapshotState(1);
  }

  void pause(String... splits) {
    reader.pauseOrResumeSplits(List.of(splits), List.of());
  }

  void resume(String... splits) {
    reader.pauseOrResumeSplits(List.of(), List.of(splits));
  }

  void assignmentComplete() {
    reader.handleSourceEvents(new AssignmentComplete());
  }

  List<String> bodies() {
    return records.stream().map(r -> new String(r.f1)).toList();
  }

  List<String> bodiesOf(String stream) {
    return records.stream().filter(r -> r.f2.equals(stream)).map(r -> new String(r.f1)).toList();
  }

  /** Messages that were dropped as re-delivered. */
  long redelivered() {
    return counters.get("recordsRedelivered").getCount();
  }

  List<Long> offsets() {
    return records.stream().map(r -> r.f3).toList();
  }

  @Override
  public void close() {
    try {
      reader.close();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private final class Output implements ReaderOutput<Tuple5<String, byte[], String, Long, Long>> {
    private final String name;

    private Output(String name) {
      this.name = name;
    }

    @Override
    public void collect(Tuple5<String, byte[], String, Long, Long> record) {
      throw new UnsupportedOperationException("without an event time");
    }

    @Override
    public void collect(Tuple5<String, byte[], String, Long, Long> record, long timestamp) {
      records.add(record);
      timestamps.add(timestamp);
    }

    @Override
    public void emitWatermark(Watermark watermark) {
      watermarks.merge(name, watermark.getTimestamp(), Math::max);
    }

    @Override
    public void markIdle() {
      idle.add(name);
    }

    @Override
    public void markActive() {
      idle.remove(name);
    }

    @Override
    public SourceOutput<Tuple5<String, byte[], String, Long, Long>> createOutputForSplit(
        String split) {
      return splitOutputs.computeIfAbsent(split, Output::new);
    }

    @Override
    public void releaseOutputForSplit(String split) {
      released.add(split);
    }
  }

  private final class Context implements SourceReaderContext {
    private final SourceReaderMetricGroup metrics =
        InternalSourceReaderMetricGroup.mock(new RecordingMetrics(""));

    @Override
    public SourceReaderMetricGroup metricGroup() {
      return metrics;
    }

    @Override
    public Configuration getConfiguration() {
      return new Configuration();
    }

    @Override
    public String getLocalHostName() {
      return "localhost";
    }

    @Override
    public int getIndexOfSubtask() {
      return 0;
    }

    @Override
    public void sendSplitRequest() {}

    @Override
    public void sendSourceEventToCoordinator(SourceEvent event) {}

    @Override
    public UserCodeClassLoader getUserCodeClassLoader() {
      return SimpleUserCodeClassLoader.create(ReaderHarness.class.getClassLoader());
    }
  }

  /** Keeps gauges by the names of their groups. */
  private final class RecordingMetrics extends UnregisteredMetricsGroup {
    private final String path;

    private RecordingMetrics(String path) {
      this.path = path;
    }

    @Override
    public <T, G extends Gauge<T>> G gauge(String name, G gauge) {
      gauges.put(path + name, gauge);
      return gauge;
    }

    @Override
    public Counter counter(String name) {
      return counters.computeIfAbsent(path + name, ignored -> new SimpleCounter());
    }

    @Override
    public MetricGroup addGroup(String key, String value) {
      return new RecordingMetrics(path + key + "." + value + ".");
    }

    @Override
    public Map<String, String> getAllVariables() {
      return Collections.emptyMap();
    }
  }
}
