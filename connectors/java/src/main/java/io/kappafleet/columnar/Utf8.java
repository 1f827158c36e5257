package io.kappafleet.columnar;

/** Encodes the characters of a JSON text as UTF-8 into a small buffer of a fixed size. */
final class Utf8 {
  /** The text does not fit. */
  static final int TOO_LONG = -1;

  /** The text holds a character that is no text: NUL, or half of a surrogate pair. */
  static final int NOT_TEXT = -2;

  private Utf8() {}

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
