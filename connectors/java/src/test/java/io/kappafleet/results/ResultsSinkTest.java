package io.kappafleet.results;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import io.kappafleet.cassandra.Gate;
import io.kappafleet.rabbitmq.BrokerAddress;
import io.kappafleet.record.RowFrame;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/** Whole jobs that publish to a real broker. */
@EnabledIfEnvironmentVariable(named = "KF_TEST_RABBITMQ_AMQP_PORT", matches = "\\d+")
@Timeout(180)
class ResultsSinkTest {
  private static final String TABLES =
      """
      [{"name": "minute", "columns": [["id", "bigint"]], "key": [["id"], []]},
       {"name": "live", "columns": [["fleet_id", "text"], ["id", "bigint"]], "key": [["fleet_id"], ["id"]]}]""";
  private static final String ROUTES =
      """
      [{"table": "live", "group": "fleet_id", "id": "id"}]""";
  private static final int LIVE = 1;

  private final String exchange = "results-" + UUID.randomUUID();
  private final String queue = exchange;
  private Connection connection;
  private Channel channel;

  @BeforeEach
  void subscribe() throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setHost("127.0.0.1");
    factory.setPort(port());
    factory.setUsername(System.getenv().getOrDefault("KF_RABBITMQ_USER", "guest"));
    factory.setPassword(BrokerAddress.password(System.getenv()));
    connection = factory.newConnection();
    channel = connection.createChannel();
    channel.exchangeDeclare(exchange, "topic", true);
    subscribe(Map.of());
  }

  private void subscribe(Map<String, Object> arguments) throws Exception {
    channel.queueDelete(queue);
    channel.queueDeclare(queue, false, false, false, arguments);
    channel.queueBind(queue, exchange, "live.north.*");
  }

  @AfterEach
  void cleanUp() throws Exception {
    channel.queueDelete(queue);
    channel.exchangeDelete(exchange);
    connection.close();
  }

  @Test
  void rowOfAChosenTableIsAMessageForThoseWhoAskForIt() throws Exception {
    publish(sink(port(), 20_000), live("north", 7, 5), minute(8), live("south", 9, 5));

    List<GetResponse> received = received();
    assertThat(received).hasSize(1);
    GetResponse message = received.get(0);
    assertThat(message.getEnvelope().getRoutingKey()).isEqualTo("live.north.7");
    assertThat(new String(message.getBody(), UTF_8)).isEqualTo("{\"fleet_id\":\"north\",\"id\":7}");
    assertThat(message.getProps().getMessageId()).isEqualTo("live/north/7@5-3");
    assertThat(message.getProps().getContentType()).isEqualTo("application/json");
    assertThat(message.getProps().getType()).isEqualTo("live");
    assertThat(message.getProps().getAppId()).isEqualTo("kf_test_v1");
    assertThat(message.getProps().getDeliveryMode()).isEqualTo(2);
    assertThat(message.getProps().getHeaders()).containsEntry("write_us", 5L);
  }

  @Test
  void rowsOfAllPartsOfAUnionArePublished() throws Exception {
    StreamExecutionEnvironment env = environment();
    DataStream<byte[]> rows =
        frames(env, live("north", 1, 1), minute(1))
            .union(frames(env, live("north", 2, 1)), frames(env, minute(2), live("north", 3, 1)));

    ResultRows.of(rows, TABLES, ROUTES).sinkTo(sink(port(), 20_000));
    env.execute();

    assertThat(ids(received())).containsOnlyKeys(1L, 2L, 3L);
    assertThatThrownBy(() -> ResultRows.of(rows, TABLES, ROUTES.replace("live", "lives")))
        .hasMessage("there is no table lives");
  }

  @Test
  void nothingIsLostWhenTheBrokerHangsOrTheConnectionBreaks() throws Exception {
    try (Gate gate = new Gate(port())) {
      CompletableFuture<Void> trouble =
          CompletableFuture.runAsync(
              () -> {
                try {
                  awaitMessages();
                  gate.freeze();
                  Thread.sleep(3_000);
                  gate.shut();
                  Thread.sleep(2_000);
                  gate.open();
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              });

      publishMany(sink(gate.port(), 60_000), 20_000);

      trouble.join();
      Map<Long, Set<String>> ids = ids(received());
      assertThat(ids).hasSize(20_000);
      // What was published twice has the same id twice.
      assertThat(ids.values()).allSatisfy(each -> assertThat(each).hasSize(1));
    }
  }

  @Test
  void whatAQueueRefusesIsPublishedAgain() throws Exception {
    subscribe(Map.of("x-max-length", 100, "x-overflow", "reject-publish"));
    Set<Long> seen = new HashSet<>();
    CompletableFuture<Void> job =
        CompletableFuture.runAsync(
            () -> {
              try {
                publishMany(sink(port(), 60_000), 1_000);
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    while (seen.size() < 1_000 && !job.isCompletedExceptionally()) {
      seen.addAll(ids(received()).keySet());
      Thread.sleep(20);
    }

    job.join();
    assertThat(seen).hasSize(1_000);
  }

  @Test
  void queueThatRefusesForTooLongFailsTheJobWithTheReason() throws Exception {
    subscribe(Map.of("x-max-length", 1, "x-overflow", "reject-publish"));

    assertThatThrownBy(() -> publishMany(sink(port(), 2_000), 100))
        .hasStackTraceContaining("no result was confirmed by RabbitMQ at 127.0.0.1:" + port())
        .hasStackTraceContaining("for 2 s: a queue refuses messages");
  }

  @Test
  void brokerThatStaysAwayFailsTheJob() throws Exception {
    try (Gate gate = new Gate(port())) {
      CompletableFuture<Void> trouble =
          CompletableFuture.runAsync(
              () -> {
                try {
                  awaitMessages();
                  gate.shut();
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              });

      assertThatThrownBy(() -> publishMany(sink(gate.port(), 3_000), 1_000_000))
          .hasStackTraceContaining("no result was confirmed by RabbitMQ at 127.0.0.1:" + gate.port())
          .hasStackTraceContaining("for 3 s: ")
          .hasStackTraceContaining("Connection refused");
      trouble.join();
    }
  }

  @Test
  void missingExchangeAndClosedPortSayWhatToDo() throws Exception {
    ResultsSink nowhere = sink(port(), "nowhere-" + exchange, 20_000);
    assertThatThrownBy(() -> publish(nowhere, live("north", 1, 1)))
        .hasStackTraceContaining("there is no exchange nowhere-" + exchange + "; declare it");

    try (Gate gate = new Gate(port())) {
      gate.shut();
      assertThatThrownBy(() -> publish(sink(gate.port(), 20_000), live("north", 1, 1)))
          .hasStackTraceContaining("cannot publish results to RabbitMQ at 127.0.0.1:" + gate.port())
          .hasStackTraceContaining("Connection refused");
    }
  }

  private void awaitMessages() throws Exception {
    while (channel.messageCount(queue) < 1_000) {
      Thread.sleep(50);
    }
  }

  private static void publishMany(ResultsSink sink, long rows) throws Exception {
    StreamExecutionEnvironment env = environment();
    env.enableCheckpointing(500);
    env.fromSequence(0, rows - 1)
        .map(
            id -> {
              if (id % 100 == 0) {
                Thread.sleep(20);
              }
              return live("north", id, 1 + id);
            })
        .returns(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)
        .sinkTo(sink);
    env.execute();
  }

  private static void publish(ResultsSink sink, byte[]... rows) throws Exception {
    StreamExecutionEnvironment env = environment();
    ResultRows.of(frames(env, rows), TABLES, ROUTES).sinkTo(sink);
    env.execute();
  }

  private static DataStream<byte[]> frames(StreamExecutionEnvironment env, byte[]... rows) {
    return env.fromData(List.of(rows), PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
  }

  private static StreamExecutionEnvironment environment() {
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.setParallelism(1);
    env.configure(new Configuration().set(RestartStrategyOptions.RESTART_STRATEGY, "none"));
    return env;
  }

  private ResultsSink sink(int port, long retryMs) {
    return sink(port, exchange, retryMs);
  }

  private static ResultsSink sink(int port, String exchange, long retryMs) {
    return ResultsSink.of(
        new BrokerAddress("127.0.0.1", port, null, null, null, null, false),
        exchange,
        "kf_test_v1",
        TABLES,
        ROUTES,
        1024,
        2_000,
        retryMs);
  }

  private List<GetResponse> received() throws Exception {
    List<GetResponse> found = new ArrayList<>();
    for (GetResponse next = channel.basicGet(queue, true);
        next != null;
        next = channel.basicGet(queue, true)) {
      found.add(next);
    }
    return found;
  }

  /** The message ids of each row. */
  private static Map<Long, Set<String>> ids(List<GetResponse> messages) {
    Map<Long, Set<String>> ids = new HashMap<>();
    for (GetResponse message : messages) {
      String[] words = message.getEnvelope().getRoutingKey().split("\\.");
      ids.computeIfAbsent(Long.parseLong(words[2]), id -> new HashSet<>())
          .add(message.getProps().getMessageId());
    }
    return ids;
  }

  private static byte[] live(String fleet, long id, long writeTimeMicros) {
    return new RowFrame.Writer().begin(LIVE, writeTimeMicros).putText(fleet).putLong(id).end();
  }

  private static byte[] minute(long id) {
    return new RowFrame.Writer().begin(0, 1).putLong(id).end();
  }

  private static int port() {
    return Integer.parseInt(System.getenv("KF_TEST_RABBITMQ_AMQP_PORT"));
  }
}
