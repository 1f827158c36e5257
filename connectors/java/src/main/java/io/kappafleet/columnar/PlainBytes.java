package io.kappafleet.columnar;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A short run of bytes that is looked for at given places, compared eight at a time. */
final class PlainBytes {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final byte[] bytes;
  private final long[] words;
  private final long lastMask;

  PlainBytes(String ascii) {
    bytes = ascii.getBytes(StandardCharsets.US_ASCII);
    words = new long[(bytes.length + 7) / 8];
    byte[] padded = Arrays.copyOf(bytes, words.length * 8);
    for (int i = 0; i < words.length; i++) {
      words[i] = (long) LONGS.get(padded, 8 * i);
    }
    lastMask = bytes.length % 8 == 0 ? -1 : (1L << 8 * (bytes.length % 8)) - 1;
  }

  /** Whether JSON writes a text as it is: printable ASCII without quotes and backslashes. */
  static boolean isPlain(String text) {
    return text.chars().allMatch(c -> c >= ' ' && c < 0x7F && c != '"' && c != '\\');
  }

  int length() {
    return bytes.length;
  }

  /** Whether {@code body} holds these bytes at {@code at}. */
  boolean standAt(byte[] body, int at) {
    int last = words.length - 1;
    if (at + 8 * words.length > body.length) {
      int to = at + bytes.length;
      return to <= body.length && Arrays.equals(body, at, to, bytes, 0, bytes.length);
    }
    for (int i = 0; i < last; i++) {
      if ((long) LONGS.get(body, at + 8 * i) != words[i]) {
        return false;
      }
    }
    return ((long) LONGS.get(body, at + 8 * last) & lastMask) == words[last];
  }
}
