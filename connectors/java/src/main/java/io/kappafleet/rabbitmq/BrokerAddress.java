package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Address;
import com.rabbitmq.stream.BackOffDelayPolicy;
import com.rabbitmq.stream.Environment;
import com.rabbitmq.stream.EnvironmentBuilder;
import io.netty.handler.ssl.SslContextBuilder;
import java.io.File;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import javax.annotation.Nullable;
import javax.net.ssl.SSLException;

/**
 * Where the broker's stream port is and who asks; part of the job graph.
 *
 * <p>A field left null is read from the environment variable of its name <em>where the source
 * runs</em> ({@code KF_RABBITMQ_HOST}, {@code _STREAM_PORT}, {@code _VHOST}, {@code _USER}, {@code
 * _TLS}, {@code _CA_FILE}), else it has the local stack's value. The password is no field: it comes
 * only from {@code KF_RABBITMQ_PASSWORD} or the file {@code KF_RABBITMQ_PASSWORD_FILE}, so that it
 * never stands in a job graph, a checkpoint or Flink's web pages.
 *
 * @param advertisedHosts connect to the host names that the brokers themselves name; false keeps to
 *     the given host, which a single broker, a port forward or a load balancer needs
 */
public record BrokerAddress(
    @Nullable String host,
    @Nullable Integer port,
    @Nullable String vhost,
    @Nullable String user,
    @Nullable Boolean tls,
    @Nullable String caFile,
    boolean advertisedHosts)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /**
   * A link that is silent for two of these is given up and replaced: half-open ones tell nobody.
   */
  static final Duration HEARTBEAT = Duration.ofSeconds(5);

  /** Everything from the environment of the process that connects. */
  public static BrokerAddress fromEnvironment() {
    return new BrokerAddress(null, null, null, null, null, null, false);
  }

  /** The same with every field filled from {@code variables} or by its default. */
  public BrokerAddress resolve(Map<String, String> variables) {
    return new BrokerAddress(
        host != null ? host : value(variables, "KF_RABBITMQ_HOST", "127.0.0.1"),
        port != null ? port : parsePort(value(variables, "KF_RABBITMQ_STREAM_PORT", "5562")),
        vhost != null ? vhost : value(variables, "KF_RABBITMQ_VHOST", "/"),
        user != null ? user : value(variables, "KF_RABBITMQ_USER", "guest"),
        tls != null ? tls : isOn("KF_RABBITMQ_TLS", value(variables, "KF_RABBITMQ_TLS", "0")),
        caFile != null ? caFile : value(variables, "KF_RABBITMQ_CA_FILE", null),
        advertisedHosts);
  }

  /** The password of the process that connects. */
  public static String password(Map<String, String> variables) {
    String plain = value(variables, "KF_RABBITMQ_PASSWORD", null);
    if (plain != null) {
      return plain;
    }
    String file = value(variables, "KF_RABBITMQ_PASSWORD_FILE", null);
    if (file == null) {
      return "guest";
    }
    try {
      return Files.readString(Path.of(file)).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot read the password from KF_RABBITMQ_PASSWORD_FILE=" + file, e);
    }
  }

  /**
   * A connected client; the caller closes it.
   *
   * @throws ConnectProblem naming the address when nobody answers there or the login is refused
   */
  Environment connect() throws ConnectProblem {
    Map<String, String> variables = System.getenv();
    BrokerAddress to = resolve(variables);
    try {
      EnvironmentBuilder builder =
          Environment.builder()
              .host(to.host)
              .port(to.port)
              .virtualHost(to.vhost)
              .username(to.user)
              .password(password(variables))
              .requestedHeartbeat(HEARTBEAT)
              .recoveryBackOffDelayPolicy(retryEverySecond())
              .topologyUpdateBackOffDelayPolicy(retryEverySecond())
              .codec(new BytesCodec());
      if (!advertisedHosts) {
        builder.addressResolver(ignored -> new Address(to.host, to.port));
      }
      if (to.tls) {
        SslContextBuilder ssl = SslContextBuilder.forClient();
        if (to.caFile != null) {
          ssl.trustManager(new File(to.caFile));
        }
        builder.tls().sslContext(ssl.build());
      }
      return builder.build();
    } catch (RuntimeException | SSLException e) {
      throw new ConnectProblem(to.describe(), to.user, to.tls, e);
    }
  }

  /** Host, port and virtual host for messages to people. */
  public String describe() {
    BrokerAddress to = resolve(System.getenv());
    return "%s:%d, virtual host %s".formatted(to.host, to.port, to.vhost);
  }

  private static BackOffDelayPolicy retryEverySecond() {
    return BackOffDelayPolicy.fixedWithInitialDelay(Duration.ofMillis(500), Duration.ofSeconds(1));
  }

  /** An empty variable counts as not set, as in all of kappafleet. */
  private static String value(
      Map<String, String> variables, String name, @Nullable String otherwise) {
    String text = variables.get(name);
    return text == null || text.isEmpty() ? otherwise : text;
  }

  /** Nothing is guessed: a value that was meant as yes must not send passwords in the clear. */
  private static boolean isOn(String name, String text) {
    return switch (text.toLowerCase(Locale.ROOT)) {
      case "1", "true", "yes" -> true;
      case "0", "false", "no" -> false;
      default -> throw new IllegalArgumentException(name + "=" + text + ": give 1 or 0");
    };
  }

  private static int parsePort(String text) {
    try {
      return Integer.parseInt(text.strip());
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("KF_RABBITMQ_STREAM_PORT is not a number: " + text, e);
    }
  }
}
