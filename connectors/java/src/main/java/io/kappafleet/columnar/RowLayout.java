package io.kappafleet.columnar;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;

/**
 * Where the fields of a structured numpy row stand, all little endian.
 *
 * @param bytes size of a row
 * @param fields by name
 */
record RowLayout(int bytes, Map<String, Field> fields) {
  private static final VarHandle SHORT = little(short[].class);
  private static final VarHandle INT = little(int[].class);
  private static final VarHandle LONG = little(long[].class);
  private static final VarHandle FLOAT = little(float[].class);
  private static final VarHandle DOUBLE = little(double[].class);

  private static VarHandle little(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * @param kind numpy's kind: i, u, b, f or S
   * @param offset from the start of the row
   * @param size in bytes
   */
  record Field(char kind, int offset, int size) {
    /** The integer of the row that starts at {@code row}. */
    long integer(byte[] rows, int row) {
      int at = row + offset;
      return switch (size) {
        case 1 -> kind == 'i' ? rows[at] : rows[at] & 0xFF;
        case 2 -> {
          short value = (short) SHORT.get(rows, at);
          yield kind == 'i' ? value : value & 0xFFFF;
        }
        case 4 -> {
          int value = (int) INT.get(rows, at);
          yield kind == 'i' ? value : value & 0xFFFFFFFFL;
        }
        default -> (long) LONG.get(rows, at);
      };
    }

    double number(byte[] rows, int row) {
      if (kind != 'f') {
        return integer(rows, row);
      }
      int at = row + offset;
      return size == 4 ? (float) FLOAT.get(rows, at) : (double) DOUBLE.get(rows, at);
    }

    /** Length of a text without the zeros behind it. */
    int textLength(byte[] rows, int row) {
      int length = size;
      while (length > 0 && rows[row + offset + length - 1] == 0) {
        length--;
      }
      return length;
    }

    /** Writes a text, padded with zeros; what does not fit is cut off. */
    void put(byte[] rows, int row, String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      int length = Math.min(utf8.length, size);
      System.arraycopy(utf8, 0, rows, row + offset, length);
      Arrays.fill(rows, row + offset + length, row + offset + size, (byte) 0);
    }

    String text(byte[] rows, int row) {
      return new String(rows, row + offset, textLength(rows, row), StandardCharsets.UTF_8);
    }
  }

  /**
   * A field of one of the given kinds.
   *
   * @throws IllegalArgumentException when there is none
   */
  Field require(String output, String name, String kinds) {
    Field field = fields.get(name);
    if (field == null) {
      throw new IllegalArgumentException(
          "output "
              + output
              + ": the function's rows have no field '"
              + name
              + "', only "
              + fields.keySet());
    }
    boolean sized = field.kind() == 'S' || field.size() <= 8;
    if (kinds.indexOf(field.kind()) < 0 || !sized) {
      throw new IllegalArgumentException(
          "output "
              + output
              + ": field '"
              + name
              + "' is of numpy kind "
              + field.kind()
              + field.size()
              + " where one of '"
              + kinds
              + "' is needed");
    }
    return field;
  }
}
