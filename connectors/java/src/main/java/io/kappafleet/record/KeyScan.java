package io.kappafleet.record;

import java.nio.charset.StandardCharsets;

/**
 * Finds the key and the event time of a message without decoding it, for publishers that set no
 * headers.
 *
 * <p>The scan looks for the field's name in quotes followed by a colon, so it can be fooled by a
 * text that contains exactly that; the columnar operator's decoder compares the key with the
 * decoded id and rejects a message whose two differ. It never throws.
 */
public final class KeyScan {
  private static final byte[] TIME_FIELD = quoted("t");

  private final byte[] idField;

  /**
   * @param idField the name of the field that holds the key, such as {@code vehicle_id}
   */
  public KeyScan(String idField) {
    this.idField = quoted(idField);
  }

  /** The value of the id field; empty when there is none. Escapes in the value are not decoded. */
  public String key(byte[] body) {
    int at = valueOf(body, idField);
    if (at < 0 || at >= body.length || body[at] != '"') {
      return "";
    }
    int start = at + 1;
    int end = start;
    boolean escaped = false;
    while (end < body.length && body[end] != '"') {
      if (body[end] == '\\') {
        escaped = true;
        end++;
      }
      end++;
    }
    if (end >= body.length) {
      return "";
    }
    String raw = new String(body, start, end - start, StandardCharsets.UTF_8);
    return escaped ? JsonText.unescape(raw) : raw;
  }

  /** The first element of the array {@code t}; {@link LogRecord#NO_TIME} when there is none. */
  public static long eventTime(byte[] body) {
    int at = valueOf(body, TIME_FIELD);
    if (at < 0 || at >= body.length || body[at] != '[') {
      return LogRecord.NO_TIME;
    }
    at = skipBlanks(body, at + 1);
    boolean negative = at < body.length && body[at] == '-';
    if (negative) {
      at++;
    }
    int first = at;
    long value = 0;
    while (at < body.length && body[at] >= '0' && body[at] <= '9' && at - first < 18) {
      value = value * 10 + (body[at++] - '0');
    }
    boolean ended = at < body.length && (body[at] == ',' || body[at] == ']' || body[at] <= ' ');
    if (at == first || !ended) {
      return LogRecord.NO_TIME;
    }
    return negative ? -value : value;
  }

  private static byte[] quoted(String name) {
    return ('"' + name + '"').getBytes(StandardCharsets.UTF_8);
  }

  /** Index of the value that follows {@code field} and its colon; -1 when the field is missing. */
  private static int valueOf(byte[] body, byte[] field) {
    int last = body.length - field.length;
    byte second = field[1];
    for (int i = 0; i <= last; i++) {
      if (body[i] != '"' || body[i + 1] != second) {
        continue;
      }
      int j = 2;
      while (j < field.length && body[i + j] == field[j]) {
        j++;
      }
      if (j < field.length) {
        continue;
      }
      int at = skipBlanks(body, i + j);
      if (at < body.length && body[at] == ':') {
        return skipBlanks(body, at + 1);
      }
    }
    return -1;
  }

  private static int skipBlanks(byte[] body, int at) {
    while (at < body.length
        && (body[at] == ' ' || body[at] == '\t' || body[at] == '\n' || body[at] == '\r')) {
      at++;
    }
    return at;
  }
}
