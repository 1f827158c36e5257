package io.kappafleet.results;

import io.kappafleet.rabbitmq.BrokerAddress;
import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.connector.base.sink.writer.config.AsyncSinkWriterConfiguration;

/**
 * Row frames as messages to a RabbitMQ topic exchange, for other systems.
 *
 * <p>At least once: the broker has confirmed all rows before a checkpoint completes. A row that is
 * published twice has the same message id twice. A broker that is slow or away for a while holds
 * the job back; one that stays away fails it with one clear line.
 *
 * <p>It has no state, so that a job can be continued from a savepoint with or without it.
 */
public final class ResultsSink implements Sink<byte[]> {
  private static final long serialVersionUID = 1L;

  /** As JSON: twice as long as the largest frame's blobs, and some more. */
  private static final int MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

  private static final int MAX_BATCH = 64;
  private static final int MAX_BUFFERED = 2_000;
  private static final int MAX_DELAY_MS = 5;

  private final ResultsSettings settings;
  private final List<TableSpec> tables;
  private final List<ResultRoute> routes;

  ResultsSink(ResultsSettings settings, List<TableSpec> tables, List<ResultRoute> routes) {
    this.settings = settings;
    this.tables = List.copyOf(tables);
    this.routes = List.copyOf(routes);
    encoders();
  }

  /**
   * Makes a sink.
   *
   * @param broker its port is the one of AMQP
   * @param exchange an existing exchange
   * @param producer which tables the rows are written to; the messages' {@code app_id}
   * @param tables as {@link TableSpec#parse} reads them, in the order of the frames' table index
   * @param routes as {@link ResultRoute#parse} reads them; rows of other tables must not come
   * @param maxUnconfirmed messages published and not yet confirmed, per writer
   * @param connectTimeoutMs so long a writer tries to connect at its start
   * @param retryTimeoutMs so long messages may stay without one confirm before the job fails
   * @throws IllegalArgumentException when a table's column has a type that JSON rows cannot hold
   */
  public static ResultsSink of(
      BrokerAddress broker,
      String exchange,
      String producer,
      String tables,
      String routes,
      int maxUnconfirmed,
      long connectTimeoutMs,
      long retryTimeoutMs) {
    return new ResultsSink(
        new ResultsSettings(
            broker,
            exchange,
            producer,
            maxUnconfirmed,
            Duration.ofMillis(connectTimeoutMs),
            Duration.ofMillis(retryTimeoutMs)),
        TableSpec.parse(tables),
        ResultRoute.parse(routes));
  }

  @Override
  public SinkWriter<byte[]> createWriter(WriterInitContext context) throws IOException {
    int batch = Math.min(MAX_BATCH, settings.maxUnconfirmed());
    AsyncSinkWriterConfiguration configuration =
        AsyncSinkWriterConfiguration.builder()
            .setMaxBatchSize(batch)
            .setMaxBatchSizeInBytes(MAX_MESSAGE_BYTES)
            .setMaxInFlightRequests(Math.max(1, settings.maxUnconfirmed() / batch))
            .setMaxBufferedRequests(MAX_BUFFERED)
            .setMaxTimeInBufferMS(MAX_DELAY_MS)
            .setMaxRecordSizeInBytes(MAX_MESSAGE_BYTES)
            .build();
    ResultsPublisher publisher = new ResultsPublisher(settings);
    try {
      publisher.start();
      return new ResultsWriter(context, configuration, encoders(), publisher);
    } catch (IOException | RuntimeException e) {
      publisher.close();
      throw e;
    }
  }

  /** One for each table with a route, at the table's index. */
  private ResultEncoder[] encoders() {
    ResultEncoder[] encoders = new ResultEncoder[tables.size()];
    for (int i = 0; i < encoders.length; i++) {
      for (ResultRoute route : routes) {
        if (route.table().equals(tables.get(i).name())) {
          encoders[i] = new ResultEncoder(tables.get(i), route);
        }
      }
    }
    return encoders;
  }
}
