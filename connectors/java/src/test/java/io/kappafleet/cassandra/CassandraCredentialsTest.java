package io.kappafleet.cassandra;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.datastax.oss.driver.api.core.CqlSession;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CassandraCredentialsTest {
  @TempDir Path folder;

  @Test
  void passwordComesFromVariableOrFile() throws IOException {
    Path file = Files.writeString(folder.resolve("password"), "from-file\n");

    assertThat(credentials("KF_CASSANDRA_PASSWORD", "direct").password()).isEqualTo("direct");
    assertThat(credentials("KF_CASSANDRA_PASSWORD_FILE", file.toString()).password())
        .isEqualTo("from-file");
  }

  @Test
  void userWithoutPasswordIsAClearError() {
    assertThatThrownBy(
            () -> credentials("KF_CASSANDRA_USER", "writer").applyTo(CqlSession.builder()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("KF_CASSANDRA_PASSWORD_FILE");
    assertThatThrownBy(() -> credentials("KF_CASSANDRA_PASSWORD_FILE", "/no/such").password())
        .hasMessageContaining("KF_CASSANDRA_PASSWORD_FILE names cannot be read: /no/such");
  }

  @Test
  void tlsIsOffUnlessSetAndABadCertificateFileIsAClearError() throws IOException {
    assertThat(new CassandraCredentials(Map.of()).isTls()).isFalse();
    assertThat(credentials("KF_CASSANDRA_TLS", "0").isTls()).isFalse();
    assertThat(credentials("KF_CASSANDRA_TLS", "1").isTls()).isTrue();
    assertThatThrownBy(() -> credentials("KF_CASSANDRA_TLS", "maybe").isTls())
        .hasMessage("KF_CASSANDRA_TLS=maybe: give 1 or 0");
    Path file = Files.writeString(folder.resolve("ca.pem"), "not a certificate");
    Map<String, String> environment =
        Map.of("KF_CASSANDRA_TLS", "1", "KF_CASSANDRA_CA_FILE", file.toString());

    assertThatThrownBy(() -> new CassandraCredentials(environment).applyTo(CqlSession.builder()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(file.toString());
  }

  private static CassandraCredentials credentials(String name, String value) {
    return new CassandraCredentials(Map.of(name, value));
  }
}
