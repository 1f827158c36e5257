package io.kappafleet.cassandra;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.util.List;
import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.connector.base.sink.writer.BufferedRequestState;

/**
 * Checks rows and hands them on: each at once while Cassandra keeps up; under load some in one
 * statement, for which a row waits up to a second, the longer the more is in flight. A checkpoint
 * never leaves one behind.
 */
final class GroupingWriter
    implements StatefulSinkWriter<byte[], BufferedRequestState<UpsertGroup>> {
  private static final long MIN_HELD_MS = 10;
  private static final long MAX_HELD_MS = 1000;
  private static final long LOOK_EVERY_MS = 5;

  private final CassandraWriter writer;
  private final InFlightStatements inFlight;
  private final List<TableSpec> tables;
  private final ProcessingTimeService clock;
  private final HeldUpserts held;
  private boolean looks;

  GroupingWriter(
      CassandraWriter writer,
      InFlightStatements inFlight,
      List<TableSpec> tables,
      ProcessingTimeService clock,
      HeldUpserts.Replicas replicas) {
    this.writer = writer;
    this.inFlight = inFlight;
    this.tables = tables;
    this.clock = clock;
    this.held = new HeldUpserts(tables, replicas);
  }

  @Override
  public void write(byte[] frame, Context context) throws IOException, InterruptedException {
    check(frame);
    if (inFlight.holdMs(MIN_HELD_MS, MAX_HELD_MS) == 0 && held.isEmpty()) {
      writer.write(new UpsertGroup(frame), context);
      return;
    }
    UpsertGroup full = held.add(frame, clock.getCurrentProcessingTime());
    if (full != null) {
      writer.write(full, context);
    }
    lookLater();
  }

  private void lookLater() {
    if (!looks && !held.isEmpty()) {
      looks = true;
      clock.registerTimer(clock.getCurrentProcessingTime() + LOOK_EVERY_MS, this::look);
    }
  }

  private void look(long nowMs) throws IOException, InterruptedException {
    looks = false;
    while (true) {
      long holdMs = inFlight.holdMs(MIN_HELD_MS, MAX_HELD_MS);
      UpsertGroup next = held.oldest(nowMs - holdMs, nowMs - holdMs / 2);
      if (next == null) {
        break;
      }
      writer.write(next, null);
    }
    lookLater();
  }

  private void check(byte[] frame) throws IOException {
    int table = frame.length < RowFrame.HEADER_BYTES ? -1 : RowFrame.table(frame);
    if (table < 0 || table >= tables.size()) {
      throw new IOException(
          "a row names table %d, but there are %d tables".formatted(table, tables.size()));
    }
    if (frame.length > CassandraSink.MAX_ROW_BYTES) {
      throw new IOException(
          "a row of table %s has %d bytes, more than the %d that the sink takes: cap its texts and blobs before"
              .formatted(tables.get(table).name(), frame.length, CassandraSink.MAX_ROW_BYTES));
    }
  }

  /** Waits until all is written: no upsert is left for a checkpoint's state. */
  @Override
  public void flush(boolean endOfInput) throws IOException, InterruptedException {
    for (UpsertGroup next = held.oldest(Long.MAX_VALUE, Long.MAX_VALUE);
        next != null;
        next = held.oldest(Long.MAX_VALUE, Long.MAX_VALUE)) {
      writer.write(next, null);
    }
    writer.flush(true);
  }

  @Override
  public List<BufferedRequestState<UpsertGroup>> snapshotState(long checkpointId) {
    return writer.snapshotState(checkpointId);
  }

  @Override
  public void close() {
    writer.close();
  }
}
