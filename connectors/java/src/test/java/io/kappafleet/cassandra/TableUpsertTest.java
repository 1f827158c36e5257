package io.kappafleet.cassandra;

import static org.assertj.core.api.Assertions.assertThat;

import io.kappafleet.record.TableSpec;
import java.io.IOException;
import java.util.List;
import org.apache.flink.connector.base.sink.writer.BufferedRequestState;
import org.apache.flink.connector.base.sink.writer.RequestEntryWrapper;
import org.junit.jupiter.api.Test;

class TableUpsertTest {
  @Test
  void statementNamesAllColumnsAndTakesTheWriteTimeLast() {
    TableSpec table =
        new TableSpec(
            "trip",
            List.of(new TableSpec.Column("id", "text"), new TableSpec.Column("offset", "bigint")),
            List.of("id"),
            List.of());

    assertThat(TableUpsert.cql("kf", table))
        .isEqualTo(
            "INSERT INTO \"kf\".\"trip\" (\"id\", \"offset\") VALUES (?, ?) USING TIMESTAMP ?");
  }

  @Test
  void bufferedUpsertsSurviveTheStateSerializer() throws IOException {
    UpsertGroup two = new UpsertGroup(new byte[] {1, 2, 3});
    two.add(new byte[] {4});
    UpsertGroup.Serializer serializer = new UpsertGroup.Serializer();
    BufferedRequestState<UpsertGroup> state =
        new BufferedRequestState<>(
            List.of(
                new RequestEntryWrapper<>(two, two.bytes()),
                new RequestEntryWrapper<>(new UpsertGroup(new byte[0]), 0)));

    BufferedRequestState<UpsertGroup> restored =
        serializer.deserialize(serializer.getVersion(), serializer.serialize(state));

    assertThat(restored.getBufferedRequestEntries().get(0).getRequestEntry().frames())
        .containsExactly(new byte[] {1, 2, 3}, new byte[] {4});
    assertThat(restored.getBufferedRequestEntries().get(1).getRequestEntry().frames())
        .containsExactly(new byte[0]);
  }
}
