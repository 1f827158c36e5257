package io.kappafleet.results;

import io.kappafleet.record.FrameToJson;
import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Makes messages of one table's row frames.
 *
 * <p>The message id is {@code <table>/<key>/<key>…@<write time>-<columns>}: the values of the
 * primary key, then the write time in microseconds, which grows with a row's content, then which
 * columns the change sets, as hexadecimal bits, because two functions may write different columns
 * of a row. A dot, star, hash or percent sign in a word of the routing key, and a slash, at sign or
 * percent sign in a key's value, stand as %XX. What would not fit into AMQP's 255 bytes is replaced
 * by its SHA-256.
 *
 * <p>Not thread-safe.
 */
final class ResultEncoder {
  /** Stands where a row has no fleet or area. */
  static final String NONE = "none";

  private static final int MAX_BYTES = 255;
  private static final String ROUTING_SIGNS = ".*#%";
  private static final String KEY_SIGNS = "/@%";

  private final TableSpec table;
  private final FrameToJson json;
  private final int group;
  private final int id;
  private final int[] key;
  private final int[] starts;

  /**
   * @throws IllegalArgumentException when the table lacks a column of the route
   */
  ResultEncoder(TableSpec table, ResultRoute route) {
    this.table = table;
    this.json = FrameToJson.changes(table);
    this.group = route.group().isEmpty() ? -1 : column(route.group());
    this.id = column(route.id());
    List<String> names = new ArrayList<>(table.partitionKey());
    names.addAll(table.clusteringKey());
    this.key = names.stream().mapToInt(this::column).toArray();
    this.starts = new int[table.columns().size()];
  }

  /**
   * @throws IOException when the frame does not fit the table
   */
  ResultMessage encode(byte[] frame) throws IOException {
    byte[] body = json.object(frame); // it checks the frame's layout
    ByteBuffer values = ByteBuffer.wrap(frame);
    long set = locate(values);
    StringBuilder row = new StringBuilder(96).append(table.name());
    for (int column : key) {
      row.append('/');
      append(row, frame, values, column, KEY_SIGNS);
    }
    long writeTime = RowFrame.writeTimeMicros(frame);
    String version = "@" + writeTime + "-" + Long.toHexString(set);
    return new ResultMessage(
        routingKey(frame, values),
        shortened(row.toString(), table.name() + "/", MAX_BYTES - version.length()) + version,
        table.name(),
        writeTime,
        body);
  }

  /** Finds where each column's value is. */
  private long locate(ByteBuffer values) {
    long set = 0;
    int at = RowFrame.HEADER_BYTES;
    for (int i = 0; i < starts.length; i++) {
      starts[i] = at;
      int size = values.getInt(at);
      at += 4 + Math.max(0, size);
      if (size != RowFrame.UNSET) {
        set ^= 1L << i; // modulo 64
      }
    }
    return set;
  }

  private String routingKey(byte[] frame, ByteBuffer values) {
    int room = (MAX_BYTES - table.name().length() - 2) / 2;
    return table.name()
        + '.'
        + (group < 0 ? NONE : word(frame, values, group, room))
        + '.'
        + word(frame, values, id, room);
  }

  private String word(byte[] frame, ByteBuffer values, int column, int room) {
    StringBuilder word = new StringBuilder(32);
    append(word, frame, values, column, ROUTING_SIGNS);
    return word.isEmpty() ? NONE : shortened(word.toString(), "", room);
  }

  /** Appends a column's value as text; nothing if it has none. */
  private void append(
      StringBuilder out, byte[] frame, ByteBuffer values, int column, String signs) {
    int size = values.getInt(starts[column]);
    if (size <= 0) {
      return;
    }
    int at = starts[column] + 4;
    switch (table.columns().get(column).type()) {
      case "text" -> quote(out, new String(frame, at, size, StandardCharsets.UTF_8), signs);
      case "bigint", "timestamp" -> out.append(values.getLong(at));
      case "int" -> out.append(values.getInt(at));
      case "boolean" -> out.append(frame[at] != 0);
      default -> out.append(HexFormat.of().formatHex(frame, at, at + size));
    }
  }

  private static void quote(StringBuilder out, String text, String signs) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c > ' ' && signs.indexOf(c) < 0) {
        out.append(c);
      } else {
        out.append('%').append(HexFormat.of().withUpperCase().toHexDigits((byte) c));
      }
    }
  }

  private static String shortened(String text, String prefix, int room) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    if (bytes.length <= room) {
      return text;
    }
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(bytes);
      return prefix + "sha256-" + HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java runtime has SHA-256", e);
    }
  }

  private int column(String name) {
    for (int i = 0; i < table.columns().size(); i++) {
      if (table.columns().get(i).name().equals(name)) {
        return i;
      }
    }
    throw new IllegalArgumentException("table %s has no column %s".formatted(table.name(), name));
  }
}
