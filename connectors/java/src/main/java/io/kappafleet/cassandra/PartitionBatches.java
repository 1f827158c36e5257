package io.kappafleet.cassandra;

import com.datastax.oss.driver.api.core.cql.BatchStatementBuilder;
import com.datastax.oss.driver.api.core.cql.BatchType;
import com.datastax.oss.driver.api.core.cql.BoundStatement;
import com.datastax.oss.driver.api.core.cql.Statement;
import io.kappafleet.record.RowFrame;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Puts upserts of one partition into one statement: to Cassandra they are then one write, with one
 * wait for the disk. An unlogged batch within a partition is atomic, and each upsert keeps its own
 * write time, so nothing else changes.
 *
 * <p>Not thread-safe; for the upserts of one request.
 */
final class PartitionBatches {
  /** Cassandra warns of batches beyond 5 KiB of data ({@code batch_size_warn_threshold}). */
  static final int MAX_BYTES = 5_000;

  /** What Cassandra counts of a column beside its value: its write time and times of life. */
  private static final int BYTES_PER_COLUMN = 16;

  private final List<Group> groups = new ArrayList<>();
  private final Map<Partition, Group> open = new HashMap<>();

  /** Adds an upsert to the newest statement of its partition, or begins one. */
  void add(Upsert upsert, BoundStatement statement) {
    int bytes = upsert.frame.length + BYTES_PER_COLUMN * statement.size();
    ByteBuffer key = statement.getRoutingKey();
    Partition partition = key == null ? null : new Partition(RowFrame.table(upsert.frame), key);
    Group group = partition == null ? null : open.get(partition);
    if (group == null || group.bytes + bytes > MAX_BYTES) {
      group = new Group();
      groups.add(group);
      if (partition != null) {
        open.put(partition, group);
      }
    }
    group.upserts.add(upsert);
    group.statements.add(statement);
    group.bytes += bytes;
  }

  /** The statements so far, with the upserts that each holds. */
  List<Group> groups() {
    return groups;
  }

  private record Partition(int table, ByteBuffer key) {}

  /** Upserts of one partition of one table. */
  static final class Group {
    final List<Upsert> upserts = new ArrayList<>(1);
    private final List<BoundStatement> statements = new ArrayList<>(1);
    private int bytes;

    Statement<?> statement() {
      if (statements.size() == 1) {
        return statements.get(0);
      }
      BatchStatementBuilder batch = new BatchStatementBuilder(BatchType.UNLOGGED);
      statements.forEach(batch::addStatement);
      return batch.build();
    }
  }
}
