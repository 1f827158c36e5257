package io.kappafleet.rabbitmq;

import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkGeneratorSupplier;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.java.tuple.Tuple5;

/**
 * Watermarks of log records, per split: the highest event time less a delay.
 *
 * <p>An event time that will be rejected downstream never moves the watermark: further than {@code
 * maxAheadMs} after the broker received the message, or outside 2000 to 2100. A watermark is
 * emitted only when it has risen, because a repeated one would wake a split that {@link
 * StreamsReader} has marked idle; quiet and empty streams are that class' task.
 *
 * @param delayMs bounded out-of-orderness; it must exceed the time that one message spans
 * @param maxAheadMs how far event time may be ahead of arrival
 */
public record LogWatermarks(long delayMs, long maxAheadMs)
    implements WatermarkStrategy<Tuple5<String, byte[], String, Long, Long>> {
  private static final long serialVersionUID = 1L;

  /** 2000-01-01 and 2100-01-01, UTC: no device sends anything outside. */
  private static final long EARLIEST_MS = 946_684_800_000L;

  private static final long LATEST_MS = 4_102_444_800_000L;

  public LogWatermarks {
    if (delayMs < 0 || maxAheadMs < 0) {
      throw new IllegalArgumentException("delayMs and maxAheadMs are at least 0");
    }
  }

  @Override
  public WatermarkGenerator<Tuple5<String, byte[], String, Long, Long>> createWatermarkGenerator(
      WatermarkGeneratorSupplier.Context context) {
    return new Generator();
  }

  private final class Generator
      implements WatermarkGenerator<Tuple5<String, byte[], String, Long, Long>> {
    private long highestMs = Long.MIN_VALUE;
    private boolean risen;

    @Override
    public void onEvent(
        Tuple5<String, byte[], String, Long, Long> record, long eventMs, WatermarkOutput output) {
      if (eventMs <= highestMs || eventMs < EARLIEST_MS || eventMs >= LATEST_MS) {
        return;
      }
      long arrivalMs = record.f4;
      if (arrivalMs > 0 && eventMs > arrivalMs + maxAheadMs) {
        return;
      }
      highestMs = eventMs;
      risen = true;
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
      if (risen) {
        risen = false;
        output.emitWatermark(new Watermark(highestMs - delayMs - 1));
      }
    }
  }
}
