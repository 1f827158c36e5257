package io.kappafleet.cassandra;

import com.datastax.oss.driver.api.core.AllNodesFailedException;
import com.datastax.oss.driver.api.core.DriverTimeoutException;
import com.datastax.oss.driver.api.core.NodeUnavailableException;
import com.datastax.oss.driver.api.core.RequestThrottlingException;
import com.datastax.oss.driver.api.core.auth.AuthenticationException;
import com.datastax.oss.driver.api.core.connection.BusyConnectionException;
import com.datastax.oss.driver.api.core.connection.ClosedConnectionException;
import com.datastax.oss.driver.api.core.connection.ConnectionInitException;
import com.datastax.oss.driver.api.core.connection.HeartbeatException;
import com.datastax.oss.driver.api.core.servererrors.QueryExecutionException;
import com.datastax.oss.driver.api.core.servererrors.ServerError;
import com.datastax.oss.driver.shaded.netty.handler.ssl.NotSslRecordException;
import java.io.IOException;
import java.security.cert.CertificateException;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.flink.util.ExceptionUtils;

/** Tells failures that pass by themselves from those that do not, and how long to wait. */
final class Failures {
  private static final long FIRST_DELAY_MS = 100;
  private static final long LONGEST_DELAY_MS = 2_000;

  private Failures() {}

  /**
   * Whether the same request may succeed later: time-outs, overload, nodes that are down or
   * starting, lost connections. What is not known to pass does not: refused queries, wrong
   * passwords, missing tables, defects.
   */
  static boolean isRetryable(Throwable failure) {
    Throwable cause = unwrap(failure);
    if (cause instanceof AllNodesFailedException all) {
      // One node that refuses for good decides: it would refuse again. No node at all may pass.
      return all.getAllErrors().values().stream()
          .flatMap(List::stream)
          .allMatch(Failures::isRetryable);
    }
    if (cause instanceof ConnectionInitException
        && cause.getCause() instanceof AuthenticationException) {
      return false;
    }
    if (isUntrusted(cause) || isNotTls(cause)) {
      return false;
    }
    return cause instanceof QueryExecutionException
        || cause instanceof ServerError
        || cause instanceof DriverTimeoutException
        || cause instanceof NodeUnavailableException
        || cause instanceof ConnectionInitException
        || cause instanceof ClosedConnectionException
        || cause instanceof HeartbeatException
        || cause instanceof BusyConnectionException
        || cause instanceof RequestThrottlingException
        || cause instanceof IOException;
  }

  /**
   * How long to wait before attempt number {@code attempt} (from 1) is repeated: doubling up to two
   * seconds, and a random half of it less, so that writers do not return in step.
   */
  static long delayMs(int attempt) {
    long full = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS << Math.min(attempt - 1, 16));
    return full - ThreadLocalRandom.current().nextLong(full / 2 + 1);
  }

  /** One line for a person: of a failure on several nodes, the first node's reason. */
  static String reason(Throwable failure) {
    Throwable root = firstOf(failure);
    if (root instanceof AllNodesFailedException) {
      return "no node is up, or none belongs to the datacenter";
    }
    if (isNotTls(root)) {
      return "no TLS is spoken there";
    }
    while (root.getCause() != null && !(root instanceof AuthenticationException)) {
      root = root.getCause();
    }
    String message = root.getMessage();
    return message == null || message.isBlank()
        ? root.getClass().getSimpleName()
        : message.lines().findFirst().get();
  }

  /** What a person can do about a connection that did not come about. */
  static String advice(Throwable failure, boolean tls) {
    Throwable cause = firstOf(failure);
    if (isLoginRefused(cause)) {
      return "Correct KF_CASSANDRA_USER and KF_CASSANDRA_PASSWORD (or the file that"
          + " KF_CASSANDRA_PASSWORD_FILE names) where the TaskManagers run.";
    }
    if (isUntrusted(cause)) {
      return "The certificate is not trusted: set KF_CASSANDRA_CA_FILE to the certificate (PEM) of the authority that signed the"
          + " server's, and the host to a name that stands in the server's.";
    }
    if (isNotTls(cause)) {
      return "Correct the port, or unset KF_CASSANDRA_TLS.";
    }
    return "Start it, or correct host and port"
        + (tls ? "." : "; where only TLS is spoken, set KF_CASSANDRA_TLS=1.");
  }

  private static boolean isLoginRefused(Throwable cause) {
    return ExceptionUtils.findThrowable(cause, AuthenticationException.class).isPresent();
  }

  /** A handshake that breaks off for another reason may pass: the server may be ending. */
  private static boolean isUntrusted(Throwable cause) {
    return ExceptionUtils.findThrowable(cause, CertificateException.class).isPresent();
  }

  private static boolean isNotTls(Throwable cause) {
    return ExceptionUtils.findThrowable(cause, NotSslRecordException.class).isPresent();
  }

  private static Throwable firstOf(Throwable failure) {
    Throwable cause = unwrap(failure);
    if (cause instanceof AllNodesFailedException all && !all.getAllErrors().isEmpty()) {
      return all.getAllErrors().values().iterator().next().get(0);
    }
    return cause;
  }

  private static Throwable unwrap(Throwable failure) {
    Throwable cause = failure;
    while (cause instanceof CompletionException && cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause;
  }
}
