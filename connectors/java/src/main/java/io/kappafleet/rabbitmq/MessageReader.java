package io.kappafleet.rabbitmq;

import io.kappafleet.record.KeyScan;
import io.kappafleet.record.LogRecord;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Reads of an AMQP 1.0 message only its body and the application properties {@code key} and {@code
 * event_time}; the rest is skipped by its length.
 *
 * <p>The body is the data sections, joined, or a string or binary value section. It never throws:
 * one bad message must not fail the job. Bytes that make no sense become the body as they are, and
 * so a reject downstream. Nothing outside the message's own bytes has an influence.
 */
final class MessageReader {
  private static final byte[] KEY = ascii("key");
  private static final byte[] EVENT_TIME = ascii("event_time");
  private static final byte[] EMPTY = new byte[0];

  private static final int APPLICATION_PROPERTIES = 0x74;
  private static final int DATA = 0x75;
  private static final int VALUE = 0x77;

  private final KeyScan scan;

  /**
   * @param idField the field of the body that holds the key, for messages without the header
   */
  MessageReader(String idField) {
    scan = new KeyScan(idField);
  }

  /**
   * Reads the message in {@code bytes[from]} to {@code bytes[to - 1]}.
   *
   * @param message gets a key, a body and an event time of its own
   */
  void read(byte[] bytes, int from, int to, LogMessage message) {
    message.key = null;
    message.body = null;
    message.eventMs = LogRecord.NO_TIME;
    try {
      readSections(bytes, from, to, message);
    } catch (IndexOutOfBoundsException | NegativeArraySizeException | Malformed e) {
      message.key = null;
      message.body = Arrays.copyOfRange(bytes, from, to);
      message.eventMs = LogRecord.NO_TIME;
    }
    if (message.body == null) {
      message.body = EMPTY;
    }
    if (message.key == null) {
      message.key = scan.key(message.body);
    }
    if (message.eventMs == LogRecord.NO_TIME) {
      message.eventMs = KeyScan.eventTime(message.body);
    }
  }

  private static void readSections(byte[] bytes, int from, int to, LogMessage message)
      throws Malformed {
    int at = from;
    while (at < to) {
      if (bytes[at] != 0) {
        throw Malformed.INSTANCE;
      }
      int section = AmqpBytes.descriptor(bytes, at + 1, to);
      at = AmqpBytes.skip(bytes, at + 1, to);
      int end = AmqpBytes.skip(bytes, at, to);
      switch (section) {
        case DATA -> append(message, bytes, AmqpBytes.contentStart(bytes, at), end);
        case VALUE -> {
          if (AmqpBytes.isText(bytes, at) || AmqpBytes.isBinary(bytes, at)) {
            append(message, bytes, AmqpBytes.contentStart(bytes, at), end);
          }
        }
        case APPLICATION_PROPERTIES -> readHeaders(bytes, at, to, message);
        default -> {}
      }
      at = end;
    }
  }

  private static void readHeaders(byte[] bytes, int map, int to, LogMessage message)
      throws Malformed {
    int left = AmqpBytes.mapCount(bytes, map, to);
    int at = AmqpBytes.mapStart(bytes, map);
    for (; left >= 2; left -= 2) {
      int value = AmqpBytes.skip(bytes, at, to);
      int next = AmqpBytes.skip(bytes, value, to);
      if (AmqpBytes.isText(bytes, at)) {
        int name = AmqpBytes.contentStart(bytes, at);
        if (Arrays.equals(bytes, name, value, KEY, 0, KEY.length)) {
          message.key = keyText(bytes, value, next);
        } else if (Arrays.equals(bytes, name, value, EVENT_TIME, 0, EVENT_TIME.length)) {
          message.eventMs = eventTime(bytes, value, next);
        }
      }
      at = next;
    }
  }

  /** A text, or a whole number as its digits; null for anything else. */
  private static String keyText(byte[] bytes, int at, int end) throws Malformed {
    if (AmqpBytes.isText(bytes, at)) {
      int start = AmqpBytes.contentStart(bytes, at);
      return new String(bytes, start, end - start, StandardCharsets.UTF_8);
    }
    return AmqpBytes.isWhole(bytes, at) ? Long.toString(AmqpBytes.whole(bytes, at)) : null;
  }

  /** A whole number or a timestamp, or their digits as a text (MQTT 5 knows only texts). */
  private static long eventTime(byte[] bytes, int at, int end) throws Malformed {
    if (AmqpBytes.isWhole(bytes, at)) {
      return AmqpBytes.whole(bytes, at);
    }
    if (!AmqpBytes.isText(bytes, at)) {
      return LogRecord.NO_TIME;
    }
    int start = AmqpBytes.contentStart(bytes, at);
    if (end == start || end - start > 18) {
      return LogRecord.NO_TIME;
    }
    long value = 0;
    for (int i = start; i < end; i++) {
      if (bytes[i] < '0' || bytes[i] > '9') {
        return LogRecord.NO_TIME;
      }
      value = value * 10 + (bytes[i] - '0');
    }
    return value;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static void append(LogMessage message, byte[] bytes, int start, int end) {
    if (message.body == null) {
      message.body = Arrays.copyOfRange(bytes, start, end);
      return;
    }
    int length = message.body.length;
    message.body = Arrays.copyOf(message.body, length + end - start);
    System.arraycopy(bytes, start, message.body, length, end - start);
  }
}
