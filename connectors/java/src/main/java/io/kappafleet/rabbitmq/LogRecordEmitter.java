package io.kappafleet.rabbitmq;

import io.kappafleet.record.LogRecord;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.connector.base.source.reader.RecordEmitter;
import org.apache.flink.metrics.Counter;

/**
 * Hands each offset on once, with its event time, and moves the split's next offset behind it.
 *
 * <p>A re-subscription after a lost link brings messages again; whatever is below the next offset
 * is dropped and counted. Offsets may have legal gaps, so nothing else is concluded from them here.
 */
final class LogRecordEmitter
    implements RecordEmitter<LogMessage, Tuple5<String, byte[], String, Long, Long>, SplitState> {
  private final Counter redelivered;

  LogRecordEmitter(Counter redelivered) {
    this.redelivered = redelivered;
  }

  @Override
  public void emitRecord(
      LogMessage message,
      SourceOutput<Tuple5<String, byte[], String, Long, Long>> output,
      SplitState state) {
    long offset = message.offset;
    if (offset < state.next()) {
      redelivered.inc();
      return;
    }
    StreamSplit split = state.split();
    if (offset > split.stop()) {
      return;
    }
    state.advanceTo(offset + 1);
    if (message.arrivalMs < split.notBeforeMs()) {
      return;
    }
    output.collect(
        LogRecord.of(message.key, message.body, split.stream(), offset, message.arrivalMs),
        message.eventMs);
  }
}
