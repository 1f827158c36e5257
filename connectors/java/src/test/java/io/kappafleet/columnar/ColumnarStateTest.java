package io.kappafleet.columnar;

import static io.kappafleet.columnar.Operator.T;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;

/** What a function keeps of a key beside its row: tails and the store; and what it refuses. */
class ColumnarStateTest {
  @Test
  void aTailGrowsAndShrinksAndEndsWithItsKey() throws Exception {
    try (Operator operator = Operator.open("Recent")) {
      operator.drive("v1", T, 3, 2);
      operator.drive("v2", T, 1, 5);
      operator.drive("v1", T + 3000, 2, 3);
      operator.harness.prepareSnapshotPreBarrier(1);
      operator.drive("v2", T + 20_000, 1, 6);
      operator.drive("v1", T + 12_000, 1, 4);
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);
      operator.drive("v1", T + 12_500, 1, 1);
      operator.harness.prepareSnapshotPreBarrier(2);

      assertThat(operator.rows())
          .containsExactlyInAnyOrder(
              "v1 1700000002000 3 6.0 batch",
              "v2 1700000000000 1 5.0 batch",
              "v1 1700000004000 5 12.0 batch",
              "v2 1700000020000 1 6.0 batch",
              "v1 1700000012000 4 12.0 batch",
              "v2 1700000020000 1 6.0 timer",
              "v1 1700000012000 4 12.0 timer",
              "v1 1700000012500 1 1.0 batch");
    }
  }

  @Test
  void anyCutAndAnyRestoreGiveTheSameTails() throws Exception {
    List<String> expected = randomDrives(1, 0);
    assertThat(expected).hasSize(307);
    assertThat(randomDrives(1000, 0)).isEqualTo(expected);
    assertThat(randomDrives(7, 0)).isEqualTo(expected);
    assertThat(randomDrives(1000, 11)).isEqualTo(expected);
  }

  @Test
  void stateOnDiskIsPackedAndComesBack() throws Exception {
    List<String> expected = randomDrives(1, 0);
    assertThat(
            randomDrives(
                11, Operator.onDisk("Recent", null), state -> Operator.onDisk("Recent", state)))
        .isEqualTo(expected);
  }

  /** Opens an operator with a state. */
  private interface Opening {
    Operator of(OperatorSubtaskState state) throws Exception;
  }

  private static List<String> randomDrives(int maxMessages, int restoreEvery) throws Exception {
    return randomDrives(
        restoreEvery,
        Operator.open("Recent", maxMessages, 512 << 10, 10, null),
        state -> Operator.open("Recent", maxMessages, 512 << 10, 10, state));
  }

  private static List<String> randomDrives(int restoreEvery, Operator first, Opening again)
      throws Exception {
    Random random = new Random(5);
    List<String> rows = new ArrayList<>();
    long[] clocks = new long[7];
    Operator operator = first;
    for (int i = 0; i < 300; i++) {
      int vehicle = random.nextInt(clocks.length);
      int samples = 1 + random.nextInt(9);
      operator.drive("v" + vehicle, T + clocks[vehicle], samples, random.nextInt(100));
      clocks[vehicle] += samples * 1000L + random.nextInt(9000);
      if (restoreEvery > 0 && i % restoreEvery == 0) {
        OperatorSubtaskState state = snapshot(operator);
        rows.addAll(operator.rows());
        operator.close();
        operator = again.of(state);
      }
    }
    operator.harness.processWatermark(Watermark.MAX_WATERMARK);
    rows.addAll(operator.rows());
    operator.close();
    Collections.sort(rows);
    return rows;
  }

  @Test
  void tailsAndStoresAreDividedAmongMoreSubtasks() throws Exception {
    OperatorSubtaskState tails;
    OperatorSubtaskState stores;
    List<String> expected = new ArrayList<>();
    try (Operator recent = Operator.open("Recent");
        Operator storing = Operator.open("Storing")) {
      for (int i = 0; i < 50; i++) {
        recent.drive("v" + i, T, 1 + i % 3, i);
        command(storing, "v" + i, "put s" + i);
        expected.add(
            "v"
                + i
                + " "
                + (T + 1000 * (i % 3))
                + " "
                + (1 + i % 3)
                + " "
                + (1 + i % 3) * (double) i
                + " timer");
        expected.add("v" + i + " 0 " + ("s" + i).length() + " 0.0 s" + i);
      }
      tails = snapshot(recent);
      stores = snapshot(storing);
    }
    List<String> rows = new ArrayList<>();
    for (int index = 0; index < 2; index++) {
      rows.addAll(fired("Recent", index, tails));
      rows.addAll(fired("Storing", index, stores));
    }
    assertThat(rows).containsExactlyInAnyOrderElementsOf(expected);
  }

  private static List<String> fired(String className, int index, OperatorSubtaskState state)
      throws Exception {
    OperatorSubtaskState part =
        AbstractStreamOperatorTestHarness.repartitionOperatorState(state, 16, 1, 2, index);
    try (Operator operator = Operator.subtask(className, 2, index, part)) {
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);
      assertThat(operator.harness.numKeyedStateEntries()).isZero();
      return operator.rows();
    }
  }

  @Test
  void muchRoomMovesTheMemoryAndNothingIsLost() throws Exception {
    try (Operator operator = Operator.open("Ample")) {
      for (int i = 0; i < 12; i++) {
        operator.drive("v" + i % 4, T, 1 + i, 0);
        if (i % 3 == 2) {
          operator.harness.prepareSnapshotPreBarrier(i);
        }
      }
      assertThat(operator.harness.numKeyedStateEntries()).isEqualTo(4);
    }
  }

  @Test
  void timersOfManyKeysWithTailsAreGivenInParts() throws Exception {
    try (Operator operator = Operator.open("Recent")) {
      for (int i = 0; i < 2000; i++) {
        operator.drive("v" + i, T, 1, 1);
      }
      operator.harness.prepareSnapshotPreBarrier(1);
      assertThat(operator.rows()).hasSize(2000);
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);
      assertThat(operator.rows()).hasSize(2000).allMatch(row -> row.endsWith(" 1 1.0 timer"));
    }
  }

  @Test
  void aTailOfMoreWordsThanThereIsRoomForIsRefused() throws Exception {
    Operator overgrown = Operator.open("Overgrown");
    overgrown.drive("v1", T, 3, 0);
    assertThatThrownBy(() -> overgrown.harness.prepareSnapshotPreBarrier(1))
        .hasMessageContaining("a tail of 7 words for key v1, which has room for 6")
        .hasMessageContaining("tail_growth");
    Operator negative = Operator.open("NegativeTail");
    negative.drive("v1", T, 3, 0);
    assertThatThrownBy(() -> negative.harness.prepareSnapshotPreBarrier(1))
        .hasMessageContaining("a tail of -1 words for key v1");
  }

  /** 16 keys of 100,000 words each are more than the 12 MB that the state of a call may take. */
  @Test
  void keysWithMuchRoomEndAMiniBatch() throws Exception {
    try (Operator operator = Operator.open("Ample")) {
      for (int i = 0; i < 20; i++) {
        operator.drive("v" + i, T, 1, 0);
      }
      assertThat(operator.harness.numKeyedStateEntries()).isEqualTo(16);
    }
  }

  @Test
  void anUpgradeAddsATailOrChangesIt() throws Exception {
    assertThat(upgraded("Counting", "RecentFromCounting"))
        .containsExactly("v1 1700000003000 2 7.0 batch", "v1 1700000003000 2 7.0 timer");
    assertThat(upgraded("Recent", "RecentWithMore"))
        .containsExactly("v1 1700000003000 3 8.0 batch", "v1 1700000003000 3 8.0 timer");
    assertThatThrownBy(() -> upgraded("Recent", "RecentHalved"))
        .hasMessageContaining("upgrade() from version 1 returned 41 bytes, not 13 and a tail");
  }

  private static List<String> upgraded(String before, String after) throws Exception {
    OperatorSubtaskState state;
    try (Operator operator = Operator.open(before)) {
      operator.drive("v1", T, 3, 2);
      state = snapshot(operator);
    }
    Operator operator = Operator.restore(after, state);
    operator.drive("v1", T + 3000, 1, after.equals("RecentFromCounting") ? 1 : 4);
    operator.harness.prepareSnapshotPreBarrier(1);
    operator.harness.processWatermark(Watermark.MAX_WATERMARK);
    List<String> rows = operator.rows();
    operator.close();
    return rows;
  }

  @Test
  void aTailThatTheFunctionDoesNotDeclareIsRefused() throws Exception {
    OperatorSubtaskState state;
    try (Operator operator = Operator.open("Recent")) {
      operator.drive("v1", T, 3, 2);
      state = snapshot(operator);
    }
    Operator operator = Operator.restore("Counting", state);
    operator.drive("v1", T + 3000, 1, 1);
    assertThatThrownBy(() -> operator.harness.prepareSnapshotPreBarrier(1))
        .hasMessageContaining("version 1 and 57 bytes")
        .hasMessageContaining("of 24 bytes:");
  }

  @Test
  void theStoreIsReadAndWrittenWhileACallRuns() throws Exception {
    OperatorSubtaskState state;
    try (Operator operator = Operator.open("Storing")) {
      command(operator, "v1", "get");
      command(operator, "v1", "put abc");
      command(operator, "v2", "get");
      command(operator, "v1", "get");
      command(operator, "v2", "put Jörg");
      command(operator, "v3", "put x");
      command(operator, "v3", "put");
      state = snapshot(operator);
      assertThat(operator.rows())
          .containsExactly(
              "v1 0 0 0.0 -",
              "v1 0 3 0.0 abc",
              "v2 0 0 0.0 -",
              "v1 0 3 0.0 abc",
              "v2 0 5 0.0 Jörg",
              "v3 0 1 0.0 x",
              "v3 0 0 0.0 -");
      command(operator, "v1", "put later");
    }
    try (Operator operator = Operator.restore("Storing", state)) {
      command(operator, "v1", "get");
      command(operator, "v2", "large z");
      operator.harness.prepareSnapshotPreBarrier(1);
      assertThat(operator.harness.numKeyedStateEntries()).isEqualTo(5);
      operator.harness.processWatermark(Watermark.MAX_WATERMARK);
      assertThat(operator.harness.numKeyedStateEntries()).isZero();
      command(operator, "v1", "get");
      operator.harness.prepareSnapshotPreBarrier(2);
      assertThat(operator.rows())
          .containsExactlyInAnyOrder(
              "v1 0 3 0.0 abc",
              "v2 0 100000 0.0 zzzzzzzzz",
              "v1 0 3 0.0 abc",
              "v2 0 100000 0.0 zzzzzzzzz",
              "v3 0 0 0.0 -",
              "v1 0 0 0.0 -");
    }
  }

  @Test
  void aStoreThatFailsFailsTheJobEvenIfTheFunctionForgetsIt() throws Exception {
    Operator operator = Operator.open("Storing");
    command(operator, "v1", "forget");
    assertThatThrownBy(() -> operator.harness.prepareSnapshotPreBarrier(1))
        .hasMessageContaining("columnar_functions.Storing cannot use its store")
        .hasRootCauseMessage("Index 1 out of bounds for length 1");
  }

  @Test
  void aStoreThatIsNotDeclaredIsTold() throws Exception {
    Operator operator = Operator.open("StoringUndeclared");
    command(operator, "v1", "put x");
    assertThatThrownBy(() -> operator.harness.prepareSnapshotPreBarrier(1))
        .hasMessageContaining("it declares no uses_store = True");
  }

  @Test
  void whatTheFunctionRefusesBecomesTheRowsTheDecoderWouldMake() throws Exception {
    try (Operator operator = Operator.open("Refusing")) {
      for (int i = 0; i < 200; i++) {
        command(operator, "v" + i % 3, i % 50 == 7 ? "bad" : "good");
      }
      operator.harness.prepareSnapshotPreBarrier(1);
      command(operator, "v1", "bad");
      operator.harness.prepareSnapshotPreBarrier(2);
      List<String> rows = operator.rows();
      assertThat(rows).hasSize(5);
      assertThat(rows.get(1))
          .startsWith("1970-01-01 telemetry-0 0 57 unwanted: message 57 #81 81 ");
      assertThat(rows.get(4))
          .startsWith("1970-01-01 telemetry-0 0 200 unwanted: message 0 #81 81 ");
    }
  }

  @Test
  void timersHaveNothingToRefuse() throws Exception {
    Operator operator = Operator.open("Refusing");
    command(operator, "v1", "late");
    assertThatThrownBy(() -> operator.harness.processWatermark(Watermark.MAX_WATERMARK))
        .hasMessageContaining("timers() has no messages that it could reject");
  }

  private static void command(Operator operator, String key, String driver) throws Exception {
    operator.send(
        key,
        "{\"vehicle_id\":\"%s\",\"driver_id\":\"%s\",\"samples\":{\"t\":[%d],\"speed\":[1]}}"
            .formatted(key, driver, T));
  }

  private static OperatorSubtaskState snapshot(Operator operator) throws Exception {
    operator.harness.prepareSnapshotPreBarrier(1);
    return operator.harness.snapshot(1, 1);
  }
}
