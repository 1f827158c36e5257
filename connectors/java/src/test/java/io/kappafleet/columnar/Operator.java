package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.kappafleet.record.LogRecord;
import io.kappafleet.record.RowFrame;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.python.PythonOptions;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackend;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;

/** The operator with a function of {@code columnar_functions.py} inside Flink's test harness. */
final class Operator implements AutoCloseable {
  static final long T = 1_700_000_000_000L;
  private static final Path PYTHON = Path.of("../../.venv/bin/python").toAbsolutePath().normalize();

  final KeyedOneInputStreamOperatorTestHarness<
          String, Tuple5<String, byte[], String, Long, Long>, byte[]>
      harness;
  private long offset;

  private Operator(
      KeyedOneInputStreamOperatorTestHarness<
              String, Tuple5<String, byte[], String, Long, Long>, byte[]>
          harness) {
    this.harness = harness;
  }

  static Operator open(String className) throws Exception {
    return open(className, 1000, 512 << 10, 10, null);
  }

  static Operator restore(String className, OperatorSubtaskState state) throws Exception {
    return open(className, 1000, 512 << 10, 10, state);
  }

  static Operator open(
      String className, int maxMessages, int maxBytes, long maxDelayMs, OperatorSubtaskState state)
      throws Exception {
    Operator operator =
        new Operator(harness(spec(className, maxMessages, maxBytes, maxDelayMs), 1, 0));
    if (state != null) {
      operator.harness.initializeState(state);
    }
    operator.harness.open();
    return operator;
  }

  /** With state on disk, in RocksDB. */
  static Operator onDisk(String className, OperatorSubtaskState state) throws Exception {
    Operator operator = new Operator(harness(spec(className, 1000, 512 << 10, 10), 1, 0));
    operator.harness.setStateBackend(new EmbeddedRocksDBStateBackend());
    if (state != null) {
      operator.harness.initializeState(state);
    }
    operator.harness.open();
    return operator;
  }

  /** One of several subtasks that share a state. */
  static Operator subtask(String className, int parallelism, int index, OperatorSubtaskState state)
      throws Exception {
    Operator operator =
        new Operator(harness(spec(className, 1000, 512 << 10, 10), parallelism, index));
    operator.harness.initializeState(state);
    operator.harness.open();
    return operator;
  }

  private static KeyedOneInputStreamOperatorTestHarness<
          String, Tuple5<String, byte[], String, Long, Long>, byte[]>
      harness(String spec, int parallelism, int index) throws Exception {
    assumeTrue(hasPython(), "needs the project's .venv: run make setup");
    ColumnarKeyedProcess operator = new ColumnarKeyedProcess(spec);
    operator.getConfiguration().set(PythonOptions.PYTHON_EXECUTABLE, python());
    return new KeyedOneInputStreamOperatorTestHarness<>(
        operator, new ColumnarStreams.ByKey(), Types.STRING, 16, parallelism, index);
  }

  static boolean hasPython() {
    return Files.exists(PYTHON);
  }

  static String python() {
    return PYTHON.toString();
  }

  /** A key of a subtask. */
  static String keyOf(int parallelism, int index) {
    for (int i = 0; ; i++) {
      String key = "k" + i;
      if (KeyGroupRangeAssignment.assignKeyToParallelOperator(key, 16, parallelism) == index) {
        return key;
      }
    }
  }

  static String spec(String className, int maxMessages, int maxBytes, long maxDelayMs) {
    String outputs =
        className.equals("Echo")
            ? """
            {"kind": "table", "name": "echo", "rows": "echo", "table": 0, "write_us": "t",
             "columns": [{"conversion": "key"}, {"conversion": "timestamp", "field": "t"},
              {"conversion": "double", "field": "speed"},
              {"conversion": "double", "field": "odometer"},
              {"conversion": "boolean", "field": "ignition"},
              {"conversion": "text", "field": "driver"}, {"conversion": "text", "field": "fleet"},
              {"conversion": "bigint", "field": "seq"}, {"conversion": "double", "field": "lat"},
              {"conversion": "timestamp", "field": "arrival_ms"},
              {"conversion": "bigint", "field": "offset"},
              {"conversion": "boolean", "field": "is_new"},
              {"conversion": "bigint", "field": "watermark"}]}
            """
            : """
{"kind": "table", "name": "counts", "rows": "counts", "table": 1,
 "write_us": "write_us", "columns": [{"conversion": "key"},
  {"conversion": "timestamp", "field": "end_ms"}, {"conversion": "bigint", "field": "n"},
  {"conversion": "double", "field": "total"}, {"conversion": "text", "field": "driver"}]},
{"kind": "stream", "name": "closed", "rows": "counts", "key_field": "driver",
 "event_ms": "end_ms"}
""";
    return """
    {"module": "columnar_functions", "class_name": "%s", "settings_json": "{}",
     "message": {"schema_id": "telemetry/1", "id_field": "vehicle_id",
      "texts": ["driver_id", "fleet_id"], "integers": ["seq"],
      "numbers": [{"name": "lat", "min": -90, "max": 90}],
      "samples": [{"name": "speed", "kind": "number", "min": 0, "max": 400},
       {"name": "odometer", "kind": "number", "min": null, "max": null},
       {"name": "ignition", "kind": "boolean", "min": null, "max": null}],
      "max_id_bytes": 64, "max_message_bytes": 4194304, "earliest_ms": 946684800000,
      "latest_ms": 4102444800000, "max_ahead_ms": 300000, "allowed_lateness_ms": 0},
     "outputs": [%s],
     "tables": [
      {"name": "echo", "key": [["k"], []], "columns": [["k", "text"], ["t", "timestamp"],
       ["speed", "double"], ["odometer", "double"], ["ignition", "boolean"], ["driver", "text"],
       ["fleet", "text"], ["seq", "bigint"], ["lat", "double"], ["arrival", "timestamp"],
       ["off", "bigint"], ["is_new", "boolean"], ["watermark", "bigint"]]},
      {"name": "counts", "key": [["k"], ["end"]], "columns": [["k", "text"], ["end", "timestamp"],
       ["n", "bigint"], ["total", "double"], ["driver", "text"]]},
      {"name": "reject", "key": [["day", "source"], ["received_at", "offset"]],
       "columns": [["day", "text"], ["source", "text"], ["received_at", "timestamp"],
        ["offset", "bigint"], ["reason", "text"], ["body", "blob"], ["length", "int"],
        ["sha256", "text"]]}],
     "reject_table": 2,
     "limits": {"max_messages": %d, "max_bytes": %d, "max_delay_ms": %d}}
    """
        .formatted(className, outputs, maxMessages, maxBytes, maxDelayMs);
  }

