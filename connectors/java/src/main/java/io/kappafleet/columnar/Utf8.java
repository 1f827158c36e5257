package io.kappafleet.columnar;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * UTF-8: looks for bytes that never occur in it, checks sequences of bytes, and encodes the
 * characters of a JSON text into a small buffer of a fixed size.
 */
final class Utf8 {
  /** The text does not fit. */
  static final int TOO_LONG = -1;

  /** The text holds a character that is no text: NUL, or half of a surrogate pair. */
  static final int NOT_TEXT = -2;

  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
  private static final long HIGH_BITS = 0x8080_8080_8080_8080L;
  private static final int BLOCK = 32;

  private Utf8() {}

  /**
   * Where the first byte 0xFF is; -1: nowhere. Blocks of ASCII, which are nearly all of a message,
   * are passed over at once: a fifth of the time of looking at every byte.
   */
  static int indexOfFf(byte[] bytes) {
    for (int from = 0; from < bytes.length; from += BLOCK) {
      if (from + BLOCK <= bytes.length && isAscii(bytes, from)) {
        continue;
      }
      for (int i = from; i < Math.min(from + BLOCK, bytes.length); i++) {
        if (bytes[i] == (byte) 0xFF) {
          return i;
        }
      }
    }
    return -1;
  }

  private static boolean isAscii(byte[] bytes, int from) {
    long all =
        (long) LONGS.get(bytes, from)
            | (long) LONGS.get(bytes, from + 8)
            | (long) LONGS.get(bytes, from + 16)
            | (long) LONGS.get(bytes, from + 24);
    return (all & HIGH_BITS) == 0;
  }

  /** The bytes of the character of several bytes that starts there; 0 if it is not well-formed. */
  static int sequence(byte[] bytes, int at) {
    int lead = bytes[at] & 0xFF;
    int size = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (size == 0 || at + size > bytes.length) {
      return 0;
    }
    int point = lead & 0xFF >> size + 1;
    for (int i = 1; i < size; i++) {
      if ((bytes[at + i] & 0xC0) != 0x80) {
        return 0;
      }
      point = point << 6 | bytes[at + i] & 0x3F;
    }
    boolean overlong = size == 3 && point < 0x800 || size == 4 && point < 0x10000;
    boolean surrogate = point >= 0xD800 && point < 0xE000;
    return overlong || surrogate || point > 0x10FFFF ? 0 : size;
  }

  /**
   * @return the number of bytes written, {@link #TOO_LONG} or {@link #NOT_TEXT}
   */
  static int encode(char[] chars, int offset, int length, byte[] into, int limit) {
    int n = 0;
    for (int i = offset; i < offset + length; i++) {
      int c = chars[i];
      if (c == 0) {
        return NOT_TEXT;
      } else if (c < 0x80) {
        if (n + 1 > limit) {
          return TOO_LONG;
        }
        into[n++] = (byte) c;
        continue;
      }
      if (Character.isSurrogate((char) c)) {
        boolean paired =
            Character.isHighSurrogate((char) c)
                && i + 1 < offset + length
                && Character.isLowSurrogate(chars[i + 1]);
        if (!paired) {
          return NOT_TEXT;
        }
        c = Character.toCodePoint((char) c, chars[++i]);
      }
      int size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
      if (n + size > limit) {
        return TOO_LONG;
      }
      into[n] = (byte) (size == 2 ? 0xC0 | c >> 6 : size == 3 ? 0xE0 | c >> 12 : 0xF0 | c >> 18);
      for (int j = 1; j < size; j++) {
        into[n + j] = (byte) (0x80 | c >> 6 * (size - 1 - j) & 0x3F);
      }
      n += size;
    }
    return n;
  }
}
