package io.kappafleet.cassandra;

import com.datastax.oss.driver.api.core.cql.BoundStatement;
import com.datastax.oss.driver.api.core.cql.BoundStatementBuilder;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.stream.Collectors;

/**
 * The prepared upsert of one table, and how a row frame is bound to it: its bytes are Cassandra's
 * wire format already and go out as slices, undecoded.
 */
final class TableUpsert {
  private final TableSpec table;
  private final PreparedStatement statement;
  private final int columns;

  TableUpsert(TableSpec table, PreparedStatement statement) {
    this.table = table;
    this.statement = statement;
    this.columns = table.columns().size();
  }

  /**
   * {@code INSERT … USING TIMESTAMP ?}: an upsert that loses against a newer one whatever order
   * they arrive in. With the keyspace's name in it, so that a server that restarts can prepare it
   * again.
   */
  static String cql(String keyspace, TableSpec table) {
    return "INSERT INTO \"%s\".\"%s\" (%s) VALUES (%s) USING TIMESTAMP ?"
        .formatted(
            keyspace,
            table.name(),
            table.columns().stream()
                .map(column -> '"' + column.name() + '"')
                .collect(Collectors.joining(", ")),
            String.join(", ", Collections.nCopies(table.columns().size(), "?")));
  }

  /**
   * The statement that writes the frame. A column that the frame leaves unset stays unset: a null
   * would be a tombstone.
   *
   * @throws IllegalArgumentException when the frame does not fit the table
   */
  BoundStatement bind(byte[] frame) {
    ByteBuffer values = ByteBuffer.wrap(frame);
    BoundStatementBuilder bound = statement.boundStatementBuilder();
    int at = RowFrame.HEADER_BYTES;
    for (int i = 0; i < columns; i++) {
      int size = at + 4 <= frame.length ? values.getInt(at) : Integer.MIN_VALUE;
      at += 4;
      if (size == RowFrame.NULL) {
        bound.setToNull(i);
      } else if (size >= 0 && size <= frame.length - at) {
        bound.setBytesUnsafe(i, values.slice(at, size));
        at += size;
      } else if (size != RowFrame.UNSET) {
        throw new IllegalArgumentException(
            "a row of table %s does not fit its columns: it ends before column %s does"
                .formatted(table.name(), table.columns().get(i).name()));
      }
    }
    if (at != frame.length) {
      throw new IllegalArgumentException(
          "a row of table %s does not fit its columns: %d bytes follow the last one"
              .formatted(table.name(), frame.length - at));
    }
    bound.setLong(columns, RowFrame.writeTimeMicros(frame));
    return bound.build();
  }
}
