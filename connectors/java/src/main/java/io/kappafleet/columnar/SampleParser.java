package io.kappafleet.columnar;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.io.IOContext;
import com.fasterxml.jackson.core.json.UTF8StreamJsonParser;
import com.fasterxml.jackson.core.sym.ByteQuadsCanonicalizer;

/**
 * Jackson's parser of UTF-8, with a short cut through arrays of plain numbers, which are nearly all
 * of a message.
 *
 * <p>Between the elements of an array {@link #takeNumbers} may be asked instead of {@link
 * #nextToken}: it takes numbers of at most 15 digits without an exponent and leaves everything
 * else, faults included, to Jackson. The value is the one that {@link Double#parseDouble} gives:
 * the digits without the point are an exact double, so is the power of ten by which they are
 * divided, and the one division of two exact values is correctly rounded (Clinger 1990).
 */
final class SampleParser extends UTF8StreamJsonParser {
  private static final int MAX_DIGITS = 15;
  private static final int MAX_INTEGER_DIGITS = 18;
  private static final double[] POWERS_OF_TEN = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
  };

  private SampleParser(IOContext context, int features, ByteQuadsCanonicalizer names, byte[] body) {
    super(context, features, null, null, names, body, 0, body.length, 0, false);
  }

  /** Makes parsers that share the names they have seen. */
  static final class Factory extends JsonFactory {
    private static final long serialVersionUID = 1L;

    Factory() {
      super(
          new JsonFactoryBuilder()
              .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
              .enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER)
              .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION));
    }

    SampleParser open(byte[] body) {
      IOContext context = _createContext(_createContentReference(body, 0, body.length), true);
      context.setEncoding(JsonEncoding.UTF8);
      ByteQuadsCanonicalizer names =
          _byteSymbolCanonicalizer.makeChildOrPlaceholder(_factoryFeatures);
      return new SampleParser(context, _parserFeatures, names, body);
    }
  }

  /**
   * Takes the next elements of the array as long as they are plain numbers and there is room.
   *
   * @return where the numbers in {@code into} end; {@link #nextToken} tells what follows
   */
  int takeNumbers(double[] into, int from) {
    byte[] bytes = _inputBuffer;
    int end = _inputEnd;
    int next = _inputPtr;
    int to = from;
    for (boolean later = _parsingContext.getEntryCount() > 0; to < into.length; later = true) {
      int i = elementStart(bytes, next, end, later);
      boolean negative = i < end && bytes[i] == '-';
      int first = negative ? i + 1 : i;
      long digits = 0;
      int digit = -1;
      for (i = first; i < end && (digit = bytes[i] - '0') >= 0 && digit <= 9; i++) {
        digits = digits * 10 + digit;
      }
      int count = i - first;
      if (count == 0 || count > MAX_DIGITS || count > 1 && bytes[first] == '0') {
        break;
      }
      double value = negative ? -digits : digits;
      if (i < end && bytes[i] == '.') {
        int point = ++i;
        for (; i < end && (digit = bytes[i] - '0') >= 0 && digit <= 9; i++) {
          digits = digits * 10 + digit;
        }
        int decimals = i - point;
        if (decimals == 0 || count + decimals > MAX_DIGITS) {
          break;
        }
        value = digits / POWERS_OF_TEN[decimals];
        value = negative ? -value : value;
      }
      if (!canFollow(bytes, i, end)) {
        break;
      }
      into[to++] = value;
      next = i;
    }
    advance(next, to - from);
    return to;
  }

  /** As {@link #takeNumbers}, for integers that are not negative, of at most 18 digits. */
  int takeIntegers(long[] into, int from) {
    byte[] bytes = _inputBuffer;
    int end = _inputEnd;
    int next = _inputPtr;
    int to = from;
    for (boolean later = _parsingContext.getEntryCount() > 0; to < into.length; later = true) {
      int first = elementStart(bytes, next, end, later);
      int i = first;
      long digits = 0;
      for (int digit; i < end && (digit = bytes[i] - '0') >= 0 && digit <= 9; i++) {
        digits = digits * 10 + digit;
      }
      int count = i - first;
      if (count == 0 || count > MAX_INTEGER_DIGITS || count > 1 && bytes[first] == '0') {
        break;
      }
      if (!canFollow(bytes, i, end)) {
        break;
      }
      into[to++] = digits;
      next = i;
    }
    advance(next, to - from);
    return to;
  }

  /** Where the next element starts; the end of input when a comma is missing. */
  private static int elementStart(byte[] bytes, int next, int end, boolean later) {
    int i = next;
    if (later) {
      if (i >= end || bytes[i] != ',') {
        return end;
      }
      i++;
    }
    while (i < end && bytes[i] == ' ') {
      i++;
    }
    return i;
  }

  private static boolean canFollow(byte[] bytes, int i, int end) {
    return i < end && (bytes[i] == ',' || bytes[i] == ']');
  }

  /** Tells Jackson that so many elements of the array are behind. */
  private void advance(int next, int elements) {
    _inputPtr = next;
    for (int i = 0; i < elements; i++) {
      _parsingContext.expectComma();
    }
  }
}
