package io.kappafleet.cassandra;

import com.datastax.oss.driver.api.core.CqlSessionBuilder;
import com.datastax.oss.driver.api.core.ssl.ProgrammaticSslEngineFactory;
import io.kappafleet.tls.TrustedCertificates;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * User, password and TLS of a connection, read from the environment of the process that opens it,
 * so that they never become part of a job graph, an argument or a log.
 *
 * <p>{@code KF_CASSANDRA_USER} with {@code KF_CASSANDRA_PASSWORD} or {@code
 * KF_CASSANDRA_PASSWORD_FILE}; {@code KF_CASSANDRA_TLS=1} for TLS with the names of the servers
 * checked, {@code KF_CASSANDRA_CA_FILE} with the certificates (PEM) to trust instead of the JVM's.
 */
final class CassandraCredentials {
  private final Map<String, String> environment;

  CassandraCredentials(Map<String, String> environment) {
    this.environment = environment;
  }

  /**
   * Adds what the environment says.
   *
   * @throws IOException when a file it names cannot be read, or settings contradict each other
   */
  void applyTo(CqlSessionBuilder builder) throws IOException {
    Optional<String> user = value("KF_CASSANDRA_USER");
    if (user.isPresent()) {
      builder.withAuthCredentials(user.get(), password());
    }
    if (isTls()) {
      builder.withSslEngineFactory(new ProgrammaticSslEngineFactory(sslContext(), null, true));
    }
  }

  boolean isTls() throws IOException {
    String text = value("KF_CASSANDRA_TLS").orElse("0");
    return switch (text.toLowerCase(Locale.ROOT)) {
      case "1", "true", "yes" -> true;
      case "0", "false", "no" -> false;
      default -> throw new IOException("KF_CASSANDRA_TLS=" + text + ": give 1 or 0");
    };
  }

  String password() throws IOException {
    Optional<String> password = value("KF_CASSANDRA_PASSWORD");
    if (password.isPresent()) {
      return password.get();
    }
    Optional<String> file = value("KF_CASSANDRA_PASSWORD_FILE");
    if (file.isEmpty()) {
      throw new IOException(
          "KF_CASSANDRA_USER is set, but neither KF_CASSANDRA_PASSWORD nor"
              + " KF_CASSANDRA_PASSWORD_FILE is: set one where the TaskManager runs");
    }
    try {
      return Files.readString(Path.of(file.get())).strip();
    } catch (IOException e) {
      throw new IOException(
          "the file that KF_CASSANDRA_PASSWORD_FILE names cannot be read: " + file.get(), e);
    }
  }

  private SSLContext sslContext() throws IOException {
    Optional<String> file = value("KF_CASSANDRA_CA_FILE");
    try {
      return TrustedCertificates.context(file.map(Path::of).orElse(null));
    } catch (GeneralSecurityException | IOException e) {
      throw new IOException(
          "TLS to Cassandra cannot be set up from KF_CASSANDRA_CA_FILE "
              + file.orElse("(not set)")
              + ": "
              + e.getMessage(),
          e);
    }
  }

  private Optional<String> value(String name) {
    return Optional.ofNullable(environment.get(name)).filter(text -> !text.isEmpty());
  }
}
