package io.kappafleet.columnar;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The distinct texts of one column in one mini-batch: a code for each, in order of appearance, and
 * their UTF-8 bytes padded with zeros to {@link #WIDTH}.
 *
 * <p>Looks texts up by their bytes, so that a text seen before costs no allocation.
 */
final class TextDictionary {
  static final int WIDTH = 64;

  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  /** Odd, with well mixed bits: 2^64 divided by the golden ratio. */
  private static final long MULTIPLIER = 0x9E37_79B9_7F4A_7C15L;

  private byte[] values = new byte[16 * WIDTH];
  private int[] hashes = new int[16];
  private int[] table = new int[64];
  private int size;

  TextDictionary() {
    Arrays.fill(table, -1);
  }

  int size() {
    return size;
  }

  /** The values one after the other; valid up to {@code size() * WIDTH}. */
  byte[] values() {
    return values;
  }

  void clear() {
    if (size > 0) {
      Arrays.fill(table, -1);
      size = 0;
    }
  }

  /** The code of a text of 1 to {@link #WIDTH} bytes, none of which is zero. */
  int code(byte[] text, int from, int length) {
    long mixed = length;
    for (int i = 0; i < length; i += Long.BYTES) {
      mixed = ((mixed ^ mixed >>> 32) ^ word(text, from + i, length - i)) * MULTIPLIER;
    }
    int hash = (int) (mixed >>> 32);
    int slot = slot(hash);
    for (int code; (code = table[slot]) >= 0; slot = slot + 1 & table.length - 1) {
      if (hashes[code] == hash && same(code, text, from, length)) {
        return code;
      }
    }
    return add(text, from, length, hash, slot);
  }

  /** The next eight bytes of a text, with zeros behind its end. */
  private static long word(byte[] text, int at, int left) {
    if (left >= Long.BYTES) {
      return (long) LONGS.get(text, at);
    }
    if (at + Long.BYTES <= text.length) {
      return (long) LONGS.get(text, at) & (1L << 8 * left) - 1;
    }
    long word = 0;
    for (int i = left - 1; i >= 0; i--) {
      word = word << 8 | text[at + i] & 0xFF;
    }
    return word;
  }

  private int add(byte[] text, int start, int length, int hash, int slot) {
    if (size == hashes.length) {
      hashes = Arrays.copyOf(hashes, size * 2);
      values = Arrays.copyOf(values, size * 2 * WIDTH);
    }
    int from = size * WIDTH;
    System.arraycopy(text, start, values, from, length);
    Arrays.fill(values, from + length, from + WIDTH, (byte) 0);
    hashes[size] = hash;
    table[slot] = size++;
    if (size * 2 > table.length) {
      grow();
    }
    return size - 1;
  }

  private void grow() {
    table = new int[table.length * 2];
    Arrays.fill(table, -1);
    for (int code = 0; code < size; code++) {
      int slot = slot(hashes[code]);
      while (table[slot] >= 0) {
        slot = slot + 1 & table.length - 1;
      }
      table[slot] = code;
    }
  }

  /** From the upper bits, on which all bytes of a word have their effect. */
  private int slot(int hash) {
    return hash >>> Integer.numberOfLeadingZeros(table.length) + 1;
  }

  private boolean same(int code, byte[] text, int start, int length) {
    int from = code * WIDTH;
    for (int i = 0; i < length; i += Long.BYTES) {
      if ((long) LONGS.get(values, from + i) != word(text, start + i, length - i)) {
        return false;
      }
    }
    return length % Long.BYTES != 0 || length == WIDTH || values[from + length] == 0;
  }
}
