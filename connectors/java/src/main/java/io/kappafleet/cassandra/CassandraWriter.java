package io.kappafleet.cassandra;

import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.base.sink.writer.AsyncSinkWriter;
import org.apache.flink.connector.base.sink.writer.BufferedRequestState;
import org.apache.flink.connector.base.sink.writer.ResultHandler;
import org.apache.flink.connector.base.sink.writer.config.AsyncSinkWriterConfiguration;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.ThreadSafeSimpleCounter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends upserts as the base class hands them out and repeats those that failed but may succeed.
 *
 * <p>A batch whose upserts wait for their next attempt stays in flight, so that a struggling server
 * gets less, not more. Metrics: {@code writes}, {@code retries}, {@code inFlight}.
 */
final class CassandraWriter extends AsyncSinkWriter<UpsertGroup, UpsertGroup> {
  private static final Logger LOG = LoggerFactory.getLogger(CassandraWriter.class);
  private static final long WARN_EVERY_NANOS = TimeUnit.SECONDS.toNanos(5);
  private static final long NOT_FAILING = 0;

  private final CassandraConnection connection;
  private final CassandraSettings settings;
  private final List<TableSpec> tables;
  private final Counter writes;
  private final Counter statements;
  private final Counter retries;
  private final ScheduledExecutorService retryTimer =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "cassandra-sink-retries");
            thread.setDaemon(true);
            return thread;
          });

  /** When the first failure after the last success was; {@link #NOT_FAILING} if none. */
  private final AtomicLong failingSince = new AtomicLong(NOT_FAILING);

  private final AtomicLong nextWarning = new AtomicLong(System.nanoTime());

  CassandraWriter(
      WriterInitContext context,
      AsyncSinkWriterConfiguration configuration,
      Collection<BufferedRequestState<UpsertGroup>> state,
      CassandraConnection connection,
      CassandraSettings settings,
      List<TableSpec> tables,
      InFlightStatements inFlight) {
    super((group, ignored) -> group, context, configuration, state);
    this.connection = connection;
    this.settings = settings;
    this.tables = tables;
    this.writes = context.metricGroup().counter("writes", new ThreadSafeSimpleCounter());
    this.statements = context.metricGroup().counter("statements", new ThreadSafeSimpleCounter());
    this.retries = context.metricGroup().counter("retries", new ThreadSafeSimpleCounter());
    context.metricGroup().gauge("inFlight", inFlight::current);
  }

  @Override
  protected long getSizeInBytes(UpsertGroup group) {
    return group.bytes();
  }

  @Override
  protected void submitRequestEntries(
      List<UpsertGroup> groups, ResultHandler<UpsertGroup> handler) {
    Attempt attempt = new Attempt(groups.size(), handler);
    for (UpsertGroup group : groups) {
      try {
        connection
            .send(group.frames())
            .whenComplete((result, failure) -> attempt.answered(group, failure));
      } catch (RuntimeException e) {
        attempt.answered(group, e);
      }
    }
  }

  @Override
  public void close() {
    super.close();
    retryTimer.shutdownNow();
    connection.close();
  }

  private IOException refused(UpsertGroup group, Throwable failure) {
    return new IOException(
        "Cassandra cannot take a row of table %s: %s"
            .formatted(
                Arrays.stream(group.tables())
                    .mapToObj(table -> settings.keyspace() + "." + tables.get(table).name())
                    .collect(Collectors.joining(" or ")),
                Failures.reason(failure)),
        failure);
  }

  private IOException givenUp(Throwable failure) {
    return new IOException(
        "no write to Cassandra at %s succeeded for %d s: %s. Check the servers; the job goes on from its last checkpoint when it is restarted."
            .formatted(
                settings.addresses(),
                settings.retryTimeout().toSeconds(),
                Failures.reason(failure)),
        failure);
  }

  /** One attempt of one batch. Answers come from the driver's threads. */
  private final class Attempt {
    private final ResultHandler<UpsertGroup> handler;
    private final List<UpsertGroup> failed = new ArrayList<>();
    private int unanswered;
    private int written;
    private int rows;
    private Throwable lastFailure;
    private boolean dead;

    Attempt(int size, ResultHandler<UpsertGroup> handler) {
      this.unanswered = size;
      this.handler = handler;
    }

    synchronized void answered(UpsertGroup group, Throwable failure) {
      if (dead) {
        return;
      }
      unanswered--;
      if (failure == null) {
        written++;
        rows += group.frames().size();
      } else if (Failures.isRetryable(failure)) {
        group.failures++;
        failed.add(group);
        lastFailure = failure;
      } else {
        dead = true;
        handler.completeExceptionally(refused(group, failure));
        return;
      }
      if (unanswered == 0) {
        finish();
      }
    }

    private void finish() {
      if (written > 0) {
        writes.inc(rows);
        statements.inc(written);
        failingSince.set(NOT_FAILING);
      }
      if (failed.isEmpty()) {
        handler.complete();
        return;
      }
      long now = System.nanoTime();
      if (written == 0) {
        failingSince.compareAndSet(NOT_FAILING, now);
        long since = failingSince.get();
        if (since != NOT_FAILING && now - since > settings.retryTimeout().toNanos()) {
          handler.completeExceptionally(givenUp(lastFailure));
          return;
        }
      }
      retries.inc(failed.size());
      int failures = failed.stream().mapToInt(group -> group.failures).max().getAsInt();
      long delayMs = Failures.delayMs(failures);
      warn(now, delayMs);
      // The timer is shut down when the writer closes; nobody waits for the batch then.
      if (!retryTimer.isShutdown()) {
        retryTimer.schedule(() -> handler.retryForEntries(failed), delayMs, TimeUnit.MILLISECONDS);
      }
    }

    private void warn(long now, long delayMs) {
      long due = nextWarning.get();
      if (now - due >= 0 && nextWarning.compareAndSet(due, now + WARN_EVERY_NANOS)) {
        LOG.warn(
            "{} of {} statements failed, repeated in {} ms: {}",
            failed.size(),
            failed.size() + written,
            delayMs,
            Failures.reason(lastFailure));
      }
    }
  }
}
