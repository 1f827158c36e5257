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
    byte[] frame = {1, 2, 3};
    Upsert.Serializer serializer = new Upsert.Serializer();
    BufferedRequestState<Upsert> state =
        new BufferedRequestState<>(
            List.of(
                new RequestEntryWrapper<>(new Upsert(frame), frame.length),
                new RequestEntryWrapper<>(new Upsert(new byte[0]), 0)));

    BufferedRequestState<Upsert> restored =
        serializer.deserialize(serializer.getVersion(), serializer.serialize(state));

    assertThat(restored.getBufferedRequestEntries().get(0).getRequestEntry().frame)
        .isEqualTo(frame);
    assertThat(restored.getBufferedRequestEntries().get(1).getRequestEntry().frame).isEmpty();
  }
}
