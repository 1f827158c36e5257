package io.kappafleet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.typeutils.base.StringSerializer;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamElement;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;

/** Nobody sees a record before a completed checkpoint holds it, and then everybody sees it. */
class HeldUntilCheckpointTest {
  @Test
  void aRecordIsSentWhenACheckpointThatHoldsItIsComplete() throws Exception {
    try (var held = open(true, null, 1, 0)) {
      held.processElement("a", 1);
      held.snapshot(1, 0);
      held.processElement("b", 2);
      assertThat(sent(held)).isEmpty();
      held.notifyOfCompletedCheckpoint(1);
      assertThat(sent(held)).containsExactly("a@1");
      held.snapshot(2, 0);
      held.notifyOfCompletedCheckpoint(2);
      assertThat(sent(held)).containsExactly("a@1", "b@2");
    }
  }

  @Test
  void aCheckpointThatFailsSendsNothingAndTheNextOneAll() throws Exception {
    try (var held = open(true, null, 1, 0)) {
      held.processElement("a", 1);
      held.snapshot(1, 0);
      held.processElement("b", 2);
      held.snapshot(2, 0);
      held.processElement("c", 3);
      held.notifyOfCompletedCheckpoint(2);
      assertThat(sent(held)).containsExactly("a@1", "b@2");
      held.notifyOfCompletedCheckpoint(1); // a notice that comes late
      assertThat(sent(held)).containsExactly("a@1", "b@2");
    }
  }

  @Test
  void watermarksAndIdlenessWaitWithTheRecordsBeforeThem() throws Exception {
    try (var held = open(true, null, 1, 0)) {
      held.processElement("a", 1);
      held.processWatermark(new Watermark(7));
      held.processWatermarkStatus(WatermarkStatus.IDLE);
      held.processWatermarkStatus(WatermarkStatus.ACTIVE);
      held.processElement("b", 8);
      assertThat(held.getOutput()).isEmpty();
      held.snapshot(1, 0);
      held.notifyOfCompletedCheckpoint(1);
      assertThat(new ArrayList<>(held.getOutput()))
          .isEqualTo(
              List.of(
                  new StreamRecord<>("a", 1),
                  new Watermark(7),
                  WatermarkStatus.IDLE,
                  WatermarkStatus.ACTIVE,
                  new StreamRecord<>("b", 8)));
    }
  }

  @Test
  void aRestoredJobSendsWhatTheCheckpointHoldsBeforeAllElse() throws Exception {
    OperatorSubtaskState state;
    try (var held = open(true, null, 1, 0)) {
      held.processElement("a", 1);
      held.processWatermark(new Watermark(7));
      held.processElement("b", 2);
      state = held.snapshot(1, 0);
      held.processElement("of an attempt that fails", 3);
    }
    try (var held = open(true, state, 1, 0)) {
      held.processElement("c", 4);
      held.setProcessingTime(1);
      assertThat(sent(held)).containsExactly("a@1", "b@2");
      held.snapshot(2, 0);
      held.notifyOfCompletedCheckpoint(2);
      assertThat(sent(held)).containsExactly("a@1", "b@2", "c@4");
    }
  }

  @Test
  void whatARestoredJobHasNotYetSentIsInItsNextCheckpoint() throws Exception {
    OperatorSubtaskState state;
    try (var held = open(true, null, 1, 0)) {
      held.processElement("a", 1);
      state = held.snapshot(1, 0);
    }
    try (var held = open(true, state, 1, 0)) {
      state = held.snapshot(2, 0);
    }
    try (var held = open(true, state, 1, 0)) {
      held.setProcessingTime(1);
      assertThat(sent(held)).containsExactly("a@1");
      state = held.snapshot(3, 0);
    }
    try (var held = open(true, state, 1, 0)) {
      held.setProcessingTime(1);
      assertThat(sent(held)).isEmpty();
    }
  }

  @Test
  void whatWaitsInASubtaskStaysTogetherWhenTheParallelismChanges() throws Exception {
    OperatorSubtaskState one;
    OperatorSubtaskState two;
    try (var held = open(true, null, 2, 0)) {
      held.processElement("a", 1);
      held.processElement("b", 2);
      held.processElement("c", 3);
      one = held.snapshot(1, 0);
    }
    try (var held = open(true, null, 2, 1)) {
      held.processElement("x", 1);
      held.processElement("y", 2);
      two = held.snapshot(1, 0);
    }
    OperatorSubtaskState both = AbstractStreamOperatorTestHarness.repackageState(one, two);
    List<List<String>> found = new ArrayList<>();
    for (int subtask = 0; subtask < 3; subtask++) {
      var part =
          AbstractStreamOperatorTestHarness.repartitionOperatorState(both, 128, 2, 3, subtask);
      try (var held = open(true, part, 3, subtask)) {
        held.setProcessingTime(1);
        found.add(sent(held));
      }
    }
    assertThat(found)
        .containsExactlyInAnyOrder(List.of("a@1", "b@2", "c@3"), List.of("x@1", "y@2"), List.of());
    var part = AbstractStreamOperatorTestHarness.repartitionOperatorState(both, 128, 2, 1, 0);
    try (var held = open(true, part, 1, 0)) {
      held.setProcessingTime(1);
      assertThat(sent(held)).containsExactlyInAnyOrder("a@1", "b@2", "c@3", "x@1", "y@2");
      assertThat(sent(held)).containsSubsequence("a@1", "b@2", "c@3");
    }
  }

  @Test
  void atTheEndOfInputAllIsSent() throws Exception {
    try (var held = open(true, null, 1, 0)) {
      held.processElement("a", 1);
      held.processWatermark(Watermark.MAX_WATERMARK);
      held.endInput();
      held.getOperator().finish();
      assertThat(new ArrayList<>(held.getOutput()))
          .isEqualTo(List.of(new StreamRecord<>("a", 1), Watermark.MAX_WATERMARK));
    }
  }

  @Test
  void withoutCheckpointsNothingWaits() throws Exception {
    try (var held = open(false, null, 1, 0)) {
      held.processElement("a", 1);
      held.processWatermark(new Watermark(7));
      assertThat(new ArrayList<>(held.getOutput()))
          .isEqualTo(List.of(new StreamRecord<>("a", 1), new Watermark(7)));
    }
  }

  private static List<String> sent(OneInputStreamOperatorTestHarness<String, String> held) {
    List<String> found = new ArrayList<>();
    for (Object each : held.getOutput()) {
      if (((StreamElement) each).isRecord()) {
        StreamRecord<String> record = ((StreamElement) each).asRecord();
        found.add(record.getValue() + "@" + record.getTimestamp());
      }
    }
    return found;
  }

  private static OneInputStreamOperatorTestHarness<String, String> open(
      boolean checkpoints, OperatorSubtaskState state, int parallelism, int subtask)
      throws Exception {
    var harness =
        new OneInputStreamOperatorTestHarness<String, String>(
            new HeldUntilCheckpoint<>(StringSerializer.INSTANCE), 128, parallelism, subtask);
    if (checkpoints) {
      harness
          .getEnvironment()
          .getJobConfiguration()
          .set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(2));
    }
    harness.setup(StringSerializer.INSTANCE);
    if (state != null) {
      harness.initializeState(state);
    }
    harness.open();
    return harness;
  }
}
