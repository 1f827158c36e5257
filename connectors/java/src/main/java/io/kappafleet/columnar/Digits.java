package io.kappafleet.columnar;

/**
 * Decimal digits, up to eight at a time: as the bytes of a long, the first one lowest. Without a
 * loop there is no branch that depends on how many there are, which the processor would guess
 * wrongly for every second number.
 */
final class Digits {
  private static final long HIGH_BITS = 0x8080_8080_8080_8080L;
  private static final long ZEROS = 0x3030_3030_3030_3030L;

  private Digits() {}

  /** How many bytes from the first one on are digits, 0 to 8. */
  static int count(long word) {
    long digits = word ^ ZEROS;
    // A byte of more than 9 reaches the high bit; masked first, none carries into the next one.
    long others = ((digits & ~HIGH_BITS) + 0x7676_7676_7676_7676L | digits) & HIGH_BITS;
    return Long.numberOfTrailingZeros(others) >> 3;
  }

  /** The value of the first {@code count} bytes, all of them digits; 0 of none. */
  static long value(long word, int count) {
    if (count == 0) {
      return 0;
    }
    // Moved up, the missing ones become leading zeros. Pairs, then fours, then all eight are
    // summed.
    long sums = word << 64 - 8 * count & 0x0F0F_0F0F_0F0F_0F0FL;
    sums = sums * (10 << 8 | 1) >>> 8 & 0x00FF_00FF_00FF_00FFL;
    sums = sums * (100 << 16 | 1) >>> 16 & 0x0000_FFFF_0000_FFFFL;
    return sums * (10_000L << 32 | 1) >>> 32;
  }
}
