package io.kappafleet.cassandra;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.nio.ByteBuffer;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Upserts that wait for others, so that they go as one statement: those of one partition, which are
 * one write to Cassandra with one wait for the disk, and with them those of other partitions that
 * have the same replicas, which save a request each. Each upsert keeps its own write time and may
 * be repeated, so it does not matter that an unlogged batch is atomic within a partition only.
 *
 * <p>Not thread-safe.
 */
final class HeldUpserts {
  /** Cassandra warns of batches beyond 5 KiB of data ({@code batch_size_warn_threshold}). */
  static final int MAX_BATCH_BYTES = 5_000;

  /** And of more partitions ({@code unlogged_batch_across_partitions_warn_threshold}). */
  static final int MAX_PARTITIONS = 10;

  /** So many groups are looked at for company: with many nodes, most have other replicas. */
  private static final int MAX_LOOKED_AT = 64;

  /** All that is held; then the oldest group goes. */
  static final int MAX_BYTES = 16 * 1024 * 1024;

  /** What Cassandra counts of a column beside its value: its write time and times of life. */
  private static final int BYTES_PER_COLUMN = 16;

  private final List<Keys> keys;
  private final Replicas replicas;
  private final Map<Partition, Held> groups = new LinkedHashMap<>();
  private long bytes;

  /** Which nodes have a partition: two that have the same get equal answers. */
  interface Replicas {
    /**
     * @param routingKey the partition key as Cassandra hashes it
     */
    Object of(ByteBuffer routingKey);
  }

  HeldUpserts(List<TableSpec> tables, Replicas replicas) {
    this.keys = tables.stream().map(Keys::of).toList();
    this.replicas = replicas;
  }

  /**
   * Holds an upsert.
   *
   * @return the group that has to go now, or null: its partition's, which has no room for the
   *     upsert, or the oldest, when all are too large
   */
  UpsertGroup add(byte[] frame, long nowMs) {
    int table = RowFrame.table(frame);
    Keys of = keys.get(table);
    int size = frame.length + of.columnBytes;
    Partition partition = new Partition(table, of.routingKey(frame));
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
    return full == null && bytes > MAX_BYTES ? oldest(Long.MAX_VALUE, Long.MAX_VALUE) : full;
  }

  /**
   * Takes the oldest group if it was begun at a moment or before, and others with it that were
   * begun at another moment or before and have the same replicas, as far as one statement may hold
   * them; null if it is younger or there is none.
   */
  UpsertGroup oldest(long beganMs, long othersBeganMs) {
    Iterator<Map.Entry<Partition, Held>> all = groups.entrySet().iterator();
    if (!all.hasNext()) {
      return null;
    }
    Map.Entry<Partition, Held> first = all.next();
    Held taken = first.getValue();
    if (taken.beganMs > beganMs) {
      return null;
    }
    all.remove();
    UpsertGroup group = let(taken);
    int size = taken.bytes;
    int partitions = 1;
    Object where = null;
    for (int looked = 0;
        looked < MAX_LOOKED_AT && partitions < MAX_PARTITIONS && all.hasNext();
        looked++) {
      Map.Entry<Partition, Held> next = all.next();
      Held other = next.getValue();
      if (other.beganMs > othersBeganMs) {
        break;
      }
      if (size + other.bytes > MAX_BATCH_BYTES) {
        continue;
      }
      if (where == null) {
        where = replicas.of(first.getKey().routingKey);
      }
      if (where.equals(replicas.of(next.getKey().routingKey))) {
        all.remove();
        let(other).frames().forEach(group::add);
        size += other.bytes;
        partitions++;
      }
    }
    return group;
  }

  boolean isEmpty() {
    return groups.isEmpty();
  }

  private UpsertGroup let(Held held) {
    bytes -= held.bytes;
    return held.group;
  }

  private record Partition(int table, ByteBuffer routingKey) {}

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

  /**
   * Where the partition key of a table's frames is.
   *
   * @param places by column its place in the partition key, -1 if it is none of it; up to the last
   *     column that is
   * @param count columns of the partition key
   * @param columnBytes what Cassandra counts of a row beside its values
   */
  private record Keys(int[] places, int count, int columnBytes) {
    static Keys of(TableSpec table) {
      List<String> names = table.columns().stream().map(TableSpec.Column::name).toList();
      List<String> key = table.partitionKey();
      int end = key.stream().mapToInt(names::indexOf).max().orElse(-1) + 1;
      int[] places = names.subList(0, end).stream().mapToInt(key::indexOf).toArray();
      return new Keys(places, key.size(), BYTES_PER_COLUMN * names.size());
    }

    /**
     * A key of one column is its value; one of more is, for each, two bytes of length, the value
     * and a zero byte. Of a frame that ends early, which is refused where it is bound, it is what
     * there is.
     */
    ByteBuffer routingKey(byte[] frame) {
      ByteBuffer values = ByteBuffer.wrap(frame);
      int[] begins = new int[count];
      int[] sizes = new int[count];
      int at = RowFrame.HEADER_BYTES;
      int total = 0;
      for (int c = 0; c < places.length && at + 4 <= frame.length; c++) {
        int begin = at + 4;
        at = Math.min(frame.length, begin + Math.max(0, values.getInt(at)));
        if (places[c] >= 0) {
          begins[places[c]] = begin;
          sizes[places[c]] = at - begin;
          total += at - begin;
        }
      }
      if (count == 1) {
        return values.slice(begins[0], sizes[0]);
      }
      ByteBuffer key = ByteBuffer.allocate(total + 3 * count);
      for (int k = 0; k < count; k++) {
        key.putShort((short) sizes[k]).put(frame, begins[k], sizes[k]).put((byte) 0);
      }
      return key.flip();
    }
  }
}
