package io.kappafleet.record;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class FrameToJsonTest {
  private static final TableSpec ALL_TYPES =
      table("text", "int", "bigint", "double", "boolean", "timestamp", "blob", "date");

  @Test
  void everyTypeIsWrittenAsCassandraWritesItExceptTimes() throws IOException {
    byte[] frame =
        new RowFrame.Writer()
            .begin(0, 5)
            .putText("Zoë \"x\" \\ \n\t\u0001 🚚")
            .putInt(-7)
            .putLong(Long.MIN_VALUE)
            .putDouble(12)
            .putBoolean(true)
            .putLong(Instant.parse("2026-11-21T05:00:00.007Z").toEpochMilli())
            .putBytes(new byte[] {0, 15, (byte) 0xa0, (byte) 0xff}, 0, 4)
            .putInt((int) ((1L << 31) + 20_778))
            .end();

    assertThat(json(ALL_TYPES, frame))
        .isEqualTo(
            "{\"c0\":\"Zoë \\\"x\\\" \\\\ \\n\\t\\u0001 🚚\",\"c1\":-7,\"c2\":-9223372036854775808,\"c3\":12.0,"
                + "\"c4\":true,\"c5\":\"2026-11-21T05:00:00.007Z\",\"c6\":\"0x000fa0ff\",\"c7\":\"2026-11-21\"}\n");
  }

  @Test
  void unsetAndNullColumnsAreNull() throws IOException {
    ByteBuffer frame = ByteBuffer.allocate(12 + 4 + 4 + 4);
    frame.putInt(0).putLong(1).putInt(RowFrame.UNSET).putInt(RowFrame.NULL).putInt(0);

    assertThat(json(table("double", "text", "text"), frame.array()))
        .isEqualTo("{\"c0\":null,\"c1\":null,\"c2\":\"\"}\n");
  }

  @Test
  void changesLeaveOutWhatTheFrameLeavesAsItIs() throws IOException {
    ByteBuffer frame = ByteBuffer.allocate(12 + 4 + 4 + 4 + 4 + 4 + 4);
    frame.putInt(0).putLong(1).putInt(RowFrame.UNSET).putInt(RowFrame.NULL).putInt(RowFrame.UNSET);
    frame.putInt(4).putInt(7).putInt(RowFrame.UNSET);
    FrameToJson changes = FrameToJson.changes(table("double", "text", "text", "int", "int"));

    assertThat(new String(changes.object(frame.array()), UTF_8))
        .isEqualTo("{\"c1\":null,\"c3\":7}");

    byte[] nothing = new RowFrame.Writer().begin(0, 1).unset().end();
    assertThat(new String(FrameToJson.changes(table("int")).object(nothing), UTF_8))
        .isEqualTo("{}");
  }

  @Test
  void doublesReadBackExactlyAndWhatJsonCannotSayIsNull() throws IOException {
    double[] exact = {0.1, -0.0, 1e-300, 1.7976931348623157e308, 123456789.123456789, 3e-5};
    for (double value : exact) {
      byte[] frame = new RowFrame.Writer().begin(0, 1).putDouble(value).end();
      JsonNode row = new ObjectMapper().readTree(json(table("double"), frame));
      assertThat(row.get("c0").isNumber()).isTrue();
      assertThat(row.get("c0").doubleValue()).isEqualTo(value);
    }
    for (double value : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      byte[] frame = new RowFrame.Writer().begin(0, 1).putDouble(value).end();
      assertThat(json(table("double"), frame)).isEqualTo("{\"c0\":null}\n");
    }
  }

  @Test
  void timesBefore1970AndAtItAreWritten() throws IOException {
    byte[] zero = new RowFrame.Writer().begin(0, 1).putLong(0).end();
    byte[] before = new RowFrame.Writer().begin(0, 1).putLong(-1).end();

    assertThat(json(table("timestamp"), zero)).contains("\"1970-01-01T00:00:00.000Z\"");
    assertThat(json(table("timestamp"), before)).contains("\"1969-12-31T23:59:59.999Z\"");
  }

  @Test
  void longTextAndBlobGrowTheLine() throws IOException {
    String text = "\u0001".repeat(100_000);
    byte[] blob = new byte[100_000];
    byte[] frame =
        new RowFrame.Writer().begin(0, 1).putText(text).putBytes(blob, 0, blob.length).end();

    JsonNode row = new ObjectMapper().readTree(json(table("text", "blob"), frame));

    assertThat(row.get("c0").asText()).isEqualTo(text);
    assertThat(row.get("c1").asText()).isEqualTo("0x" + "00".repeat(100_000));
  }

  @Test
  void frameThatDoesNotFitNamesTableAndColumn() {
    byte[] frame = new RowFrame.Writer().begin(0, 1).putText("a").putDouble(1).end();
    TableSpec table = table("text", "double");

    assertThatThrownBy(() -> json(table, Arrays.copyOf(frame, frame.length - 1)))
        .hasMessageContaining("table t")
        .hasMessageContaining("column c1");
    assertThatThrownBy(() -> json(table, Arrays.copyOf(frame, frame.length + 2)))
        .hasMessageContaining("2 bytes follow");
    assertThatThrownBy(() -> json(table("text", "int"), frame))
        .hasMessageContaining("8 bytes, not 4");
    byte[] latin1 = {'Z', 'o', (byte) 0xeb};
    byte[] notUtf8 = new RowFrame.Writer().begin(0, 1).putBytes(latin1, 0, 3).end();
    assertThatThrownBy(() -> json(table("text"), notUtf8)).hasMessageContaining("not UTF-8");
  }

  @Test
  void unknownTypeIsRefusedBeforeAnyRow() {
    assertThatThrownBy(() -> FrameToJson.whole(table("list<int>")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("column c0 of table t is of type list<int>");
  }

  static TableSpec table(String... types) {
    TableSpec.Column[] columns = new TableSpec.Column[types.length];
    for (int i = 0; i < types.length; i++) {
      columns[i] = new TableSpec.Column("c" + i, types[i]);
    }
    return new TableSpec("t", List.of(columns), List.of("c0"), List.of());
  }

  private static String json(TableSpec table, byte[] frame) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    FrameToJson.whole(table).writeLine(frame, out);
    return out.toString(UTF_8);
  }
}
