package io.kappafleet.columnar;

import java.nio.LongBuffer;
import java.util.List;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;

/** The operator's own counters and those that the job's function returns. */
final class ColumnarMetrics {
  final Counter batches;
  final Counter messages;
  final Counter samples;
  final Counter rejects;
  final Counter timers;

  /** Nanoseconds inside Python: where the time of a slow operator goes. */
  final Counter pythonNanos;

  private final MetricGroup group;
  private Counter[] ofFunction = {};

  ColumnarMetrics(MetricGroup operator) {
    group = operator.addGroup("columnar");
    batches = group.counter("batches");
    messages = group.counter("messages");
    samples = group.counter("samples");
    rejects = group.counter("rejects");
    timers = group.counter("timers");
    pythonNanos = group.counter("pythonNanos");
  }

  void declare(List<String> names) {
    MetricGroup function = group.addGroup("function");
    ofFunction = names.stream().map(function::counter).toArray(Counter[]::new);
  }

  void add(LongBuffer increments) {
    for (int i = 0; i < increments.limit(); i++) {
      ofFunction[i].inc(increments.get(i));
    }
  }
}
