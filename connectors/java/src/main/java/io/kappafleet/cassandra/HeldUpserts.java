package io.kappafleet.cassandra;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.nio.ByteBuffer;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Upserts that wait for others of their partition, so that they go as one statement: to Cassandra
 * that is one write, with one wait for the disk. An unlogged batch within a partition is atomic and
 * each upsert keeps its own write time, so nothing else changes.
 *
 * <p>Not thread-safe.
 */
final class HeldUpserts {
  /** Cassandra warns of batches beyond 5 KiB of data ({@code batch_size_warn_threshold}). */
  static final int MAX_BATCH_BYTES = 5_000;

  /** All that is held; then the oldest group goes. */
  static final int MAX_BYTES = 16 * 1024 * 1024;

  /** What Cassandra counts of a column beside its value: its write time and times of life. */
  private static final int BYTES_PER_COLUMN = 16;

  /** Of each table, up to which column a frame has to be read to have its partition key. */
  private final int[] keyEnds;

  private final boolean[][] isKey;
  private final int[] columnBytes;
  private final Map<Partition, Held> groups = new LinkedHashMap<>();
  private long bytes;

  HeldUpserts(List<TableSpec> tables) {
    keyEnds = new int[tables.size()];
    isKey = new boolean[tables.size()][];
    columnBytes = new int[tables.size()];
    for (int i = 0; i < keyEnds.length; i++) {
      TableSpec table = tables.get(i);
      int columns = table.columns().size();
      isKey[i] = new boolean[columns];
      columnBytes[i] = BYTES_PER_COLUMN * columns;
      for (int c = 0; c < columns; c++) {
        if (table.partitionKey().contains(table.columns().get(c).name())) {
          isKey[i][c] = true;
          keyEnds[i] = c + 1;
        }
      }
    }
  }

  /**
   * Holds an upsert.
   *
   * @return the group that has to go now, or null: its partition's, which has no room for the
   *     upsert, or the oldest, when all are too large
   */
  UpsertGroup add(byte[] frame, long nowMs) {
    int table = RowFrame.table(frame);
    int size = frame.length + columnBytes[table];
    Partition partition = new Partition(table, partitionKey(table, frame));
    Held held = groups.get(partition);
    UpsertGroup full = null;
    if (held != null && held.bytes + size > MAX_BATCH_BYTES) {
      groups.remove(partition);
      full = let(held);
      held = null;
    }
    if (held == null) {
      groups.put(partition, new Held(new UpsertGroup(frame), size, nowMs));
    } else {
      held.group.add(frame);
      held.bytes += size;
    }
    bytes += size;
    return full == null && bytes > MAX_BYTES ? oldest(Long.MAX_VALUE) : full;
  }

  /** Takes the oldest group if it was begun at a moment or before; null if there is none. */
  UpsertGroup oldest(long beganMs) {
    Iterator<Held> all = groups.values().iterator();
    if (!all.hasNext()) {
      return null;
    }
    Held held = all.next();
    if (held.beganMs > beganMs) {
      return null;
    }
    all.remove();
    return let(held);
  }

  boolean isEmpty() {
    return groups.isEmpty();
  }

  private UpsertGroup let(Held held) {
    bytes -= held.bytes;
    return held.group;
  }

  /** The bytes of the partition key's columns, each with its size before it. */
  private ByteBuffer partitionKey(int table, byte[] frame) {
    ByteBuffer values = ByteBuffer.wrap(frame);
    ByteBuffer key = ByteBuffer.allocate(frame.length);
    int at = RowFrame.HEADER_BYTES;
    // A frame that ends early is refused where it is bound.
    for (int c = 0; c < keyEnds[table] && at + 4 <= frame.length; c++) {
      int size = values.getInt(at);
      int end = Math.min(frame.length, at + 4 + Math.max(0, size));
      if (isKey[table][c]) {
        key.put(frame, at, end - at);
      }
      at = end;
    }
    return key.flip();
  }

  private record Partition(int table, ByteBuffer key) {}

  private static final class Held {
    private final UpsertGroup group;
    private final long beganMs;
    private int bytes;

    Held(UpsertGroup group, int bytes, long beganMs) {
      this.group = group;
      this.bytes = bytes;
      this.beganMs = beganMs;
    }
  }
}
