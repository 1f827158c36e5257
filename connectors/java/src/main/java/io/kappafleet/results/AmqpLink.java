package io.kappafleet.results;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ShutdownSignalException;
import io.kappafleet.rabbitmq.BrokerAddress;
import io.kappafleet.tls.TrustedCertificates;
import java.io.IOException;
import java.net.Socket;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeoutException;
import javax.annotation.Nullable;
import org.apache.flink.util.ExceptionUtils;

/**
 * A connection with one channel that confirms what is published. It is never repaired: when it
 * broke, another one takes its place.
 */
final class AmqpLink implements AutoCloseable {
  private static final int HEARTBEAT_S = 5;
  private static final int CONNECT_TIMEOUT_MS = 5_000;
  private static final int CLOSE_TIMEOUT_MS = 2_000;
  private static final int PERSISTENT = 2;
  private static final Set<Integer> LASTING = Set.of(AMQP.ACCESS_REFUSED, AMQP.NOT_FOUND);

  /** What becomes of messages and of the link. Called by the connection's thread. */
  interface Listener {
    /** The broker has taken a message, or with {@code andBefore} all up to it. */
    void confirmed(AmqpLink link, long number, boolean andBefore);

    /** The broker could not take them. */
    void refused(AmqpLink link, long number, boolean andBefore);

    /** No message goes this way any more. */
    void broken(AmqpLink link, ShutdownSignalException cause);
  }

  private final String exchange;
  private final String producer;
  private final Connection connection;
  private final Channel channel;
  private final Socket socket;
  private volatile String blocked;

  private AmqpLink(
      String exchange, String producer, Connection connection, Channel channel, Socket socket) {
    this.exchange = exchange;
    this.producer = producer;
    this.connection = connection;
    this.channel = channel;
    this.socket = socket;
  }

  /**
   * Connects and makes sure that the exchange exists.
   *
   * @throws IOException when nobody answers, the login is refused, or there is no such exchange
   */
  static AmqpLink open(ResultsSettings settings, Listener listener) throws IOException {
    Map<String, String> variables = System.getenv();
    BrokerAddress to = settings.broker().resolve(variables);
    ConnectionFactory factory = new ConnectionFactory();
    factory.setHost(to.host());
    factory.setPort(to.port());
    factory.setVirtualHost(to.vhost());
    factory.setUsername(to.user());
    factory.setPassword(BrokerAddress.password(variables));
    factory.setAutomaticRecoveryEnabled(false);
    factory.setRequestedHeartbeat(HEARTBEAT_S);
    factory.setConnectionTimeout(CONNECT_TIMEOUT_MS);
    factory.setThreadFactory(AmqpLink::daemon);
    Socket[] socket = new Socket[1];
    factory.setSocketConfigurator(
        opened -> {
          opened.setTcpNoDelay(true);
          socket[0] = opened;
        });
    if (to.tls()) {
      String file = to.caFile();
      try {
        factory.useSslProtocol(
            TrustedCertificates.context(file == null ? null : Path.of(file)));
      } catch (GeneralSecurityException e) {
        throw new IOException("KF_RABBITMQ_CA_FILE=" + file + " cannot be used", e);
      }
      factory.enableHostnameVerification();
    }
    Connection connection;
    try {
      connection = factory.newConnection("kappafleet results");
    } catch (TimeoutException e) {
      throw new IOException("it does not answer", e);
    }
    try {
      Channel channel = connection.createChannel();
      channel.exchangeDeclarePassive(settings.exchange());
      channel.confirmSelect();
      AmqpLink link =
          new AmqpLink(settings.exchange(), settings.producer(), connection, channel, socket[0]);
      link.tell(listener);
      return link;
    } catch (IOException | RuntimeException e) {
      connection.abort(CLOSE_TIMEOUT_MS);
      throw e;
    }
  }

  private void tell(Listener listener) {
    channel.addConfirmListener(
        (number, andBefore) -> listener.confirmed(this, number, andBefore),
        (number, andBefore) -> listener.refused(this, number, andBefore));
    connection.addBlockedListener(reason -> blocked = reason, () -> blocked = null);
    // Of a channel that was closed already it is called at once.
    channel.addShutdownListener(cause -> listener.broken(this, cause));
  }

