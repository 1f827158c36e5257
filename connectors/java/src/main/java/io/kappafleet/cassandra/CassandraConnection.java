package io.kappafleet.cassandra;

import com.datastax.oss.driver.api.core.CqlIdentifier;
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.CqlSessionBuilder;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.BatchStatementBuilder;
import com.datastax.oss.driver.api.core.cql.BatchType;
import com.datastax.oss.driver.api.core.cql.BoundStatement;
import com.datastax.oss.driver.api.core.metadata.Node;
import com.datastax.oss.driver.api.core.servererrors.QueryValidationException;
import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A session with the upserts of all tables prepared. Thread-safe. */
final class CassandraConnection implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(CassandraConnection.class);
  private static final long PAUSE_BETWEEN_ATTEMPTS_MS = 1_000;
  private static final long CLOSE_TIMEOUT_S = 5;

  private final CqlSession session;
  private final CqlIdentifier keyspace;
  private final TableUpsert[] upserts;

  private CassandraConnection(CqlSession session, String keyspace, TableUpsert[] upserts) {
    this.session = session;
    this.keyspace = CqlIdentifier.fromInternal(keyspace);
    this.upserts = upserts;
  }

  /**
   * Connects and prepares, again and again while the reason may pass and the settings' time lasts.
   *
   * @throws IOException with one line that says what is wrong and what to do
   */
  static CassandraConnection open(
      CassandraSettings settings, CassandraCredentials credentials, List<TableSpec> tables)
      throws IOException {
    long deadline = System.nanoTime() + settings.connectTimeout().toNanos();
    while (true) {
      try {
        return tryOpen(settings, credentials, tables);
      } catch (RuntimeException e) {
        if (!Failures.isRetryable(e)) {
          throw explained("refuses the connection", settings, credentials, e);
        }
        if (System.nanoTime() - deadline > 0) {
          String since =
              "could not be reached for %d s".formatted(settings.connectTimeout().toSeconds());
          throw explained(since, settings, credentials, e);
        }
        LOG.warn("Cassandra at {} not reachable yet: {}", settings.addresses(), Failures.reason(e));
        pause();
      }
    }
  }

  private static IOException explained(
      String what,
      CassandraSettings settings,
      CassandraCredentials credentials,
      RuntimeException failure)
      throws IOException {
    IOException explained =
        new IOException(
            "Cassandra at %s %s: %s. %s"
                .formatted(
                    settings.addresses(),
                    what,
                    Failures.reason(failure),
                    Failures.advice(failure, credentials.isTls())));
    // Not as the cause: commands and Flink's pages show the innermost one, which advises nothing.
    explained.addSuppressed(failure);
    return explained;
  }

  private static CassandraConnection tryOpen(
      CassandraSettings settings, CassandraCredentials credentials, List<TableSpec> tables)
      throws IOException {
    ClassLoader classLoader = CassandraConnection.class.getClassLoader();
    CqlSessionBuilder builder =
        CqlSession.builder()
            .addContactPoints(settings.contactPoints())
            .withLocalDatacenter(settings.datacenter())
            .withClassLoader(classLoader)
            .withConfigLoader(config(classLoader, settings.keyspace()));
    credentials.applyTo(builder);
    CqlSession session = builder.build();
    try {
      checkDatacenter(session, settings.datacenter());
      TableUpsert[] upserts = new TableUpsert[tables.size()];
      for (int i = 0; i < upserts.length; i++) {
        upserts[i] = prepare(session, tables.get(i), settings.keyspace());
      }
      return new CassandraConnection(session, settings.keyspace(), upserts);
    } catch (IOException | RuntimeException e) {
      close(session);
      throw e;
    }
  }

  private static TableUpsert prepare(CqlSession session, TableSpec table, String keyspace)
      throws IOException {
    try {
      return new TableUpsert(table, session.prepare(TableUpsert.cql(keyspace, table)));
    } catch (QueryValidationException e) {
      throw new IOException(
          "table %s.%s does not take the job's rows: %s. Create or alter it as schemas/*.cql says."
              .formatted(keyspace, table.name(), Failures.reason(e)),
          e);
    }
  }

  private static void checkDatacenter(CqlSession session, String datacenter) throws IOException {
    Set<String> known =
        session.getMetadata().getNodes().values().stream()
            .map(Node::getDatacenter)
            .filter(Objects::nonNull)
            .collect(Collectors.toCollection(TreeSet::new));
    if (!known.contains(datacenter)) {
      throw new IOException(
          "Cassandra has no datacenter %s, but %s: set KF_CASSANDRA_DATACENTER"
              .formatted(datacenter, String.join(", ", known)));
    }
  }

  private static DriverConfigLoader config(ClassLoader classLoader, String keyspace) {
    return DriverConfigLoader.programmaticBuilder(classLoader)
        .withString(DefaultDriverOption.REQUEST_CONSISTENCY, "LOCAL_QUORUM")
        .withBoolean(DefaultDriverOption.REQUEST_DEFAULT_IDEMPOTENCE, true)
        .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(5))
        .withBoolean(DefaultDriverOption.REQUEST_LOG_WARNINGS, false)
        // Only the tables' keyspace: enough to send each row to a node that owns it.
        .withStringList(DefaultDriverOption.METADATA_SCHEMA_REFRESHED_KEYSPACES, List.of(keyspace))
        .withDuration(DefaultDriverOption.RECONNECTION_BASE_DELAY, Duration.ofMillis(500))
        .withDuration(DefaultDriverOption.RECONNECTION_MAX_DELAY, Duration.ofSeconds(2))
        // A server that hangs is noticed after 7 s; its requests then fail at once and are
        // repeated.
        .withDuration(DefaultDriverOption.HEARTBEAT_INTERVAL, Duration.ofSeconds(5))
        .withDuration(DefaultDriverOption.HEARTBEAT_TIMEOUT, Duration.ofSeconds(2))
        .withInt(DefaultDriverOption.NETTY_IO_SIZE, 1)
        .withInt(DefaultDriverOption.NETTY_ADMIN_SIZE, 1)
        .withBoolean(DefaultDriverOption.NETTY_DAEMON, true)
        // Nothing is sent any more when a writer closes; the default makes every job end 2 s later.
        .withInt(DefaultDriverOption.NETTY_IO_SHUTDOWN_QUIET_PERIOD, 0)
        .withInt(DefaultDriverOption.NETTY_ADMIN_SHUTDOWN_QUIET_PERIOD, 0)
        .build();
  }

  /**
   * Sends upserts as one statement.
   *
   * @throws IllegalArgumentException when a frame does not fit its table
   */
  CompletionStage<?> send(List<byte[]> frames) {
    if (frames.size() == 1) {
      return session.executeAsync(bind(frames.get(0)));
    }
    BatchStatementBuilder batch = new BatchStatementBuilder(BatchType.UNLOGGED);
    frames.forEach(frame -> batch.addStatement(bind(frame)));
    return session.executeAsync(batch.build());
  }

  /** The nodes that have a partition; empty, so the same for all, as long as they are not known. */
  Set<Node> replicas(ByteBuffer routingKey) {
    return session
        .getMetadata()
        .getTokenMap()
        .map(tokens -> tokens.getReplicas(keyspace, routingKey))
        .orElse(Set.of());
  }

  private BoundStatement bind(byte[] frame) {
    return upserts[RowFrame.table(frame)].bind(frame);
  }

  @Override
  public void close() {
    close(session);
  }

  private static void close(CqlSession session) {
    try {
      session.closeAsync().toCompletableFuture().get(CLOSE_TIMEOUT_S, TimeUnit.SECONDS);
    } catch (TimeoutException | ExecutionException e) {
      session.forceCloseAsync();
    } catch (InterruptedException e) {
      session.forceCloseAsync();
      Thread.currentThread().interrupt();
    }
  }

  private static void pause() throws IOException {
    try {
      Thread.sleep(PAUSE_BETWEEN_ATTEMPTS_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while connecting to Cassandra", e);
    }
  }
}