  void send(String key, String body) throws Exception {
    send(key, body.getBytes(StandardCharsets.UTF_8));
  }

  void send(String key, byte[] body) throws Exception {
    harness.processElement(
        new StreamRecord<>(LogRecord.of(key, body, "telemetry-0", offset++, 0), 0));
  }

  /** One message of samples a second apart, all of the same speed. */
  void drive(String key, long start, int samples, double speed) throws Exception {
    StringBuilder times = new StringBuilder();
    StringBuilder speeds = new StringBuilder();
    for (int i = 0; i < samples; i++) {
      times.append(i == 0 ? "" : ",").append(start + 1000L * i);
      speeds.append(i == 0 ? "" : ",").append(speed);
    }
    send(
        key,
        "{\"vehicle_id\":\""
            + key
            + "\",\"driver_id\":\"ann\",\"samples\":{\"t\":["
            + times
            + "],\"speed\":["
            + speeds
            + "]}}");
  }

  /** What has come out since the last call: rows as text, watermarks as numbers. */
  List<String> output() {
    return describeAll(harness.getOutput());
  }

  /** Takes all of an output. */
  static List<String> describeAll(Queue<Object> output) {
    List<String> all = new ArrayList<>();
    for (Object element; (element = output.poll()) != null; ) {
      if (element instanceof Watermark watermark) {
        all.add("watermark " + watermark.getTimestamp());
      } else if (element instanceof StreamRecord<?> record) {
        all.add(describe((byte[]) record.getValue()));
      } else {
        all.add(element.toString());
      }
    }
    return all;
  }

  OperatorSubtaskState snapshot() throws Exception {
    harness.prepareSnapshotPreBarrier(1);
    return harness.snapshot(1, 1);
  }

  List<String> rows() {
    return output().stream().filter(text -> !text.startsWith("watermark")).toList();
  }

  /** The records of the stream output so far: key, and timestamp. */
  List<String> stream() {
    List<String> all = new ArrayList<>();
    var records = harness.getSideOutput(ColumnarStreams.tag("closed"));
    if (records != null) {
      for (StreamRecord<Tuple2<String, byte[]>> record : records) {
        all.add(record.getValue().f0 + " " + record.getTimestamp());
      }
    }
    return all;
  }

  private static String describe(byte[] frame) {
    ByteBuffer columns = ByteBuffer.wrap(frame).position(RowFrame.HEADER_BYTES);
    List<String> values = new ArrayList<>();
    String types = List.of("sJddbssJdJJbJ", "sJJds", "ssJJsxis").get(RowFrame.table(frame));
    for (char type : types.toCharArray()) {
      values.add(value(columns, type));
    }
    assertThat(columns.hasRemaining()).isFalse();
    return String.join(" ", values);
  }

  private static String value(ByteBuffer columns, char type) {
    int length = columns.getInt();
    if (length == RowFrame.UNSET) {
      return "-";
    }
    byte[] bytes = new byte[length];
    columns.get(bytes);
    return switch (type) {
      case 's' -> new String(bytes, StandardCharsets.UTF_8);
      case 'J' -> Long.toString(ByteBuffer.wrap(bytes).getLong());
      case 'i' -> Integer.toString(ByteBuffer.wrap(bytes).getInt());
      case 'd' -> Double.toString(ByteBuffer.wrap(bytes).getDouble());
      case 'b' -> bytes[0] == 1 ? "true" : "false";
      default -> "#" + length;
    };
  }

  @Override
  public void close() throws Exception {
    harness.close();
  }
}
