package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Codec;
import com.rabbitmq.stream.Message;
import com.rabbitmq.stream.MessageBuilder;
import io.kappafleet.record.KeyScan;
import io.kappafleet.record.LogRecord;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Decodes of an AMQP 1.0 message only its body and the application properties {@code key} and
 * {@code event_time}; the rest is skipped by its length. Reading only.
 *
 * <p>The body is the data sections, joined, or a string or binary value section. It never throws:
 * an exception inside the client would drop the rest of the chunk with a line in the log. Bytes
 * that make no sense become the body as they are, and so a reject downstream.
 */
final class MessageCodec implements Codec {
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
  MessageCodec(String idField) {
    scan = new KeyScan(idField);
  }

  @Override
  public Message decode(ByteBuf buffer, int length) {
    byte[] bytes = new byte[length];
    buffer.readBytes(bytes);
    return decode(bytes);
  }

  LogMessage decode(byte[] bytes) {
    Sections sections = new Sections();
    try {
      read(bytes, sections);
    } catch (IndexOutOfBoundsException | NegativeArraySizeException | Malformed e) {
      return message(null, bytes, LogRecord.NO_TIME);
    }
    return message(sections.key, sections.body == null ? EMPTY : sections.body, sections.eventMs);
  }

  @Override
  public EncodedMessage encode(Message message) {
    throw new UnsupportedOperationException("this codec only reads");
  }

  @Override
  public MessageBuilder messageBuilder() {
    throw new UnsupportedOperationException("this codec only reads");
  }

  private LogMessage message(String key, byte[] body, long eventMs) {
    return new LogMessage(
        key == null ? scan.key(body) : key,
        body,
        eventMs == LogRecord.NO_TIME ? KeyScan.eventTime(body) : eventMs);
  }

  private static void read(byte[] bytes, Sections sections) throws Malformed {
    int at = 0;
    while (at < bytes.length) {
      if (bytes[at] != 0) {
        throw Malformed.INSTANCE;
      }
      int section = AmqpBytes.descriptor(bytes, at + 1);
      at = AmqpBytes.skip(bytes, at + 1);
      int end = AmqpBytes.skip(bytes, at);
      switch (section) {
        case DATA -> sections.append(bytes, AmqpBytes.contentStart(bytes, at), end);
        case VALUE -> {
          if (AmqpBytes.isText(bytes, at) || AmqpBytes.isBinary(bytes, at)) {
            sections.append(bytes, AmqpBytes.contentStart(bytes, at), end);
          }
        }
        case APPLICATION_PROPERTIES -> readHeaders(bytes, at, sections);
        default -> {}
      }
      at = end;
    }
  }

  private static void readHeaders(byte[] bytes, int map, Sections sections) throws Malformed {
    int left = AmqpBytes.mapCount(bytes, map);
    int at = AmqpBytes.mapStart(bytes, map);
    for (; left >= 2; left -= 2) {
      int value = AmqpBytes.skip(bytes, at);
      int next = AmqpBytes.skip(bytes, value);
      if (AmqpBytes.isText(bytes, at)) {
        int name = AmqpBytes.contentStart(bytes, at);
        if (Arrays.equals(bytes, name, value, KEY, 0, KEY.length)) {
          sections.key = keyText(bytes, value, next);
        } else if (Arrays.equals(bytes, name, value, EVENT_TIME, 0, EVENT_TIME.length)) {
          sections.eventMs = eventTime(bytes, value, next);
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

  /** The parts of one message while it is read. */
  private static final class Sections {
    private String key;
    private byte[] body;
    private long eventMs = LogRecord.NO_TIME;

    private void append(byte[] bytes, int start, int end) {
      if (body == null) {
        body = Arrays.copyOfRange(bytes, start, end);
        return;
      }
      int length = body.length;
      body = Arrays.copyOf(body, length + end - start);
      System.arraycopy(bytes, start, body, length, end - start);
    }
  }
}
