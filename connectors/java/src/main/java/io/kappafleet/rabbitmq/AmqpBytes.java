package io.kappafleet.rabbitmq;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Walks over AMQP 1.0's encoded values in place. Every method takes the index of a value's
 * constructor byte. {@link #skip} and {@link #mapCount} refuse whatever reaches beyond the
 * message's end {@code to}, so ask them before anything else is read of a value; an index beyond
 * the array throws {@link IndexOutOfBoundsException}.
 *
 * <p>The high half of a constructor byte says how the value's length is found (AMQP 1.0, part 1,
 * section 1.2), so that types without a meaning here are skipped too.
 */
final class AmqpBytes {
  private static final byte[] SYMBOL_PREFIX = "amqp:".getBytes(StandardCharsets.US_ASCII);
  private static final VarHandle SHORT = view(short[].class);
  private static final VarHandle INT = view(int[].class);
  private static final VarHandle LONG = view(long[].class);
  private static final int UNKNOWN = -1;
  private static final int MAX_DEPTH = 32;

  private AmqpBytes() {}

  /** The index after the value. */
  static int skip(byte[] bytes, int at, int to) throws Malformed {
    return skip(bytes, at, to, 0);
  }

  private static int skip(byte[] bytes, int at, int to, int depth) throws Malformed {
    int constructor = unsigned(bytes, at);
    if (constructor == 0) {
      if (depth == MAX_DEPTH) {
        throw Malformed.INSTANCE;
      }
      return skip(bytes, skip(bytes, at + 1, to, depth + 1), to, depth + 1);
    }
    long end =
        switch (constructor >> 4) {
          case 0x4 -> at + 1L;
          case 0x5 -> at + 2L;
          case 0x6 -> at + 3L;
          case 0x7 -> at + 5L;
          case 0x8 -> at + 9L;
          case 0x9 -> at + 17L;
          case 0xa, 0xc, 0xe -> at + 2L + unsigned(bytes, at + 1);
          case 0xb, 0xd, 0xf -> at + 5L + (int32(bytes, at + 1) & 0xffffffffL);
          default -> throw Malformed.INSTANCE;
        };
    if (end > to) {
      throw Malformed.INSTANCE;
    }
    return (int) end;
  }

  /** The number of the section whose descriptor stands here; -1 when it has none we know. */
  static int descriptor(byte[] bytes, int at, int to) throws Malformed {
    int constructor = unsigned(bytes, at);
    if (constructor == 0x53) {
      return unsigned(bytes, at + 1);
    }
    if (constructor == 0x80) {
      long value = int64(bytes, at + 1);
      return value >= 0 && value < 256 ? (int) value : UNKNOWN;
    }
    if (constructor == 0xa3 || constructor == 0xb3) {
      int start = contentStart(bytes, at);
      String name =
          new String(bytes, start, skip(bytes, at, to) - start, StandardCharsets.US_ASCII);
      return switch (name.startsWith("amqp:") ? name.substring(SYMBOL_PREFIX.length) : "") {
        case "application-properties:map" -> 0x74;
        case "data:binary" -> 0x75;
        case "amqp-value:*", "value:*" -> 0x77;
        default -> UNKNOWN;
      };
    }
    return UNKNOWN;
  }

  /** The first byte of a text's or binary's content. */
  static int contentStart(byte[] bytes, int at) throws Malformed {
    return switch (unsigned(bytes, at) >> 4) {
      case 0xa -> at + 2;
      case 0xb -> at + 5;
      default -> throw Malformed.INSTANCE;
    };
  }

  /** Entries of a map, keys and values counted apiece. */
  static int mapCount(byte[] bytes, int at, int to) throws Malformed {
    if (mapStart(bytes, at) > to) {
      throw Malformed.INSTANCE;
    }
    return switch (unsigned(bytes, at)) {
      case 0xc1 -> unsigned(bytes, at + 2);
      case 0xd1 -> int32(bytes, at + 5);
      default -> throw Malformed.INSTANCE;
    };
  }

  /** The constructor of a map's first key. */
  static int mapStart(byte[] bytes, int at) {
    return unsigned(bytes, at) == 0xc1 ? at + 3 : at + 9;
  }

  /** A string or a symbol. */
  static boolean isText(byte[] bytes, int at) {
    int constructor = unsigned(bytes, at);
    return constructor == 0xa1 || constructor == 0xb1 || constructor == 0xa3 || constructor == 0xb3;
  }

  static boolean isBinary(byte[] bytes, int at) {
    int constructor = unsigned(bytes, at);
    return constructor == 0xa0 || constructor == 0xb0;
  }

  /** A whole number of any width, or a timestamp. */
  static boolean isWhole(byte[] bytes, int at) {
    return switch (unsigned(bytes, at)) {
      case 0x50,
          0x51,
          0x60,
          0x61,
          0x70,
          0x71,
          0x52,
          0x54,
          0x43,
          0x80,
          0x81,
          0x53,
          0x55,
          0x44,
          0x83 ->
          true;
      default -> false;
    };
  }

  /** The number; an unsigned one of 64 bits beyond {@link Long#MAX_VALUE} is negative. */
  static long whole(byte[] bytes, int at) throws Malformed {
    return switch (unsigned(bytes, at)) {
      case 0x43, 0x44 -> 0;
      case 0x50, 0x52, 0x53 -> unsigned(bytes, at + 1);
      case 0x51, 0x54, 0x55 -> bytes[at + 1];
      case 0x60 -> (short) SHORT.get(bytes, at + 1) & 0xffff;
      case 0x61 -> (short) SHORT.get(bytes, at + 1);
      case 0x70 -> int32(bytes, at + 1) & 0xffffffffL;
      case 0x71 -> int32(bytes, at + 1);
      case 0x80, 0x81, 0x83 -> int64(bytes, at + 1);
      default -> throw Malformed.INSTANCE;
    };
  }

  private static int unsigned(byte[] bytes, int at) {
    return bytes[at] & 0xff;
  }

  private static int int32(byte[] bytes, int at) {
    return (int) INT.get(bytes, at);
  }

  private static long int64(byte[] bytes, int at) {
    return (long) LONG.get(bytes, at);
  }

  private static VarHandle view(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.BIG_ENDIAN);
  }
}
