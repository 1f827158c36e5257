package io.kappafleet.results;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class ResultEncoderTest {
  private static final TableSpec EVENT =
      new TableSpec(
          "event",
          List.of(
              new TableSpec.Column("driver", "text"),
              new TableSpec.Column("at", "timestamp"),
              new TableSpec.Column("fleet", "text"),
              new TableSpec.Column("peak", "double"),
              new TableSpec.Column("note", "text")),
          List.of("driver"),
          List.of("at"));
  private static final ResultRoute ROUTE = new ResultRoute("event", "fleet", "driver");

  private final ResultEncoder encoder = new ResultEncoder(EVENT, ROUTE);

  @Test
  void messageSaysWhatChangedOfWhichRow() throws IOException {
    ResultMessage message = encoder.encode(event("anna", 1_000, "north", 42));

    assertThat(message.routingKey()).isEqualTo("event.north.anna");
    assertThat(message.messageId()).isEqualTo("event/anna/1000@42-f");
    assertThat(message.table()).isEqualTo("event");
    assertThat(message.writeTimeMicros()).isEqualTo(42);
    assertThat(new String(message.body(), UTF_8))
        .isEqualTo(
            "{\"driver\":\"anna\",\"at\":\"1970-01-01T00:00:01.000Z\",\"fleet\":\"north\",\"peak\":1.5}");
  }

  @Test
  void idIsThatOfTheRowAndOfTheVersionOfItsContent() throws IOException {
    String id = encoder.encode(event("anna", 1_000, "north", 42)).messageId();

    assertThat(encoder.encode(event("anna", 1_000, "north", 42)).messageId()).isEqualTo(id);
    assertThat(encoder.encode(event("anna", 1_000, "north", 43)).messageId()).isNotEqualTo(id);
    assertThat(encoder.encode(event("anna", 1_001, "north", 42)).messageId()).isNotEqualTo(id);
    assertThat(encoder.encode(event("ann", 1_000, "north", 42)).messageId()).isNotEqualTo(id);
    byte[] otherColumns =
        new RowFrame.Writer()
            .begin(0, 42)
            .putText("anna")
            .putLong(1_000)
            .unset()
            .unset()
            .putText("x")
            .end();
    assertThat(encoder.encode(otherColumns).messageId()).isEqualTo("event/anna/1000@42-13");
  }

  @Test
  void wordsOfTheRoutingKeyHoldNoSignThatTopicsKnow() throws IOException {
    assertThat(encoder.encode(event("a.b*c#d% e/@é", 1, "f.1", 1)))
        .satisfies(
            message -> {
              assertThat(message.routingKey()).isEqualTo("event.f%2E1.a%2Eb%2Ac%23d%25%20e/@é");
              assertThat(message.messageId()).isEqualTo("event/a.b*c#d%25%20e%2F%40é/1@1-f");
            });
  }

  @Test
  void rowWithoutFleetGoesToNone() throws IOException {
    byte[] frame =
        new RowFrame.Writer().begin(0, 1).putText("").putLong(1).unset().unset().unset().end();

    assertThat(encoder.encode(frame).routingKey()).isEqualTo("event.none.none");
    ResultEncoder withoutGroup = new ResultEncoder(EVENT, new ResultRoute("event", "", "driver"));
    assertThat(withoutGroup.encode(event("anna", 1, "north", 1)).routingKey())
        .isEqualTo("event.none.anna");
  }

  @Test
  void whatIsTooLongForAmqpIsItsHash() throws IOException {
    String longest = "é".repeat(300);
    ResultMessage message = encoder.encode(event(longest, 1, longest, Long.MAX_VALUE));

    assertThat(message.routingKey()).matches("event\\.sha256-[0-9a-f]{64}\\.sha256-[0-9a-f]{64}");
    assertThat(message.messageId())
        .matches("event/sha256-[0-9a-f]{64}@9223372036854775807-f")
        .isNotEqualTo(encoder.encode(event(longest + "x", 1, "", Long.MAX_VALUE)).messageId());
    ResultMessage near = encoder.encode(event("é".repeat(110), 1, "é".repeat(60), Long.MAX_VALUE));
    assertThat(near.routingKey().getBytes(UTF_8)).hasSizeLessThanOrEqualTo(255);
    assertThat(near.messageId().getBytes(UTF_8)).hasSizeLessThanOrEqualTo(255);
  }

  @Test
  void frameThatDoesNotFitIsRefusedWithTheColumn() {
    byte[] cut = new RowFrame.Writer().begin(0, 1).putText("anna").putLong(1).end();

    assertThatThrownBy(() -> encoder.encode(cut))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("a row of table event does not fit its columns, at column fleet");
    assertThatThrownBy(() -> new ResultEncoder(EVENT, new ResultRoute("event", "", "nobody")))
        .hasMessageContaining("table event has no column nobody");
  }

  private static byte[] event(String driver, long at, String fleet, long writeTime) {
    return new RowFrame.Writer()
        .begin(0, writeTime)
        .putText(driver)
        .putLong(at)
        .putText(fleet)
        .putDouble(1.5)
        .unset()
        .end();
  }
}
