package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kappafleet.columnar.OutputSpec.Column;
import io.kappafleet.columnar.OutputSpec.Conversion;
import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RowEncoderTest {
  private static final long NOV_21 = 1_795_237_200_000L; // 2026-11-21T05:00Z

  private static final int UNSET = RowFrame.UNSET;

  private final RowLayout layout =
      new RowLayout(
          64,
          Map.of(
              "write_us", new RowLayout.Field('i', 0, 8),
              "ms", new RowLayout.Field('i', 8, 8),
              "small", new RowLayout.Field('i', 16, 4),
              "value", new RowLayout.Field('f', 24, 8),
              "half", new RowLayout.Field('f', 32, 4),
              "flag", new RowLayout.Field('i', 36, 1),
              "word", new RowLayout.Field('u', 38, 2),
              "no_nulls", new RowLayout.Field('u', 60, 1),
              "name", new RowLayout.Field('S', 40, 16)));

  private String nulls = "";

  @Test
  void theFrameStartsWithTableAndWriteTime() {
    byte[] frame = encode(row(), "text", new Column(Conversion.KEY, "", "", List.of()));
    assertThat(RowFrame.table(frame)).isEqualTo(3);
    assertThat(RowFrame.writeTimeMicros(frame)).isEqualTo(1_000_001);
  }

  @ParameterizedTest
  @CsvSource({
    "KEY, '', text, v-7",
    "TEXT, name, text, Jörg",
    "DAY, ms, text, 2026-11-21",
    "MONTH, ms, text, 2026-11",
    "YEAR, ms, text, 2026",
    "ENUM, word, text, two"
  })
  void textsAreUtf8(Conversion conversion, String field, String type, String expected) {
    byte[] value =
        value(row(), type, new Column(conversion, field, "", List.of("zero", "one", "two")));
    assertThat(new String(value, StandardCharsets.UTF_8)).isEqualTo(expected);
  }

  @Test
  void numbersAreBigEndianOfTheColumnsWidth() {
    assertThat(ByteBuffer.wrap(value(row(), "bigint", of(Conversion.BIGINT, "ms"))).getLong())
        .isEqualTo(NOV_21);
    assertThat(ByteBuffer.wrap(value(row(), "timestamp", of(Conversion.TIMESTAMP, "ms"))).getLong())
        .isEqualTo(NOV_21);
    assertThat(ByteBuffer.wrap(value(row(), "int", of(Conversion.INT, "small"))).getInt())
        .isEqualTo(-5);
    assertThat(ByteBuffer.wrap(value(row(), "double", of(Conversion.DOUBLE, "value"))).getDouble())
        .isEqualTo(0.1);
    assertThat(ByteBuffer.wrap(value(row(), "double", of(Conversion.DOUBLE, "half"))).getDouble())
        .isEqualTo(0.25);
    assertThat(ByteBuffer.wrap(value(row(), "double", of(Conversion.DOUBLE, "small"))).getDouble())
        .isEqualTo(-5);
    assertThat(ByteBuffer.wrap(value(row(), "date", of(Conversion.DAY, "ms"))).getInt())
        .isEqualTo((int) (20_778 + (1L << 31)));
    assertThat(value(row(), "boolean", of(Conversion.BOOLEAN, "flag"))).containsExactly(1);
    assertThat(ByteBuffer.wrap(value(row(), "timestamp", of(Conversion.NOW, ""))).getLong())
        .isEqualTo(99);
    assertThat(value(row(), "text", new Column(Conversion.CONST, "", "v1", List.of())))
        .isEqualTo("v1".getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void theSmallestOrEmptyValueLeavesAColumnUnset() {
    withoutValues("")
        .forEach((column, length) -> assertThat(length).describedAs(column).isEqualTo(UNSET));
    withoutValues("no_nulls")
        .forEach((column, length) -> assertThat(length).describedAs(column).isEqualTo(UNSET));
  }

  @Test
  void aRowThatAsksForNullsErasesWhatItHasNoValueFor() {
    Map<String, Integer> lengths = withoutValues("word");
    assertThat(lengths.remove("blob")).describedAs("declared unset").isEqualTo(UNSET);
    assertThat(lengths).hasSize(8);
    lengths.forEach(
        (column, length) -> assertThat(length).describedAs(column).isEqualTo(RowFrame.NULL));
    nulls = "word";
    assertThat(length(row(), "bigint", of(Conversion.BIGINT, "ms"))).isEqualTo(8);
  }

  /** The length of each conversion's column where the row has no value, by its type. */
  private Map<String, Integer> withoutValues(String nullsField) {
    nulls = nullsField;
    ByteBuffer row = row();
    row.putLong(8, Long.MIN_VALUE).putInt(16, Integer.MIN_VALUE).putDouble(24, Double.NaN);
    row.put(36, (byte) -1).put(40, new byte[16]);
    Map<String, Column> columns = new LinkedHashMap<>();
    columns.put("bigint", of(Conversion.BIGINT, "ms"));
    columns.put("timestamp", of(Conversion.TIMESTAMP, "ms"));
    columns.put("text", of(Conversion.DAY, "ms"));
    columns.put("int", of(Conversion.INT, "small"));
    columns.put("double", of(Conversion.DOUBLE, "value"));
    columns.put("boolean", of(Conversion.BOOLEAN, "flag"));
    columns.put("varchar", of(Conversion.TEXT, "name"));
    columns.put("ascii", new Column(Conversion.ENUM, "flag", "", List.of("a")));
    columns.put("blob", of(Conversion.UNSET, ""));
    Map<String, Integer> lengths = new LinkedHashMap<>();
    columns.forEach((type, column) -> lengths.put(type, length(row, type, column)));
    return lengths;
  }

  @Test
  void aDayBeforeTheEpochIsTheDayBefore() {
    ByteBuffer row = row().putLong(8, -1);
    assertThat(value(row, "text", of(Conversion.DAY, "ms")))
        .isEqualTo("1969-12-31".getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void aFieldThatIsNotThereOrOfAnotherKindIsToldByName() {
    assertThatThrownBy(() -> encode(row(), "bigint", of(Conversion.BIGINT, "nothing")))
        .hasMessageContaining("no field 'nothing'");
    assertThatThrownBy(() -> encode(row(), "bigint", of(Conversion.BIGINT, "value")))
        .hasMessageContaining("'value' is of numpy kind f8");
  }

  private static Column of(Conversion conversion, String field) {
    return new Column(conversion, field, "", List.of());
  }

  private static ByteBuffer row() {
    ByteBuffer row = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
    row.putLong(0, 1_000_001).putLong(8, NOV_21).putInt(16, -5).putDouble(24, 0.1);
    row.putFloat(32, 0.25f).put(36, (byte) 1).putShort(38, (short) 2);
    row.put(40, "Jörg".getBytes(StandardCharsets.UTF_8));
    return row;
  }

  private byte[] encode(ByteBuffer row, String type, Column column) {
    OutputSpec output =
        new OutputSpec(
            "out",
            "out",
            OutputSpec.Kind.TABLE,
            3,
            "write_us",
            List.of(column),
            "",
            "",
            "",
            nulls,
            "");
    TableSpec table =
        new TableSpec("t", List.of(new TableSpec.Column("c", type)), List.of("c"), List.of());
    RowEncoder encoder = new RowEncoder(output, layout, table);
    encoder.at(99);
    byte[] behindAnother = new byte[128];
    System.arraycopy(row.array(), 0, behindAnother, 64, 64);
    return encoder.encode(behindAnother, 64, "v-7");
  }

  private int length(ByteBuffer row, String type, Column column) {
    return ByteBuffer.wrap(encode(row, type, column)).getInt(RowFrame.HEADER_BYTES);
  }

  private byte[] value(ByteBuffer row, String type, Column column) {
    byte[] frame = encode(row, type, column);
    assertThat(length(row, type, column)).isEqualTo(frame.length - RowFrame.HEADER_BYTES - 4);
    return java.util.Arrays.copyOfRange(frame, RowFrame.HEADER_BYTES + 4, frame.length);
  }
}
