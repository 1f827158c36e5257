package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.kappafleet.record.LogRecord;
import io.kappafleet.record.StoredLog;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.python.PythonOptions;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;

/** Reference data beside the records: known to all subtasks, kept in snapshots, read before all. */
class ColumnarReferencesTest {
  private static final long T = Operator.T;

  /**
   * A subtask of the operator with the function {@code Priced}, whose rows tell a message's price.
   */
  private static final class Pricing implements AutoCloseable {
    final KeyedTwoInputStreamOperatorTestHarness<
            String,
            Tuple5<String, byte[], String, Long, Long>,
            Tuple5<String, byte[], String, Long, Long>,
            byte[]>
        harness;
    private long offset;

    Pricing(OperatorSubtaskState state, int parallelism, int index, StoredLog stored)
        throws Exception {
      assumeTrue(Operator.hasPython(), "needs the project's .venv: run make setup");
      Map<String, StoredLog> logs = new HashMap<>(Map.of("prices", stored));
      ColumnarBroadcastProcess operator =
          new ColumnarBroadcastProcess(Operator.spec("Priced", 1000, 512 << 10, 10), logs);
      operator.getConfiguration().set(PythonOptions.PYTHON_EXECUTABLE, Operator.python());
      harness =
          new KeyedTwoInputStreamOperatorTestHarness<>(
              operator, new ColumnarStreams.ByKey(), null, Types.STRING, 16, parallelism, index);
      if (state != null) {
        harness.initializeState(state);
      }
      harness.open();
    }

    static Pricing open(String... stored) throws Exception {
      return new Pricing(null, 1, 0, log(stored));
    }

    void put(String body) throws Exception {
      harness.processElement2(
          new StreamRecord<>(
              LogRecord.of(
                  "prices", body.getBytes(StandardCharsets.UTF_8), "prices-0", offset++, 7)));
    }

    /** The price that the function finds for a key's message. */
    String price(String key) throws Exception {
      String body =
          "{\"vehicle_id\":\"%s\",\"driver_id\":\"%s\",\"samples\":{\"t\":[%d]}}"
              .formatted(key, key, T);
      harness.processElement1(
          new StreamRecord<>(
              LogRecord.of(key, body.getBytes(StandardCharsets.UTF_8), "telemetry-0", 0, 0)));
      harness.prepareSnapshotPreBarrier(1);
      List<String> rows = rows();
      assertThat(rows).hasSize(1);
      return rows.get(0).split(" ")[4];
    }

    List<String> rows() {
      return Operator.describeAll(harness.getOutput()).stream()
          .filter(row -> !row.startsWith("watermark"))
          .toList();
    }

    OperatorSubtaskState snapshot() throws Exception {
      harness.prepareSnapshotPreBarrier(2);
      return harness.snapshot(2, 2);
    }

    @Override
    public void close() throws Exception {
      harness.close();
    }
  }

  private static StoredLog log(String... bodies) {
    return each -> {
      for (int i = 0; i < bodies.length; i++) {
        byte[] body = bodies[i].getBytes(StandardCharsets.UTF_8);
        each.accept(LogRecord.of("", body, "prices-0", i, 5));
      }
    };
  }

  private static String row(String thing, String price, int version) {
    return "{\"schema\":\"price/1\",\"thing\":\"%s\",\"price\":%s,\"valid_from\":%d,\"version\":%d}"
        .formatted(thing, price, T - 1, version);
  }

  @Test
  void whatTheLogHoldsIsKnownBeforeTheFirstMessage() throws Exception {
    try (Pricing operator =
        Pricing.open(row("v1", "\"2\"", 0), "not json", row("v1", "\"3\"", 0))) {
      assertThat(operator.price("v1")).isEqualTo("3");
      assertThat(operator.price("v2")).isEqualTo("v1=3");
    }
  }

  @Test
  void aRowThatComesLaterCountsForWhatIsJudgedAfterIt() throws Exception {
    try (Pricing operator = Pricing.open(row("v1", "\"2\"", 1))) {
      assertThat(operator.price("v1")).isEqualTo("2");
      operator.put(row("v1", "\"9\"", 0));
      assertThat(operator.price("v1")).isEqualTo("2");
      operator.put(row("v1", "\"4\"", 1));
      assertThat(operator.price("v1")).isEqualTo("4");
      operator.put(row("v1", "null", 2));
      assertThat(operator.price("v1")).isEqualTo("-");
    }
  }

