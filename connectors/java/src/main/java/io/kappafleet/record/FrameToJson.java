package io.kappafleet.record;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.List;

/**
 * Writes a row frame of one table as JSON: the columns of the table in their order; those that the
 * frame leaves unset as null, or not at all.
 *
 * <p>Times are ISO 8601 in UTC with milliseconds, dates {@code 2026-11-21}, blobs {@code "0x…"} as
 * Cassandra itself prints them, numbers that JSON has no word for (NaN, infinities) null.
 */
public final class FrameToJson {
  private enum Kind {
    TEXT,
    TINYINT,
    SMALLINT,
    INT,
    BIGINT,
    FLOAT,
    DOUBLE,
    BOOLEAN,
    TIMESTAMP,
    DATE,
    BLOB
  }

  private static final DateTimeFormatter MILLISECONDS =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
  private static final byte[] HEX = ascii("0123456789abcdef");
  private static final byte[] NULL = ascii("null");
  private static final byte[] TRUE = ascii("true");
  private static final byte[] FALSE = ascii("false");

  private final TableSpec table;
  private final boolean leavesOutUnset;
  private final Kind[] kinds;

  /** What stands before each value: a comma, and the quoted name with its colon. */
  private final byte[][] names;

  private byte[] line = new byte[1024];
  private int length;

  /**
   * @param leavesOutUnset whether a column that the frame leaves as it is does not appear
   * @throws IllegalArgumentException when a column has a type that this writer does not know
   */
  private FrameToJson(TableSpec table, boolean leavesOutUnset) {
    this.table = table;
    this.leavesOutUnset = leavesOutUnset;
    List<TableSpec.Column> columns = table.columns();
    kinds = new Kind[columns.size()];
    names = new byte[columns.size()][];
    for (int i = 0; i < kinds.length; i++) {
      kinds[i] = kind(table, columns.get(i));
      names[i] = ascii(",\"" + columns.get(i).name() + "\":");
    }
  }

  /** Every column of the table appears, without a value as null. */
  public static FrameToJson whole(TableSpec table) {
    return new FrameToJson(table, false);
  }

  /** Only what the frame sets appears; null then says that it takes a value away. */
  public static FrameToJson changes(TableSpec table) {
    return new FrameToJson(table, true);
  }

  /**
   * Appends the frame as one line.
   *
   * @throws IOException when the frame does not fit the table, or {@code out} fails
   */
  public void writeLine(byte[] frame, OutputStream out) throws IOException {
    encode(frame);
    room(1);
    line[length++] = '\n';
    out.write(line, 0, length);
  }

  /**
   * The frame as one JSON object, in an array of its own.
   *
   * @throws IOException when the frame does not fit the table
   */
  public byte[] object(byte[] frame) throws IOException {
    encode(frame);
    return Arrays.copyOf(line, length);
  }

  private void encode(byte[] frame) throws IOException {
    length = 0;
    line[length++] = '{';
    ByteBuffer values = ByteBuffer.wrap(frame);
    int at = RowFrame.HEADER_BYTES;
    for (int i = 0; i < kinds.length; i++) {
      int size = at + 4 <= frame.length ? values.getInt(at) : Integer.MIN_VALUE;
      at += 4;
      if (size == RowFrame.UNSET && leavesOutUnset) {
        continue;
      }
      int comma = length == 1 ? 1 : 0;
      append(names[i], comma, names[i].length - comma);
      if (size == RowFrame.UNSET || size == RowFrame.NULL) {
        append(NULL, 0, NULL.length);
        continue;
      }
      if (size < 0 || size > frame.length - at) {
        throw misfit(i, "it ends at byte " + frame.length);
      }
      value(i, frame, values, at, size);
      at += size;
    }
    if (at != frame.length) {
      throw misfit(kinds.length - 1, (frame.length - at) + " bytes follow the last column");
    }
    room(1);
    line[length++] = '}';
  }

