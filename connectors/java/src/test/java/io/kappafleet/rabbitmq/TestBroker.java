package io.kappafleet.rabbitmq;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.stream.Address;
import com.rabbitmq.stream.ByteCapacity;
import com.rabbitmq.stream.Consumer;
import com.rabbitmq.stream.Environment;
import com.rabbitmq.stream.MessageBuilder;
import com.rabbitmq.stream.NoOffsetException;
import com.rabbitmq.stream.Producer;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A running broker and streams of one test class in it, deleted at the end.
 *
 * <p>Ports: {@code KF_TEST_RABBITMQ_STREAM_PORT}, {@code KF_TEST_RABBITMQ_AMQP_PORT}, and {@code
 * KF_TEST_RABBITMQ_MANAGEMENT_PORT} (AMQP's + 10000 if missing). User and password as the source
 * reads them.
 */
final class TestBroker implements AutoCloseable {
  static final String STREAM_PORT = "KF_TEST_RABBITMQ_STREAM_PORT";
  static final String AMQP_PORT = "KF_TEST_RABBITMQ_AMQP_PORT";

  final Environment environment;
  private final String user = System.getenv().getOrDefault("KF_RABBITMQ_USER", "guest");
  private final String password = BrokerAddress.password(System.getenv());
  private final List<String> streams = new ArrayList<>();
  private final List<String> users = new ArrayList<>();

  TestBroker() {
    environment =
        Environment.builder()
            .host("127.0.0.1")
            .port(streamPort())
            .username(user)
            .password(password)
            .addressResolver(ignored -> new Address("127.0.0.1", streamPort()))
            .build();
  }

  static int streamPort() {
    return Integer.parseInt(System.getenv(STREAM_PORT));
  }

  /** The broker itself as the source's address. */
  static BrokerAddress address() {
    return address(streamPort());
  }

  /** The broker through a proxy. */
  static BrokerAddress address(int port) {
    return new BrokerAddress("127.0.0.1", port, null, null, null, null, false);
  }

  /** A new stream's name; nothing is kept for more than the test. */
  String newStream() {
    String name = "test-" + UUID.randomUUID();
    environment.streamCreator().stream(name).create();
    streams.add(name);
    return name;
  }

  /** A stream that keeps a few hundred kilobytes, in small segments. */
  String newSmallStream() {
    String name = "test-" + UUID.randomUUID();
    createSmall(name);
    streams.add(name);
    return name;
  }

  void createSmall(String name) {
    environment.streamCreator().stream(name)
        .maxLengthBytes(ByteCapacity.from("400kB"))
        .maxSegmentSizeBytes(ByteCapacity.from("100kB"))
        .create();
  }

  void recreate(String name) {
    environment.deleteStream(name);
    environment.streamCreator().stream(name).create();
  }

  /** Publishes {@code m-FROM} .. {@code m-(FROM+COUNT-1)} and waits for all confirms. */
  void publish(String stream, int from, int count) {
    publishBodies(stream, count, i -> bytes("m-" + (from + i)));
  }

  void publishBodies(String stream, int count, LongFunction<byte[]> body) {
    publishMessages(stream, count, (i, builder) -> builder.addData(body.apply(i)));
  }

  /** What a test puts into a message. */
  interface Filler {
    MessageBuilder fill(long index, MessageBuilder builder);
  }

  void publishMessages(String stream, int count, Filler filler) {
    CountDownLatch confirmed = new CountDownLatch(count);
    AtomicInteger refused = new AtomicInteger();
    try (Producer producer = environment.producerBuilder().stream(stream).build()) {
      for (int i = 0; i < count; i++) {
        producer.send(
            filler.fill(i, producer.messageBuilder()).build(),
            status -> {
              if (!status.isConfirmed()) {
                refused.incrementAndGet();
              }
              confirmed.countDown();
            });
      }
      if (!confirmed.await(60, TimeUnit.SECONDS) || refused.get() > 0) {
        throw new IllegalStateException("not all messages were confirmed");
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Publishes one message after the other, each confirmed before the next: a chunk apiece. */
  void publishOneByOne(String stream, int from, int count) {
    try (Producer producer = environment.producerBuilder().stream(stream).build()) {
      for (int i = 0; i < count; i++) {
        CountDownLatch confirmed = new CountDownLatch(1);
        producer.send(
            producer.messageBuilder().addData(bytes("m-" + (from + i))).build(),
            status -> confirmed.countDown());
        confirmed.await(10, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Makes the broker write a chunk of its own, which takes an offset that no reader sees. */
  void storeOffset(String stream, long offset) throws InterruptedException {
    try (Consumer tracking =
        environment.consumerBuilder().stream(stream)
            .name("tracking")
            .manualTrackingStrategy()
            .builder()
            .messageHandler((context, message) -> {})
            .build()) {
      tracking.store(offset);
      long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
      while (System.nanoTime() < deadline) {
        try {
          if (tracking.storedOffset() == offset) {
            return;
          }
        } catch (NoOffsetException e) {
          // Not written yet.
        }
        Thread.sleep(20);
      }
      throw new IllegalStateException("the offset was not stored");
    }
  }

  Connection amqp() throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setHost("127.0.0.1");
    factory.setPort(amqpPort());
    factory.setUsername(user);
    factory.setPassword(password);
    return factory.newConnection();
  }

  /** Publishes over AMQP 0.9.1, as pika does, with confirms. */
  void publishAmqp(String stream, Map<String, Object> headers, byte[] body) throws Exception {
    try (Connection connection = amqp();
        Channel channel = connection.createChannel()) {
      channel.confirmSelect();
      channel.basicPublish(
          "",
          stream,
          new com.rabbitmq.client.AMQP.BasicProperties.Builder()
              .contentType("application/json")
              .messageId("some:1")
              .headers(headers)
              .build(),
          body);
      channel.waitForConfirmsOrDie(10_000);
    }
  }

  StreamRange range(String stream) {
    try {
      return new OffsetProbe(connectSource()).range(stream, OffsetProbe.QUICK);
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private Environment source;

  private Environment connectSource() throws IOException {
    if (source == null) {
      source = address().connect();
    }
    return source;
  }

  /** Fills a small stream until its first offset is above the given one. */
  void truncateBeyond(String stream, long offset) {
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (range(stream).first() <= offset) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException("retention removed nothing");
      }
      publishBodies(stream, 500, i -> new byte[1_000]);
    }
  }

  /**
   * Lets the broker close every stream connection of a consumer that reads the stream.
   *
   * @return how many were closed; 0 when the broker has no plugin rabbitmq_stream_management
   */
  int closeConsumersOf(String stream) throws Exception {
    HttpClient http = HttpClient.newHttpClient();
    Pattern consumer =
        Pattern.compile(
            "\\{\"connection_details\":\\{[^}]*\"name\":\"([^\"]+)\"[^}]*}[^{}]*\"properties\":\\{[^}]*}"
                + "[^{}]*\"queue\":\\{\"name\":\""
                + stream
                + "\"");
    int closed = 0;
    long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
    while (closed == 0 && System.nanoTime() < deadline) {
      // The broker's statistics come a few seconds late.
      Thread.sleep(250);
      String consumers = request(http, "GET", "/api/stream/consumers");
      if (consumers.isEmpty()) {
        return 0;
      }
      for (Matcher found = consumer.matcher(consumers); found.find(); closed++) {
        String name = URLEncoder.encode(found.group(1), StandardCharsets.UTF_8).replace("+", "%20");
        request(http, "DELETE", "/api/stream/connections/%2F/" + name);
      }
    }
    if (closed == 0) {
      throw new IllegalStateException("the broker doesn't list the consumer of " + stream);
    }
    return closed;
  }

  /** A new user with the password that sources use. */
  String newUser() throws Exception {
    String name = "test-" + UUID.randomUUID();
    users.add(name);
    setPassword(name, BrokerAddress.password(System.getenv()));
    String all = "{\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}";
    request(HttpClient.newHttpClient(), "PUT", "/api/permissions/%2F/" + name, all);
    return name;
  }

  void setPassword(String user, String password) throws Exception {
    String body = "{\"password\":\"%s\",\"tags\":\"\"}".formatted(password);
    request(HttpClient.newHttpClient(), "PUT", "/api/users/" + user, body);
  }

  private String request(HttpClient http, String method, String path) throws Exception {
    return request(http, method, path, "");
  }

  private String request(HttpClient http, String method, String path, String body)
      throws Exception {
    String login = Base64.getEncoder().encodeToString(bytes(user + ":" + password));
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + managementPort() + path))
            .header("Authorization", "Basic " + login)
            .version(HttpClient.Version.HTTP_1_1) // an upgrade with a body ends the connection
            .method(method, HttpRequest.BodyPublishers.ofString(body))
            .build();
    HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() >= 300 && response.statusCode() != 404) {
      throw new IOException(method + " " + path + ": " + response.statusCode());
    }
    return response.statusCode() == 404 ? "" : response.body();
  }

  static int amqpPort() {
    return Integer.parseInt(System.getenv(AMQP_PORT));
  }

  private static int managementPort() {
    String port = System.getenv("KF_TEST_RABBITMQ_MANAGEMENT_PORT");
    return port == null ? amqpPort() + 10_000 : Integer.parseInt(port);
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    for (String stream : streams) {
      try {
        environment.deleteStream(stream);
      } catch (RuntimeException e) {
        // The test deleted it itself.
      }
    }
    if (source != null) {
      source.close();
    }
    environment.close();
    for (String name : users) {
      try {
        request(HttpClient.newHttpClient(), "DELETE", "/api/users/" + name);
      } catch (Exception e) {
        throw new IllegalStateException("user " + name + " is still there", e);
      }
    }
  }
}
