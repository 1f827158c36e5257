package io.kappafleet.rabbitmq;

import static org.assertj.core.api.Assertions.assertThat;

import io.kappafleet.record.LogRecord;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.java.tuple.Tuple5;
import org.junit.jupiter.api.Test;

class LogWatermarksTest {
  private static final long NOW = 1_700_000_000_000L;

  private final WatermarkGenerator<Tuple5<String, byte[], String, Long, Long>> generator =
      new LogWatermarks(60_000, 300_000).createWatermarkGenerator(null);
  private final Output output = new Output();

  private void event(long eventMs, long arrivalMs) {
    generator.onEvent(LogRecord.of("k", new byte[0], "s", 0, arrivalMs), eventMs, output);
  }

  private List<Long> emitted() {
    generator.onPeriodicEmit(output);
    return output.watermarks;
  }

  @Test
  void theWatermarkIsTheHighestEventTimeLessTheDelay() {
    event(NOW, NOW);
    event(NOW - 5_000, NOW);
    assertThat(emitted()).containsExactly(NOW - 60_001);
  }

  @Test
  void nothingIsEmittedBeforeTheFirstEventNorWithoutARise() {
    assertThat(emitted()).isEmpty();
    event(NOW, NOW);
    emitted();
    event(NOW, NOW);
    event(NOW - 1, NOW);
    assertThat(emitted()).hasSize(1);
  }

  @Test
  void aClockThatIsAheadMovesNothing() {
    event(NOW + 300_001, NOW);
    assertThat(emitted()).isEmpty();
    event(NOW + 300_000, NOW);
    assertThat(emitted()).containsExactly(NOW + 240_000 - 1);
  }

  @Test
  void anImpossibleTimeMovesNothingEvenWithoutAnArrivalTime() {
    event(4_291_747_200_000L, 0);
    event(0, 0);
    event(LogRecord.NO_TIME, 0);
    event(Long.MAX_VALUE, 0);
    assertThat(emitted()).isEmpty();
    event(NOW, 0);
    assertThat(emitted()).hasSize(1);
  }

  private static final class Output implements WatermarkOutput {
    private final List<Long> watermarks = new ArrayList<>();

    @Override
    public void emitWatermark(Watermark watermark) {
      watermarks.add(watermark.getTimestamp());
    }

    @Override
    public void markIdle() {
      throw new AssertionError("idleness is the reader's task");
    }

    @Override
    public void markActive() {
      throw new AssertionError("idleness is the reader's task");
    }
  }
}
