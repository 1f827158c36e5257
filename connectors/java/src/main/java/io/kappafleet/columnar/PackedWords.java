package io.kappafleet.columnar;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * A state's words, most of which are zero, missing or small, in a quarter of their bytes: for
 * backends that write state to disk, where the bytes are what an access costs.
 *
 * <p>{@code { int32 length, two bits for each word, then for each word none, one, four or eight
 * bytes }}, and behind the last whole word what is left, as it is. All little endian.
 */
final class PackedWords {
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private static final int LENGTH = 4;
  private static final int ZERO = 0;
  private static final int BYTE = 1;
  private static final int FOUR = 2;
  private static final int EIGHT = 3;

  private static final long NAN = Double.doubleToRawLongBits(Double.NaN);

  /** Bytes that stand for other words than their own values. */
  private static final byte IS_NAN = -127;

  private static final byte IS_MIN = -128;

  private byte[] packed = new byte[4096];

  /**
   * Packs words.
   *
   * @param from where they start; they go to the end
   * @param reserved bytes to leave free before what is packed
   * @return a new array
   */
  byte[] pack(byte[] raw, int from, int reserved) {
    int length = raw.length - from;
    int words = length >> 3;
    int codesAt = reserved + LENGTH;
    int next = codesAt + (words + 3 >> 2);
    if (packed.length < next + length + 8) {
      packed = new byte[2 * (next + length + 8)];
    }
    INT.set(packed, reserved, length);
    int codes = 0;
    for (int w = 0; w < words; w++) {
      long word = (long) LONG.get(raw, from + 8 * w);
      int code;
      if (word == 0) {
        code = ZERO;
      } else if (word == (byte) word && word > IS_NAN) {
        code = BYTE;
        packed[next++] = (byte) word;
      } else if (word == NAN || word == Long.MIN_VALUE) {
        code = BYTE;
        packed[next++] = word == NAN ? IS_NAN : IS_MIN;
      } else if (word == (int) word) {
        code = FOUR;
        INT.set(packed, next, (int) word);
        next += 4;
      } else {
        code = EIGHT;
        LONG.set(packed, next, word);
        next += 8;
      }
      codes |= code << 2 * (w & 3);
      if ((w & 3) == 3 || w == words - 1) {
        packed[codesAt + (w >> 2)] = (byte) codes;
        codes = 0;
      }
    }
    int rest = length - 8 * words;
    System.arraycopy(raw, from + 8 * words, packed, next, rest);
    byte[] found = new byte[next + rest];
    System.arraycopy(packed, reserved, found, reserved, next + rest - reserved);
    return found;
  }

  /**
   * Unpacks what {@link #pack} made.
   *
   * @param from where it starts; it goes to the end
   * @param reserved bytes to leave free before the words
   * @return a new array
   */
  static byte[] unpack(byte[] packed, int from, int reserved) {
    int length = (int) INT.get(packed, from);
    int words = length >> 3;
    int codesAt = from + LENGTH;
    int next = codesAt + (words + 3 >> 2);
    byte[] raw = new byte[reserved + length];
    for (int w = 0; w < words; w++) {
      int code = packed[codesAt + (w >> 2)] >> 2 * (w & 3) & 3;
      int at = reserved + 8 * w;
      if (code == BYTE) {
        byte small = packed[next++];
        LONG.set(raw, at, small == IS_NAN ? NAN : small == IS_MIN ? Long.MIN_VALUE : small);
      } else if (code == FOUR) {
        LONG.set(raw, at, (long) (int) INT.get(packed, next));
        next += 4;
      } else if (code == EIGHT) {
        LONG.set(raw, at, (long) LONG.get(packed, next));
        next += 8;
      }
    }
    System.arraycopy(packed, next, raw, reserved + 8 * words, length - 8 * words);
    return raw;
  }
}
