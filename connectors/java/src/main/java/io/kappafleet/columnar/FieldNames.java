package io.kappafleet.columnar;

import io.kappafleet.columnar.DeclaredFields.Field;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collection;

/**
 * Finds the declared fields of an object by the bytes of their names.
 *
 * <p>Producers write their fields in the same order each time: behind each name stands the one that
 * followed it last time, which is compared first, quotes and colon included.
 */
final class FieldNames {
  /** A declared name. */
  static final class Name {
    /** Null at the start of the object. */
    final Field field;

    /** The name as it is expected: {@code "name":}. */
    private final PlainBytes token;

    private final byte[] bytes;
    private Name next;

    private Name(Field field, byte[] bytes, PlainBytes token) {
      this.field = field;
      this.bytes = bytes;
      this.token = token;
    }
  }

  private final Name start = new Name(null, new byte[0], null);
  private final Name[] table;

  FieldNames(Collection<Field> fields) {
    table = new Name[Integer.highestOneBit(fields.size() * 4) * 2];
    for (Field field : fields) {
      if (!PlainBytes.isPlain(field.name())) {
        continue; // A message that has it is no plain one.
      }
      byte[] bytes = field.name().getBytes(StandardCharsets.US_ASCII);
      int slot = hash(bytes, 0, bytes.length) & table.length - 1;
      while (table[slot] != null) {
        slot = slot + 1 & table.length - 1;
      }
      table[slot] = new Name(field, bytes, new PlainBytes("\"" + field.name() + "\":"));
    }
  }

  /** Stands before the first name of an object. */
  Name start() {
    return start;
  }

  /**
   * The name that followed {@code before} last time if it stands at {@code at} again, else null.
   */
  static Name expected(Name before, byte[] body, int at) {
    Name name = before.next;
    return name != null && name.token.standAt(body, at) ? name : null;
  }

  /** Bytes of an expected name with its quotes and its colon. */
  static int length(Name name) {
    return name.token.length();
  }

  /** The declared name that follows {@code before} this time; null when it is not declared. */
  Name find(Name before, byte[] body, int from, int to) {
    int slot = hash(body, from, to) & table.length - 1;
    for (Name name; (name = table[slot]) != null; slot = slot + 1 & table.length - 1) {
      if (Arrays.equals(name.bytes, 0, name.bytes.length, body, from, to)) {
        before.next = name;
        return name;
      }
    }
    return null;
  }

  private static int hash(byte[] bytes, int from, int to) {
    int hash = 0;
    for (int i = from; i < to; i++) {
      hash = 31 * hash + bytes[i];
    }
    return hash ^ hash >>> 7;
  }
}
