package io.kappafleet.cassandra;

import static org.assertj.core.api.Assertions.assertThat;

import com.datastax.oss.driver.api.core.AllNodesFailedException;
import com.datastax.oss.driver.api.core.DefaultConsistencyLevel;
import com.datastax.oss.driver.api.core.DriverTimeoutException;
import com.datastax.oss.driver.api.core.NoNodeAvailableException;
import com.datastax.oss.driver.api.core.NodeUnavailableException;
import com.datastax.oss.driver.api.core.RequestThrottlingException;
import com.datastax.oss.driver.api.core.auth.AuthenticationException;
import com.datastax.oss.driver.api.core.connection.ClosedConnectionException;
import com.datastax.oss.driver.api.core.connection.HeartbeatException;
import com.datastax.oss.driver.api.core.metadata.EndPoint;
import com.datastax.oss.driver.api.core.metadata.Node;
import com.datastax.oss.driver.api.core.servererrors.DefaultWriteType;
import com.datastax.oss.driver.api.core.servererrors.InvalidQueryException;
import com.datastax.oss.driver.api.core.servererrors.OverloadedException;
import com.datastax.oss.driver.api.core.servererrors.SyntaxError;
import com.datastax.oss.driver.api.core.servererrors.UnauthorizedException;
import com.datastax.oss.driver.api.core.servererrors.UnavailableException;
import com.datastax.oss.driver.api.core.servererrors.WriteTimeoutException;
import com.datastax.oss.driver.internal.core.metadata.DefaultEndPoint;
import com.datastax.oss.driver.shaded.netty.handler.ssl.NotSslRecordException;
import java.lang.reflect.Proxy;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.security.cert.CertificateException;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.stream.Stream;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class FailuresTest {
  private static final EndPoint END_POINT =
      new DefaultEndPoint(new InetSocketAddress("127.0.0.1", 1));

  /** Failures only carry their node along. */
  private static final Node NODE =
      (Node)
          Proxy.newProxyInstance(
              Node.class.getClassLoader(),
              new Class<?>[] {Node.class},
              (proxy, method, arguments) ->
                  switch (method.getName()) {
                    case "hashCode" -> 1;
                    case "equals" -> proxy == arguments[0];
                    case "toString" -> "node";
                    default -> null;
                  });

  static Stream<Throwable> passing() {
    return Stream.of(
        new OverloadedException(NODE),
        new WriteTimeoutException(
            NODE, DefaultConsistencyLevel.LOCAL_QUORUM, 0, 1, DefaultWriteType.SIMPLE),
        new UnavailableException(NODE, DefaultConsistencyLevel.LOCAL_QUORUM, 1, 0),
        new DriverTimeoutException("no answer for 5 s"),
        new ClosedConnectionException("lost"),
        new HeartbeatException(new InetSocketAddress("127.0.0.1", 1), "no answer", null),
        new RequestThrottlingException("full"),
        new ConnectException("refused"),
        onNodes(new SSLHandshakeException("Remote host terminated the handshake")),
        new NoNodeAvailableException(),
        onNodes(new NodeUnavailableException(NODE)),
        onNodes(new OverloadedException(NODE)),
        new CompletionException(onNodes(new ClosedConnectionException("lost"))));
  }

  static Stream<Throwable> lasting() {
    return Stream.of(
        new InvalidQueryException(NODE, "table x does not exist"),
        new SyntaxError(NODE, "line 1"),
        new UnauthorizedException(NODE, "no MODIFY permission"),
        new AuthenticationException(END_POINT, "wrong password"),
        onNodes(new AuthenticationException(END_POINT, "wrong password")),
        onNodes(new OverloadedException(NODE), new InvalidQueryException(NODE, "no such table")),
        onNodes(untrusted()),
        onNodes(new NotSslRecordException("HTTP")),
        new IllegalArgumentException("a row does not fit"),
        new NullPointerException(),
        new CompletionException(new InvalidQueryException(NODE, "no such table")));
  }

  @ParameterizedTest
  @MethodSource("passing")
  void whatPassesByItselfIsRetried(Throwable failure) {
    assertThat(Failures.isRetryable(failure)).isTrue();
  }

  @ParameterizedTest
  @MethodSource("lasting")
  void whatDoesNotPassIsNotRetried(Throwable failure) {
    assertThat(Failures.isRetryable(failure)).isFalse();
  }

  @Test
  void delayDoublesUpToTwoSecondsLessUpToHalf() {
    long[] longest = {100, 200, 400, 800, 1600, 2000, 2000, 2000};
    for (int attempt = 1; attempt <= longest.length; attempt++) {
      for (int i = 0; i < 200; i++) {
        assertThat(Failures.delayMs(attempt))
            .isBetween(longest[attempt - 1] / 2, longest[attempt - 1]);
      }
    }
    assertThat(Failures.delayMs(1_000_000)).isBetween(1_000L, 2_000L);
    assertThat(Stream.generate(() -> Failures.delayMs(8)).limit(50).distinct().count())
        .isGreaterThan(10);
  }

  @Test
  void reasonIsOneLineFromTheBottomOfTheCauses() {
    assertThat(
            Failures.reason(
                new CompletionException(
                    onNodes(new InvalidQueryException(NODE, "no table\nmore")))))
        .isEqualTo("no table");
    assertThat(Failures.reason(new NullPointerException())).isEqualTo("NullPointerException");
    assertThat(Failures.reason(new NoNodeAvailableException())).contains("no node");
  }

  @Test
  void adviceNamesTheVariableToMend() {
    assertThat(
            Failures.advice(
                onNodes(new AuthenticationException(END_POINT, "wrong password")), true))
        .contains("KF_CASSANDRA_PASSWORD");
    assertThat(Failures.advice(onNodes(untrusted()), true)).contains("KF_CASSANDRA_CA_FILE");
    assertThat(Failures.advice(onNodes(new NotSslRecordException("HTTP")), true))
        .contains("unset KF_CASSANDRA_TLS");
    assertThat(Failures.advice(onNodes(new ClosedConnectionException("lost")), false))
        .contains("KF_CASSANDRA_TLS=1");
    assertThat(Failures.advice(onNodes(new ClosedConnectionException("lost")), true))
        .doesNotContain("KF_CASSANDRA_TLS");
  }

  private static Throwable untrusted() {
    return new SSLHandshakeException("PKIX path building failed")
        .initCause(new CertificateException("no valid certification path"));
  }

  private static AllNodesFailedException onNodes(Throwable... errors) {
    return AllNodesFailedException.fromErrors(
        Stream.of(errors).map(error -> Map.entry(NODE, error)).toList());
  }
}
