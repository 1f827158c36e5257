package io.kappafleet.rabbitmq;

import io.kappafleet.record.LogRecord;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.connector.base.source.reader.RecordEmitter;
import org.apache.flink.metrics.Counter;

/**
 * Decodes and hands each offset on once, with its event time, and moves the split's next offset
 * behind it.
 *
 * <p>A re-subscription after a lost link brings messages again; whatever is below the next offset
 * is dropped and counted. Offsets may have legal gaps, so nothing else is concluded from them here.
 */
final class LogRecordEmitter
    implements RecordEmitter<
        StoredMessage, Tuple5<String, byte[], String, Long, Long>, SplitState> {
  private final MessageReader reader;
  private final Counter redelivered;
  private final LogMessage message = new LogMessage();

  LogRecordEmitter(MessageReader reader, Counter redelivered) {
    this.reader = reader;
    this.redelivered = redelivered;
  }

  @Override
  public void emitRecord(
      StoredMessage stored,
      SourceOutput<Tuple5<String, byte[], String, Long, Long>> output,
      SplitState state) {
    long offset = stored.offset;
    if (offset < state.next()) {
      redelivered.inc();
      return;
    }
    StreamSplit split = state.split();
    if (offset > split.stop()) {
      return;
    }
    state.advanceTo(offset + 1);
    if (stored.arrivalMs < split.notBeforeMs()) {
      return;
    }
    reader.read(stored.bytes, stored.from, stored.to, message);
    output.collect(
        LogRecord.of(message.key, message.body, split.stream(), offset, stored.arrivalMs),
        message.eventMs);
  }
}
