package io.kappafleet.cassandra;

import org.apache.flink.connector.base.sink.writer.strategy.RateLimitingStrategy;
import org.apache.flink.connector.base.sink.writer.strategy.RequestInfo;
import org.apache.flink.connector.base.sink.writer.strategy.ResultInfo;

/**
 * Bounds the upserts in flight, and says how many go out together. The base class' own strategies
 * count batches, and a batch may hold one upsert or many.
 *
 * <p>An upsert waits in the buffer until a batch is full. While few are in flight a batch is one
 * upsert, which so goes out at once; under load it grows, because each batch costs a message to the
 * task's thread; and under heavy load it grows further, because the more upserts are together, the
 * more of them are of one partition, and one statement (see {@link PartitionBatches}).
 *
 * <p>Called by the task's thread only; {@link #current} may be read by any.
 */
final class InFlightRecords implements RateLimitingStrategy {
  /** A batch is at most this part of what is in flight. */
  private static final int PART = 8;

  private static final int PART_UNDER_HEAVY_LOAD = 2;

  /** From so many in flight on, load is heavy. */
  private static final int HEAVY = 512;

  private final int maxRecords;
  private final int maxBatch;
  private volatile int current;

  InFlightRecords(int maxRecords, int maxBatch) {
    this.maxRecords = maxRecords;
    this.maxBatch = Math.min(maxRecords, maxBatch);
  }

  @Override
  public void registerInFlightRequest(RequestInfo request) {
    current = current + request.getBatchSize();
  }

  @Override
  public void registerCompletedRequest(ResultInfo result) {
    current = current - result.getBatchSize();
  }

  @Override
  public boolean shouldBlock(RequestInfo request) {
    return current + request.getBatchSize() > maxRecords;
  }

  @Override
  public int getMaxBatchSize() {
    int part = current < HEAVY ? PART : PART_UNDER_HEAVY_LOAD;
    return Math.max(1, Math.min(maxBatch, current / part));
  }

  int current() {
    return current;
  }
}
