package io.kappafleet.columnar;

import java.util.Arrays;

/**
 * The distinct texts of one column in one mini-batch: a code for each, in order of appearance, and
 * their UTF-8 bytes padded with zeros to {@link #WIDTH}.
 *
 * <p>Looks texts up by their bytes, so that a text seen before costs no allocation.
 */
final class TextDictionary {
  static final int WIDTH = 64;

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

  /** The code of a text of at most {@link #WIDTH} bytes, none of which is zero. */
  int code(byte[] text, int length) {
    int hash = 0;
    for (int i = 0; i < length; i++) {
      hash = 31 * hash + text[i];
    }
    int slot = slot(hash);
    for (int code; (code = table[slot]) >= 0; slot = slot + 1 & table.length - 1) {
      if (hashes[code] == hash && same(code, text, length)) {
        return code;
      }
    }
    return add(text, length, hash, slot);
  }

  private int add(byte[] text, int length, int hash, int slot) {
    if (size == hashes.length) {
      hashes = Arrays.copyOf(hashes, size * 2);
      values = Arrays.copyOf(values, size * 2 * WIDTH);
    }
    int from = size * WIDTH;
    System.arraycopy(text, 0, values, from, length);
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

  private int slot(int hash) {
    return (hash ^ hash >>> 16) & table.length - 1;
  }

  private boolean same(int code, byte[] text, int length) {
    int from = code * WIDTH;
    return Arrays.equals(values, from, from + length, text, 0, length)
        && (length == WIDTH || values[from + length] == 0);
  }
}
