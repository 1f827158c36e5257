package io.kappafleet.cassandra;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.Row;
import io.kappafleet.record.RowFrame;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** Whole jobs that write to a real server. */
@EnabledIfEnvironmentVariable(named = "KF_TEST_CASSANDRA_PORT", matches = "\\d+")
@Timeout(180)
class CassandraSinkTest {
  private static final String KEYSPACE = "kf_test_java_sink";
  private static final String TABLE =
      """
      {"name": "%s", "columns": [["id", "bigint"], ["note", "text"], ["size", "double"], ["raw", "blob"]],
       "key": [["id"], []]}""";
  private static final String TABLES = "[" + TABLE.formatted("readings") + "]";

  private static CqlSession session;
  private static int serverPort;

  @BeforeAll
  static void connect() {
    serverPort = Integer.parseInt(System.getenv("KF_TEST_CASSANDRA_PORT"));
    session =
        CqlSession.builder()
            .addContactPoint(new InetSocketAddress("127.0.0.1", serverPort))
            .withLocalDatacenter("datacenter1")
            .withConfigLoader(
                DriverConfigLoader.programmaticBuilder()
                    .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(30))
                    .build())
            .build();
    session.execute("DROP KEYSPACE IF EXISTS " + KEYSPACE);
    session.execute(
        "CREATE KEYSPACE "
            + KEYSPACE
            + " WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}");
    session.execute("USE " + KEYSPACE);
    session.execute(
        "CREATE TABLE readings (id bigint PRIMARY KEY, note text, size double, raw blob)");
  }

  @AfterAll
  static void disconnect() {
    session.execute("DROP KEYSPACE IF EXISTS " + KEYSPACE);
    session.close();
  }

  @BeforeEach
  void emptyTable() {
    session.execute("TRUNCATE readings");
  }

  @Test
  void upsertsLandWithAllTheirColumns() throws Exception {
    byte[] frame =
        new RowFrame.Writer()
            .begin(0, 5)
            .putLong(7)
            .putText("Zoë")
            .putDouble(1.5)
            .putBytes(new byte[] {1, 2}, 0, 2)
            .end();

    write(sink(serverPort, TABLES), frame);

    Row row = session.execute("SELECT id, note, size, raw, writetime(note) FROM readings").one();
    assertThat(row.getLong("id")).isEqualTo(7);
    assertThat(row.getString("note")).isEqualTo("Zoë");
    assertThat(row.getDouble("size")).isEqualTo(1.5);
    assertThat(row.getByteBuffer("raw").get(1)).isEqualTo((byte) 2);
    assertThat(row.getLong(4)).isEqualTo(5);
  }

  @Test
  void olderWriteTimeNeverWinsWhateverComesLast() throws Exception {
    write(sink(serverPort, TABLES), frame(1, 200, "new"));
    write(sink(serverPort, TABLES), frame(1, 100, "old"));

    assertThat(session.execute("SELECT note FROM readings WHERE id = 1").one().getString(0))
        .isEqualTo("new");
  }

  @Test
  void unsetColumnKeepsItsValueAndLeavesNoTombstone() throws Exception {
    write(sink(serverPort, TABLES), frame(1, 100, "kept"));
    byte[] onlySize =
        new RowFrame.Writer().begin(0, 200).putLong(1).unset().putDouble(2).unset().end();

    write(sink(serverPort, TABLES), onlySize);

    Row row =
        session.execute("SELECT note, size, writetime(note), writetime(raw) FROM readings").one();
    assertThat(row.getString("note")).isEqualTo("kept");
    assertThat(row.getDouble("size")).isEqualTo(2);
    assertThat(row.getLong(2)).isEqualTo(100);
    // A tombstone would hide this older value; an unset column lets it show.
    session.execute("INSERT INTO readings (id, raw) VALUES (1, 0x09) USING TIMESTAMP 50");
    assertThat(session.execute("SELECT raw FROM readings").one().getByteBuffer(0)).isNotNull();
  }

  @Test
  void nullColumnDeletesItsValue() throws Exception {
    write(sink(serverPort, TABLES), frame(1, 100, "gone"));
    byte[] frame = new RowFrame.Writer().begin(0, 200).putLong(1).unset().unset().unset().end();
    ByteBuffer.wrap(frame).putInt(RowFrame.HEADER_BYTES + 12, RowFrame.NULL);

    write(sink(serverPort, TABLES), frame);

    assertThat(session.execute("SELECT note FROM readings").one().isNull(0)).isTrue();
  }

  @Test
  void rowsOfFewPartitionsAllLandAndTheNewestOfEachWins() throws Exception {
    session.execute("CREATE TABLE grouped (id bigint, n bigint, note text, PRIMARY KEY (id, n))");
    String tables =
        """
        [{"name": "grouped", "columns": [["id", "bigint"], ["n", "bigint"], ["note", "text"]], "key": [["id"], ["n"]]}]""";
    // With one statement in flight nearly all the others wait, and are grouped.
    CassandraSink sink =
        CassandraSink.of(
            "127.0.0.1", serverPort, "datacenter1", KEYSPACE, tables, 1, 20_000, 20_000);
    StreamExecutionEnvironment env = environment();
    env.enableCheckpointing(500);

    // Each row twice: first the newer one, and the older one soon after it, in the same group or
    // not.
    env.fromSequence(0, 5_999)
        .map(
            i -> {
              long row = i / 2;
              boolean newer = i % 2 == 0;
              return new RowFrame.Writer()
                  .begin(0, newer ? 200 : 100)
                  .putLong(row % 5)
                  .putLong(row)
                  .putText((newer ? "new " : "old ") + row)
                  .end();
            })
        .returns(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)
        .sinkTo(sink);
    env.execute();

    List<Row> rows = session.execute("SELECT id, n, note FROM grouped").all();
    assertThat(rows).hasSize(3_000);
    assertThat(rows)
        .allSatisfy(
            row -> {
              assertThat(row.getLong("id")).isEqualTo(row.getLong("n") % 5);
              assertThat(row.getString("note")).isEqualTo("new " + row.getLong("n"));
            });
  }

  @Test
  void everyTableIsCheckedAtTheStart() {
    String tables = "[" + TABLE.formatted("readings") + "," + TABLE.formatted("missing") + "]";

    assertThatThrownBy(() -> write(sink(serverPort, tables), frame(1, 1, "x")))
        .hasStackTraceContaining("table kf_test_java_sink.missing does not take the job's rows");

    String wrong = TABLES.replace("\"note\"", "\"remark\"");
    assertThatThrownBy(() -> write(sink(serverPort, wrong), frame(1, 1, "x")))
        .hasStackTraceContaining("remark");
    assertThat(count()).isZero();
  }

  @Test
  void missingKeyspaceAndDatacenterSayWhatToDo() {
    assertThatThrownBy(
            () ->
                write(
                    CassandraSink.of(
                        "127.0.0.1", serverPort, "datacenter1", "nowhere", TABLES, 512, 5000, 5000),
                    frame(1, 1, "x")))
        .hasStackTraceContaining("table nowhere.readings does not take the job's rows")
        .hasStackTraceContaining("Create or alter it");
    assertThatThrownBy(
            () ->
                write(
                    CassandraSink.of(
                        "127.0.0.1", serverPort, "moon", KEYSPACE, TABLES, 512, 5000, 5000),
                    frame(1, 1, "x")))
        .hasStackTraceContaining("KF_CASSANDRA_DATACENTER");
  }

  @Test
  void refusedRowFailsTheJobWithTheReason() {
    byte[] noKey = new RowFrame.Writer().begin(0, 1).unset().unset().unset().unset().end();
    assertThatThrownBy(() -> writeAmongOthers(noKey))
        .hasStackTraceContaining("Cassandra cannot take a row of table kf_test_java_sink.readings");

    byte[] wrongSize = new RowFrame.Writer().begin(0, 1).putInt(1).unset().unset().unset().end();
    assertThatThrownBy(() -> writeAmongOthers(wrongSize))
        .hasStackTraceContaining("Cassandra cannot take a row of table kf_test_java_sink.readings");

    byte[] cut = new RowFrame.Writer().begin(0, 1).putLong(1).unset().end();
    assertThatThrownBy(() -> writeAmongOthers(cut))
        .hasStackTraceContaining("it ends before column size");
  }

  @Test
  void largestRowLandsAndALargerOneIsRefusedBeforeItIsSent() throws Exception {
    int header = RowFrame.HEADER_BYTES + 12 + 4 + 4 + 4;
    byte[] blob = new byte[CassandraSink.MAX_ROW_BYTES - header];
    byte[] largest =
        new RowFrame.Writer()
            .begin(0, 1)
            .putLong(1)
            .unset()
            .unset()
            .putBytes(blob, 0, blob.length)
            .end();
    byte[] tooLarge =
        new RowFrame.Writer()
            .begin(0, 1)
            .putLong(2)
            .putText("x")
            .unset()
            .putBytes(blob, 0, blob.length)
            .end();

    write(sink(serverPort, TABLES), largest);
    assertThatThrownBy(() -> write(sink(serverPort, TABLES), tooLarge))
        .hasStackTraceContaining("a row of table readings has 4194305 bytes");

    assertThat(count()).isEqualTo(1);
  }

  @Test
  void unreachableServerFailsAfterTheTimeGivenWithAClearLine() throws Exception {
    int freePort;
    try (ServerSocket socket = new ServerSocket(0)) {
      freePort = socket.getLocalPort();
    }
    CassandraSink sink =
        CassandraSink.of("127.0.0.1", freePort, "datacenter1", KEYSPACE, TABLES, 512, 2_000, 5_000);

    assertThatThrownBy(() -> write(sink, frame(1, 1, "x")))
        .hasStackTraceContaining(
            "Cassandra at 127.0.0.1:%d could not be reached for 2 s: ".formatted(freePort))
        .hasStackTraceContaining("Connection refused");
  }

  @Test
  void serverThatComesUpLateIsWaitedFor() throws Exception {
    try (Gate gate = new Gate(serverPort)) {
      gate.shut();
      CompletableFuture<Void> later =
          CompletableFuture.runAsync(
              () -> {
                try {
                  Thread.sleep(3_000);
                  gate.open();
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              });

      write(sink(gate.port(), TABLES), frame(1, 1, "x"));

      later.join();
      assertThat(count()).isEqualTo(1);
    }
  }

  @Test
  void fiftyThousandRowsAreWrittenWithoutOverrunningTheServer() throws Exception {
    long start = System.nanoTime();
    writeMany(serverPort, 50_000, 0, 60_000);
    double seconds = (System.nanoTime() - start) / 1e9;

    System.out.printf(
        "CassandraSink: 50,000 rows in %.1f s with the job's start, %.0f rows/s%n",
        seconds, 50_000 / seconds);
    assertThat(ids()).hasSize(50_000);
  }

  @Test
  void nothingIsLostWhenTheServerHangs() throws Exception {
    try (Gate gate = new Gate(serverPort)) {
      CompletableFuture<Void> trouble = during(gate::freeze, gate);
      writeMany(gate.port(), 30_000, 5_000, 60_000);

      trouble.join();
      assertThat(ids()).hasSize(30_000);
    }
  }

  @Test
  void nothingIsLostWhenTheServerDies() throws Exception {
    try (Gate gate = new Gate(serverPort)) {
      CompletableFuture<Void> trouble = during(gate::shut, gate);
      writeMany(gate.port(), 30_000, 5_000, 60_000);

      trouble.join();
      assertThat(ids()).hasSize(30_000);
    }
  }

  @Test
  void serverThatStaysAwayFailsTheJob() throws Exception {
    try (Gate gate = new Gate(serverPort)) {
      CompletableFuture<Void> trouble = CompletableFuture.runAsync(() -> shutAfterRows(gate));

      assertThatThrownBy(() -> writeMany(gate.port(), 30_000, 5_000, 3_000))
          .hasStackTraceContaining("no write to Cassandra at 127.0.0.1:" + gate.port())
          .hasStackTraceContaining("succeeded for 3 s");
      trouble.join();
    }
  }

  private interface Trouble {
    void start() throws Exception;
  }

  /** Trouble for ten seconds once some rows have landed. */
  private static CompletableFuture<Void> during(Trouble trouble, Gate gate) {
    return CompletableFuture.runAsync(
        () -> {
          try {
            awaitRows();
            trouble.start();
            Thread.sleep(10_000);
            gate.open();
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
  }

  private static void shutAfterRows(Gate gate) {
    try {
      awaitRows();
      gate.shut();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static void awaitRows() throws InterruptedException {
    while (session.execute("SELECT id FROM readings LIMIT 1000").all().size() < 1000) {
      Thread.sleep(50);
    }
  }

  private static void writeMany(int port, long rows, long perSecond, long retryMs)
      throws Exception {
    StreamExecutionEnvironment env = environment();
    env.enableCheckpointing(500);
    env.fromSequence(0, rows - 1)
        .map(
            id -> {
              if (perSecond > 0 && id % (perSecond / 100) == 0) {
                Thread.sleep(10);
              }
              return frame(id, 1 + id, "a reading of some length");
            })
        .returns(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)
        .sinkTo(
            CassandraSink.of(
                "127.0.0.1", port, "datacenter1", KEYSPACE, TABLES, 512, 20_000, retryMs));
    env.execute();
  }

  private static void write(CassandraSink sink, byte[]... frames) throws Exception {
    StreamExecutionEnvironment env = environment();
    env.fromData(List.of(frames), PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)
        .sinkTo(sink);
    env.execute();
  }

  /**
   * The source goes on: else its end, which no longer reaches a failed task, may be Flink's reason.
   */
  private static void writeAmongOthers(byte[] frame) throws Exception {
    StreamExecutionEnvironment env = environment();
    env.fromSequence(0, 1_000_000_000L)
        .filter(number -> number == 0)
        .map(number -> frame)
        .returns(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)
        .sinkTo(sink(serverPort, TABLES));
    env.execute();
  }

  private static StreamExecutionEnvironment environment() {
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.setParallelism(1);
    env.configure(new Configuration().set(RestartStrategyOptions.RESTART_STRATEGY, "none"));
    return env;
  }

  private static CassandraSink sink(int port, String tables) {
    return CassandraSink.of(
        "127.0.0.1", port, "datacenter1", KEYSPACE, tables, 512, 20_000, 20_000);
  }

  private static byte[] frame(long id, long writeTimeMicros, String note) {
    return new RowFrame.Writer()
        .begin(0, writeTimeMicros)
        .putLong(id)
        .putText(note)
        .putDouble(id / 2.0)
        .unset()
        .end();
  }

  private static long count() {
    return ids().size();
  }

  private static Set<Long> ids() {
    Set<Long> ids = new HashSet<>();
    session.execute("SELECT id FROM readings").forEach(row -> ids.add(row.getLong(0)));
    return Collections.unmodifiableSet(ids);
  }
}
