package io.kappafleet.cassandra;

import org.apache.flink.connector.base.sink.writer.strategy.RateLimitingStrategy;
import org.apache.flink.connector.base.sink.writer.strategy.RequestInfo;
import org.apache.flink.connector.base.sink.writer.strategy.ResultInfo;

/**
 * Bounds the statements in flight, and says how many go out together. The base class' own
 * strategies count requests, and a request may hold one statement or many; Cassandra is overrun by
 * statements, however many rows each has.
 *
 * <p>A statement waits in the buffer until a request is full. While few are in flight that is one
 * statement, which so goes out at once; under load it grows, because each request costs a message
 * to the task's thread.
 *
 * <p>Called by the task's thread only; {@link #current} may be read by any.
 */
final class InFlightStatements implements RateLimitingStrategy {
  /** A request is at most this part of what is in flight. */
  private static final int PART = 8;

  /** With so few in flight nothing waits to be grouped. */
  private static final int FEW = 2;

  private final int max;
  private final int maxRequest;
  private volatile int current;

  InFlightStatements(int max, int maxRequest) {
    this.max = max;
    this.maxRequest = Math.min(max, maxRequest);
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
    return current + request.getBatchSize() > max;
  }

  @Override
  public int getMaxBatchSize() {
    return Math.max(1, Math.min(maxRequest, current / PART));
  }

  /**
   * How long an upsert may wait for others of its partition: the more is in flight, the longer, so
   * that statements become fewer where they are too many; 0 while few are.
   *
   * @param shortestMs the answer with more than few in flight
   * @param longestMs the answer with all that may be in flight
   */
  long holdMs(long shortestMs, long longestMs) {
    return current <= FEW ? 0 : Math.max(shortestMs, longestMs * current / max);
  }

  int current() {
    return current;
  }
}