  private void value(int column, byte[] frame, ByteBuffer values, int at, int size)
      throws IOException {
    switch (kinds[column]) {
      case TEXT -> text(column, frame, at, size);
      case BLOB -> blob(frame, at, size);
      case TINYINT -> number(Byte.toString(frame[sized(column, at, size, 1)]));
      case SMALLINT -> number(Short.toString(values.getShort(sized(column, at, size, 2))));
      case INT -> number(Integer.toString(values.getInt(sized(column, at, size, 4))));
      case BIGINT -> number(Long.toString(values.getLong(sized(column, at, size, 8))));
      case FLOAT -> {
        float number = values.getFloat(sized(column, at, size, 4));
        number(Float.isFinite(number) ? Float.toString(number) : "null");
      }
      case DOUBLE -> {
        double number = values.getDouble(sized(column, at, size, 8));
        number(Double.isFinite(number) ? Double.toString(number) : "null");
      }
      case BOOLEAN -> {
        byte[] word = frame[sized(column, at, size, 1)] == 0 ? FALSE : TRUE;
        append(word, 0, word.length);
      }
      case TIMESTAMP -> {
        long millis = values.getLong(sized(column, at, size, 8));
        number('"' + MILLISECONDS.format(Instant.ofEpochMilli(millis)) + '"');
      }
      case DATE -> {
        int raw = values.getInt(sized(column, at, size, 4));
        try {
          number('"' + LocalDate.ofEpochDay((raw & 0xffffffffL) - (1L << 31)).toString() + '"');
        } catch (DateTimeException e) {
          throw misfit(column, e.getMessage());
        }
      }
    }
  }

  private int sized(int column, int at, int size, int expected) throws IOException {
    if (size != expected) {
      throw misfit(column, "its value has " + size + " bytes, not " + expected);
    }
    return at;
  }

  private void number(String ascii) {
    room(ascii.length());
    for (int i = 0; i < ascii.length(); i++) {
      line[length++] = (byte) ascii.charAt(i);
    }
  }

  private void blob(byte[] frame, int at, int size) {
    room(2 * size + 4);
    line[length++] = '"';
    line[length++] = '0';
    line[length++] = 'x';
    for (int i = at; i < at + size; i++) {
      line[length++] = HEX[frame[i] >> 4 & 15];
      line[length++] = HEX[frame[i] & 15];
    }
    line[length++] = '"';
  }

  private void text(int column, byte[] frame, int at, int size) throws IOException {
    room(6 * size + 2);
    line[length++] = '"';
    boolean ascii = true;
    for (int i = at; i < at + size; i++) {
      byte b = frame[i];
      ascii &= b >= 0;
      if (b == '"' || b == '\\') {
        line[length++] = '\\';
        line[length++] = b;
      } else if (b >= 0 && b < ' ') {
        escape(b);
      } else {
        line[length++] = b;
      }
    }
    line[length++] = '"';
    if (!ascii) {
      // Cassandra refuses such a text as well: whoever made the frame has a defect.
      try {
        StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(frame, at, size));
      } catch (CharacterCodingException e) {
        throw misfit(column, "its text is not UTF-8");
      }
    }
  }

  private void escape(byte control) {
    line[length++] = '\\';
    switch (control) {
      case '\n' -> line[length++] = 'n';
      case '\r' -> line[length++] = 'r';
      case '\t' -> line[length++] = 't';
      default -> {
        line[length++] = 'u';
        line[length++] = '0';
        line[length++] = '0';
        line[length++] = HEX[control >> 4];
        line[length++] = HEX[control & 15];
      }
    }
  }

  private void append(byte[] bytes, int offset, int count) {
    room(count);
    System.arraycopy(bytes, offset, line, length, count);
    length += count;
  }

  private void room(int bytes) {
    if (line.length - length < bytes) {
      line = Arrays.copyOf(line, Math.max(2 * line.length, length + bytes));
    }
  }

  private IOException misfit(int column, String what) {
    return new IOException(
        "a row of table %s does not fit its columns, at column %s: %s"
            .formatted(table.name(), table.columns().get(column).name(), what));
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static Kind kind(TableSpec table, TableSpec.Column column) {
    return switch (column.type()) {
      case "text", "varchar", "ascii" -> Kind.TEXT;
      case "tinyint" -> Kind.TINYINT;
      case "smallint" -> Kind.SMALLINT;
      case "int" -> Kind.INT;
      case "bigint" -> Kind.BIGINT;
      case "float" -> Kind.FLOAT;
      case "double" -> Kind.DOUBLE;
      case "boolean" -> Kind.BOOLEAN;
      case "timestamp" -> Kind.TIMESTAMP;
      case "date" -> Kind.DATE;
      case "blob" -> Kind.BLOB;
      default ->
          throw new IllegalArgumentException(
              "column %s of table %s is of type %s, which JSON rows cannot hold yet"
                  .formatted(column.name(), table.name(), column.type()));
    };
  }
}