  @Test
  void rowsAreInSnapshotsAndEverySubtaskOfARescaledJobHasThem() throws Exception {
    OperatorSubtaskState state;
    try (Pricing operator = Pricing.open(row("v1", "\"2\"", 0))) {
      operator.put(row("v2", "\"5\"", 0));
      operator.price("v3");
      state = operator.snapshot();
    }
    for (int index = 0; index < 3; index++) {
      OperatorSubtaskState part =
          AbstractStreamOperatorTestHarness.repartitionOperatorState(state, 16, 1, 3, index);
      try (Pricing operator = new Pricing(part, 3, index, log())) {
        String own = Operator.keyOf(3, index);
        assertThat(operator.price(own)).isEqualTo("v1=2,v2=5");
        operator.put(row(own, "\"x\"", 0));
        assertThat(operator.price(own)).isEqualTo("x");
      }
    }
  }

  @Test
  void aSnapshotWithoutReferenceDataIsGoneOnFromAndBack() throws Exception {
    OperatorSubtaskState state;
    try (Operator before = Operator.open("Priced")) {
      before.drive("v1", T, 1, 1);
      state = before.snapshot();
      assertThat(before.rows()).hasSize(1).allMatch(row -> row.contains(" 1 "));
    }
    try (Pricing operator = new Pricing(state, 1, 0, log(row("v1", "\"2\"", 0)))) {
      assertThat(operator.price("v1")).isEqualTo("2");
      state = operator.snapshot();
    }
    try (Operator after = Operator.restore("Priced", state)) {
      after.drive("v1", T + 1, 1, 1);
      after.harness.prepareSnapshotPreBarrier(1);
      assertThat(after.rows()).hasSize(1).allMatch(row -> row.startsWith("v1 0 3 "));
    }
  }

  @Test
  void onlyOneSubtaskTellsWhichRowsCannotBeUsed() throws Exception {
    for (int index = 0; index < 2; index++) {
      try (Pricing operator = new Pricing(null, 2, index, log("not json"))) {
        operator.put("not json");
        operator.put(row("v1", "7", 0));
        operator.harness.prepareSnapshotPreBarrier(1);
        List<String> rows = operator.rows();
        assertThat(rows).hasSize(index == 0 ? 2 : 0);
        if (index == 0) {
          assertThat(rows.get(0)).startsWith("1970-01-01 prices-0 7 0 not_json: ");
          assertThat(rows.get(1)).startsWith("1970-01-01 prices-0 7 1 not_a_text: price ");
        }
      }
    }
  }

  @Test
  void referenceDataHasNoPartInTime() throws Exception {
    try (Pricing operator = Pricing.open()) {
      operator.harness.processWatermark2(new Watermark(99));
      assertThat(operator.harness.getOutput()).isEmpty();
      operator.harness.processWatermark1(new Watermark(5));
      assertThat(operator.harness.getOutput()).containsExactly(new Watermark(5));
    }
  }

  /** Two calls' worth, and still less than the 5 MB that a snapshot in memory may take. */
  @Test
  void manyRowsAreGivenInParts() throws Exception {
    List<String> rows = new ArrayList<>();
    String more = ",\"more\":\"%s\"}".formatted("x".repeat(100));
    for (int i = 0; i < 17_800; i++) {
      rows.add(row("v" + i, "\"p" + i + "\"", 0).replace("}", more));
    }
    OperatorSubtaskState state;
    try (Pricing operator = Pricing.open(rows.toArray(new String[0]))) {
      assertThat(operator.price("v17799")).isEqualTo("p17799");
      state = operator.snapshot();
    }
    try (Pricing operator = new Pricing(state, 1, 0, log())) {
      assertThat(operator.price("v0")).isEqualTo("p0");
      assertThat(operator.price("v17799")).isEqualTo("p17799");
    }
  }

  @Test
  void aLogThatCannotBeReadFailsTheStart() {
    assertThatThrownBy(
            () ->
                new Pricing(
                    null,
                    1,
                    0,
                    each -> {
                      throw new IOException("the broker is away");
                    }))
        .hasMessageContaining("the broker is away");
  }
}
