package io.kappafleet.columnar;

import com.fasterxml.jackson.core.io.NumberInput;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Finds its way through one JSON text of the plain kind: whatever it takes, Jackson takes as well,
 * with the same value.
 *
 * <p>Its methods take the place of a value and return the place behind it, or {@link #UNUSUAL} for
 * what is not plain: faults, escapes in texts, integers of more than 18 digits, deep nesting.
 */
final class PlainJson {
  static final int UNUSUAL = -1;

  private static final int MAX_EXACT_DIGITS = 15;
  private static final int MAX_INTEGER_DIGITS = 18;
  private static final int MAX_NUMBER = 64;
  private static final int MAX_DEPTH = 16;

  /** Far below the longest name and text that Jackson takes. */
  private static final int MAX_TEXT = 10_000;

  private static final double[] POWERS_OF_TEN = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
  };
  private static final long[] LONG_POWERS_OF_TEN = {
    1L, 10L, 100L, 1_000L, 10_000L, 100_000L, 1_000_000L, 10_000_000L
  };
  private static final PlainBytes TRUE = new PlainBytes("true");
  private static final PlainBytes FALSE = new PlainBytes("false");
  private static final PlainBytes NULL = new PlainBytes("null");

  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final long ONES = 0x0101_0101_0101_0101L;
  private static final long HIGH_BITS = 0x8080_8080_8080_8080L;

  private byte[] body;
  private int end;
  private long lastInteger;
  private double lastNumber;
  private final char[] digits = new char[MAX_NUMBER];

  void open(byte[] text) {
    body = text;
    end = text.length;
  }

  byte[] body() {
    return body;
  }

  /** The byte at a place, 0 behind the end. */
  int byteAt(int at) {
    return at < end ? body[at] : 0;
  }

  /** The place of the next byte that is no blank. */
  int blanks(int from) {
    int at = from;
    while (at < end && body[at] <= ' ' && isBlank(body[at])) {
      at++;
    }
    return at;
  }

  private static boolean isBlank(byte b) {
    return b == ' ' || b == '\n' || b == '\r' || b == '\t';
  }

  /** A colon, and the blanks around it. */
  int colon(int from) {
    int at = blanks(from);
    return byteAt(at) == ':' ? blanks(at + 1) : UNUSUAL;
  }

  /** A text with its quotes, of well-formed UTF-8. */
  int text(int start) {
    if (byteAt(start) != '"') {
      return UNUSUAL;
    }
    int limit = Math.min(end, start + MAX_TEXT);
    int at = start + 1;
    while (true) {
      at = plainEnd(at, limit);
      if (at >= limit) {
        return UNUSUAL;
      }
      if (body[at] == '"') {
        return at + 1;
      }
      int bytes = body[at] < 0 ? Utf8.sequence(body, at) : 0;
      if (bytes == 0) {
        return UNUSUAL;
      }
      at += bytes;
    }
  }

  /** The first byte that is a quote, a backslash, a control character or not ASCII. */
  private int plainEnd(int from, int limit) {
    int at = from;
    for (; at + 8 <= limit; at += 8) {
      long word = (long) LONGS.get(body, at);
      long quotes = word ^ ONES * '"';
      long backslashes = word ^ ONES * '\\';
      // Where none of the bytes before it is one, the lowest bit tells exactly which byte is.
      long found =
          ((quotes - ONES) & ~quotes
                  | (backslashes - ONES) & ~backslashes
                  | (word - ONES * ' ') & ~word
                  | word)
              & HIGH_BITS;
      if (found != 0) {
        return at + (Long.numberOfTrailingZeros(found) >> 3);
      }
    }
    while (at < limit && body[at] >= ' ' && body[at] != '"' && body[at] != '\\') {
      at++;
    }
    return at;
  }

  /** Takes {@code null}. */
  int nothing(int at) {
    return NULL.standAt(body, at) ? at + 4 : UNUSUAL;
  }

  /** Takes {@code true}, {@code false} or {@code null}. */
  int word(int at) {
    return switch (byteAt(at)) {
      case 't' -> TRUE.standAt(body, at) ? at + 4 : UNUSUAL;
      case 'f' -> FALSE.standAt(body, at) ? at + 5 : UNUSUAL;
      case 'n' -> nothing(at);
      default -> UNUSUAL;
    };
  }

  /** The value of what {@link #integer} took. */
  long lastInteger() {
    return lastInteger;
  }

  /** The value of what {@link #number} took: the one that {@link Double#parseDouble} gives. */
  double lastNumber() {
    return lastNumber;
  }

  /** An integer, which nothing but what may follow a value follows. */
  int integer(int start) {
    if (start + 16 <= end) {
      long word = (long) LONGS.get(body, start);
      int count = Digits.count(word);
      if (count > 0 && (byte) word != '0') {
        if (count < 8) {
          lastInteger = Digits.value(word, count);
          return start + count;
        }
        long rest = (long) LONGS.get(body, start + 8);
        int more = Digits.count(rest);
        if (more < 8) {
          lastInteger = Digits.value(word, 8) * LONG_POWERS_OF_TEN[more] + Digits.value(rest, more);
          return start + 8 + more;
        }
      }
    }
    return slowInteger(start);
  }

  private int slowInteger(int start) {
    boolean negative = byteAt(start) == '-';
    int first = negative ? start + 1 : start;
    int at = first;
    long value = 0;
    for (int digit; at < end && (digit = body[at] - '0') >= 0 && digit <= 9; at++) {
      value = value * 10 + digit;
    }
    int count = at - first;
    if (count == 0 || count > MAX_INTEGER_DIGITS || count > 1 && body[first] == '0') {
      return UNUSUAL;
    }
    lastInteger = negative ? -value : value;
    return at;
  }

  /**
   * A number. Of at most 15 digits and without an exponent, its digits without the point are an
   * exact double, and so is the power of ten by which they are divided: the one division of two
   * exact values is rounded correctly (Clinger 1990).
   */
  int number(int start) {
    boolean negative = byteAt(start) == '-';
    int first = negative ? start + 1 : start;
    if (first + 16 <= end) {
      // Up to 7 digits before and behind the point, as nearly all numbers have.
      long word = (long) LONGS.get(body, first);
      int count = Digits.count(word);
      if (count > 0 && count < 8 && (count == 1 || (byte) word != '0')) {
        int next = (byte) (word >>> 8 * count);
        long value = Digits.value(word, count);
        if (next == '.') {
          int point = first + count + 1;
          long rest = (long) LONGS.get(body, point);
          int decimals = Digits.count(rest);
          if (decimals > 0 && decimals < 8 && !isExponent((byte) (rest >>> 8 * decimals))) {
            value = value * LONG_POWERS_OF_TEN[decimals] + Digits.value(rest, decimals);
            double quotient = value / POWERS_OF_TEN[decimals];
            lastNumber = negative ? -quotient : quotient;
            return point + decimals;
          }
        } else if (!isExponent(next)) {
          lastNumber = negative ? -value : value;
          return first + count;
        }
      }
    }
    return slowNumber(start, negative, first);
  }

  private static boolean isExponent(int letter) {
    return letter == 'e' || letter == 'E';
  }

  private int slowNumber(int start, boolean negative, int first) {
    int at = first;
    long value = 0;
    int digit = -1;
    for (; at < end && (digit = body[at] - '0') >= 0 && digit <= 9; at++) {
      value = value * 10 + digit;
    }
    int count = at - first;
    if (count == 0 || count > 1 && body[first] == '0') {
      return UNUSUAL;
    }
    int next = byteAt(at);
    if (next != '.') {
      if (isExponent(next)) {
        return exponent(start, at);
      }
      lastNumber = negative ? -value : value;
      return count <= MAX_INTEGER_DIGITS ? at : UNUSUAL;
    }
    int point = ++at;
    for (; at < end && (digit = body[at] - '0') >= 0 && digit <= 9; at++) {
      value = value * 10 + digit;
    }
    int decimals = at - point;
    next = byteAt(at);
    if (decimals == 0) {
      return UNUSUAL;
    }
    if (isExponent(next)) {
      return exponent(start, at);
    }
    if (count + decimals > MAX_EXACT_DIGITS) {
      return parsed(start, at);
    }
    double quotient = value / POWERS_OF_TEN[decimals];
    lastNumber = negative ? -quotient : quotient;
    return at;
  }

  private int exponent(int start, int letter) {
    int at = letter + 1;
    if (byteAt(at) == '-' || byteAt(at) == '+') {
      at++;
    }
    int first = at;
    while (byteAt(at) >= '0' && byteAt(at) <= '9') {
      at++;
    }
    return at == first ? UNUSUAL : parsed(start, at);
  }

  private int parsed(int start, int to) {
    int length = to - start;
    if (length > MAX_NUMBER) {
      return UNUSUAL;
    }
    for (int i = 0; i < length; i++) {
      digits[i] = (char) body[start + i];
    }
    lastNumber = NumberInput.parseDouble(digits, 0, length, true);
    return to;
  }

  /** Any value. */
  int skip(int at) {
    return skip(at, 0);
  }

  private int skip(int at, int depth) {
    return switch (byteAt(at)) {
      case '"' -> text(at);
      case '{', '[' -> depth < MAX_DEPTH ? skipNested(at, depth + 1) : UNUSUAL;
      case 't', 'f', 'n' -> word(at);
      default -> number(at);
    };
  }

  private int skipNested(int start, int depth) {
    boolean object = body[start] == '{';
    int close = object ? '}' : ']';
    int at = blanks(start + 1);
    if (byteAt(at) == close) {
      return at + 1;
    }
    while (true) {
      if (object) {
        at = text(at);
        at = at == UNUSUAL ? at : colon(at);
      }
      at = at == UNUSUAL ? at : skip(at, depth);
      if (at == UNUSUAL) {
        return UNUSUAL;
      }
      at = blanks(at);
      int next = byteAt(at);
      if (next == close) {
        return at + 1;
      }
      if (next != ',') {
        return UNUSUAL;
      }
      at = blanks(at + 1);
    }
  }
}
