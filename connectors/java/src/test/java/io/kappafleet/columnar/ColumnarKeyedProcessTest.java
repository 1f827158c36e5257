package io.kappafleet.columnar;

import static io.kappafleet.columnar.Operator.T;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;

/** The operator with real Python inside. */
class ColumnarKeyedProcessTest {
  private static final long END = T + 10_000;

  @Test
  void everyColumnReachesPython() throws Exception {
    try (Operator operator = Operator.open("Echo")) {
      operator.harness.processWatermark(new Watermark(17));
      operator.send(
          "v1",
          """
          {"vehicle_id":"v1","driver_id":"Jörg","seq":3,"lat":-0.5,
           "samples":{"t":[1700000000000,1700000000001],"speed":[1.5,2],"ignition":[false,true]}}
          """);
      operator.send(
          "v2", "{\"vehicle_id\":\"v2\",\"fleet_id\":\"f\",\"samples\":{\"t\":[1700000000005]}}");
      operator.send(
          "v1", "{\"vehicle_id\":\"v1\",\"samples\":{\"odometer\":[7],\"t\":[1700000000006]}}");
      operator.harness.processWatermark(new Watermark(18));
      operator.send("v1", "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000007]}}");
      operator.harness.endInput();

      assertThat(operator.output())
          .containsExactly(
              "watermark 17",
              "v1 1700000000000 1.5 - false Jörg - 3 -0.5 0 0 true 17",
              "v2 1700000000005 - - - - f - - 0 1 true 17",
              "v1 1700000000006 - 7.0 - - - - - 0 2 true 17",
              "watermark 18",
              "v1 1700000000007 - - - - - - - 0 3 false 18");
    }
  }

