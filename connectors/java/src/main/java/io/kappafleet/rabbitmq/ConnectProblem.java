package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.AuthenticationFailureException;
import io.netty.handler.ssl.NotSslRecordException;
import java.io.IOException;
import java.security.cert.CertificateException;

/** Why no connection came about, and what a person can do about it, in one line. */
final class ConnectProblem extends IOException {
  private static final long serialVersionUID = 1L;

  private final boolean lasting;

  /**
   * @param address what the message calls the broker
   * @param tls whether TLS was asked for
   */
  ConnectProblem(String address, String user, boolean tls, Throwable failure) {
    super(
        "cannot connect to RabbitMQ streams at %s as user %s: %s"
            .formatted(address, user, explain(failure, tls)));
    lasting =
        Causes.has(failure, AuthenticationFailureException.class)
            || Causes.has(failure, CertificateException.class)
            || Causes.has(failure, NotSslRecordException.class);
    // Not as the cause: commands and Flink's pages show the innermost one, which explains less.
    addSuppressed(failure);
  }

  /** Whether the broker is there and refuses, so that waiting alone will not help. */
  boolean isLasting() {
    return lasting;
  }

  private static String explain(Throwable failure, boolean tls) {
    if (Causes.has(failure, AuthenticationFailureException.class)) {
      return "it refuses the user or the password; correct KF_RABBITMQ_USER and KF_RABBITMQ_PASSWORD"
          + " (or the file that KF_RABBITMQ_PASSWORD_FILE names) where JobManager and TaskManagers"
          + " run";
    }
    if (Causes.has(failure, CertificateException.class)) {
      return "its certificate is not trusted ("
          + Causes.reason(failure)
          + "); set KF_RABBITMQ_CA_FILE to the certificate (PEM) of the authority that signed the"
          + " broker's, and the host to a name that stands in the broker's";
    }
    if (Causes.has(failure, NotSslRecordException.class)) {
      return "no TLS is spoken there; correct the stream port, or unset KF_RABBITMQ_TLS";
    }
    return Causes.reason(failure)
        + "; is the broker up, with the plugin rabbitmq_stream"
        + (tls ? "?" : ", and does the port take connections without KF_RABBITMQ_TLS=1?");
  }
}
