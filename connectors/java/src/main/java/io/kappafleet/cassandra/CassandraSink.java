package io.kappafleet.cassandra;

import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.base.sink.AsyncSinkBase;
import org.apache.flink.connector.base.sink.writer.BufferedRequestState;
import org.apache.flink.connector.base.sink.writer.config.AsyncSinkWriterConfiguration;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * Row frames to Cassandra tables, as idempotent upserts with the frames' own write time.
 *
 * <p>At least once, and exactly once in effect: all rows are in Cassandra before a checkpoint
 * completes, a row that is written twice is the same row, and an older row never replaces a newer
 * one. What may pass (time-outs, overload, a server that restarts) is repeated with growing delays;
 * what cannot succeed fails the job with one clear line.
 */
public final class CassandraSink extends AsyncSinkBase<byte[], UpsertGroup> {
  private static final long serialVersionUID = 1L;

  /** Larger rows are refused; Cassandra's own bound is 16 MiB, or half a commit log's segment. */
  static final int MAX_ROW_BYTES = 4 * 1024 * 1024;

  private static final int MAX_BATCH = 64;
  private static final int MAX_BUFFERED = 2_000;

  /**
   * How long an upsert may wait for others; see {@link InFlightStatements} for why it seldom does.
   */
  private static final int MAX_DELAY_MS = 10;

  private final CassandraSettings settings;
  private final List<TableSpec> tables;

  CassandraSink(CassandraSettings settings, List<TableSpec> tables) {
    super(
        (frame, context) -> new UpsertGroup(frame),
        Math.min(MAX_BATCH, settings.maxInFlight()),
        settings.maxInFlight(),
        MAX_BUFFERED,
        MAX_ROW_BYTES,
        MAX_DELAY_MS,
        MAX_ROW_BYTES);
    this.settings = settings;
    this.tables = List.copyOf(tables);
  }

  /**
   * Makes a sink.
   *
   * @param hosts names or addresses of some nodes, separated by commas
   * @param port their CQL port
   * @param datacenter the datacenter to write to
   * @param keyspace an existing keyspace with the tables
   * @param tables as {@link TableSpec#parse} reads them, in the order of the frames' table index
   * @param maxInFlight statements sent and not yet answered, per writer
   * @param connectTimeoutMs so long a writer tries to connect at its start
   * @param retryTimeoutMs so long writes may fail, without one success, before the job fails
   */
  public static CassandraSink of(
      String hosts,
      int port,
      String datacenter,
      String keyspace,
      String tables,
      int maxInFlight,
      long connectTimeoutMs,
      long retryTimeoutMs) {
    return new CassandraSink(
        new CassandraSettings(
            List.of(hosts.split("\\s*,\\s*")),
            port,
            datacenter,
            keyspace,
            maxInFlight,
            Duration.ofMillis(connectTimeoutMs),
            Duration.ofMillis(retryTimeoutMs)),
        TableSpec.parse(tables));
  }

  @Override
  public StatefulSinkWriter<byte[], BufferedRequestState<UpsertGroup>> createWriter(
      WriterInitContext context) throws IOException {
    return restoreWriter(context, List.of());
  }

  @Override
  public StatefulSinkWriter<byte[], BufferedRequestState<UpsertGroup>> restoreWriter(
      WriterInitContext context, Collection<BufferedRequestState<UpsertGroup>> state)
      throws IOException {
    InFlightStatements inFlight =
        new InFlightStatements(getMaxInFlightRequests(), getMaxBatchSize());
    AsyncSinkWriterConfiguration configuration =
        AsyncSinkWriterConfiguration.builder()
            .setMaxBatchSize(getMaxBatchSize())
            .setMaxBatchSizeInBytes(getMaxBatchSizeInBytes())
            .setMaxInFlightRequests(getMaxInFlightRequests())
            .setMaxBufferedRequests(getMaxBufferedRequests())
            .setMaxTimeInBufferMS(getMaxTimeInBufferMS())
            .setMaxRecordSizeInBytes(getMaxRecordSizeInBytes())
            .setRateLimitingStrategy(inFlight)
            .build();
    CassandraConnection connection =
        CassandraConnection.open(settings, new CassandraCredentials(System.getenv()), tables);
    try {
      CassandraWriter writer =
          new CassandraWriter(
              context, configuration, state, connection, settings, tables, inFlight);
      return new GroupingWriter(
          writer, inFlight, tables, context.getProcessingTimeService(), connection::replicas);
    } catch (RuntimeException e) {
      connection.close();
      throw e;
    }
  }

  @Override
  public SimpleVersionedSerializer<BufferedRequestState<UpsertGroup>> getWriterStateSerializer() {
    return new UpsertGroup.Serializer();
  }
}