  @Test
  void aWatermarkFirstFlushesThenFiresTimersThenGoesOn() throws Exception {
    try (Operator operator = Operator.open("Counting")) {
      operator.drive("v1", T, 3, 10);
      operator.drive("v2", T + 2000, 2, 1);
      operator.drive("v1", END, 1, 5);
      assertThat(operator.output()).isEmpty();

      operator.harness.processWatermark(new Watermark(END - 1));
      assertThat(operator.output())
          .containsExactly(
              "v1 1700000010000 3 30.0 ann",
              "v2 1700000010000 2 2.0 timer",
              "watermark 1700000009999");
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);
      assertThat(operator.output())
          .containsExactly("v1 1700000020000 1 5.0 timer", "watermark " + Long.MAX_VALUE);
      assertThat(operator.stream())
          .containsExactly("ann 1700000010000", "timer 1700000010000", "timer 1700000020000");
    }
  }

  @Test
  void aKeyHasOneTimerAndADeletedKeyLeavesNothing() throws Exception {
    try (Operator operator = Operator.open("Counting")) {
      for (int i = 0; i < 5; i++) {
        operator.drive("v1", T + i * 10_000, 2, 1);
        operator.drive("v2", T + i * 10_000, 2, 1);
        operator.harness.prepareSnapshotPreBarrier(i);
        assertThat(operator.harness.numEventTimeTimers()).isEqualTo(2);
      }
      assertThat(operator.harness.numKeyedStateEntries()).isEqualTo(2);
      operator.harness.processWatermark(new Watermark(T + 100_000));
      assertThat(operator.harness.numEventTimeTimers()).isZero();
      assertThat(operator.harness.numKeyedStateEntries()).isZero();
    }
  }

  @Test
  void timersSetByTimersAndDueAsWellFireBeforeTheWatermark() throws Exception {
    try (Operator operator = Operator.open("Chain")) {
      operator.drive("v1", T, 1, 0);
      operator.harness.processWatermark(new Watermark(T + 3000));
      assertThat(operator.output())
          .containsExactly(
              "v1 1700000010000 1 0.0 chain",
              "v1 1700000010000 2 0.0 chain",
              "v1 1700000010000 3 0.0 chain",
              "watermark 1700000003000");
      operator.harness.processWatermark(new Watermark(T + 60_000));
      assertThat(operator.output())
          .containsExactly(
              "v1 1700000010000 4 0.0 chain",
              "v1 1700000010000 5 0.0 chain",
              "watermark 1700000060000");
    }
  }

  @Test
  void timersThatNeverMoveFailInsteadOfLoopingForEver() throws Exception {
    Operator operator = Operator.open("Stuck");
    operator.drive("v1", T, 1, 0);
    assertThatThrownBy(() -> operator.harness.processWatermark(new Watermark(T + 3000)))
        .hasMessageContaining("keeps asking for timers that have fired already")
        .hasMessageContaining("v1");
  }

  @Test
  void manyTimersOfOneWatermarkAreGivenInParts() throws Exception {
    try (Operator operator = Operator.open("Counting")) {
      int keys = 20_000;
      for (int i = 0; i < keys; i++) {
        operator.drive("v" + i, T, 1, 1);
      }
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);
      List<String> output = operator.output();
      assertThat(output).hasSize(keys + 1);
      assertThat(output.get(keys)).isEqualTo("watermark " + Long.MAX_VALUE);
      assertThat(operator.harness.numKeyedStateEntries()).isZero();
    }
  }

  @Test
  void aMiniBatchEndsAtItsLimits() throws Exception {
    try (Operator operator = Operator.open("Echo", 3, 512 << 10, 10, null)) {
      operator.drive("v1", T, 1, 0);
      operator.drive("v1", T, 1, 0);
      assertThat(operator.rows()).isEmpty();
      operator.drive("v1", T, 1, 0);
      assertThat(operator.rows()).hasSize(3);
    }
    try (Operator operator = Operator.open("Echo", 1000, 500, 10, null)) {
      operator.drive("v1", T, 1, 0);
      assertThat(operator.rows()).isEmpty();
      operator.drive("v1", T, 50, 0);
      assertThat(operator.rows()).hasSize(2);
    }
  }

  @Test
  void aMiniBatchEndsAfterItsDelay() throws Exception {
    try (Operator operator = Operator.open("Echo", 1000, 512 << 10, 10, null)) {
      operator.harness.setProcessingTime(100);
      operator.drive("v1", T, 1, 0);
      operator.harness.setProcessingTime(109);
      assertThat(operator.rows()).isEmpty();
      operator.harness.setProcessingTime(110);
      assertThat(operator.rows()).hasSize(1);

      operator.drive("v1", T, 1, 0);
      operator.harness.setProcessingTime(115);
      operator.harness.processWatermark(new Watermark(1));
      assertThat(operator.rows()).hasSize(1);
      operator.drive("v1", T, 1, 0);
      operator.harness.setProcessingTime(124);
      assertThat(operator.rows()).isEmpty();
      operator.harness.setProcessingTime(125);
      assertThat(operator.rows()).hasSize(1);
    }
  }

  @Test
  void idlenessDoesNotOvertakeRecords() throws Exception {
    try (Operator operator = Operator.open("Echo")) {
      operator.drive("v1", T, 1, 0);
      operator.harness.processWatermarkStatus(WatermarkStatus.IDLE);
      assertThat(operator.output()).hasSize(2).last().asString().contains("IDLE");
    }
  }

  @Test
  void aRefusedMessageBecomesARowAndItsNeighboursAreCounted() throws Exception {
    try (Operator operator = Operator.open("Counting")) {
      operator.drive("v1", T, 2, 1);
      operator.send(
          "v1", "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[NaN]}}");
      operator.send("", new byte[0]);
      operator.send("v1", new byte[10 << 20]);
      operator.drive("v1", T + 2000, 2, 1);
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);

      List<String> rows = operator.rows();
      assertThat(rows).hasSize(4).last().isEqualTo("v1 1700000010000 4 4.0 timer");
      assertThat(rows.get(0)).startsWith("1970-01-01 telemetry-0 0 1 not_json: ");
      assertThat(rows.get(1)).startsWith("1970-01-01 telemetry-0 0 2 not_json: ");
      assertThat(rows.get(2))
          .startsWith("1970-01-01 telemetry-0 0 3 too_large: ")
          .contains(" #65536 10485760 ");
    }
  }

  @Test
  void aSnapshotHoldsEverythingBeforeItsBarrier() throws Exception {
    OperatorSubtaskState state;
    try (Operator operator = Operator.open("Counting")) {
      operator.drive("v1", T, 3, 1);
      state = snapshot(operator);
      operator.drive("v1", T + 3000, 3, 100);
    }
    try (Operator operator = Operator.restore("Counting", state)) {
      operator.drive("v1", T + 3000, 2, 1);
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);
      assertThat(operator.rows()).containsExactly("v1 1700000010000 5 5.0 timer");
    }
  }

  @Test
  void stateOfAnOlderVersionIsUpgraded() throws Exception {
    OperatorSubtaskState state;
    try (Operator operator = Operator.open("Counting")) {
      operator.drive("v1", T, 3, 1);
      operator.drive("v2", T, 1, 1);
      state = snapshot(operator);
    }
    try (Operator operator = Operator.restore("CountingWithMaximum", state)) {
      operator.drive("v1", T + 3000, 1, 1);
      operator.drive("v3", T, 1, 1);
      state = snapshot(operator);
    }
    try (Operator operator = Operator.restore("CountingWithMaximum", state)) {
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);
      assertThat(operator.rows())
          .containsExactlyInAnyOrder(
              "v1 1700000010000 4 4.0 upgraded",
              "v2 1700000010000 1 1.0 upgraded",
              "v3 1700000010000 1 1.0 timer");
    }
  }

  @Test
  void stateThatTheFunctionCannotReadIsRefused() throws Exception {
    OperatorSubtaskState state;
    try (Operator operator = Operator.open("CountingWithMaximum")) {
      operator.drive("v1", T, 3, 1);
      state = snapshot(operator);
    }
    Operator older = Operator.restore("Counting", state);
    older.drive("v1", T + 3000, 1, 1);
    assertThatThrownBy(() -> older.harness.prepareSnapshotPreBarrier(1))
        .hasMessageContaining("version 2")
        .hasMessageContaining("start the job that wrote it");
  }

  @Test
  void aLayoutThatChangedWithoutItsVersionIsRefused() throws Exception {
    OperatorSubtaskState state;
    try (Operator operator = Operator.open("Counting")) {
      operator.drive("v1", T, 3, 1);
      state = snapshot(operator);
    }
    Operator changed = Operator.restore("SameVersionOtherLayout", state);
    changed.drive("v1", T + 3000, 1, 1);
    assertThatThrownBy(() -> changed.harness.prepareSnapshotPreBarrier(1))
        .hasMessageContaining("version 1 and 24 bytes")
        .hasMessageContaining("of 32 bytes");
  }

  @Test
  void stateIsDividedAmongMoreSubtasks() throws Exception {
    OperatorSubtaskState state;
    int keys = 100;
    try (Operator operator = Operator.open("Counting")) {
      for (int i = 0; i < keys; i++) {
        operator.drive("v" + i, T, 2, i);
      }
      state = snapshot(operator);
    }
    List<String> rows = new ArrayList<>();
    for (int index = 0; index < 2; index++) {
      OperatorSubtaskState part =
          AbstractStreamOperatorTestHarness.repartitionOperatorState(state, 16, 1, 2, index);
      try (Operator operator = Operator.subtask("Counting", 2, index, part)) {
        operator.harness.processWatermark(Watermark.MAX_WATERMARK);
        rows.addAll(operator.rows());
      }
    }
    List<String> expected = new ArrayList<>();
    for (int i = 0; i < keys; i++) {
      expected.add("v" + i + " 1700000010000 2 " + 2.0 * i + " timer");
    }
    assertThat(rows).containsExactlyInAnyOrderElementsOf(expected);
  }

  @Test
  void anyLimitsGiveTheSameRows() throws Exception {
    List<String> expected = randomDrives(1000, 512 << 10, 0);
    assertThat(expected).hasSizeGreaterThan(200);
    assertThat(randomDrives(1, 512 << 10, 0)).isEqualTo(expected);
    assertThat(randomDrives(7, 512 << 10, 0)).isEqualTo(expected);
    assertThat(randomDrives(1000, 700, 0)).isEqualTo(expected);
    assertThat(randomDrives(1000, 512 << 10, 11)).isEqualTo(expected);
  }

  /** Rows by key; within a key their order counts. */
  private static List<String> randomDrives(int maxMessages, int maxBytes, int restoreEvery)
      throws Exception {
    Random random = new Random(5);
    List<String> rows = new ArrayList<>();
    long[] clocks = new long[7];
    Operator operator = Operator.open("Counting", maxMessages, maxBytes, 10, null);
    for (int i = 0; i < 400; i++) {
      int vehicle = random.nextInt(clocks.length);
      int samples = 1 + random.nextInt(9);
      operator.drive("v" + vehicle, T + clocks[vehicle], samples, random.nextInt(1000) / 10.0);
      clocks[vehicle] += samples * 1000L + random.nextInt(9000);
      if (restoreEvery > 0 && i % restoreEvery == 0) {
        OperatorSubtaskState state = snapshot(operator);
        rows.addAll(operator.rows());
        operator.close();
        operator = Operator.open("Counting", maxMessages, maxBytes, 10, state);
      }
    }
    operator.harness.processWatermark(Watermark.MAX_WATERMARK);
    rows.addAll(operator.rows());
    operator.close();
    Collections.sort(rows);
    return rows;
  }

  @Test
  void aFailingFunctionTellsItsTraceback() throws Exception {
    Operator operator = Operator.open("Failing");
    operator.drive("v1", T, 1, 0);
    assertThatThrownBy(() -> operator.harness.processWatermark(new Watermark(1)))
        .hasMessageContaining("columnar_functions.Failing failed")
        .hasMessageContaining("ValueError: no idea what to do with 1 keys")
        .hasMessageContaining("columnar_functions.py");
  }

  @Test
  void aResultOfTheWrongShapeIsRefused() throws Exception {
    Operator operator = Operator.open("WrongShape");
    operator.drive("v1", T, 1, 0);
    assertThatThrownBy(() -> operator.harness.processWatermark(new Watermark(1)))
        .hasMessageContaining("timers has the shape (2,) for 1 keys");
  }

  @Test
  void aFunctionThatCannotBeOpenedFailsAtOnceAndForGood() {
    assertThatThrownBy(() -> Operator.open("NoSuchClass"))
        .isInstanceOf(SuppressRestartsException.class)
        .hasStackTraceContaining("has no attribute 'NoSuchClass'")
        .hasStackTraceContaining("Traceback (most recent call last)");
    assertThatThrownBy(() -> Operator.open("Unopenable"))
        .isInstanceOf(SuppressRestartsException.class)
        .hasStackTraceContaining("settings are wrong: {}");
  }

  private static OperatorSubtaskState snapshot(Operator operator) throws Exception {
    operator.harness.prepareSnapshotPreBarrier(1);
    return operator.harness.snapshot(1, 1);
  }
}
