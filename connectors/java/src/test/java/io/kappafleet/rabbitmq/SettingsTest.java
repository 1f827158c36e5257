package io.kappafleet.rabbitmq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.ObjectOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Settings, addresses and start positions as users write them. */
class SettingsTest {
  @Test
  void startPositionsAreReadFromTheirFourForms() {
    assertThat(StartPosition.parse("first")).isEqualTo(StartPosition.FIRST);
    assertThat(StartPosition.parse("last")).isEqualTo(StartPosition.LAST);
    assertThat(StartPosition.parse("offset:412"))
        .isEqualTo(new StartPosition(StartPosition.Kind.OFFSET, 412));
    assertThat(StartPosition.parse("timestamp:1700000000000"))
        .isEqualTo(new StartPosition(StartPosition.Kind.TIMESTAMP, 1_700_000_000_000L));
    for (String wrong : List.of("", "next", "offset:", "offset:x", "timestamp:1.5", "412")) {
      assertThatThrownBy(() -> StartPosition.parse(wrong))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("it must be first, last, offset:N or timestamp:EPOCH_MS");
    }
  }

  @Test
  void aGivenAddressWinsOverTheEnvironmentAndThatOverTheDefaults() {
    Map<String, String> environment =
        Map.of(
            "KF_RABBITMQ_HOST", "broker",
            "KF_RABBITMQ_STREAM_PORT", "1",
            "KF_RABBITMQ_VHOST", "fleet",
            "KF_RABBITMQ_TLS", "1",
            "KF_RABBITMQ_CA_FILE", "/ca.pem");
    assertThat(BrokerAddress.fromEnvironment().resolve(Map.of()))
        .isEqualTo(new BrokerAddress("127.0.0.1", 5562, "/", "guest", false, null, false));
    assertThat(BrokerAddress.fromEnvironment().resolve(environment))
        .isEqualTo(new BrokerAddress("broker", 1, "fleet", "guest", true, "/ca.pem", false));
    assertThat(new BrokerAddress("mine", 2, "v", "u", false, "/my.pem", true).resolve(environment))
        .isEqualTo(new BrokerAddress("mine", 2, "v", "u", false, "/my.pem", true));
  }

  @Test
  void aPortThatIsNoNumberIsNamed() {
    assertThatThrownBy(
            () ->
                BrokerAddress.fromEnvironment()
                    .resolve(Map.of("KF_RABBITMQ_STREAM_PORT", "stream")))
        .hasMessage("KF_RABBITMQ_STREAM_PORT is not a number: stream");
  }

  @Test
  void whatIsMeantAsYesEncryptsAndWhatIsNoAnswerIsRefused() {
    for (String yes : List.of("1", "true", "yes", "YES")) {
      assertThat(BrokerAddress.fromEnvironment().resolve(Map.of("KF_RABBITMQ_TLS", yes)).tls())
          .isTrue();
    }
    assertThat(BrokerAddress.fromEnvironment().resolve(Map.of("KF_RABBITMQ_TLS", "no")).tls())
        .isFalse();
    assertThatThrownBy(
            () -> BrokerAddress.fromEnvironment().resolve(Map.of("KF_RABBITMQ_TLS", "on")))
        .hasMessage("KF_RABBITMQ_TLS=on: give 1 or 0");
  }

  @Test
  void anEmptyVariableCountsAsNotSet(@TempDir Path folder) throws Exception {
    assertThat(
            BrokerAddress.fromEnvironment()
                .resolve(
                    Map.of(
                        "KF_RABBITMQ_HOST", "",
                        "KF_RABBITMQ_STREAM_PORT", "",
                        "KF_RABBITMQ_TLS", "",
                        "KF_RABBITMQ_CA_FILE", "")))
        .isEqualTo(BrokerAddress.fromEnvironment().resolve(Map.of()));
    Path file = Files.writeString(folder.resolve("password"), "from-file");
    assertThat(
            BrokerAddress.password(
                Map.of("KF_RABBITMQ_PASSWORD", "", "KF_RABBITMQ_PASSWORD_FILE", file.toString())))
        .isEqualTo("from-file");
  }

  @Test
  void thePasswordComesFromTheEnvironmentOrItsFile(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("password"), "from-file\n");
    assertThat(BrokerAddress.password(Map.of("KF_RABBITMQ_PASSWORD", "plain"))).isEqualTo("plain");
    assertThat(BrokerAddress.password(Map.of("KF_RABBITMQ_PASSWORD_FILE", file.toString())))
        .isEqualTo("from-file");
    assertThatThrownBy(
            () -> BrokerAddress.password(Map.of("KF_RABBITMQ_PASSWORD_FILE", "/no/such/file")))
        .hasMessageContaining("KF_RABBITMQ_PASSWORD_FILE=/no/such/file");
  }

  @Test
  void aSourceTravelsToTheClusterAndBack() throws Exception {
    RabbitStreamsSource source =
        RabbitStreamsSource.builder()
            .prefix("telemetry")
            .start(StartPosition.LAST)
            .stopAt("telemetry-0", 5)
            .build();
    byte[] bytes = InstantiationUtil.serializeObject(source);
    RabbitStreamsSource copy =
        InstantiationUtil.deserializeObject(bytes, getClass().getClassLoader());
    assertThat(copy).usingRecursiveComparison().isEqualTo(source);
    assertThat(new String(bytes, StandardCharsets.ISO_8859_1))
        .doesNotContainIgnoringCase("password");
    assertThat(copy.getBoundedness())
        .isEqualTo(org.apache.flink.api.connector.source.Boundedness.BOUNDED);
    new ObjectOutputStream(new ByteArrayOutputStream()).writeObject(new LogWatermarks(1, 2));
  }

  @Test
  void settingsThatContradictEachOtherAreRefused() {
    assertThatThrownBy(() -> RabbitStreamsSource.builder().build())
        .hasMessage("name either the streams or their prefix");
    assertThatThrownBy(() -> RabbitStreamsSource.builder().prefix("p").credits(0).build())
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> RabbitStreamsSource.builder().prefix("p").idleMs(0).build())
        .isInstanceOf(IllegalArgumentException.class);
  }
}
