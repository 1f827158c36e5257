package io.kappafleet.columnar;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Makes the row frames of one table from the structured rows that Python returns. */
final class RowEncoder {
  private static final String INTEGERS = "iub";

  /** Writes one column of one row. */
  private interface ColumnWriter {
    void write(RowFrame.Writer frame, byte[] rows, int row, String key);
  }

  private final int table;
  private final RowLayout.Field writeTime;
  private final RowLayout.Field nulls;
  private final ColumnWriter[] writers;
  private final RowFrame.Writer frame = new RowFrame.Writer();
  private final UtcTexts utc = new UtcTexts();
  private long now;
  private boolean asNull;

  /**
   * @throws IllegalArgumentException when the rows lack a field or it is of another type
   */
  RowEncoder(OutputSpec output, RowLayout layout, TableSpec spec) {
    table = output.table();
    writeTime = layout.require(output.name(), output.writeUs(), "i");
    nulls =
        output.nulls().isEmpty() ? null : layout.require(output.name(), output.nulls(), INTEGERS);
    writers = new ColumnWriter[output.columns().size()];
    for (int i = 0; i < writers.length; i++) {
      writers[i] = writer(output, output.columns().get(i), spec.columns().get(i).type(), layout);
    }
  }

  /** Sets the wall clock for the columns that show it. */
  void at(long nowMs) {
    now = nowMs;
  }

  /**
   * @param rows all rows of a call
   * @param row where this one starts
   * @param key the key to which it belongs
   */
  byte[] encode(byte[] rows, int row, String key) {
    frame.begin(table, writeTime.integer(rows, row));
    asNull = nulls != null && nulls.integer(rows, row) != 0;
    for (ColumnWriter writer : writers) {
      writer.write(frame, rows, row, key);
    }
    return frame.end();
  }

  private ColumnWriter writer(
      OutputSpec output, OutputSpec.Column column, String cqlType, RowLayout layout) {
    return switch (column.conversion()) {
      case KEY -> (frame, rows, row, key) -> frame.putText(key);
      case CONST -> constant(column.constant());
      case NOW -> (frame, rows, row, key) -> frame.putLong(now);
      case UNSET -> (frame, rows, row, key) -> frame.unset();
      case TEXT -> text(field(output, column, layout, "S"));
      case TEXT_OR_KEY -> textOrKey(field(output, column, layout, "S"), column.constant());
      case DOUBLE -> number(field(output, column, layout, "fiu"));
      case ENUM -> choice(field(output, column, layout, INTEGERS), column.names());
      default -> integer(column.conversion(), field(output, column, layout, INTEGERS), cqlType);
    };
  }

  private static RowLayout.Field field(
      OutputSpec output, OutputSpec.Column column, RowLayout layout, String kinds) {
    return layout.require(output.name(), column.field(), kinds);
  }

  private static ColumnWriter constant(String value) {
    byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
    return (frame, rows, row, key) -> frame.putBytes(bytes, 0, bytes.length);
  }

  private ColumnWriter text(RowLayout.Field field) {
    return (frame, rows, row, key) -> {
      int length = field.textLength(rows, row);
      if (length == 0) {
        missing();
      } else {
        frame.putBytes(rows, row + field.offset(), length);
      }
    };
  }

  private static ColumnWriter textOrKey(RowLayout.Field field, String prefix) {
    return (frame, rows, row, key) -> {
      int length = field.textLength(rows, row);
      if (length == 0) {
        frame.putText(prefix + key);
      } else {
        frame.putBytes(rows, row + field.offset(), length);
      }
    };
  }

  private ColumnWriter number(RowLayout.Field field) {
    return (frame, rows, row, key) -> {
      double value = field.number(rows, row);
      if (Double.isNaN(value)) {
        missing();
      } else {
        frame.putDouble(value);
      }
    };
  }

  private ColumnWriter choice(RowLayout.Field field, List<String> names) {
    byte[][] values = new byte[names.size()][];
    for (int i = 0; i < values.length; i++) {
      values[i] = names.get(i).getBytes(StandardCharsets.UTF_8);
    }
    return (frame, rows, row, key) -> {
      long index = field.integer(rows, row);
      if (index < 0) {
        missing();
      } else if (index >= values.length) {
        throw new IllegalStateException("there is no name " + index + " in " + names);
      } else {
        byte[] value = values[(int) index];
        frame.putBytes(value, 0, value.length);
      }
    };
  }

  private ColumnWriter integer(
      OutputSpec.Conversion conversion, RowLayout.Field field, String cqlType) {
    long missing = conversion == OutputSpec.Conversion.INT ? Integer.MIN_VALUE : Long.MIN_VALUE;
    return (frame, rows, row, key) -> {
      long value = field.integer(rows, row);
      if (value == missing) {
        missing();
        return;
      }
      switch (conversion) {
        case INT -> frame.putInt(Math.toIntExact(value));
        case BIGINT, TIMESTAMP -> frame.putLong(value);
        case DAY -> putDay(frame, value, cqlType);
        case MONTH -> frame.putText(utc.month(value));
        case YEAR -> frame.putText(utc.year(value));
        case BOOLEAN -> {
          if (value < 0) {
            missing();
          } else {
            frame.putBoolean(value != 0);
          }
        }
        default -> throw new IllegalStateException("no integer conversion: " + conversion);
      }
    };
  }

  /** A column without a value: left as it is, or erased where the row says so. */
  private void missing() {
    if (asNull) {
      frame.putNull();
    } else {
      frame.unset();
    }
  }

  private void putDay(RowFrame.Writer frame, long ms, String cqlType) {
    if (cqlType.equals("date")) {
      frame.putInt((int) (UtcTexts.epochDay(ms) + (1L << 31)));
    } else {
      frame.putText(utc.day(ms));
    }
  }
}