  boolean isOpen() {
    return channel.isOpen();
  }

  /** The number under which the next message will be confirmed. */
  long nextNumber() {
    return channel.getNextPublishSeqNo();
  }

  /**
   * Publishes; waits while the broker takes nothing.
   *
   * @throws IOException when the link is broken, as is the unchecked ShutdownSignalException
   */
  void publish(ResultMessage message) throws IOException {
    channel.basicPublish(
        exchange,
        message.routingKey(),
        new AMQP.BasicProperties.Builder()
            .contentType("application/json")
            .deliveryMode(PERSISTENT)
            .messageId(message.messageId())
            .type(message.table())
            .appId(producer)
            .headers(Map.of("write_us", message.writeTimeMicros()))
            .build(),
        message.body());
  }

  /** Why the broker takes nothing at the moment, such as a memory alarm; null if it says none. */
  @Nullable
  String blocked() {
    return blocked;
  }

  /** Closes the connection properly, or, where the broker does not read, just so. */
  @Override
  public void close() {
    Thread closing = daemon(() -> connection.abort(CLOSE_TIMEOUT_MS));
    closing.start();
    try {
      closing.join(CLOSE_TIMEOUT_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (closing.isAlive()) {
      cut();
    }
  }

  /** Ends the connection at once, and with it a publish that waits. */
  void cut() {
    try {
      socket.close();
    } catch (IOException e) {
      // It was broken already.
    }
  }

  /** Whether the broker is there and refuses, so that waiting will not help. */
  static boolean isLasting(Throwable failure) {
    return has(failure, AuthenticationFailureException.class)
        || has(failure, CertificateException.class)
        || LASTING.contains(replyCode(failure));
  }

  /** In one line what is wrong and what a person can do. */
  static String explain(Throwable failure, String exchange) {
    if (has(failure, AuthenticationFailureException.class)) {
      return "it refuses the user or the password; correct KF_RABBITMQ_USER and KF_RABBITMQ_PASSWORD"
          + " (or the file that KF_RABBITMQ_PASSWORD_FILE names) where the TaskManagers run";
    }
    if (has(failure, CertificateException.class)) {
      return "its certificate is not trusted; set KF_RABBITMQ_CA_FILE to the certificate (PEM) of the"
          + " authority that signed the broker's, and the host to a name that stands in it";
    }
    return switch (replyCode(failure)) {
      case AMQP.NOT_FOUND ->
          "there is no exchange %s; declare it (topic, durable), or submit the job again, which does"
              .formatted(exchange);
      case AMQP.ACCESS_REFUSED ->
          "the user may not publish to exchange %s; give it the right to write there"
              .formatted(exchange);
      default -> reason(failure) + "; see to it that the broker is up and takes AMQP at this port";
    };
  }

  private static int replyCode(Throwable failure) {
    Object reason =
        ExceptionUtils.findThrowable(failure, ShutdownSignalException.class)
            .map(ShutdownSignalException::getReason)
            .orElse(null);
    if (reason instanceof AMQP.Channel.Close close) {
      return close.getReplyCode();
    }
    return reason instanceof AMQP.Connection.Close close ? close.getReplyCode() : 0;
  }

  private static boolean has(Throwable failure, Class<? extends Throwable> type) {
    return ExceptionUtils.findThrowable(failure, type).isPresent();
  }

  /** The innermost cause that says something. */
  private static String reason(Throwable failure) {
    String said = failure.getClass().getSimpleName();
    for (Throwable each = failure; each != null; each = each.getCause()) {
      String message = each.getMessage();
      if (message != null && !message.isBlank()) {
        said = message.lines().findFirst().orElseThrow();
      }
    }
    return said;
  }

  private static Thread daemon(Runnable task) {
    Thread thread = new Thread(task, "results-amqp");
    thread.setDaemon(true);
    return thread;
  }
}
